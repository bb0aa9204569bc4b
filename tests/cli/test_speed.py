"""The benchmark's own promises: who disagrees is not ranked, who is missing is named, figures are computed.

No peer's library is needed: workers here are processes of this Python that speak the workers' protocol.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"
sys.path.append(str(SPEED))  # its modules are scripts' neighbours, no package
agreement, environments, processes, roster, rounds, session, tables, workers = map(
    importlib.import_module,
    ("agreement", "environments", "processes", "roster", "rounds", "session", "tables", "workers"),
)

PEER = """
import os, sys, time
sys.path.insert(0, {peers!r})
import protocol
class Peer:
    batches_itself = False
    packages = ("numpy",)
    def __init__(self, exchange, threads, word="plain"):
        print("a library's banner")
        self.word = word
    def function(self, model, work, head, n):
        if self.word == "dies":
            print("the last words", file=sys.stderr)
            os._exit(3)
        if self.word == "hangs":
            time.sleep(60)
        if head == "none":
            raise ValueError("no such head,\\nnor any")
        def double(z):
            assert len(z) <= 512 and (n <= 512 or len(z) == 500)
            os.write(1, b"noise")
            return 2 * z
        return double
protocol.serve(Peer)
"""


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(0, 3, (64, 28, 28, 1)).astype(np.float32)


@pytest.fixture
def exchange(tmp_path):
    folder = tmp_path / "exchange"
    for model in roster.MODELS:
        (folder / model).mkdir(parents=True)
        (folder / model / "model.json").write_text(json.dumps({"kind": "residual", "latent": 2}))
        np.save(folder / model / "z.npy", np.ones((1000, 28, 28, 1), np.float32))
    return folder


@pytest.fixture
def worker(tmp_path, exchange):
    made = []

    def make(*arguments, timeout=60):
        script = tmp_path / "peer.py"
        script.write_text(textwrap.dedent(PEER.format(peers=str(SPEED / "peers"))))
        command = [sys.executable, str(script), "--exchange", str(exchange), "--threads", "1", "--", *arguments]
        made.append(workers.Worker(command, tmp_path / "log", timeout))
        return made[-1]

    yield make
    for each in made:
        each.close()


def sigmoid(x):
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32)


def draws(logits, seed=1):
    return (np.random.default_rng(seed).random(logits.shape) < sigmoid(logits)).astype(np.float32)


RIGHT = {
    "logits": lambda x: x + np.float32(5e-5),
    "mean": sigmoid,
    "mode": lambda x: (x >= 0).astype(np.float32),
    "sample": draws,
}


@pytest.mark.parametrize("what", RIGHT)
def test_a_right_output_agrees(what, logits):
    verdict = agreement.judge(what, RIGHT[what](logits), logits)
    assert (verdict.agrees, verdict.reason) == (True, "")
    assert math.isfinite(verdict.difference)


def flipped(x):
    image = (x >= 0).astype(np.float32)
    image[5, 3, 3, 0] = 1 - image[5, 3, 3, 0]
    return image


def one_off(x):
    return x + np.float32(3e-4) * (np.arange(x.size).reshape(x.shape) == 1234)


WRONG = [
    ("logits", one_off),
    ("logits", lambda x: x[::-1]),
    ("logits", lambda x: np.where(x > 8, np.nan, x)),
    ("logits", lambda x: x.astype(np.float64)),
    ("logits", lambda x: x[:, :, :, 0]),
    ("logits", lambda x: x[:-1]),
    ("mean", lambda x: sigmoid(x) + np.float32(2e-4)),
    ("mean", RIGHT["mode"]),
    ("mode", flipped),
    ("mode", sigmoid),
    ("sample", sigmoid),
    ("sample", RIGHT["mode"]),
    ("sample", lambda x: draws(-x)),
    ("sample", lambda x: draws(x + 1)),
    ("sample", lambda x: draws(x)[::-1]),
]


@pytest.mark.parametrize(("what", "made"), WRONG)
def test_a_wrong_output_is_refused_with_a_reason(what, made, logits):
    verdict = agreement.judge(what, made(logits), logits)
    assert not verdict.agrees
    assert verdict.reason


def test_a_mode_may_fall_either_way_where_the_logit_is_within_the_tolerance(logits):
    logits[0, 0, 0, 0] = 5e-5
    image = (logits >= 0).astype(np.float32)
    image[0, 0, 0, 0] = 0
    assert agreement.judge("mode", image, logits).agrees
    image[0, 0, 0, 0] = 0.5
    assert not agreement.judge("mode", image, logits).agrees


@pytest.mark.parametrize(("loss", "agrees"), [(310.0, True), (544.0, False), (math.nan, False)])
def test_what_does_not_learn_is_no_training(loss, agrees):
    assert agreement.judge_training(np.array([loss], np.float32)).agrees is agrees


def test_medians_and_quartiles_are_those_of_the_rounds():
    assert rounds.ratios([2.0, 9.0, 4.0], [1.0, 3.0, 8.0]) == [2.0, 3.0, 0.5]
    assert rounds.spread([5.0, 1.0, 2.0, 4.0, 3.0]) == {"median": 3.0, "q1": 2.0, "q3": 4.0}
    assert rounds.spread([7.0]) == {"median": 7.0, "q1": 7.0, "q3": 7.0}
    with pytest.raises(ValueError):
        rounds.ratios([1.0, 2.0], [1.0])


class Scripted:
    """A worker that takes the seconds it was told to, round by round."""

    def __init__(self, log, name, *seconds):
        self.log, self.name, self.seconds = log, name, list(seconds)

    def ask(self, do, **more):
        self.log.append((self.name, more["model"]))
        taken = self.seconds.pop(0)
        if taken is None:
            raise workers.WorkerError("out of memory")
        return {"seconds": [taken, taken, 100 * taken]}


def measured(check=lambda group, entry: "", **scripts):
    log = []
    crew = {name: Scripted(log, name, *seconds) for name, seconds in scripts.items()}
    group, entries = rounds.Group("pixels", "mean", 64), [(name, "mnist") for name in scripts]
    return {cell.peer: cell for cell in rounds.measure(group, entries, crew, check, 3, 0.0)}, log


def test_each_round_measures_each_side_once_in_an_order_of_its_own():
    cells, log = measured(**dict.fromkeys("abcdef", (1.0, 2.0, 4.0)))
    assert all(cell.rounds == [1.0, 2.0, 4.0] for cell in cells.values())
    turns = [[name for name, _ in log[at : at + 6]] for at in (0, 6, 12)]
    assert all(sorted(turn) == list("abcdef") for turn in turns)
    assert len({tuple(turn) for turn in turns}) > 1


def test_who_disagrees_is_never_timed():
    cells, log = measured(
        lambda group, entry: "disagrees: by 0.1" if entry[0] == "b" else "", a=(1.0, 1.0, 1.0), b=(1.0, 1.0, 1.0)
    )
    assert (cells["b"].rounds, cells["b"].reason) == ([], "disagrees: by 0.1")
    assert {name for name, _ in log} == {"a"}


def test_who_fails_in_a_round_has_no_figure():
    cells, _ = measured(a=(1.0, 1.0, 1.0), b=(1.0, None))
    assert (cells["b"].rounds, cells["b"].reason) == ([], "fails: out of memory")
    assert cells["a"].rounds == [1.0, 1.0, 1.0]


def test_a_worker_answers_in_chunks_and_is_stopped_between(worker, tmp_path):
    each = worker()
    stat = Path(f"/proc/{each._process.pid}/stat")
    assert each.ask("hello")["versions"] == {"numpy": np.__version__}
    assert stat.read_text().rsplit(")", 1)[1].split()[0] in "tT"
    request = {"model": "mnist", "work": "pixels", "head": "mean", "n": 1000}
    each.ask("compute", **request, to=str(tmp_path / "out.npy"))
    assert np.array_equal(np.load(tmp_path / "out.npy"), np.full((1000, 28, 28, 1), 2, np.float32))
    taken = each.ask("measure", **request, seconds=0)["seconds"]
    assert len(taken) == 1
    assert taken[0] > 0
    with pytest.raises(workers.WorkerError, match="ValueError: no such head, nor any"):
        each.ask("measure", **(request | {"head": "none"}), seconds=0)
    assert each.ask("measure", **(request | {"n": 8}), seconds=0.01)["seconds"]  # it goes on after an error
    with pytest.raises(workers.WorkerError, match="holds 1000 of 1001"):
        each.ask("measure", **(request | {"n": 1001}), seconds=0)


@pytest.mark.parametrize(("word", "said"), [("dies", "ended with 3: the last words"), ("hangs", "no answer within 1")])
def test_a_worker_that_ends_or_hangs_says_so(word, said, worker):
    each = worker(word, timeout=1 if word == "hangs" else 60)
    with pytest.raises(workers.WorkerError, match=said):
        each.ask("compute", model="mnist", work="pixels", head="mean", n=1, to="")


def test_no_variable_pins_a_librarys_kernels_and_all_get_as_many_threads():
    inherited = {"PATH": "/bin", "OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "7", "TF_ENABLE_ONEDNN_OPTS": "0"}
    clean = workers.clean_environment(inherited, 2, Path("compiled"))
    assert clean["PATH"] == "/bin"
    assert not {"OPENBLAS_CORETYPE", "TF_ENABLE_ONEDNN_OPTS"} & clean.keys()
    assert {clean[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")} == {"2"}


def test_each_peer_has_its_script_and_its_environment_pinned_requirements():
    for peer in roster.PEERS:
        assert (SPEED / "peers" / peer.script).is_file()
    for environment in roster.ENVIRONMENTS:
        lines = (SPEED / "requirements" / f"{environment}.txt").read_text().splitlines()
        wanted = [line for line in lines if line and not line.startswith("#")]
        assert all("==" in line or line.startswith("--") for line in wanted)
        assert any("==" in line for line in wanted) or "--constraint ../../../constraints.txt" in wanted
        assert not any("://" in line for line in lines)


def plan(tmp_path, exchange, **changes):
    fields = {
        "envs": tmp_path / "envs", "exchange": exchange, "models": ("tutorial", "mnist"), "sizes": (1, 64),
        "peers": roster.PEERS, "parts": ("peers", "training"), "threads": 1, "rounds": 2, "seconds": 0.0,
        "stream": 100, "quick": True, "int8": (), "float32": ("mnist",),
    }  # fmt: skip
    return session.Plan(**(fields | changes))


def test_peers_that_are_not_there_are_named_with_the_reason(tmp_path, exchange):
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "torch.failed").write_text("ERROR: No matching distribution found for torch\n")
    results = session.run(plan(tmp_path, exchange), tmp_path / "speed.json")
    assert results["peers"].keys() == {peer.name for peer in roster.PEERS}
    assert {found["status"] for found in results["peers"].values()} == {"missing"}
    assert results["peers"]["torch"]["reason"].endswith("No matching distribution found for torch")
    assert results["peers"]["litert"]["reason"] == "not set up: run.py setup --only litert"
    assert {target["met"] for target in results["targets"]} == {None}
    assert all(target["got"].startswith("not measured: ") for target in results["targets"])
    text = tables.full(json.loads((tmp_path / "speed.json").read_text()))
    for peer in roster.PEERS:
        assert f"| {peer.what} |" in text
    assert "met" not in [column.strip() for column in text.split("|")]


def stand_in(envs, environment):
    """An environment that is this Python's."""
    python = environments.python(envs, environment)
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (envs / f"{environment}.ready").touch()


