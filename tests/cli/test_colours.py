"""Grey and colour bundles: sheets, pictures and arrays follow the likelihood, and figures are those that it has."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from vae_edge.runtime import VAE


@pytest.fixture
def colour(bundle_of):
    return bundle_of("colour")


@pytest.fixture
def photographs(folder):
    """Seven pictures in colour, as `photographs/`."""
    pixels = np.random.default_rng(0).integers(0, 256, (7, 6, 4, 3), np.uint8)
    (folder / "photographs").mkdir()
    for index, each in enumerate(pixels):
        Image.fromarray(each).save(f"photographs/{index}.png")
    return pixels


def test_pictures_are_clipped_and_arrays_are_not(vae_edge, colour, folder):
    images = VAE.load(colour).generate(9, head="sample")
    assert images.min() < 0
    assert images.max() > 1
    assert vae_edge("generate", "-b", colour, "--n", 9, "--head", "sample", "--out", "x.npy").exit_code == 0
    assert np.array_equal(np.load("x.npy"), images)
    assert vae_edge("generate", "-b", colour, "--n", 9, "--head", "sample", "--out", "x/").exit_code == 0
    for index in range(9):
        with Image.open(f"x/{index:08}.png") as picture:
            assert picture.mode == "RGB"
            assert np.array_equal(np.asarray(picture), np.rint(np.clip(images[index], 0, 1) * 255))


def test_a_sheet_is_in_colour_and_shows_the_originals_as_they_are(vae_edge, colour, photographs):
    assert vae_edge("reconstruct", "photographs", "-b", colour, "--scale", 1, "--columns", 7).exit_code == 0
    with Image.open("reconstructed.png") as sheet:
        assert sheet.mode == "RGB"
        pixels = np.asarray(sheet)
    left = pixels.shape[1] - (1 + 7 * 5)
    assert np.array_equal(pixels[1:7, left + 1 : left + 5], photographs[0])


def test_grey_images_are_not_made_black_and_white(vae_edge, bundle_of, folder):
    bundle = bundle_of("grey")
    grey = np.random.default_rng(0).integers(0, 256, (3, 6, 4), np.uint8)
    np.save("grey.npy", grey)
    assert vae_edge("reconstruct", "grey.npy", "-b", bundle, "--out", "x.npz").exit_code == 0
    with np.load("x.npz") as arrays:
        assert np.array_equal(np.rint(arrays["original"][..., 0] * 255), grey)
        assert np.array_equal(arrays["mode"], VAE.load(bundle).reconstruct(grey))


def test_a_posterior_of_full_covariance_is_told_by_its_parameters(vae_edge, bundle_of, folder):
    bundle = bundle_of("binary")
    np.save("images.npy", np.random.default_rng(0).random((3, 6, 4), np.float32))
    q = VAE.load(bundle).encode(np.load("images.npy"))
    assert vae_edge("encode", "images.npy", "-b", bundle, "--out", "q.npz").exit_code == 0
    with np.load("q.npz") as arrays:
        assert sorted(arrays.files) == ["loc", "names", "scale_tril"]
        assert np.array_equal(arrays["scale_tril"], q.scale_tril)
    told = json.loads(vae_edge("encode", "images.npy", "-b", bundle).stdout)
    assert told["posterior"] == "multivariate_normal_tril"
    assert np.array_equal(np.float32(told["scale_tril"]), q.scale_tril)
    assert "posterior   multivariate_normal_tril (loc, scale_tril)" in vae_edge("info", bundle).stdout


def test_an_autoencoders_code_is_its_loc(vae_edge, make_bundle, folder):
    from vae_edge.runtime.bundle.manifest import Spec

    bundle = make_bundle(posterior=Spec("deterministic", (3,), {"loc": "loc"}), prior=Spec("none", (3,)))
    np.save("images.npy", np.random.default_rng(0).random((3, 6, 4), np.float32))
    assert vae_edge("encode", "images.npy", "-b", bundle, "--out", "q.npz").exit_code == 0
    with np.load("q.npz") as arrays:
        assert arrays.files == ["loc", "names"]


@pytest.mark.parametrize("kind", ["grey", "levels"])
def test_levels_have_bits_a_dimension(vae_edge, bundle_of, folder, kind):
    np.save("data.npy", np.random.default_rng(0).integers(0, 256, (9, 6, 4), np.uint8))
    arguments = ["evaluate", bundle_of(kind), "--data", "data.npy", "--split", "all", "--samples", 3]
    told = json.loads(vae_edge(*arguments, "--json").stdout)
    bits = told["nll"]["mean"] / np.log(2) / 24
    assert told["bits_per_dimension"]["mean"] == pytest.approx(bits)
    assert told["binarize"] == "none"
    assert "wrong_pixels" not in told
    assert f"bits/dim{bits:28.4f}" in vae_edge(*arguments).stdout


def test_a_model_of_others_is_measured_on_data_that_is_named(vae_edge, bundle_of, photographs, one_line):
    colour = bundle_of("colour")
    done = vae_edge("evaluate", colour)
    assert done.exit_code == 1
    assert "'colour' has no record of a training by vae-edge: name the data to measure it on by --data" in one_line(
        done.stderr
    )
    arguments = ["evaluate", colour, "--data", "photographs", "--split", "all", "--samples", 2]
    told = json.loads(vae_edge(*arguments, "--json").stdout)
    assert told["squared_error"]["mean"] > 0
    assert "bits_per_dimension" not in told
    done = vae_edge(*arguments, "--binarize", "static")
    assert "--binarize is for black-and-white images, 'colour' takes others" in one_line(done.stderr)


def test_what_does_not_fit_the_bundle_is_said(vae_edge, bundle_of, photographs, one_line):
    np.save("rows.npy", np.zeros((20, 5)))
    done = vae_edge("evaluate", bundle_of("colour"), "--data", "rows.npy")
    assert "'colour' takes images, rows.npy holds rows" in one_line(done.stderr)
    done = vae_edge("evaluate", bundle_of("table"), "--data", "photographs")
    assert "'table' takes rows, photographs holds images" in one_line(done.stderr)
    done = vae_edge("generate", "-b", bundle_of("colour"), "--out", "x.csv")
    assert "images do not go into a table" in one_line(done.stderr)
    done = vae_edge("encode", "rows.csv", "-b", bundle_of("colour"))
    assert "a table, this VAE knows images" in one_line(done.stderr)
    done = vae_edge("encode", "photographs", "-b", bundle_of("colour"), "--label-column", "x")
    assert "--label-column is for the .csv of a table" in one_line(done.stderr)


def test_figures_of_a_model_of_others_are_written_where_its_data_is_named(vae_edge, bundle_of, photographs, folder):
    import shutil

    from vae_edge.runtime.bundle import read

    shutil.copytree(bundle_of("colour"), "mine")
    np.savez("data.npz", x_train=photographs, x_test=photographs)
    done = vae_edge("evaluate", "mine", "--data", "data.npz", "--samples", 2, "--write")
    assert done.exit_code == 0, done.output
    assert read("mine").manifest.metrics["nll_samples"] == 2
    assert vae_edge("verify", "mine").exit_code == 0


def test_digits_alone_are_judged_by_the_classifier_of_digits(vae_edge, folder):
    np.savez("other.npz", x_train=np.zeros((60, 28, 28, 1), np.uint8), x_test=np.zeros((40, 28, 28, 1), np.uint8))
    told = json.loads(vae_edge("evaluate", "mnist-tiny", "--data", "other.npz", "--samples", 0, "--json").stdout)
    assert told["notes"] == [
        "no figures of samples: the classifier knows digits, these images are neither mnist nor digits"
    ]
    assert "frechet" not in told
