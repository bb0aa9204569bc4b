"""`--version` and `--help` are quick: they import nothing heavy. `generate` imports what it runs on, and no more."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from vae_edge.cli.app import VERBS

HEAVY = ["numpy", "onnxruntime", "PIL", "tensorflow", "keras", "tf2onnx", "onnx", "rich"]
LOADED = f"sys.stderr.write(' '.join(m for m in {HEAVY} if m in sys.modules))"
QUESTIONS = [["--version"], ["--help"], [], *([verb, "--help"] for verb in VERBS)]


@pytest.mark.parametrize("arguments", QUESTIONS, ids=" ".join)
def test_asking_for_help_imports_nothing_heavy(process, arguments):
    done = process(*arguments, after=LOADED)
    assert done.returncode == 0
    assert done.stdout
    assert done.stderr == ""


def test_this_would_be_noticed(process):
    assert process("--version", before="import numpy", after=LOADED).stderr == "numpy"


def test_generate_imports_what_it_runs_on_and_no_more(process, folder, tiny):
    done = process("generate", "--bundle", tiny, "--out", "x.png", after=LOADED, cwd=folder)
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "numpy onnxruntime"


def test_version_is_the_packages(process):
    assert process("--version").stdout == f"vae-edge {version('vae-edge')}\n"


def test_help_lists_every_verb_with_a_sentence(vae_edge):
    lines = [line.split() for line in vae_edge("--help").stdout.splitlines()]
    for verb in VERBS:
        assert any(words[:1] == [verb] and len(words) > 3 for words in lines), verb


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_shows_examples_of_itself(vae_edge, verb):
    assert f"\n    vae-edge {verb}" in vae_edge(verb, "--help").stdout


@pytest.mark.parametrize("verb", ["generate", "reconstruct", "interpolate", "evaluate"])
def test_a_seed_promises_noise_and_no_pixels(vae_edge, verb):
    text = " ".join(vae_edge(verb, "--help").stdout.split())
    assert ("same noise" in text) == (verb != "evaluate")  # which draws more than images
    assert "same image" not in text


def test_wrong_usage_imports_nothing_heavy_either(process, one_line):
    done = process("generate", "--n", "0", after=LOADED)
    assert done.returncode == 2
    assert one_line(done.stderr).startswith("vae-edge generate: ")


def test_without_typer_one_line_says_what_to_install(process, one_line):
    done = process("--version", before="sys.modules['typer'] = None")
    assert done.returncode == 1
    assert done.stdout == ""
    assert one_line(done.stderr) == "vae-edge: the command line needs typer: pip install 'vae-edge[cli]'"
