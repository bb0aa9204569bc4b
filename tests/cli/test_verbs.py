"""The verbs that run a bundle do what the Python API does, and write it where they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from vae_edge.runtime import HEADS, VAE

SHAPE = (6, 4, 1)


@pytest.fixture(scope="module")
def vae(tiny):
    return VAE.load(tiny)


@pytest.fixture
def pixels(folder):
    """Five images of the tiny bundle's size, as `images.npy` and, the first, as `one.png`."""
    pixels = (np.random.default_rng(0).random((5, *SHAPE)) > 0.5) * np.uint8(255)
    np.save("images.npy", pixels)
    Image.fromarray(pixels[0, ..., 0]).save("one.png")
    return pixels


@pytest.mark.parametrize("head", HEADS)
def test_generate_writes_the_images_of_the_api(vae_edge, tiny, vae, folder, head):
    done = vae_edge("generate", "-b", tiny, "--n", 300, "--head", head, "--seed", 7, "--start", 5, "--out", "x.npy")
    assert done.exit_code == 0, done.output
    assert np.array_equal(np.load("x.npy"), vae.generate(300, head=head, seed=7, start=5))


def test_generate_shows_each_z_under_every_head(vae_edge, tiny, vae, folder):
    assert vae_edge("generate", "-b", tiny, "--n", 5, "--head", "all", "--out", "x.npz").exit_code == 0
    with np.load("x.npz") as arrays:
        assert sorted(arrays.files) == sorted(HEADS)
        for head in HEADS:
            assert np.array_equal(arrays[head], vae.generate(5, head=head))
    assert vae_edge("generate", "-b", tiny, "--n", 5, "--head", "all", "--out", "x.npy").exit_code == 0
    assert np.array_equal(np.load("x.npy"), np.stack([vae.generate(5, head=head) for head in HEADS]))


def test_generate_writes_a_sheet_and_a_folder(vae_edge, tiny, vae, folder):
    assert vae_edge("generate", "-b", tiny, "--n", 9, "--scale", 1, "--columns", 3, "--out", "x.png").exit_code == 0
    assert vae_edge("generate", "-b", tiny, "--n", 9, "--out", "pictures/").exit_code == 0
    with Image.open("x.png") as sheet:
        assert sheet.size == (1 + 3 * 5, 1 + 3 * 7)
    with Image.open("pictures/00000004.png") as picture:
        assert np.array_equal(np.asarray(picture), np.rint(vae.generate(9)[4, ..., 0] * 255))


def test_generate_tells_on_stderr_what_it_wrote_and_nothing_on_stdout(vae_edge, tiny, folder, one_line):
    done = vae_edge("generate", "-b", tiny, "--n", 1)
    assert done.stdout == ""
    assert one_line(done.stderr).startswith("wrote generated.png: 1 image (head mean, seed 0) from tiny on CPU")


def test_generate_as_json_tells_what_it_wrote(vae_edge, tiny, folder):
    told = json.loads(vae_edge("generate", "-b", tiny, "--head", "all", "--json").stdout)
    assert told.pop("seconds") >= 0
    assert told == {
        "out": "generated.png",
        "kind": "sheet",
        "n": 64,
        "written": 64,
        "heads": list(HEADS),
        "seed": 0,
        "start": 0,
        "temperature": 1.0,
        "bundle": "tiny",
        "provider": "CPUExecutionProvider",
    }


@pytest.mark.parametrize("latent", ["mean", "sample"])
def test_reconstruct_writes_originals_and_reconstructions(vae_edge, tiny, vae, pixels, latent):
    arguments = ["images.npy", "-b", tiny, "--head", "all", "--latent", latent, "--seed", 3, "--out", "x.npz"]
    assert vae_edge("reconstruct", *arguments).exit_code == 0
    with np.load("x.npz") as arrays:
        assert np.array_equal(arrays["original"], pixels / 255)
        for head in HEADS:
            assert np.array_equal(arrays[head], vae.reconstruct(pixels, head=head, latent=latent, seed=3))


