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
    precision: str = "fp32"
    files: ClassVar[Any] = (types.SimpleNamespace(bytes=1000), types.SimpleNamespace(bytes=234))


@pytest.fixture
def export(monkeypatch):
    """Stands for `vae_edge.export.sources.run`, which would import TensorFlow; remembers its calls."""
    calls: list[dict[str, Any]] = []

    def stub(run, out, *, progress, **options):
        progress("convert", 0)
        progress("test figures", 10)(10)
        calls.append({"run": run, "out": out, **options})
        return Draft(precision=options.get("precision", "fp32"))

    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    module = types.ModuleType("vae_edge.export.sources.run")
    vars(module).update(export=stub, calls=calls)
    monkeypatch.setitem(sys.modules, "vae_edge.export.sources.run", module)
    return module


def test_the_defaults_are_exports_own(vae_edge, export):
    done = vae_edge("export", "runs/mnist", "--out", "mine")
    assert done.exit_code == 0
    assert export.calls == [{"run": Path("runs/mnist"), "out": Path("mine"), "data": None, "data_dir": None}]
    assert done.stderr.splitlines() == [
        "export: convert",
        "export: test figures",
        "wrote mine: mine, 1,234 bytes; differs from the model by 5e-06 at most",
    ]
    assert done.stdout == ""


def test_each_option_is_handed_on(vae_edge, export):
    vae_edge("export", "r", "--out", "b", "--name", "n", "--opset", "18", "--force", "--data-dir", "d")
    assert export.calls == [
        {
            "run": Path("r"),
            "out": Path("b"),
            "name": "n",
            "force": True,
            "data": None,
            "data_dir": Path("d"),
            "opset": 18,
        }
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
    assert "fp16 costs 0.301 +- 0.025 nats of NLL on validation events" in done.stderr
    assert "float16 is no faster than float32 on x86" in done.stderr


@pytest.mark.parametrize(
    "options", [["--precision", "int4"], ["--max-nats", "0.1"], ["--precision", "int8", "--max-nats", "-1"]]
)
def test_a_precision_that_is_none_is_wrong_usage(vae_edge, export, options):
    assert vae_edge("export", "r", "--out", "b", *options).exit_code == 2
    assert export.calls == []


def test_a_models_arguments_are_the_functions_or_the_options(vae_edge, export, monkeypatch, tmp_path):
    import numpy as np

    from vae_edge.export.statements import Bernoulli, Image, Normal, OneHot

    api, calls = types.ModuleType("vae_edge.export.api"), []

    def stub(out, *, progress, **options):
        calls.append({"out": out, **options})
        return Draft()

    vars(api).update(export=stub)
    monkeypatch.setitem(sys.modules, "vae_edge.export.api", api)
    monkeypatch.setattr("vae_edge.export.api", api, raising=False)
    (tmp_path / "my_vae.py").write_text("def build():\n    return {'encoder': 1, 'prior': 'none'}\n")
    assert vae_edge("export", f"{tmp_path}/my_vae.py:build", "--out", "b", "--force").exit_code == 0
    assert calls.pop() == {"out": Path("b"), "encoder": 1, "prior": "none", "force": True}
    np.save(tmp_path / "x.npy", np.zeros((4, 9)))
    np.save(tmp_path / "y.npy", np.arange(4))
    files = ["--encoder", "e.keras", "--decoder", "d.keras", "--examples", tmp_path / "x.npy"]
    said = ["--posterior", "mean,log_var", "--likelihood", "bernoulli:probs", "--event", "3x3", "--threshold", "0.4",
            "--labels", "a,b", "--condition-examples", tmp_path / "y.npy", "--prior", "normal"]  # fmt: skip
    assert vae_edge("export", *files, *said, "--out", "b").exit_code == 0
    call = calls.pop()
    assert call.pop("examples").shape == (4, 9)
    assert call.pop("conditions").tolist() == [0, 1, 2, 3]
    assert call == {
        "out": Path("b"), "encoder": "e.keras", "decoder": "d.keras", "prior": "normal", "event": Image(3, 3, 1, 0.4),
        "posterior": Normal(loc=0, log_var=1), "likelihood": Bernoulli(probs=0), "condition": OneHot(["a", "b"]),
    }  # fmt: skip
    said = ["--posterior", "loc=mu,scale=sd", "--likelihood", "normal:loc,scale=0.1"]
    vae_edge("export", *files, *said, "--out", "b")
    assert calls[0]["posterior"] == Normal(loc="mu", scale="sd")
    assert calls[0]["likelihood"] == Normal(loc=0, scale=0.1)


@pytest.mark.parametrize(
    "options",
    [
        ["--out", "b"],
        ["--out", "b", "--encoder", "e", "--decoder", "d"],
        ["r", "--out", "b", "--posterior", "mean,log_var"],
        ["r"],
        ["r", "--dry-run"],
        ["--encoder", "e", "--decoder", "d", "--examples", "x", "--out", "b", "--likelihood", "poisson:rate"],
        ["--encoder", "e", "--decoder", "d", "--examples", "x", "--out", "b", "--likelihood", "normal:loc"],
        ["--encoder", "e", "--decoder", "d", "--examples", "x", "--out", "b", "--event", "9by9"],
    ],
)
def test_what_does_not_go_together_is_wrong_usage(vae_edge, export, options):
    assert vae_edge("export", *options).exit_code == 2
    assert export.calls == []


def test_a_module_that_gives_nothing_is_one_line(vae_edge, export, tmp_path, one_line):
    (tmp_path / "broken.py").write_text("def build():\n    return 7\nraise ValueError('no data')\n")
    done = vae_edge("export", f"{tmp_path}/broken.py:build", "--out", "b")
    assert (done.exit_code, "ValueError: no data" in one_line(done.stderr)) == (1, True)
    done = vae_edge("export", f"{tmp_path}/none.py:build", "--out", "b")
    assert (done.exit_code, "there is no such file" in one_line(done.stderr)) == (1, True)
