"""`export` hands its options on, says each step, and exits with 3 where parity fails."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from vae_edge.runtime.errors import CheckFailed, OutputError


@dataclass
class Draft:
    """Stands for a Manifest: what the verb reads of it."""

    name: str = "mine"
    parity: dict[str, float] = field(default_factory=lambda: {"loc": 2e-6, "logits": 5e-6})
    metrics: ClassVar[dict[str, float]] = {}
    files: ClassVar[Any] = (types.SimpleNamespace(bytes=1000), types.SimpleNamespace(bytes=234))


@pytest.fixture
def export(monkeypatch):
    """Stands for `vae_edge.export.bundle`, which would import TensorFlow; remembers its calls."""
    calls: list[dict[str, Any]] = []

    def stub(run, out, *, progress, **options):
        progress("convert", 0)
        progress("test figures", 10)(10)
        calls.append({"run": run, "out": out, **options})
        return Draft()

    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    module = types.ModuleType("vae_edge.export.bundle")
    vars(module).update(export=stub, calls=calls)
    monkeypatch.setitem(sys.modules, "vae_edge.export.bundle", module)
    return module


def test_the_defaults_are_exports_own(vae_edge, export):
    done = vae_edge("export", "runs/mnist", "--out", "mine")
    assert done.exit_code == 0
    assert export.calls == [
        {"run": Path("runs/mnist"), "out": Path("mine"), "name": None, "force": False, "data_dir": None}
    ]
    assert done.stderr.splitlines() == [
        "export: convert",
        "export: test figures",
        "wrote mine: mine, 1,234 bytes; differs from TensorFlow by 5e-06 at most",
    ]
    assert done.stdout == ""


def test_each_option_is_handed_on(vae_edge, export):
    vae_edge("export", "r", "--out", "b", "--name", "n", "--opset", "18", "--force", "--data-dir", "d")
    assert export.calls == [
        {"run": Path("r"), "out": Path("b"), "name": "n", "force": True, "data_dir": Path("d"), "opset": 18}
    ]


@pytest.mark.parametrize("opset", [12, 19])
def test_an_opset_that_is_not_supported_is_wrong_usage(vae_edge, export, opset):
    assert vae_edge("export", "r", "--out", "b", "--opset", opset).exit_code == 2
    assert export.calls == []


def test_the_help_says_what_force_replaces(vae_edge):
    assert "the whole folder, with all in it" in " ".join(vae_edge("export", "--help").stdout.split())


def test_the_result_as_json_is_the_manifest(vae_edge, export):
    told = json.loads(vae_edge("export", "r", "--out", "b", "--json").stdout)
    assert told["out"] == "b"
    assert told["manifest"]["name"] == "mine"


@pytest.mark.parametrize(("error", "code"), [(CheckFailed("logits differ by 0.1"), 3), (OutputError("b: full"), 1)])
def test_failures_have_their_exit_code(vae_edge, export, monkeypatch, error, code, one_line):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(export, "export", fail)
    done = vae_edge("export", "r", "--out", "b")
    assert (done.exit_code, one_line(done.stderr)) == (code, f"vae-edge export: {error}")


def test_a_precision_is_handed_on_and_its_cost_told(vae_edge, export, monkeypatch):
    metrics = {"nats_lost": 0.301, "nats_lost_standard_error": 0.0251}
    monkeypatch.setattr(Draft, "metrics", metrics)
    done = vae_edge("export", "r", "--out", "b", "--precision", "fp16", "--max-nats", "0.4")
    assert (export.calls[0]["precision"], export.calls[0]["max_nats"]) == ("fp16", 0.4)
    assert "fp16 costs 0.301 +- 0.025 nats of NLL on validation images" in done.stderr
    assert "float16 is no faster than float32 on x86" in done.stderr


@pytest.mark.parametrize(
    "options", [["--precision", "int4"], ["--max-nats", "0.1"], ["--precision", "int8", "--max-nats", "-1"]]
)
def test_a_precision_that_is_none_is_wrong_usage(vae_edge, export, options):
    assert vae_edge("export", "r", "--out", "b", *options).exit_code == 2
    assert export.calls == []
