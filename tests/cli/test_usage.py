"""Wrong usage is one line that says what was expected and what came, and exit code 2."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["generate", "--n", "0"], "expected a whole number from 1 to 1,000,000,000,000, got '0'"),
        (["generate", "--n", "-3"], "got '-3'"),
        (["generate", "--n", "many"], "expected a whole number from 1 to 1,000,000,000,000, got 'many'"),
        (["generate", "--n", "1.5"], "got '1.5'"),
        (["generate", "--seed", "-1"], "got '-1'"),
        (["generate", "--seed", str(2**64)], f"got '{2**64}'"),
        (["generate", "--head", "median"], "expected one of sample, mean, mode, all, got 'median'"),
        (["generate", "--out", "x.jpg"], "expected FILE.png, FILE.npy, FILE.npz, FILE.csv or FOLDER/, got 'x.jpg'"),
        (["generate", "--provider-option", "fast"], "expected KEY=VALUE, got 'fast'"),
        (["generate", "--nn", "3"], "No such option: --nn"),
        (["generate", "left", "over"], "unexpected extra argument"),
        (["genrate"], "Did you mean 'generate'"),
        (["reconstruct"], "Missing argument"),
        (["reconstruct", "a.png", "--latent", "max"], "expected one of mean, sample, got 'max'"),
        (["encode", "a.png", "--out", "q.txt"], "expected FILE.parquet, FILE.npz or FILE.json, got 'q.txt'"),
        (["interpolate", "a.png"], "Missing argument"),
        (["interpolate", "a.png", "b.png", "--steps", "1"], "expected a whole number from 2 to 100,000, got '1'"),
        (["verify", "--tolerance", "-1"], "expected a number, 0 or more, got '-1'"),
        (["evaluate", "--split", "half"], "expected one of train, validation, test, all, got 'half'"),
        (["train", "--network", "gan"], "expected one of auto, conv, separable, mlp, got 'gan'"),
        (["train", "--latent", "0"], "latent should be 1 or more, it is 0"),
        (["train", "--beta", "2"], "beta should be 1 unless the objective is beta"),
        (["export", "run"], "expected the bundle's folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_and_2(vae_edge, one_line, folder, arguments, told):
    done = vae_edge(*arguments)
    line = one_line(done.stderr)
    assert told in line
    assert "--help'" in line
    assert done.exit_code == 2
    assert done.stdout == ""
    assert list(folder.iterdir()) == []


def test_wrong_usage_under_json_is_a_document(vae_edge, one_line):
    for arguments in (["generate", "--n", "0", "--json"], ["--json", "generate", "--n", "0"]):
        done = vae_edge(*arguments)
        assert json.loads(done.stdout)["error"]["exit_code"] == 2
        one_line(done.stderr)


def test_dash_dash_ends_the_options(vae_edge, folder):
    done = vae_edge("reconstruct", "--bundle", "no-such", "--", "--json")
    assert done.stdout == ""
