"""Images are read from whatever holds them, and what does not fit the VAE is told with both sizes."""

from __future__ import annotations

import gzip
import io
import os
import struct
import types

import numpy as np
import pytest
from PIL import Image as Picture

from vae_edge.cli.reading import events, treatments
from vae_edge.pictures.sheet import Sheet, png
from vae_edge.pictures.treatment import Treatment
from vae_edge.runtime.bundle.manifest import Image
from vae_edge.runtime.errors import DataError, InputError

SHAPE = (6, 4, 1)


def read(paths: list[str], shape: tuple[int, ...], start: int = 0, limit: int | None = None) -> np.ndarray:
    return events.read(paths, knows(shape), start, limit).values


def read_one(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return events.read_one(name, knows(shape))


def knows(shape: tuple[int, ...], threshold: float | None = None) -> types.SimpleNamespace:
    """What stands for a VAE of images of that shape."""
    event = Image(*shape, threshold)
    manifest = types.SimpleNamespace(event=event, training=None, name="stub")
    return types.SimpleNamespace(manifest=manifest, event_shape=shape, labels=())


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


@pytest.mark.parametrize("name", ["grey.png", "bytes.npy", "images-idx3-ubyte.gz"])
def test_a_file_that_the_shell_opened_is_read_as_stdin_is(files, name):
    with (files / name).open("rb") as file:
        assert np.array_equal(read([f"/dev/fd/{file.fileno()}"], SHAPE), read([name], SHAPE))


@pytest.mark.parametrize(("n", "columns", "scale"), [(1, 1, 1), (6, 3, 4), (5, 2, 8)])
def test_a_contact_sheet_is_taken_for_one(files, n, columns, scale):
    sheet = Sheet.plan(n, SHAPE, ("mean",), columns, scale)
    pixels = [np.zeros((n, *SHAPE), np.uint8)]
    (files / "sheet.png").write_bytes(png(sheet.draw(pixels)))
    with pytest.raises(InputError, match=r"if this is a contact sheet, write a folder or \.npy in its place"):
        read(["sheet.png"], SHAPE)


def test_a_picture_of_another_size_is_not_taken_for_a_contact_sheet(files):
    with pytest.raises(InputError, match=r"give --resize 6x4 --crop fit$"):
        read(["turned.png"], SHAPE)


def test_a_grey_picture_saved_as_rgb_is_grey(files):
    assert np.array_equal(read(["rgb.png"], SHAPE)[0, ..., 0], PIXELS[0])


@pytest.mark.parametrize(("start", "limit", "chosen"), [(0, None, 5), (1, 2, 2), (4, 100, 1)])
def test_start_and_limit_choose(files, start, limit, chosen):
    images = read(["bytes.npy"], SHAPE, start, limit)
    assert np.array_equal(images[..., 0], PIXELS[start : start + chosen])


@pytest.mark.parametrize(
    ("paths", "start", "told"),
    [
        (
            ["turned.png"],
            0,
            "images of 4x6 pixels, 1 channel, this VAE knows 6x4 pixels, 1 channel: give --resize 6x4 --crop fit",
        ),
        (["colours.png"], 0, "colours, but this VAE knows grey images: give --grey"),
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


def test_a_picture_is_treated_as_asked(files):
    Picture.fromarray(np.full((12, 20, 3), 250, np.uint8)).save("large.png")
    found = events.read(["large.png"], knows(SHAPE), treatment=Treatment.parse("6x4", "fit", grey=True, invert=True))
    assert (found.values == np.full((1, *SHAPE), 5)).all()


def test_channels_first_are_told_by_the_shape_of_the_vae(files):
    np.save("first.npy", PIXELS[:, None])
    assert np.array_equal(read(["first.npy"], SHAPE)[..., 0], PIXELS)


def test_each_event_has_the_name_of_its_file(files):
    (files / "sub" / "cats").mkdir(parents=True)
    for name in ("a.png", "cats/a.png", "cats/b.png", "cats/b.bmp"):
        Picture.fromarray(PIXELS[0]).save(files / "sub" / name)
    found = events.read(["grey.png", "sub", "bytes.npy"], knows(SHAPE), limit=7)
    names = ("grey.png", "a.png", "cats/a.png", "cats/b.bmp", "cats/b.png", "bytes.npy:0", "bytes.npy:1")
    assert found.names == names
    stems = ["grey", "a", "cats-a", "cats-b.bmp", "cats-b.png", "bytes.npy:0", "bytes.npy:1"]
    assert found.stems() == stems
    assert events.read(["grey.png", "sub", "grey.png"], knows(SHAPE)).stems() == [
        "grey.png-0", "a", "cats-a", "cats-b.bmp", "cats-b.png", "grey.png-5",
    ]  # fmt: skip
    assert events.read(["bytes.npy"], knows(SHAPE)).stems() is None


def test_ink_on_paper_is_told_to_who_reads_it_with_digits(files):
    paper = np.full((6, 4), 250, np.uint8)
    paper[2:4, 1:3] = 5
    Picture.fromarray(paper).save("ink.png")
    vae = knows(SHAPE)
    vae.manifest.training = types.SimpleNamespace(dataset="mnist", pictures={})
    lines = []
    events.read(["ink.png"], vae, say=lines.append)
    assert lines == ["images are dark on light, stub learned light on dark: --invert makes them so"]
    for name, treatment in (("ink.png", Treatment.parse(invert=True)), ("grey.png", Treatment.parse())):
        lines.clear()
        events.read([name], vae, treatment=treatment, say=lines.append)
        assert lines == []


def test_shades_that_a_bundle_does_not_know_are_told(files):
    lines = []
    events.read(["grey.png"], knows(SHAPE, 0.5), say=lines.append)
    assert lines == ["images are grey, stub knows black and white: what is above a half becomes white"]
    lines.clear()
    np.save("bits.npy", (PIXELS > 127).astype(np.uint8) * 255)
    events.read(["bits.npy"], knows(SHAPE, 0.5), say=lines.append)
    events.read(["grey.png"], knows(SHAPE), say=lines.append)
    assert lines == []


def test_what_the_training_did_to_images_is_told_and_named_where_they_do_not_fit(files):
    vae, lines = knows(SHAPE), []
    pictures = {"resize": "6x4", "grey": "true", "white": "4095"}
    vae.manifest.training = types.SimpleNamespace(dataset="own", pictures=pictures)
    assert treatments.trained(vae) == Treatment.parse("6x4", grey=True, white=4095)
    events.read(["grey.png"], vae, say=lines.append)
    assert lines == [
        "stub was trained on images read with --grey --white 4095: give that here too, if these are like those"
    ]
    with pytest.raises(InputError, match="as its training had, give --resize 6x4 --grey --white 4095"):
        events.read(["turned.png"], vae)
    lines.clear()
    events.read(["grey.png"], vae, treatment=Treatment.parse(grey=True, white=4095), say=lines.append)
    assert lines == []
    vae.manifest.training = None
    assert treatments.trained(vae) == Treatment.parse()
    for foreign in ({"white": "much"}, {"blur": "true"}):
        with pytest.raises(InputError, match="in a way that this release does not know"):
            Treatment.recorded(foreign)


@pytest.mark.parametrize("name", ["grey.png", "bytes.npy", "images-idx3-ubyte.gz", "floats.npy"])
def test_dash_is_stdin_whatever_comes(files, monkeypatch, name):
    data = (files / name).read_bytes()
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    found = events.read(["-"], knows(SHAPE))
    assert np.array_equal(found.values, read([name], SHAPE))
    assert found.names[0] == ("-" if name == "grey.png" else "-:0")
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO()))
    with pytest.raises(DataError, match=r"-: expected a picture, .npy, .npz, IDX file or .csv, nothing came"):
        read(["-"], SHAPE)


def test_a_pipe_is_read_as_stdin_is(files):
    read_end, write_end = os.pipe()
    os.write(write_end, (files / "grey.png").read_bytes())
    os.close(write_end)
    try:
        assert np.array_equal(read([f"/dev/fd/{read_end}"], SHAPE)[0, ..., 0], PIXELS[0])
    finally:
        os.close(read_end)
