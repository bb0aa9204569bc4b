"""Conditional bundles on the command line: labels by name, number, list, file, or from the data; vectors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from vae_edge.runtime import VAE

SHAPE = (6, 4, 1)


@pytest.fixture
def labels(bundle_of):
    return bundle_of("labels")


@pytest.fixture
def vae(labels):
    return VAE.load(labels)


@pytest.fixture
def pixels(folder):
    """Five images as `images.npy`, and as `sorted/`, a folder a class."""
    pixels = (np.random.default_rng(0).random((5, *SHAPE)) > 0.5) * np.uint8(255)
    np.save("images.npy", pixels)
    for index, label in enumerate(["seven", "seven", "three"]):
        (folder / "sorted" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[index, ..., 0]).save(f"sorted/{label}/{index}.png")
    return pixels


@pytest.mark.parametrize("label", ["7", "seven"])
def test_generate_makes_what_the_label_says(vae_edge, labels, vae, folder, label):
    done = vae_edge("generate", "-b", labels, "--n", 9, "--label", label, "--out", "x.npy", "--json")
    assert done.exit_code == 0, done.output
    assert np.array_equal(np.load("x.npy"), vae.generate(9, label=7))
    assert json.loads(done.stdout)["label"] == [7]


def test_generate_takes_several_labels_in_turn_from_wherever_it_starts(vae_edge, labels, vae, folder):
    in_turn = [(3, 7, 1)[i % 3] for i in range(600)]
    assert vae_edge("generate", "-b", labels, "--n", 600, "--label", "3, seven,1", "--out", "x.npy").exit_code == 0
    whole = vae.generate(600, label=in_turn)
    assert np.allclose(np.load("x.npy"), whole, atol=1e-6)
    arguments = ["--n", 20, "--start", 500, "--label", "3,seven,1", "--out", "y.npy"]
    assert vae_edge("generate", "-b", labels, *arguments).exit_code == 0
    assert np.allclose(np.load("y.npy"), whole[500:520], atol=1e-6)


def test_generate_takes_all_labels_one_a_column_of_the_sheet(vae_edge, labels, vae, folder):
    assert vae_edge("generate", "-b", labels, "--n", 20, "--label", "all", "--out", "x.npy").exit_code == 0
    assert np.array_equal(np.load("x.npy"), vae.generate(20, label=[*range(10)] * 2))
    assert (
        vae_edge("generate", "-b", labels, "--n", 20, "--label", "all", "--scale", 1, "--out", "x.png").exit_code == 0
    )
    with Image.open("x.png") as sheet:
        assert sheet.size == (1 + 10 * 5, 1 + 2 * 7)


@pytest.mark.parametrize("name", ["labels.txt", "labels.csv", "labels.npy"])
def test_labels_are_read_from_a_file_one_each(vae_edge, labels, vae, pixels, name):
    if name.endswith(".npy"):
        np.save(name, np.array([7, 3, 0, 0, 9]))
    else:
        with open(name, "w") as file:
            file.write("seven\n3\nzero\n0\n9\n")
    arguments = ["images.npy", "-b", labels, "--labels", name]
    assert vae_edge("reconstruct", *arguments, "--head", "mean", "--out", "x.npz").exit_code == 0
    given = {"label": [7, 3, 0, 0, 9]}
    with np.load("x.npz") as arrays:
        assert np.array_equal(arrays["mean"], vae.reconstruct(pixels, head="mean", **given))
    assert vae_edge("encode", *arguments, "--out", "q.npz").exit_code == 0
    with np.load("q.npz") as arrays:
        assert np.array_equal(arrays["loc"], vae.encode(pixels, **given).loc)
    arguments = ["images.npy", "-b", labels, "--label", "7,3,0,0,9", "--head", "mean", "--out", "y.npz"]
    assert vae_edge("reconstruct", *arguments).exit_code == 0
    with np.load("y.npz") as arrays:
        assert np.array_equal(arrays["mean"], vae.reconstruct(pixels, head="mean", **given))


def test_each_image_keeps_its_label_however_many_there_are(vae_edge, labels, vae, folder):
    pixels = (np.random.default_rng(0).random((1100, *SHAPE)) > 0.5) * np.uint8(255)
    classes = np.random.default_rng(1).integers(0, 10, 1100)
    np.savez("many.npz", x=pixels, y=classes)
    assert vae_edge("encode", "many.npz", "-b", labels, "--out", "q.npz").exit_code == 0
    with np.load("q.npz") as arrays:
        assert np.allclose(arrays["loc"], vae.encode(pixels, label=classes).loc, atol=1e-5)
    assert vae_edge("reconstruct", "many.npz", "-b", labels, "--head", "mean", "--out", "x.npz").exit_code == 0
    with np.load("x.npz") as arrays:
        assert np.allclose(arrays["mean"], vae.reconstruct(pixels, head="mean", label=classes), atol=1e-5)


def test_the_datas_own_labels_are_taken_where_none_are_given(vae_edge, labels, vae, pixels):
    np.savez("both.npz", x=pixels[:3], y=np.array([7, 7, 3]))
    np.save("three.npy", pixels[:3])
    header = bytes([0, 0, 8])
    with open("my-images-idx3-ubyte", "wb") as file:
        file.write(header + bytes([3, *[0, 0, 0, 3], *[0, 0, 0, 6], *[0, 0, 0, 4]]) + pixels[:3].tobytes())
    with open("my-labels-idx1-ubyte", "wb") as file:
        file.write(header + bytes([1, *[0, 0, 0, 3], 7, 7, 3]))
    expected = vae.encode(pixels[:3], label=[7, 7, 3]).loc
    for source in ("sorted", "both.npz", "my-images-idx3-ubyte"):
        assert vae_edge("encode", source, "-b", labels, "--out", "q.npz").exit_code == 0, source
        with np.load("q.npz") as arrays:
            assert np.array_equal(arrays["loc"], expected), source
    assert vae_edge("encode", "sorted", "-b", labels, "--start", 2, "--out", "q.npz").exit_code == 0
    with np.load("q.npz") as arrays:
        assert np.allclose(arrays["loc"], expected[2:], atol=1e-6)
    assert vae_edge("encode", "sorted", "-b", labels, "--label", 1, "--out", "q.npz").exit_code == 0
    with np.load("q.npz") as arrays:
        assert np.array_equal(arrays["loc"], vae.encode(pixels[:3], label=1).loc)


def test_interpolate_has_one_label_all_the_way(vae_edge, labels, vae, pixels):
    arguments = ["images.npy:0", "images.npy:4", "--steps", 7, "-b", labels, "--label", "two", "--out", "x.npy"]
    assert vae_edge("interpolate", *arguments).exit_code == 0
    assert np.array_equal(np.load("x.npy"), vae.interpolate(pixels[:1], pixels[4:], 7, label=2))


def test_a_vector_is_numbers_or_a_file(vae_edge, bundle_of, folder):
    bundle = bundle_of("vector")
    vae = VAE.load(bundle)
    assert vae_edge("generate", "-b", bundle, "--n", 3, "--condition", "-0.5,2", "--out", "x.npy").exit_code == 0
    assert np.array_equal(np.load("x.npy"), vae.generate(3, condition=[-0.5, 2]))
    with open("turns.csv", "w") as file:
        file.write("yaw,pitch\n1,2\n3,4\n")  # by name, in any order
    assert vae_edge("generate", "-b", bundle, "--n", 3, "--condition", "turns.csv", "--out", "y.npy").exit_code == 0
    assert np.array_equal(np.load("y.npy"), vae.generate(3, condition=[[2, 1], [4, 3], [2, 1]]))


def test_evaluate_takes_the_datas_labels_or_one_for_all(vae_edge, labels, vae, folder):
    from vae_edge.runtime.evaluation import likelihood

    data = np.random.default_rng(0).integers(0, 256, (30, *SHAPE), np.uint8)
    classes = np.random.default_rng(1).permutation(np.arange(30) % 10)
    np.savez("data.npz", x_train=data, y_train=classes, x_test=data, y_test=classes)
    arguments = ["evaluate", labels, "--data", "data.npz", "--samples", 4, "--json"]
    told = json.loads(vae_edge(*arguments).stdout)
    assert told["nll"]["mean"] == pytest.approx(likelihood.nll(vae, data, 4, label=classes).mean())
    told = json.loads(vae_edge(*arguments, "--label", "four").stdout)
    assert told["nll"]["mean"] == pytest.approx(likelihood.nll(vae, data, 4, label=4).mean())
    limited = json.loads(vae_edge(*arguments, "--limit", 12).stdout)
    assert limited["elbo"]["mean"] == pytest.approx(
        np.subtract(*likelihood.elbo(vae, data[:12], label=classes[:12])).mean()
    )


def test_info_lists_the_labels_and_bench_runs(vae_edge, labels, bundle_of, monkeypatch):
    from vae_edge.cli.verbs import bench

    text = vae_edge("info", labels).stdout
    assert "condition   a label, one of 10: zero, one, two, " in text
    assert "given (condition [batch, 10])" in text
    assert "2 numbers: pitch, yaw" in vae_edge("info", bundle_of("vector")).stdout
    monkeypatch.setattr(bench, "SIZES", (1, 300))
    monkeypatch.setattr(bench, "ROUNDS", 1)
    for kind in ("labels", "index", "vector", "table"):
        done = vae_edge("bench", bundle_of(kind), "--seconds", 0, "--json")
        assert done.exit_code == 0, done.output
        assert len(json.loads(done.stdout)["rows"]) == 12


@pytest.mark.parametrize(
    ("kind", "arguments", "told"),
    [
        ("labels", ["generate"], "'labels' is conditional: say which label by --label, one of zero, one, two"),
        ("labels", ["generate", "--label", "eleven"], "should be one of zero, one, two, "),
        ("labels", ["generate", "--label", "3,10"], "or a number from 0 to 9; it is 10"),
        ("labels", ["generate", "--condition", "1,2"], "give --label in place of --condition"),
        ("labels", ["encode", "images.npy"], "say which label by --label"),
        ("labels", ["encode", "images.npy", "--label", "1,2"], "one for all, or one for each of 5 would do"),
        ("labels", ["encode", "images.npy", "--labels", "none.txt"], "none.txt: no such file"),
        ("labels", ["encode", "images.npy", "--labels", "images.npy"], "expected labels (n,)"),
        ("labels", ["interpolate", "seed:1", "seed:2", "--label", "1,2"], "2 labels are given: one for all would do"),
        ("vector", ["generate"], "'vector' is conditional: give 2 numbers (pitch, yaw) by --condition"),
        ("vector", ["generate", "--label", "1"], "give 2 numbers"),
        ("vector", ["generate", "--condition", "1,2,3"], "should be 2 numbers parted by commas"),
        ("vector", ["generate", "--condition", "1,x"], "should be 2 numbers parted by commas"),
        ("binary", ["generate", "--label", "1"], "'binary' takes no label and no condition: leave --label out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_condition_is_one_line(vae_edge, bundle_of, pixels, one_line, kind, arguments, told):
    verb, *rest = arguments
    done = vae_edge(verb, *rest, "-b", bundle_of(kind))
    assert told in one_line(done.stderr)
    assert "unexpected" not in done.stderr
    assert done.exit_code == 1


def test_two_options_that_say_the_same_are_wrong_usage(vae_edge, labels, folder, one_line):
    done = vae_edge("generate", "-b", labels, "--label", 1, "--labels", "x.txt")
    assert "--label and --labels say the same" in one_line(done.stderr)
    assert done.exit_code == 2
