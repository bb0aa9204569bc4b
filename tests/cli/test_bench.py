"""`bench` by counts and structure: what it times on a busy machine no test can know."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from vae_edge.cli.reports.measure import LEAST, MOST, Products, in_turn, percentile, starts
from vae_edge.cli.verbs import bench as verb
from vae_edge.runtime import HEADS, VAE
from vae_edge.runtime.bundle.manifest import Spec
from vae_edge.runtime.session import Session

WORK = ["bare session", "decode", *(f"generate, {head}" for head in HEADS), "reconstruct"]


class Clock:
    """Time that passes only when something is called."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def call(self, seconds: float):
        def work() -> None:
            self.now += seconds

        return work


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(verb, "SIZES", (1, 8, 600))
    monkeypatch.setattr(verb, "ROUNDS", 1)


def test_calls_are_timed_in_turn_until_the_time_is_over():
    clock = Clock()
    taken = in_turn({"a": clock.call(1), "b": clock.call(3)}, 100, clock)
    assert taken == {"a": [1.0] * 25, "b": [3.0] * 25}  # 4 a round, the first of which is not counted


def test_there_are_a_few_rounds_without_any_time_and_an_end_with_no_end_of_it():
    clock = Clock()
    assert len(in_turn({"slow": clock.call(1000)}, 0, clock)["slow"]) == LEAST
    assert len(in_turn({"nothing": clock.call(0)}, 1, clock)["nothing"]) == MOST


def test_rounds_have_orders_of_their_own():
    order = []
    in_turn({name: lambda name=name: order.append(name) for name in "abc"}, 0)
    rounds = ["".join(order[at : at + 3]) for at in range(0, len(order), 3)]
    assert all(sorted(each) == list("abc") for each in rounds)
    assert len(set(rounds)) > 1


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (1, 1), (50, 5), (90, 9), (99, 10), (100, 10)])
def test_percentiles_are_values_that_came(percent, expected):
    assert percentile([10, 3, 1, 2, 4, 5, 9, 8, 7, 6], percent) == expected
    assert percentile([4.5], percent) == 4.5


def test_products_are_computed_elsewhere_with_as_many_threads_and_end():
    with Products(2) as product:
        product()
        product()
        process = product._process
        if sys.platform == "linux":
            assert "OPENBLAS_NUM_THREADS=2\0" in Path(f"/proc/{process.pid}/environ").read_text()
    assert process.returncode == 0


def test_starts_are_counted_after_one_that_compiles(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "module.py").write_text("big = bytearray(30 << 20)\n")
    code = "import sys; open(sys.argv[1], 'a').write(str(sys.dont_write_bytecode) + ' ')\n"
    steps = []
    found = starts(
        {
            "small": [code, str(tmp_path / "small")],
            "big": [code + f"sys.path.insert(0, {str(tmp_path)!r}); import module\n", str(tmp_path / "big")],
        },
        2,
        lambda: steps.append(1),
    )
    assert (tmp_path / "small").read_text() == (tmp_path / "big").read_text() == "False " * 3
    assert len(steps) == 6
    assert not (tmp_path / "__pycache__").exists()
    if os.name == "posix":
        assert 20 << 20 < found["big"].peak_bytes - found["small"].peak_bytes < 40 << 20
    assert found["big"].seconds > 0


def test_its_document_holds_every_figure(vae_edge, quick, tiny):
    result = vae_edge("bench", tiny, "--seconds", "0", "--threads", "1", "--json")
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert (said["bundle"], said["provider"], said["threads"]) == ("tiny", "CPUExecutionProvider", 1)
    assert [(row["n"], row["what"]) for row in said["rows"]] == [(n, what) for n in (1, 8, 600) for what in WORK]
    for row in said["rows"]:
        assert row["rounds"] == LEAST
        assert 0 < row["p50"] <= row["p90"] <= row["p99"]
        assert row["images_per_second"] == pytest.approx(row["n"] / row["p50"])
        assert ("share_of_sgemm" in row) == (row["what"] in ("bare session", "decode"))
    bare = {row["n"]: row["p50"] for row in said["rows"] if row["what"] == "bare session"}
    for row in said["rows"]:
        assert row["over_bare"] == pytest.approx(row["p50"] / bare[row["n"]])
        assert row["extra_seconds"] == pytest.approx(row["p50"] - bare[row["n"]])
    assert said["sgemm_multiply_adds_per_second"] > 0
    assert set(said["start"]) == {"imports alone", "64 images"}
    assert set(said["machine"]) == {"processor", "system", "python", "numpy", "onnxruntime"}


def test_its_table_has_a_line_for_each(vae_edge, quick, tiny):
    lines = vae_edge("bench", tiny, "--seconds", "0").stdout.splitlines()
    assert lines[0].startswith("tiny on CPUExecutionProvider, ")
    assert "72 multiply-adds an image" in lines[1]
    for what in WORK:
        assert sum(f" {what} " in line for line in lines) == 3
    assert sum(line.endswith("%") for line in lines) == 6
    assert "x the time" in lines[-1]
    assert all(len(line) <= 120 for line in lines)


def test_the_bare_session_runs_under_the_same_options(vae_edge, quick, tiny, built, monkeypatch):
    monkeypatch.setattr(verb, "SIZES", (1,))
    options = ["--provider", "cpu", "--provider-option", "use_arena=0", "--threads", 1]
    assert vae_edge("bench", tiny, "--seconds", "0", *options).exit_code == 0
    assert [each for each in built if each[0] == "decoder"] == 2 * [("decoder", {"use_arena": "0"}, 1)]


def test_a_machine_too_busy_to_measure_is_said(vae_edge, quick, tiny, monkeypatch):
    monkeypatch.setattr(Products, "multiply_adds", 1e15)  # as if a product took no time
    assert "other things" not in vae_edge("bench", tiny, "--seconds", "0").stdout
    monkeypatch.setattr(Products, "multiply_adds", 1)
    assert "other things" in vae_edge("bench", tiny, "--seconds", "0").stdout


def test_an_autoencoder_only_reconstructs(make_bundle, vae_edge, quick):
    bundle = make_bundle(folder="autoencoder", prior=Spec("none", (3,)))
    said = json.loads(vae_edge("bench", bundle, "--seconds", "0", "--json").stdout)
    assert [row["what"] for row in said["rows"]] == ["bare session", "decode", "reconstruct"] * 3


@pytest.mark.parametrize("n", [1, 255, 256, 257, 1000])
def test_each_call_is_about_as_many_images_as_it_says(tiny, n, monkeypatch):
    vae, decoded, inner = VAE.load(tiny), [], Session.run
    bare = []

    class Counting:
        def run(self, outputs, feeds):
            bare.append(len(feeds["z"]))

    def counting(self, batch, condition=None):
        decoded.append(len(batch))
        return inner(self, batch, condition)

    vae.model.encoder.run = lambda x, condition=None: [
        np.zeros((len(x), 3), np.float32),
        np.ones((len(x), 3), np.float32),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(Session, "_build", lambda self, provider: Counting())
        calls = verb._calls(vae, n, {})
    monkeypatch.setattr(Session, "run", counting)
    for name, call in calls.items():
        bare.clear(), decoded.clear()
        call()
        assert (sum(bare), sum(decoded)) == ((n, 0) if name == verb.BARE else (0, n)), name
    calls[verb.BARE]()
    assert len(bare) == -(-n // 256)


def test_a_provider_that_is_not_there_is_an_error(vae_edge, tiny):
    assert vae_edge("bench", tiny, "--provider", "qnn").exit_code == 1
    assert vae_edge("bench", tiny, "--seconds", "-1").exit_code == 2
