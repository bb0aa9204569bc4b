"""The name of a destination says what is written there; a file is whole or absent, and memory does not grow with it."""

from __future__ import annotations

import io
import os
import tracemalloc

import numpy as np
import pytest
import typer
from PIL import Image

from vae_edge.cli.writing.destination import Destination
from vae_edge.runtime.errors import OutputError

IMAGES = np.random.default_rng(0).random((10, 3, 5, 1)).astype(np.float32)


def chunks(images: np.ndarray, size: int = 4):
    return (images[at : at + size] for at in range(0, len(images), size))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "sheet"),
        ("A.PNG", "sheet"),
        ("a.npy", "array"),
        ("b.c/a.npz", "arrays"),
        ("a.csv", "table"),
        ("folder", "folder"),
        ("folder/", "folder"),
        ("v1.0/", "folder"),
        (".", "folder"),
    ],
)
def test_the_name_says_what_is_written(name, kind):
    assert Destination.parse(name).kind == kind


@pytest.mark.parametrize("name", ["a.jpg", "a.txt", "a.npy.gz"])
def test_other_names_are_wrong_usage(name):
    with pytest.raises(typer.BadParameter, match=r"FILE\.png, FILE\.npy, FILE\.npz, FILE\.csv or FOLDER/"):
        Destination.parse(name)


def test_an_array_file_is_what_numpy_would_have_saved(tmp_path):
    expected = io.BytesIO()
    np.save(expected, IMAGES)
    Destination.parse(f"{tmp_path}/a.npy").write({"images": chunks(IMAGES)}, 10, (3, 5, 1))
    assert (tmp_path / "a.npy").read_bytes() == expected.getvalue()


def test_several_rows_are_one_more_axis(tmp_path):
    rows = {"sample": chunks(IMAGES), "mean": chunks(1 - IMAGES)}
    Destination.parse(f"{tmp_path}/a.npy").write(rows, 10, (3, 5, 1))
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.stack([IMAGES, 1 - IMAGES]))


def test_an_npz_holds_an_array_a_row_and_is_the_same_every_time(tmp_path):
    for name in ("a.npz", "b.npz"):
        rows = {"sample": chunks(IMAGES), "mean": chunks(1 - IMAGES)}
        Destination.parse(f"{tmp_path}/{name}").write(rows, 10, (3, 5, 1))
    with np.load(tmp_path / "a.npz") as arrays:
        assert sorted(arrays.files) == ["mean", "sample"]
        assert np.array_equal(arrays["sample"], IMAGES)
        assert np.array_equal(arrays["mean"], 1 - IMAGES)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_folder_holds_a_picture_an_image(tmp_path):
    Destination.parse(f"{tmp_path}/new/").write({"images": chunks(IMAGES)}, 10, (3, 5, 1))
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [f"{index:08}.png" for index in range(10)]
    with Image.open(tmp_path / "new" / "00000007.png") as picture:
        assert np.array_equal(np.asarray(picture), np.rint(IMAGES[7, ..., 0] * 255))


def test_pictures_of_several_rows_carry_the_rows_name(tmp_path):
    rows = {"original": chunks(IMAGES[:2]), "mode": chunks(IMAGES[:2])}
    Destination.parse(f"{tmp_path}/new/").write(rows, 2, (3, 5, 1))
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == [f"0000000{index}-{row}.png" for index in (0, 1) for row in ("mode", "original")]


def test_pictures_carry_the_names_that_they_are_given(tmp_path):
    Destination.parse(f"{tmp_path}/new/").write({"mode": chunks(IMAGES[:2])}, 2, (3, 5, 1), stems=["cat", "dog"])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["cat.png", "dog.png"]


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.npz"])
def test_a_failure_halfway_leaves_what_was_there_and_nothing_else(tmp_path, name):
    (tmp_path / name).write_bytes(b"old")

    def fail():
        yield IMAGES[:4]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        Destination.parse(f"{tmp_path}/{name}").write({"images": fail()}, 10, (3, 5, 1))
    assert (tmp_path / name).read_bytes() == b"old"
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["none/a.png", "none/a.npy"])
def test_a_missing_folder_is_told_before_any_work(tmp_path, name):
    with pytest.raises(OutputError, match="no such folder; make it first"):
        Destination.parse(f"{tmp_path}/{name}").check()


@pytest.mark.parametrize("name", ["file/a.png", "file/sub/", "file/"])
def test_a_file_where_a_folder_should_be_is_told(tmp_path, name):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="choose another --out"):
        Destination.parse(f"{tmp_path}/{name}").check()


def test_a_folder_that_may_not_be_written_to_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *arguments: False)  # tests may run as root, who may write everywhere
    with pytest.raises(OutputError, match="may not be written to"):
        Destination.parse(f"{tmp_path}/a.png").check()


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    chunk = np.zeros((256, 64, 64, 1), np.float32)  # 4 MiB
    tracemalloc.start()
    try:
        Destination.parse(f"{tmp_path}/a.npy").write({"images": (chunk for _ in range(25))}, 25 * 256, (64, 64, 1))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "a.npy").stat().st_size > 100 << 20
    assert peak < 5 << 20
