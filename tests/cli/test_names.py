"""`reconstruct` and `encode` keep the names of files; `-` is stdin and stdout."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vae_edge.cli.app import app

NAMES = ["b/tom.jpg", "b/tom.png", "sue.png"]


@pytest.fixture
def scans(folder):
    (folder / "scans" / "b").mkdir(parents=True)
    for k, name in enumerate(NAMES):
        Image.fromarray(np.full((6, 4), 60 * k, np.uint8)).save(folder / "scans" / name)
    return folder / "scans"


def test_a_folder_of_reconstructions_has_the_names_of_the_originals(vae_edge, scans, tiny):
    done = vae_edge("reconstruct", scans, "--bundle", tiny, "--out", "out/")
    assert done.exit_code == 0, done.output
    stems = ["b-tom.jpg", "b-tom.png", "sue"]
    expected = {f"{stem}-{row}.png" for stem in stems for row in ("original", "mode")}
    assert {path.name for path in (scans.parent / "out").iterdir()} == expected


def test_the_names_stand_in_arrays_and_in_json(vae_edge, scans, tiny):
    done = vae_edge("reconstruct", scans, "--bundle", tiny, "--out", "x.npz", "--start", "1", "--json")
    assert json.loads(done.stdout)["names"] == NAMES[1:]
    with np.load("x.npz") as arrays:
        assert arrays["names"].tolist() == NAMES[1:]
        assert sorted(arrays.files) == ["mode", "names", "original"]
    assert vae_edge("encode", scans, "--bundle", tiny, "--out", "q.npz").exit_code == 0
    with np.load("q.npz") as arrays:
        assert arrays["names"].tolist() == NAMES
        assert arrays["loc"].shape == (3, 3)
    document = json.loads(vae_edge("encode", scans, "--bundle", tiny).stdout)
    assert document["names"] == NAMES
    assert len(document["loc"]) == 3


def test_dash_reads_and_writes_and_makes_no_folder(scans, tiny):
    def pipe(*arguments: object, data: bytes = b""):
        return CliRunner().invoke(app, [str(each) for each in arguments], input=data, catch_exceptions=False)

    data = (scans / "sue.png").read_bytes()
    done = pipe("reconstruct", "-", "--bundle", tiny, "--out", "-", data=data)
    assert done.exit_code == 0, done.output
    with Image.open(io.BytesIO(done.stdout_bytes)) as sheet:
        assert sheet.format == "PNG"
        assert sheet.height > 2 * 6
    document = json.loads(pipe("encode", "-", "--bundle", tiny, "--out", "-", data=data).stdout)
    assert document["names"] == ["-"]
    assert pipe("generate", "--n", "2", "--bundle", tiny, "--out", "-").stdout_bytes.startswith(b"\x89PNG")
    assert not (scans.parent / "-").exists()
    refused = pipe("reconstruct", "-", "--bundle", tiny, "--out", "-", "--json", data=data)
    assert refused.exit_code == 2
    assert "with --json stdout is for the JSON document" in refused.stderr


def test_options_treat_pictures_and_wrong_ones_are_usage(vae_edge, folder, tiny):
    Image.fromarray(np.full((60, 80, 3), 250, np.uint8)).save("large.png")
    options = ("--resize", "6x4", "--crop", "fit", "--grey", "--invert")
    for verb in ("encode", "reconstruct"):
        done = vae_edge(verb, "large.png", "--bundle", tiny, *options, "--json")
        assert done.exit_code == 0, done.output
        expected = {"resize": "6x4", "crop": "fit", "grey": True, "invert": True}
        assert json.loads(done.stdout)["treatment"] == expected
        assert vae_edge(verb, "large.png", "--bundle", tiny, "--ground", "pink").exit_code == 2
    with Image.open("reconstructed.png") as sheet:
        assert sheet.mode == "L"
    assert vae_edge("interpolate", "large.png", "seed:3", "--bundle", tiny, *options).exit_code == 0
    assert vae_edge("interpolate", "large.png", "seed:3", "--bundle", tiny).exit_code == 1