def test_a_peer_whose_environment_is_broken_is_named_with_the_reason(tmp_path, exchange):
    stand_in(tmp_path / "envs", "litert")  # which has no LiteRT
    results = session.run(plan(tmp_path, exchange, peers=roster.named(["litert"])), tmp_path / "speed.json")
    said = results["peers"]["litert"]
    assert said["status"] == "does not work"
    assert "ai-edge-litert" in said["reason"]
    assert results["peers"]["vae-edge"]["status"] == "missing"


def test_processes_tell_their_time_and_their_peak(tmp_path, tiny):
    stand_in(tmp_path, "vae-edge")
    found = processes.streams(tmp_path, str(tiny), 1, (600, 64))
    assert list(found) == ["64", "600"]
    assert all(row["seconds"] > 0 and row["peak_bytes"] > 1 << 20 for row in found.values())
    assert found["64"]["peak_bytes"] <= found["600"]["peak_bytes"]


def test_an_int8_bundle_is_timed_beside_its_float32_one(tiny):
    script = [sys.executable, str(SPEED / "peers" / "int8.py"), str(tiny), str(tiny), "1", "0"]
    found = session._json_of(script)
    assert found["bytes"]["int8"] == found["bytes"]["float32"] > 0
    assert found["seconds"].keys() == {"64", "512", "10000"}
    assert all(pair.keys() == {"float32", "int8"} for pair in found["seconds"].values())
    assert "missing" in session._json_of([*script[:3], "missing", "1", "0"])["reason"]


def test_names_of_no_peer_are_an_error():
    with pytest.raises(ValueError, match="not tensorfow"):
        roster.named(["tensorfow"])
    assert [peer.name for peer in roster.named(["litert"])] == ["vae-edge", "litert"]
