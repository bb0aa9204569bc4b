"""`train` hands every option of the configuration on, and records the command line that learns the same weights."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import types
import typing

import pytest

from vae_edge.cli.reading import treatments
from vae_edge.cli.verbs import train as train_verb
from vae_edge.runtime.errors import RunError
from vae_edge.train.config import Config
from vae_edge.train.presets import PRESETS


@pytest.fixture
def fit(monkeypatch):
    """Stands for `vae_edge.train.fit`, which would import TensorFlow; remembers its calls."""
    calls: list[types.SimpleNamespace] = []
    drawn: list[object] = []

    def stub(config, out, **options):
        calls.append(types.SimpleNamespace(config=config, out=out, **options))
        recorded = types.SimpleNamespace(config=config)
        monkeypatch.setattr("vae_edge.train.run.Run.record", lambda self: recorded)
        return out

    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    module = types.ModuleType("vae_edge.train.fit")
    vars(module).update(fit=stub, calls=calls, drawn=drawn)
    monkeypatch.setitem(sys.modules, "vae_edge.train.fit", module)
    pictures = types.ModuleType("vae_edge.train.pictures")
    vars(pictures).update(draw=lambda path: drawn.append(path))
    monkeypatch.setitem(sys.modules, "vae_edge.train.pictures", pictures)
    return module


def other(name: str) -> object:
    """A value of that option which is not its default."""
    spec = {spec.name: spec for spec in dataclasses.fields(Config)}[name]
    if choices := typing.get_args(typing.get_type_hints(Config)[name]):
        return next(choice for choice in choices if choice != spec.default)
    if name in (own := {"resize": "14x12", "crop": "fit", "ground": "black"}):
        return own[name]
    return {bool: True, int: 7, float: 0.5, str: "digits"}[type(spec.default)]


def test_without_options_the_configuration_is_the_default(vae_edge, fit, folder):
    assert vae_edge("train").exit_code == 0
    [call] = fit.calls
    assert call.config == Config()
    assert str(call.out) == "runs/mnist"
    assert (call.command, call.strategy, call.resume, call.data_dir) == ("vae-edge train", "none", False, None)


@pytest.mark.parametrize("name", [spec.name for spec in dataclasses.fields(Config)])
def test_each_option_of_the_configuration_is_a_flag(vae_edge, fit, folder, name):
    value = other(name)
    flag = f"--{name.replace('_', '-')}"
    arguments = [flag] if value is True else [flag, str(value)]
    needed = {"beta": ["--objective", "beta"], "samples": ["--objective", "iwae"], "components": ["--prior", "mixture"]}
    needed |= {"flow_blocks": ["--prior", "flow"], "flow_width": ["--prior", "flow"]}
    needed["freeze"] = ["--prior", "flow"]
    needed["finish"] = ["--epochs", "1000"]
    needed["gradient_samples"] = ["--objective", "iwae", "--samples", "20"]
    needed["weights_beta"] = ["--weights", "uncertain"]
    done = vae_edge("train", *arguments, *needed.get(name, []), "--out", "run")
    assert done.exit_code == 0, done.output
    assert getattr(fit.calls[0].config, name) == value
    assert set(arguments) <= set(fit.calls[0].command.split())
    assert flag in vae_edge("train", "--help").stdout


def test_the_recorded_command_learns_the_same_and_names_no_folder(vae_edge, fit, folder):
    vae_edge(
        "train",
        "--data",
        "/home/me/my digits.npz",
        "--latent",
        "8",
        "--no-jit",
        "--data-dir",
        "/secret",
        "--out",
        "/else",
    )
    vae_edge("train", "--data", "digits", "--strategy", "mirrored", "--json")
    assert [call.command for call in fit.calls] == [
        "vae-edge train --data 'my digits.npz' --latent 8 --no-jit",
        "vae-edge train --data digits --strategy mirrored",
    ]
    assert fit.calls[0].config.data == "/home/me/my digits.npz"


def test_resuming_takes_the_recorded_options_and_those_given_on_top(vae_edge, fit, folder, monkeypatch):
    recorded = Config(latent=8, seed=3)
    record = types.SimpleNamespace(config=recorded)
    monkeypatch.setattr("vae_edge.train.run.Run.record", lambda self: record)
    vae_edge("train", "--resume", "--out", "run")
    vae_edge("train", "--resume", "--out", "run", "--latent", "16")
    assert [call.config for call in fit.calls] == [recorded, dataclasses.replace(recorded, latent=16)]
    assert all(call.resume for call in fit.calls)


def test_what_resuming_would_ignore_is_wrong_usage(vae_edge, fit, folder, monkeypatch, one_line):
    recorded = dataclasses.replace(PRESETS["mnist"], seed=3)
    monkeypatch.setattr("vae_edge.train.run.Run.record", lambda self: types.SimpleNamespace(config=recorded))
    done = vae_edge("train", "--resume", "--out", "run", "--preset", "mnist")
    assert done.exit_code == 2
    assert "run was begun with another configuration (seed: 3, 0; recorded, asked for)" in one_line(done.stderr)
    done = vae_edge("train", "--resume", "--out", "run", "--start", "other")
    assert done.exit_code == 2
    assert "--resume goes on with the run's own weights" in one_line(done.stderr)
    assert not fit.calls
    assert vae_edge("train", "--resume", "--out", "run", "--preset", "mnist", "--seed", "3").exit_code == 0
    assert fit.calls[0].config == recorded


def test_components_of_no_mixture_are_wrong_usage(vae_edge, fit, folder, one_line):
    done = vae_edge("train", "--components", "200")
    assert done.exit_code == 2
    assert "give --prior mixture" in one_line(done.stderr)
    assert vae_edge("train", "--preset", "mnist", "--prior", "normal").exit_code == 0  # the preset's are left alone
    assert len(fit.calls) == 1


def test_resuming_where_nothing_lies_is_one_line(vae_edge, fit, folder, one_line):
    done = vae_edge("train", "--resume", "--out", "nowhere")
    assert done.exit_code == 1
    assert "nowhere: no run lies here" in one_line(done.stderr)


def test_the_result_as_json_names_the_run(vae_edge, fit, folder):
    done = vae_edge("train", "--seed", "5", "--out", "run", "--json")
    told = json.loads(done.stdout)
    assert told["run"] == "run"
    assert told["config"] == dataclasses.asdict(Config(seed=5))


def interrupted(*arguments, **options):
    raise KeyboardInterrupt


def test_an_interruption_before_the_run_began_promises_nothing(vae_edge, fit, folder, monkeypatch):
    monkeypatch.setattr(fit, "fit", interrupted)
    done = vae_edge("train", "--out", "a run")
    assert done.exit_code == 130
    assert done.stderr.splitlines() == [
        "stopped before the run began; nothing was written",
        "vae-edge train: interrupted",
    ]
    assert fit.drawn == []


@pytest.mark.parametrize("has_best", [False, True])
def test_an_interruption_says_how_to_go_on_and_draws_what_was_learned(vae_edge, fit, folder, monkeypatch, has_best):
    monkeypatch.setattr(fit, "fit", interrupted)
    monkeypatch.setattr("vae_edge.train.run.Run.exists", True)
    monkeypatch.setattr("vae_edge.train.run.Run.load", lambda self, name: ([], {}) if has_best else None)
    done = vae_edge("train", "--out", "a run", "--strategy", "mirrored")
    assert done.exit_code == 130
    lines = done.stderr.splitlines()
    assert lines[0] == "stopped; go on with: vae-edge train --out 'a run' --resume --strategy mirrored"
    assert lines[1:-1] == (["its pictures are in a run"] if has_best else [])
    assert [str(path) for path in fit.drawn] == (["a run"] if has_best else [])


def test_a_run_that_cannot_be_used_is_one_line(vae_edge, fit, folder, monkeypatch, one_line):
    def refuse(*arguments, **options):
        raise RunError("run: holds a run already")

    monkeypatch.setattr(fit, "fit", refuse)
    done = vae_edge("train")
    assert (done.exit_code, one_line(done.stderr)) == (1, "vae-edge train: run: holds a run already")


def test_without_tensorflow_one_line_says_what_to_install(process, folder, one_line):
    done = process("train", before="sys.modules['tensorflow'] = sys.modules['keras'] = None", cwd=folder)
    assert done.returncode == 1
    assert "pip install 'vae-edge[train]'" in one_line(done.stderr)


def test_without_matplotlib_nothing_is_learned(vae_edge, fit, folder, monkeypatch, one_line):
    monkeypatch.delitem(sys.modules, "vae_edge.train.pictures")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = vae_edge("train")
    assert (done.exit_code, fit.calls) == (1, [])
    assert one_line(done.stderr).endswith("pip install 'vae-edge[train]'")


def test_a_preset_gives_what_is_not_given(vae_edge, fit, folder):
    assert vae_edge("train", "--preset", "mnist-tiny", "--seed", "7").exit_code == 0
    [call] = fit.calls
    assert call.config == dataclasses.replace(PRESETS["mnist-tiny"], seed=7)
    assert call.command == "vae-edge train --preset mnist-tiny --seed 7"
    assert str(call.out) == "runs/mnist-tiny"


def test_the_preset_auto_leaves_to_the_data_what_is_not_given(vae_edge, fit, folder):
    assert vae_edge("train", "--preset", "auto", "--data", "digits", "--components", "7").exit_code == 0
    vae_edge("train", "--data", "digits", "--out", "other")
    one, other = fit.calls
    assert one.given == {"data", "components"}
    assert (one.config, str(one.out)) == (Config(data="digits", components=7), "runs/digits")
    assert one.command == "vae-edge train --preset auto --data digits --components 7"
    assert other.given is None


def test_an_unknown_preset_is_wrong_usage(vae_edge, fit, folder):
    assert vae_edge("train", "--preset", "imagenet").exit_code == 2
    assert not fit.calls


def test_help_groups_the_options(vae_edge):
    text = vae_edge("train", "--help", env={"COLUMNS": "80"}).stdout
    sections = re.split(r"^(\w+):$", text, flags=re.MULTILINE)
    headings = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert list(headings) == ["Run", "Data", "Model", "Prior", "Objective", "Optimisation", "Options"]
    listed = {name: set(re.findall(r"^  (?:-\w, )?--([\w-]+)", part, re.MULTILINE)) for name, part in headings.items()}
    assert listed["Options"] == {"json", "debug", "help"}
    for spec in dataclasses.fields(Config):
        heading = train_verb.HEADING[spec.name]  # a new option needs one
        assert spec.name.replace("_", "-") in listed[heading]
    assert max(len(names) for names in listed.values()) <= 13
    options = text[text.index("\nRun:") :]
    assert max(map(len, options.splitlines())) <= 80


def test_a_bundle_says_how_images_were_read(vae_edge, fit, folder):
    options = ["--resize", "64x48", "--crop", "fit", "--grey", "--invert", "--ground", "#102030", "--white", "4095"]
    assert vae_edge("train", "--data", "my scans", *options, "--out", "run").exit_code == 0
    [call] = fit.calls
    training = types.SimpleNamespace(pictures=call.config.treatment.record)
    vae = types.SimpleNamespace(manifest=types.SimpleNamespace(training=training))
    assert treatments.trained(vae) == call.config.treatment
    assert call.config.treatment.flags == "--resize 64x48 --crop fit --grey --invert --ground '#102030' --white 4095"
