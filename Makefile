# `make demo` and `make test` are the README's two commands; each makes .venv where there is none.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTHAE ?= $(BIN)/python  # of `make baselines`: an interpreter that has pythae; without one, its rows say so
MACHINES ?=  # of `make machines`: some of aarch64 armhf i386 riscv64 s390x, or all
PYTHONS ?= $(PYTHON)  # of `make golden`: "python3.11 python3.12 python3.13", as far as they are there
MUTANTS ?= 240
SEED ?= 1  # of `make mutants`
FUZZ_SECONDS ?= 600  # a reader, of which there are eight
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

TEST_IMAGES = $(VAE_EDGE_DATA)/t10k-images-idx3-ubyte.gz

.PHONY: demo test coverage mutants soak golden fuzz lint wheel clean pictures baselines speed docs linkcheck notebook openvino machines arm newest

demo: $(VENV)/edge.stamp  ## 64 new digits from the bundle that ships, with NumPy and ONNX Runtime alone
	$(BIN)/vae-edge generate --n 64 --head mean --seed 0 --out demo.png

test: $(VENV)/all.stamp  ## every test, in as many processes as there are CPUs
	$(BIN)/python -m pytest --numprocesses logical --dist loadfile

coverage: $(VENV)/all.stamp  ## which branches the tests take, a report a room: at least 95 % of runtime and export, 90 % of cli
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses logical --dist loadfile
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include 'runtime/*' --fail-under 95
	$(BIN)/coverage report --include 'export/*' --fail-under 95
	$(BIN)/coverage report --include 'cli/*' --fail-under 90

mutants: $(VENV)/all.stamp  ## $(MUTANTS) small changes of runtime/, of seed $(SEED): which of them no test notices, into tests/mutants/README.md
	$(BIN)/python -m tests.mutants --n $(MUTANTS) --seed $(SEED) --publish

soak: $(VENV)/all.stamp golden  ## every promise of docs/promises.md at its full size: hours
	VAE_EDGE_SOAK=1 $(BIN)/python -m pytest --durations=0 tests/soak

machines: $(VENV)/all.stamp  ## noise on other processors, and digits on aarch64, by qemu; apt-get install debootstrap qemu-user-static first
	$(BIN)/python -m tests.machines $(MACHINES)

arm: $(VENV)/all.stamp  ## the same for aarch64, with the runtime's tests: an hour
	$(BIN)/python -m tests.machines aarch64 --tests

golden: $(VENV)/all.stamp  ## the hashes of noise, by each NumPy on each of $(PYTHONS)
	$(BIN)/python tests/soak/matrix.py $(PYTHONS)

baselines: $(VENV)/all.stamp  ## networks that others publish beside ours, into benchmarks/quality: hours
	$(BIN)/python -m benchmarks.quality --pythae $(PYTHAE) --publish

speed: $(VENV)/all.stamp  ## the runtime beside its peers, into benchmarks/speed: 5 GB, hours; INT8=BUNDLE times one beside mnist, which it was made of
	$(BIN)/python benchmarks/speed/run.py setup
	$(BIN)/python benchmarks/speed/run.py run --out benchmarks/speed/results.json $(if $(INT8),--int8 $(INT8))
	$(BIN)/python benchmarks/speed/run.py table benchmarks/speed/results.json > benchmarks/speed/results.md

fuzz: $(VENV)/all.stamp  ## each reader of foreign bytes for $(FUZZ_SECONDS); what is found lies in out/fuzz
	$(PIP) atheris
	$(BIN)/python tests/fuzz/fuzz.py all $(FUZZ_SECONDS) out/fuzz

newest:  ## the light tests with the newest ONNX Runtime, NumPy and Typer, in an environment of their own
	rm -rf out/newest
	$(PYTHON) -m venv out/newest
	out/newest/bin/python -m pip --disable-pip-version-check install --quiet '.[cpu,cli,test]' onnx
	out/newest/bin/python -m pip --disable-pip-version-check list | grep -i -E '^(onnxruntime|numpy|typer|pillow|onnx) '
	out/newest/bin/python -m pytest --numprocesses logical --dist loadfile tests/runtime tests/pictures tests/cli

openvino: $(VENV)/openvino  ## a second provider (84 MB) in a folder of its own, for tests/runtime/test_second_provider.py

$(VENV)/openvino: $(VENV)/all.stamp constraints.txt
	rm -rf $@
	$(PIP) --no-deps --target $@ onnxruntime-openvino
	touch $@

lint: $(VENV)/all.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/actionlint .github/workflows/*.yml

wheel: $(VENV)/all.stamp
	$(BIN)/python -m build --wheel

docs: $(VENV)/all.stamp  ## the documentation as a site: out/site/index.html; a warning or a dead link is an error
	$(BIN)/python -m sphinx -E -W --keep-going -q -b html docs out/site

linkcheck: $(VENV)/all.stamp  ## the documentation's links to other sites, over the network
	$(BIN)/python -m sphinx -W --keep-going -b linkcheck docs out/linkcheck

notebook: $(VENV)/all.stamp  ## runs examples/tour.ipynb and keeps its pictures
	$(BIN)/python examples/run_notebook.py

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/edge.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[cpu,cli]'
	touch $@

$(VENV)/all.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[cpu,cli,train,ray,test,docs,dev]'
	touch $@ $(VENV)/edge.stamp

pictures: $(VENV)/edge.stamp  ## the README's; MNIST's test images lie in $VAE_EDGE_DATA
	$(BIN)/vae-edge generate --n 16 --head all --seed 1 --columns 16 --scale 2 --out docs/generated.png
	$(BIN)/vae-edge reconstruct $(TEST_IMAGES) --limit 16 --head all --columns 16 --scale 2 --out docs/reconstructed.png
	$(BIN)/vae-edge interpolate $(TEST_IMAGES):0 $(TEST_IMAGES):4 --steps 16 --columns 16 --scale 2 --out docs/interpolated.png
