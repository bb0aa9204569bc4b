"""The benchmark's tables and targets are computed from its figures, never typed."""

from __future__ import annotations

import copy
import importlib
import json
import sys
from pathlib import Path

import pytest

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"
sys.path.append(str(SPEED))  # its modules are scripts' neighbours, no package
roster, rounds, session, tables, targets = map(
    importlib.import_module, ("roster", "rounds", "session", "tables", "targets")
)


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
            cell("pixels", head, 64, "litert", "mnist", 1.1e-3, 1e-3),
            cell("pixels", head, 64, "litert", "tutorial", 2.4e-3, 2e-3),
        ]
    cells += [
        cell("train", "", 9984, "train-vae-edge", "mnist", 1.0),
        cell("train", "", 9984, "train-keras", "mnist", 1.6),
        cell("train", "", 9984, "train-torch", "mnist", 0.9),
    ]
    bench = [
        {"n": n, "what": what, "p50": 1e-3, "over_bare": 1.0, "extra_seconds": 0.0, "share_of_sgemm": factor * share}
        for n, share in ((1, 0.41), (64, 0.74), (512, 0.95))
        for what, factor in (("bare session", 0.9), ("decode", 1.0))
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
        "bench": {"mnist": {"rows": bench}, "mnist-large": {"reason": "no such bundle"}},
        "processes": {
            "import numpy, onnxruntime": {"seconds": 0.1, "peak_bytes": 100},
            "vae-edge": {"seconds": 0.12, "peak_bytes": 131},
            "vae-edge generate --n 64": {"seconds": 0.15, "peak_bytes": 140},
        },
        "streams": {
            "64": {"seconds": 0.0064, "peak_bytes": 900},
            "10000": {"seconds": 1.0, "peak_bytes": 1000},
            "10000000": {"seconds": 1050.0, "peak_bytes": 1010},
        },
        "int8": {
            "a": {
                "bytes": {"float32": 300, "int8": 101}, "seconds": {"64": {"float32": 2.0, "int8": 1.0}},
                "nats_lost": 0.6,
            },
            "b": {
                "bytes": {"float32": 300, "int8": 99}, "seconds": {"64": {"float32": 1.0, "int8": 1.0}},
                "nats_lost": 0.1,
            },
        },
    }  # fmt: skip
    document["targets"] = [vars(target) for target in targets.all_targets(document)]
    return json.loads(json.dumps(document))


def test_targets_are_computed(results):
    found = [(target["got"], target["met"]) for target in results["targets"]]
    names = ["mnist"] * 4 + ["tutorial"] * 4
    not_run = [(f"not measured: litert on {name} was not run", None) for name in names]
    assert (
        found
        == [
            ("2.00", True),  # plain graph
            ("2.00 (onnxruntime, of 2)", True),  # who disagrees is no peer to be faster than
            ("3e-06", True),
            ("12.0", True),  # the tutorial in TensorFlow over the preset
            *not_run[:2],
            ("1.10", False),  # LiteRT, `mnist`, n = 64
            *not_run[2:6],
            ("1.20", True),  # the tutorial's
            *not_run[6:],
            *[("not measured: vae-edge bench mnist-large was not run", None)] * 3,
            ("95%", True),
            ("74%", False),
            ("41%", True),
            ("1.09 (generate, mean, n = 64)", True),
            ("18.0 us", True),
            ("1.20", True),
            ("1.50", True),
            ("1.31", False),
            ("1.010 (10,000,000 / 10,000 images)", True),
            ("1.05 (10,000,000 / 64 images)", True),
            ("a 0.337, b 0.330", False),
            ("a 2.00, b 1.00", False),
            ("a 0.600, b 0.100", False),
            ("1.60", True),
            ("0.90", False),
        ]
    )


def test_a_target_turns_with_its_figure(results):
    slower = copy.deepcopy(results)
    for each in slower["cells"]:
        if (each["peer"], each["model"], each["head"]) == ("vae-edge", "tutorial", "sample"):
            each["rounds"] = [3 * seconds for seconds in each["rounds"]]
    del slower["bench"], slower["int8"]
    found = [(target.got, target.met) for target in targets.all_targets(slower)]
    assert found[:2] == [("0.67", False), ("0.67 (onnxruntime, of 2)", False)]  # the slowest head counts
    assert found[14] == ("not measured: vae-edge bench mnist-large was not run", None)
    assert found[27] == ("not measured: no int8 bundle that tells was named (--int8)", None)


def test_a_quick_run_meets_no_target_by_its_times(results):
    found = {target.what: target.met for target in targets.all_targets(results | {"quick": True})}
    assert {what for what, met in found.items() if met is not None} == {
        "our logits, largest difference from TensorFlow's",
        "int8 bundle's bytes / float32's",
        "NLL lost in int8, as its export measured it",
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
    assert "| 10,000 | 1.00 s | 100.0 us | 0.0 MiB |" in text
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
