"""Own pictures are read as their users see them, and what may surprise is told in one line with the remedy."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vae_edge import pictures
from vae_edge.pictures.files import as_images, read_images
from vae_edge.pictures.notices import Notices
from vae_edge.pictures.reading import as_keywords
from vae_edge.pictures.treatment import PLAIN, Treatment
from vae_edge.runtime.errors import DataError, InputError

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (8, 12, 3)).astype(np.uint8)


def told(path: Path, **options: object) -> tuple[np.ndarray, list[str]]:
    lines: list[str] = []
    return pictures.read(path, say=lines.append, **options), lines  # type: ignore[arg-type]


def test_a_plain_picture_is_read_without_a_word(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    images, lines = told(tmp_path / "a.png")
    assert np.array_equal(images, COLOURS[None])
    assert lines == []


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_pictures_stand_upright_as_exif_says(tmp_path: Path, orientation: int, turns: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOURS).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(told(tmp_path / "a.png")[0][0], np.rot90(COLOURS, turns))
    smooth = np.linspace(0, 255, 64 * 96).reshape(64, 96).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", exif=exif, quality=100)
    read = told(tmp_path / "a.jpg")[0][0, ..., 0].astype(int)
    assert np.abs(read - np.rot90(smooth, turns)).max() <= 2


def test_ink_on_a_transparent_ground_lies_on_white_and_it_is_told(tmp_path: Path) -> None:
    ink = np.zeros((8, 12, 4), np.uint8)
    ink[2:5, 3, 3] = 255
    ink[6, 6, 3] = 51
    Image.fromarray(ink).save(tmp_path / "ink.png")
    Image.fromarray(COLOURS).save(tmp_path / "b.png")
    images, [line] = told(tmp_path)
    assert images.shape == (2, 8, 12, 3)
    assert (images[1, 2:5, 3] == 0).all()
    assert (images[1, 0] == 255).all()
    assert (images[1, 6, 6] == 204).all()  # (1 - 0.2) white
    assert line == (
        f"1 of 2 pictures have transparent parts, laid on white (first {tmp_path / 'ink.png'}): "
        "ground='white|black|#RRGGBB' chooses it"
    )
    assert (told(tmp_path / "ink.png", ground="black")[0] == 0).all()
    assert (told(tmp_path / "ink.png", ground="#102030")[0][0, 0, 0] == (16, 32, 48)).all()


def test_an_alpha_channel_that_hides_nothing_is_not_mentioned(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([COLOURS, np.full((8, 12), 255, np.uint8)])).save(tmp_path / "a.png")
    images, lines = told(tmp_path / "a.png")
    assert np.array_equal(images, COLOURS[None])
    assert lines == []


def test_grey_with_alpha_stays_grey_on_a_grey_ground(tmp_path: Path) -> None:
    pixels = np.dstack([COLOURS[..., 0], np.zeros((8, 12), np.uint8)])
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (told(tmp_path / "a.png")[0] == np.full((1, 8, 12, 1), 255)).all()
    assert told(tmp_path / "a.png")[0].shape[-1] == 1
    assert (told(tmp_path / "a.png", ground="#ff0000")[0][0, 0, 0] == (255, 0, 0)).all()


@pytest.mark.parametrize("suffix", ["gif", "tif", "webp"])
def test_further_frames_are_told(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(np.full((8, 12), 60 * k, np.uint8)) for k in range(3)]
    frames[1].save(tmp_path / f"a.{suffix}", save_all=True, append_images=[frames[0], frames[2]], lossless=True)
    images, [line] = told(tmp_path / f"a.{suffix}")
    assert (images == 60).all()
    assert line.endswith("has several frames, of which the first is read: save the others as pictures of their own")
    frames[1].save(tmp_path / f"one.{suffix}")
    assert told(tmp_path / f"one.{suffix}")[1] == []


def test_a_first_frame_is_read_whatever_follows(tmp_path: Path) -> None:
    frames = [Image.fromarray(RNG.integers(0, 256, (8, 12)).astype(np.uint8)) for _ in range(2)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    data = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "cut.gif").write_bytes(data[: len(data) - 60])
    assert np.array_equal(told(tmp_path / "cut.gif")[0], told(tmp_path / "a.gif")[0])


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_twelve_bits_in_a_file_of_sixteen_are_not_read_as_black(tmp_path: Path, name: str) -> None:
    numbers = np.linspace(0, 4095, 96).reshape(8, 12).astype(np.uint16)
    Image.fromarray(numbers).save(tmp_path / name)
    with pytest.raises(DataError, match=r"highest number in its 16-bit pictures is 4,095 of 65,535.*white=4095"):
        told(tmp_path / name)
    images, lines = told(tmp_path / name, white=4095)
    assert np.array_equal(images[0, ..., 0], np.rint(numbers / 4095 * 255))
    assert lines == []
    assert told(tmp_path / name, white=65535)[0].max() == 16


def test_a_dark_picture_among_brighter_ones_is_read(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 12), 100, np.uint16)).save(tmp_path / "dark.png")
    Image.fromarray(np.full((8, 12), 60000, np.uint16)).save(tmp_path / "light.png")
    assert sorted(told(tmp_path)[0].max(axis=(1, 2, 3))) == [0, 233]


def test_sixteen_bits_of_colour_are_never_read_as_black(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for white, fits in ((4095, False), (65535, True)):
        lines = b"".join(b"\0" + np.full((4, 3), white, ">u2").tobytes() for _ in range(2))
        parts = chunk(b"IHDR", struct.pack(">2I5B", 4, 2, 16, 2, 0, 0, 0)), chunk(b"IDAT", zlib.compress(lines))
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))
        if fits:
            assert (told(tmp_path / "a.png")[0] == 255).all()
        else:
            with pytest.raises(DataError, match=r"16 bits a channel in colour.*save it with 8 bits a channel"):
                told(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 1, 28, 28), (5, 28, 28, 1)),
        ((5, 3, 8, 12), (5, 8, 12, 3)),
        ((5, 8, 12, 3), (5, 8, 12, 3)),
        ((5, 1, 1, 3), (5, 1, 1, 3)),
        ((5, 8, 12, 6), (5, 8, 12, 6)),
    ],
)
def test_arrays_with_their_channels_first_are_turned_and_it_is_told(
    tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    array = RNG.integers(0, 256, shape).astype(np.uint8)
    np.save(tmp_path / "x.npy", array)
    images, lines = told(tmp_path / "x.npy")
    assert images.shape == expected
    assert lines == [f"{tmp_path / 'x.npy'}: {shape} is read as (n, C, H, W): save it as (n, H, W, C) if it is not"] * (
        shape != expected
    )
    assert np.array_equal(images, array if shape == expected else np.moveaxis(array, 1, 3))
    assert as_images(array, "x").shape == expected


@pytest.mark.parametrize(
    ("array", "white", "remedy"),
    [
        (np.array([[0, 1]], np.uint8), 1, "of 1 or of 255. Say it by white=1"),
        (np.array([[0, 4095]], np.uint16), 4095, "white=4095"),
        (np.array([[0, 255]], np.int64), 255, "white=255"),
        (np.array([[0, 255]], np.float64), 255, "white=255"),
    ],
)
def test_arrays_whose_white_is_not_known_are_a_question(
    tmp_path: Path, array: np.ndarray, white: int, remedy: str
) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match=remedy):
        told(tmp_path / "x.npy")
    assert told(tmp_path / "x.npy", white=white)[0].ravel().tolist() == [0, 255]


def test_pictures_are_cut_scaled_made_grey_and_inverted_in_this_order(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    cut = Image.fromarray(COLOURS[:, 2:10]).resize((4, 4), Image.Resampling.BICUBIC)
    expected = 255 - np.asarray(cut.convert("L"))
    images, lines = told(tmp_path / "a.png", size=4, crop="fit", grey=True, invert=True)
    assert np.array_equal(images[0, ..., 0], expected)
    assert lines == []
    np.save(tmp_path / "a.npy", COLOURS[None])  # arrays the same
    assert np.array_equal(told(tmp_path / "a.npy", size="4", crop="fit", grey=True, invert=True)[0], images)


def test_a_crop_is_cut_out_of_the_centre(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    assert np.array_equal(told(tmp_path / "a.png", crop=(4, 6))[0][0], COLOURS[2:6, 3:9])
    assert np.array_equal(told(tmp_path / "a.png", crop="fit")[0][0], COLOURS[:, 2:10])
    with pytest.raises(DataError, match=r"8x12 pixels \(height x width\), smaller than crop='9x6'"):
        told(tmp_path / "a.png", crop="9x6")


def test_pictures_that_are_stretched_are_told(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    assert told(tmp_path / "a.png", size=(4, 6))[1] == []
    images, [line] = told(tmp_path / "a.png", size=4)
    assert images.shape == (1, 4, 4, 3)
    assert line == f"{tmp_path / 'a.png'} is stretched to 4x4 pixels: crop='fit' cuts the margins instead"


def test_pictures_that_differ_say_what_makes_them_alike(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    Image.fromarray(COLOURS[..., 0]).save(tmp_path / "b.png")
    with pytest.raises(DataError, match="give grey=True to make all alike"):
        told(tmp_path)
    assert told(tmp_path, grey=True)[0].shape == (2, 8, 12, 1)
    Image.fromarray(COLOURS[:4]).save(tmp_path / "b.png")
    with pytest.raises(DataError, match="give size=N crop='fit' to make all alike"):
        told(tmp_path)
    assert told(tmp_path, size=4, crop="fit")[0].shape == (2, 4, 4, 3)


def test_a_large_photograph_is_read_where_it_is_made_smaller(tmp_path: Path) -> None:
    large = np.tile(np.linspace(0, 255, 4200, dtype=np.uint8), (4100, 1))
    Image.fromarray(large).save(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="at most 16,777,216 are read; 67,108,864 with size"):
        told(tmp_path / "a.jpg")
    small = told(tmp_path / "a.jpg", size=32, crop="fit")[0][0, 0, :, 0]
    assert np.abs(small - np.linspace(6, 248, 32)).max() < 2  # decoded at an eighth, and scaled from there


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "resize should be N pixels or HxW"),
        ({"size": "64x"}, "it is '64x'"),
        ({"size": (1, 2, 3)}, "resize should be"),
        ({"crop": "square"}, "or fit; it is 'square'"),
        ({"ground": "pink"}, "ground should be white, black or #RRGGBB, it is 'pink'"),
        ({"white": -1}, "white should be the number that means white"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        pictures.read("x.png", **options)  # type: ignore[arg-type]


def test_a_treatment_is_told_as_the_options_that_make_it() -> None:
    assert Treatment.parse() == PLAIN
    assert PLAIN.flags == ""
    treatment = Treatment.parse("64x48", "fit", True, True, "#A0B0C0", 4095)
    assert treatment.flags == "--resize 64x48 --crop fit --grey --invert --ground '#a0b0c0' --white 4095"
    assert Treatment.parse(**treatment.options) == treatment


def test_python_is_warned_where_no_one_else_is_told(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    with pytest.warns(UserWarning, match="crop='fit' cuts the margins"):
        pictures.read(tmp_path / "a.png", size=4)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("say it by --white 4095 (or --white 65535)", "say it by white=4095 (or white=65535)"),
        ("--ground white|black|#RRGGBB chooses it", "ground='white|black|#RRGGBB' chooses it"),
        ("give --resize N --crop fit to make all alike", "give size=N crop='fit' to make all alike"),
        ("--grey learns one of them", "grey=True learns one of them"),
        ("smaller than --crop 32x16: leave it out", "smaller than crop='32x16': leave it out"),
    ],
)
def test_python_is_told_of_keywords_not_of_flags(line: str, words: str) -> None:
    assert as_keywords(line) == words


def test_messages_of_read_name_its_keywords(tmp_path: Path) -> None:
    for name, side in (("a.png", 8), ("b.png", 9)):
        Image.new("L", (side, side), 100).save(tmp_path / name)
    with pytest.raises(DataError, match="give size=N crop='fit' to make all alike"):
        pictures.read(tmp_path)


def test_files_of_other_kinds_in_a_folder_are_told(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 100).save(tmp_path / "a.png")
    for name in ("b.HEIC", "c.npy", ".hidden"):
        (tmp_path / name).write_bytes(b"x")
    lines: list[str] = []
    assert len(pictures.read(tmp_path, say=lines.append)) == 1
    assert lines == [f"{tmp_path}: files of other kinds are left out (.heic, .npy)"]


@pytest.mark.parametrize("white", [4095.0, 1048575.0, 0.1, 2.0**31 + 0.5])
def test_the_number_of_white_is_recorded_exactly(white: float) -> None:
    treatment = Treatment.parse(white=white)
    assert Treatment.recorded(treatment.record) == treatment
    assert float(treatment.flags.split()[-1]) == white


def test_read_takes_files_of_several_kinds_and_names_what_differs(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    np.save(tmp_path / "x.npy", COLOURS[None].repeat(2, 0) / 255)
    assert np.array_equal(pictures.read([tmp_path / "a.png", tmp_path / "x.npy"]), COLOURS[None].repeat(3, 0))
    Image.fromarray(COLOURS[..., 0]).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"x\.npy: images of \(8, 12, 3\), but .*a\.png holds \(8, 12, 1\)"):
        pictures.read([tmp_path / "a.png", tmp_path / "x.npy"])
    with pytest.raises(InputError, match="at least one"):
        pictures.read([])


def test_reading_counts_for_whoever_asks(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    notices = Notices()
    read_images(tmp_path, PLAIN, notices)
    assert notices.pictures == 1