def test_reconstruct_is_the_same_however_many_there_are(vae_edge, tiny, vae, folder):
    many = (np.random.default_rng(0).random((1100, *SHAPE)) > 0.5).astype(np.float32)
    np.save("many.npy", many)
    arguments = ["many.npy", "-b", tiny, "--head", "sample", "--latent", "sample", "--out", "x.npz"]
    assert vae_edge("reconstruct", *arguments).exit_code == 0
    with np.load("x.npz") as arrays:
        assert np.array_equal(arrays["sample"], vae.reconstruct(many, head="sample", latent="sample"))


def test_reconstruct_draws_a_labelled_sheet_of_picture_files(vae_edge, tiny, pixels):
    assert vae_edge("reconstruct", "one.png", "one.png", "-b", tiny).exit_code == 0
    with Image.open("reconstructed.png") as sheet:
        assert sheet.mode == "L"


def test_encode_writes_loc_and_scale(vae_edge, tiny, vae, pixels):
    q = vae.encode(pixels)
    assert vae_edge("encode", "images.npy", "-b", tiny, "--out", "q.npz").exit_code == 0
    with np.load("q.npz") as arrays:
        assert np.array_equal(arrays["loc"], q.loc)
        assert np.array_equal(arrays["scale"], q.scale)
    assert vae_edge("encode", "images.npy", "-b", tiny, "--out", "q.json").exit_code == 0
    to_stdout = vae_edge("encode", "images.npy", "-b", tiny)
    to_json = vae_edge("encode", "images.npy", "-b", tiny, "--json")
    with open("q.json") as file:
        documents = [json.load(file), json.loads(to_stdout.stdout), json.loads(to_json.stdout)]
    for document in documents:
        assert np.array_equal(np.float32(document["loc"]), q.loc)  # to the bit
        assert np.array_equal(np.float32(document["scale"]), q.scale)


def test_interpolate_meets_both_images(vae_edge, tiny, vae, pixels):
    arguments = ["one.png", "images.npy:4", "--steps", 7, "-b", tiny, "--out", "x.npy"]
    assert vae_edge("interpolate", *arguments).exit_code == 0
    assert np.array_equal(np.load("x.npy"), vae.interpolate(pixels[:1], pixels[4:], 7))


def test_interpolate_meets_both_seeds(vae_edge, tiny, vae, folder):
    arguments = ["seed:3", "seed:8", "--head", "all", "-b", tiny, "--out", "x.npz"]
    assert vae_edge("interpolate", *arguments).exit_code == 0
    with np.load("x.npz") as arrays:
        assert np.array_equal(arrays["mean"][0], vae.generate(1, seed=3)[0])
        assert np.array_equal(arrays["mean"][-1], vae.generate(1, seed=8)[0])
        assert arrays["sample"].shape == (12, *SHAPE)


def test_verify_tells_what_it_checked(vae_edge, tiny):
    assert "tiny is whole and works on CPUExecutionProvider" in vae_edge("verify", tiny).stdout
    told = json.loads(vae_edge("verify", tiny, "--json").stdout)
    assert told["ok"] is True
    assert set(told["differences"]) == {"loc", "scale", "logits"}


def test_verify_exits_with_3_where_an_output_differs(vae_edge, tiny, one_line):
    done = vae_edge("verify", tiny, "--tolerance", "1e-30")
    assert done.exit_code == 3
    assert "at most 1e-30 was expected" in one_line(done.stderr)
    assert json.loads(vae_edge("verify", tiny, "--tolerance", "1e-30", "--json").stdout)["error"]["exit_code"] == 3


def test_info_shows_the_manifest(vae_edge, tiny):
    said = json.loads((tiny / "manifest.json").read_bytes())
    assert json.loads(vae_edge("info", tiny, "--json").stdout) == said | {"precision": "fp32"}
    assert "images      6 x 4 x 1, pixels 1 where > 0.5, else 0" in vae_edge("info", tiny).stdout


def test_info_shows_a_version_where_release_0_1_wrote_a_bare_commit(vae_edge):
    first = vae_edge("info", "mnist").stdout.splitlines()[0]
    assert re.fullmatch(r"bundle +mnist \(schema \d, vae-edge \d+\.\d+(\.\d+)?, commit [0-9a-f]{40}\)", first)


