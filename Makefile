# `make demo` and `make test` are the README's two commands; each makes .venv where there is none.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test lint wheel clean

demo: $(VENV)/edge.stamp  ## 64 new digits from the bundle that ships, with NumPy and ONNX Runtime alone
	$(BIN)/vae-edge generate --n 64 --head mean --seed 0 --out demo.png

test: $(VENV)/all.stamp  ## every test
	$(BIN)/python -m pytest

lint: $(VENV)/all.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(VENV)/all.stamp
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/edge.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[cpu,cli]'
	touch $@

$(VENV)/all.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[cpu,cli,train,test,dev]'
	touch $@ $(VENV)/edge.stamp
