"""The benchmark's own promises: who disagrees is not ranked, who is missing is named, figures are computed.

No peer's library is needed: workers here are processes of this Python that speak the workers' protocol.
"""

from __future__ import annotations

import copy
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
agreement, environments, processes, roster, rounds, session, tables, targets, workers = map(
    importlib.import_module,
    ("agreement", "environments", "processes", "roster", "rounds", "session", "tables", "targets", "workers"),
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
        "stream": 100, "quick": True, "int8": None, "float32": "mnist",
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
    found = processes.streams(tmp_path, str(tiny), (64, 600))
    assert list(found) == ["64", "600"]
    assert all(row["seconds"] > 0 and row["peak_bytes"] > 1 << 20 for row in found.values())


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


def cell(work, head, n, peer, model, seconds, ours=1.0, reason=""):
    times = [seconds, 2 * seconds, 3 * seconds]
    group = rounds.Group(work, head, n)
    given = rounds.Cell(peer, model, [] if reason else times, reason)
    return session._told(group, given, rounds.Cell("vae-edge", model, [ours, 2 * ours, 3 * ours]))


@pytest.fixture
def results():
    cells = []
    for head in roster.HEADS:
        cells += [
            cell("pixels", head, 64, "vae-edge", "tutorial", 2e-3, 2e-3),
            cell("pixels", head, 64, "onnxruntime", "tutorial", 4e-3, 2e-3),
            cell("pixels", head, 64, "tensorflow", "tutorial", 12e-3, 2e-3),
            cell("pixels", head, 64, "openvino", "tutorial", 1e-3, 2e-3, "disagrees: by 0.1"),
            cell("pixels", head, 64, "vae-edge", "mnist", 1e-3, 1e-3),
        ]
    cells += [
        cell("train", "", 9984, "train-vae-edge", "mnist", 1.0),
        cell("train", "", 9984, "train-keras", "mnist", 1.6),
        cell("train", "", 9984, "train-torch", "mnist", 0.9),
    ]
    bench = [
        {"n": n, "what": "decoder alone", "p50": 1e-3, "over_bare": 1.0, "extra_seconds": 0.0, "share_of_sgemm": share}
        for n, share in ((1, 0.41), (64, 0.74), (512, 0.95))
    ] + [
        {"n": n, "what": f"generate, {head}", "p50": 1e-3, "over_bare": 1.09, "extra_seconds": 18e-6}
        for n in (1, 64, 512)
        for head in roster.HEADS
    ]
    document = {
        "quick": False,
        "machine": {"processor": "one", "cpus": 2, "memory": "8 GiB", "system": "L", "python": "3.11.0", "load": 0.1},
        "settings": {
            "threads": 2, "rounds": 3, "seconds": 0.2, "sizes": [64], "models": ["tutorial", "mnist"], "chunk": 500,
        },
        "models": {},
        "peers": {
            "vae-edge": {"status": "agrees", "versions": {"numpy": "2"}, "logits_difference": 3e-6},
            "onnxruntime": {"status": "agrees"},
            "tensorflow": {"status": "agrees"},
            "openvino": {"status": "disagrees", "reason": "disagrees: by 0.1", "logits_difference": 0.1},
            "torch": {"status": "missing", "reason": "not set up: a | b"},
        },
        "cells": cells,
        "bench": {"bundle": "mnist", "rows": bench},
        "processes": {
            "import numpy, onnxruntime": {"seconds": 0.1, "peak_bytes": 100},
            "vae-edge": {"seconds": 0.12, "peak_bytes": 131},
            "vae-edge generate --n 64": {"seconds": 0.15, "peak_bytes": 140},
        },
        "streams": {"10000": {"seconds": 1.0, "peak_bytes": 1000}, "10000000": {"seconds": 9.0, "peak_bytes": 1010}},
        "int8": {"bytes": {"float32": 300, "int8": 101}, "seconds": {"64": {"float32": 2.0, "int8": 1.0}}},
    }  # fmt: skip
    document["targets"] = [vars(target) for target in targets.all_targets(document)]
    return json.loads(json.dumps(document))


def test_targets_are_computed(results):
    found = [(target["got"], target["met"]) for target in results["targets"]]
    assert found == [
        ("2.00", True),  # plain graph
        ("2.00 (onnxruntime, of 2)", True),  # who disagrees is no peer to be faster than
        ("3e-06", True),
        ("12.0", True),  # the tutorial in TensorFlow over the preset
        ("95%", True),
        ("74%", False),
        ("41%", True),
        ("1.09 (generate, mean, n = 64)", True),
        ("18.0 us", True),
        ("1.20", True),
        ("1.50", True),
        ("1.31", False),
        ("1.010 (10,000,000 / 10,000 images)", True),
        ("0.337", False),
        ("2.00", True),
        ("1.60", True),
        ("0.90", False),
    ]


def test_a_target_turns_with_its_figure(results):
    slower = copy.deepcopy(results)
    for each in slower["cells"]:
        if (each["peer"], each["model"], each["head"]) == ("vae-edge", "tutorial", "sample"):
            each["rounds"] = [3 * seconds for seconds in each["rounds"]]
    del slower["bench"], slower["int8"]
    found = [(target.got, target.met) for target in targets.all_targets(slower)]
    assert found[:2] == [("0.67", False), ("0.67 (onnxruntime, of 2)", False)]  # the slowest head counts
    assert found[4] == ("not measured: vae-edge bench was not run", None)
    assert found[13] == ("not measured: no int8 bundle was named (--int8)", None)


def test_a_quick_run_meets_no_target_by_its_times(results):
    found = {target.what: target.met for target in targets.all_targets(results | {"quick": True})}
    assert {what for what, met in found.items() if met is not None} == {
        "our logits, largest difference from TensorFlow's",
        "int8 bundle's bytes / float32's",
    }


def test_the_whole_table_shows_times_ratios_and_reasons(results):
    text = tables.full(results)
    assert "### tutorial: latents to pixels, sample" in text
    assert "| vae-edge, our export | 4.00 ms |" in text
    assert "| TensorFlow + TFP, tf.function | 24.00 ms, 6.00 x (6.00 to 6.00) |" in text
    assert "| OpenVINO, float32 | disagrees |" in text
    assert "not set up: a \\| b" in text
    assert "| plain keras.fit | 3,120 | 1.60 x (1.60 to 1.60) |" in text
    assert "| 74% | **not met** |" in text
    for block in text.split("\n\n"):
        if block.startswith("|"):  # as many columns in each line
            assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1


def test_the_readmes_table_has_a_column_a_model_and_n_and_a_row_a_peer(results):
    lines = tables.readme(results).splitlines()
    assert "| time / ours, latents to pixels (mean) | tutorial, n = 64 | mnist, n = 64 |" in lines
    assert "| vae-edge, our export | 4.00 ms | 2.00 ms |" in lines
    assert "| TensorFlow + TFP, tf.function | 6.00 x | - |" in lines
    assert not any("quick" in line for line in lines)
    assert any("mean nothing" in line for line in tables.readme(results | {"quick": True}).splitlines())
