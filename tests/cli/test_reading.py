"""Images are read from whatever holds them, and what does not fit the VAE is told with both sizes."""

from __future__ import annotations

import gzip
import struct
import types

import numpy as np
import pytest
from PIL import Image as Picture

from vae_edge.cli.reading import events
from vae_edge.runtime.bundle.manifest import Image
from vae_edge.runtime.errors import DataError, InputError

SHAPE = (6, 4, 1)


def read(paths: list[str], shape: tuple[int, ...], start: int = 0, limit: int | None = None) -> np.ndarray:
    return events.read(paths, knows(shape), start, limit).values


def read_one(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return events.read_one(name, knows(shape))


def knows(shape: tuple[int, ...]) -> types.SimpleNamespace:
    """What stands for a VAE of images of that shape."""
    event = Image(*shape, None)
    return types.SimpleNamespace(manifest=types.SimpleNamespace(event=event), event_shape=shape, labels=())


PIXELS = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)


@pytest.fixture
def files(folder):
    Picture.fromarray(PIXELS[0]).save(folder / "grey.png")
    Picture.fromarray(np.repeat(PIXELS[0][..., None], 3, axis=2)).save(folder / "rgb.png")
    Picture.fromarray(np.random.default_rng(1).integers(0, 256, (6, 4, 3), np.uint8)).save(folder / "colours.png")
    Picture.fromarray(PIXELS[0].T).save(folder / "turned.png")
    np.save(folder / "bytes.npy", PIXELS)
    np.save(folder / "floats.npy", PIXELS / 255)
    header = struct.pack(">4B3I", 0, 0, 8, 3, 5, 6, 4)
    (folder / "images-idx3-ubyte.gz").write_bytes(gzip.compress(header + PIXELS.tobytes()))
    return folder


def test_files_of_every_kind_are_read_in_their_order(files):
    images = read(["grey.png", "bytes.npy", "images-idx3-ubyte.gz"], SHAPE)
    assert np.array_equal(images[..., 0], np.concatenate([PIXELS[:1], PIXELS, PIXELS]))


def test_a_grey_picture_saved_as_rgb_is_grey(files):
    assert np.array_equal(read(["rgb.png"], SHAPE)[0, ..., 0], PIXELS[0])


@pytest.mark.parametrize(("start", "limit", "chosen"), [(0, None, 5), (1, 2, 2), (4, 100, 1)])
def test_start_and_limit_choose(files, start, limit, chosen):
    images = read(["bytes.npy"], SHAPE, start, limit)
    assert np.array_equal(images[..., 0], PIXELS[start : start + chosen])


@pytest.mark.parametrize(
    ("paths", "start", "told"),
    [
        (["turned.png"], 0, "images of 4x6 pixels, 1 channel, this VAE knows 6x4 pixels, 1 channel: scale or crop"),
        (["colours.png"], 0, "colours, but this VAE knows grey images"),
        (["bytes.npy"], 5, "--start 5 is behind the last of 5 images"),
        (["bytes.npy", "floats.npy"], 0, "give them one at a time"),
    ],
)
def test_what_does_not_fit_is_told(files, paths, start, told):
    with pytest.raises(InputError, match=told):
        read(paths, SHAPE, start)


def test_an_array_of_one_image_is_one_image(files):
    np.save("one.npy", PIXELS[0][..., None])
    assert np.array_equal(read(["one.npy"], SHAPE)[0, ..., 0], PIXELS[0])


def test_a_missing_file_is_told(files):
    with pytest.raises(DataError, match="no such file"):
        read(["none.png"], SHAPE)


def test_one_image_is_a_file_or_its_place_in_one(files):
    assert np.array_equal(read_one("grey.png", SHAPE)[0, ..., 0], PIXELS[0])
    assert np.array_equal(read_one("bytes.npy:3", SHAPE)[0, ..., 0], PIXELS[3])
    (files / "grey.png").rename(files / "odd:7")
    with pytest.raises(DataError, match="odd:7"):  # a file of that name, not the eighth image of `odd`
        read_one("odd:7", SHAPE)


@pytest.mark.parametrize(
    ("name", "told"),
    [("bytes.npy", "say which, from 0: bytes.npy:0"), ("bytes.npy:5", "there is no image 5")],
)
def test_which_image_must_be_clear(files, name, told):
    with pytest.raises(InputError, match=told):
        read_one(name, SHAPE)