def test_evaluate_tells_the_elbo_with_its_terms_and_the_nll(vae_edge, tiny, vae, folder):
    from vae_edge.runtime.evaluation import likelihood

    data = np.random.default_rng(0).integers(0, 256, (70, *SHAPE), np.uint8)
    np.save("data.npy", data)
    arguments = ["evaluate", tiny, "--data", "data.npy", "--split", "all", "--samples", 5, "--seed", 2]
    told = json.loads(vae_edge(*arguments, "--json").stdout)
    assert (told["n"], told["samples"], told["unit"]) == (70, 5, "nats per image")
    elbo, reconstruction, kl, nll = (told[name]["mean"] for name in ("elbo", "reconstruction", "kl", "nll"))
    assert elbo == pytest.approx(reconstruction - kl)
    assert nll <= -elbo
    shuffled = sorted(likelihood.nll(vae, data, 5, seed=2))
    assert len(shuffled) == 70
    text = vae_edge(*arguments).stdout
    assert "nll (K = 5)" in text
    assert f"{elbo:.3f}" in text
    assert "nll" not in json.loads(vae_edge(*arguments[:-4], "--samples", 0, "--limit", 3, "--json").stdout)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["generate", "-b", "no-such"], "there is no bundle 'no-such'"),
        (["generate", "-b", "."], "is no bundle: it has no manifest.json"),
        (["generate", "-b", "TINY", "--provider", "warp"], "provider should be auto, "),
        (["generate", "-b", "TINY", "--provider", "cuda"], "CUDAExecutionProvider"),
        (["generate", "-b", "TINY", "--out", "none/x.png"], "none: no such folder; make it first"),
        (["generate", "-b", "TINY", "--n", "100000000"], "write a folder or .npy"),
        (["reconstruct", "none.png", "-b", "TINY"], "none.png: no such file"),
        (["reconstruct", "manifest.json", "-b", "TINY"], "not an IDX file"),
        (["encode", "nan.npy", "-b", "TINY"], "NaN"),
        (["encode", "large.npy", "-b", "TINY"], "images of 28x28 pixels"),
        (["encode", "range.npy", "-b", "TINY"], "should lie in [0, 1]"),
        (["encode", "words.npy", "-b", "TINY"], "float in [0, 1] or uint8"),
        (["interpolate", "seed:1", "none.png", "-b", "TINY"], "none.png: no such file"),
        (["verify", "no-such"], "there is no bundle 'no-such'"),
        (["info", "damaged"], "damaged"),
        (["verify", "damaged"], "damaged"),
        (["evaluate", "TINY", "--data", "none"], "none"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_failure_is_one_line_and_1_and_writes_nothing(vae_edge, tiny, folder, one_line, arguments, told):
    np.save("nan.npy", np.full(SHAPE, np.nan))
    np.save("large.npy", np.zeros((28, 28)))
    np.save("range.npy", np.full(SHAPE, 2.0))
    np.save("words.npy", np.full(SHAPE, 3, np.int64))
    (folder / "manifest.json").write_bytes(b"{}") if "manifest.json" in arguments else None
    shutil.copytree(tiny, "damaged")
    with open("damaged/decoder.onnx", "r+b") as file:
        file.write(b"\xff")
    before = sorted(os.listdir())
    done = vae_edge(*[tiny if argument == "TINY" else argument for argument in arguments])
    assert told in one_line(done.stderr)
    assert "unexpected" not in done.stderr
    assert done.exit_code == 1
    assert done.stdout == ""
    assert sorted(os.listdir()) == before


def test_ctrl_c_ends_with_130_and_leaves_nothing(tiny, folder):
    command = [sys.executable, "-m", "vae_edge.cli", "generate", "-b", tiny, "--n", "1000000000", "--out", "x.npy"]
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell runs in the background ignores it
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        signal.signal(signal.SIGINT, heard)
        deadline = time.monotonic() + 60
        while not os.listdir() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert (out, err) == ("", "vae-edge generate: interrupted\n")
    assert os.listdir() == []


def test_a_folder_does_not_shadow_a_built_in_bundle(vae_edge, tiny, folder):
    shutil.copytree(tiny, folder / "mnist")
    done = vae_edge("verify", "mnist", "--json")
    assert json.loads(done.stdout)["bundle"] == "mnist"
    assert "mnist is the bundle that is built in; the folder of that name is ./mnist" in done.stderr
    assert json.loads(vae_edge("verify", "./mnist", "--json").stdout)["bundle"] == "tiny"
