"""Images are read from IDX, array and picture files; damage is named, nothing is unpickled."""

import gzip
import io
import struct
import subprocess
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_edge.pictures import files
from vae_edge.pictures.files import read_idx, read_images
from vae_edge.runtime.errors import DataError

PIXELS = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)


def idx(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_idx_plain_and_gzipped_give_the_same_images(tmp_path: Path) -> None:
    plain = read_images(write(tmp_path / "images", idx(PIXELS)))
    packed = read_images(write(tmp_path / "images.gz", gzip.compress(idx(PIXELS))))
    assert np.array_equal(plain, PIXELS[..., None])
    assert np.array_equal(plain, packed)


@given(st.binary(max_size=64))
def test_any_bytes_are_an_idx_file_or_a_data_error(data: bytes) -> None:
    with suppress(DataError):
        assert idx(read_idx(data, "some file")) == data


@pytest.mark.parametrize("cut", range(len(idx(PIXELS))))
def test_an_idx_file_cut_anywhere_is_refused(cut: int) -> None:
    with pytest.raises(DataError):
        read_idx(idx(PIXELS)[:cut], "cut")


@pytest.mark.parametrize("shape", [(0,), (0, 6, 4), (0, 2**32 - 1, 2**32 - 1, 2**32 - 1)])
def test_an_idx_file_that_holds_nothing_is_refused(shape: tuple[int, ...]) -> None:
    """NumPy fails on the last, whose other sizes are more than it counts."""
    data = b"\0\0\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    with pytest.raises(DataError, match=r"shape \(0,.*holds nothing"):
        read_idx(data, "empty")


def test_arrays_are_read_with_missing_axes_filled_in(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", PIXELS[0])
    np.savez(tmp_path / "many.npz", images=PIXELS, labels=np.arange(2))
    assert read_images(tmp_path / "one.npy").shape == (1, 3, 5, 1)
    assert read_images(tmp_path / "many.npz").shape == (2, 3, 5, 1)


def test_a_member_of_an_npz_that_is_no_array_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPX")  # NumPy gives its bytes
    with pytest.raises(DataError, match=r"text\.npz: not an \.npz of plain arrays \('images' is no array\)"):
        read_images(tmp_path / "text.npz")


def test_an_npz_by_the_name_of_an_npy_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "many.npz", images=PIXELS)
    (tmp_path / "many.npz").rename(tmp_path / "many.npy")
    with pytest.raises(DataError, match=r"many\.npy: .*it is an \.npz: name it so"):
        read_images(tmp_path / "many.npy")


def test_pickles_are_never_read(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", allow_pickle=True, x=np.array([[[{}]]], dtype=object))
    for name in ("objects.npy", "objects.npz"):
        with pytest.raises(DataError, match="plain"):
            read_images(tmp_path / name)


def test_two_arrays_of_images_in_one_file_are_a_question(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=PIXELS, b=PIXELS)
    with pytest.raises(DataError, match=r"found \['a', 'b'\]; keep one"):
        read_images(tmp_path / "two.npz")


def test_pictures_keep_their_pixels_and_must_agree_in_size(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for name, array in (("a", PIXELS[0]), ("b", PIXELS[1])):
        image.fromarray(array).save(tmp_path / f"{name}.png")
    assert np.array_equal(read_images(tmp_path), PIXELS[..., None])
    assert np.array_equal(read_images(tmp_path / "a.png"), PIXELS[:1, ..., None])
    image.fromarray(PIXELS[0, :2]).save(tmp_path / "c.png")
    with pytest.raises(DataError, match=r"c\.png: \(2, 5, 1\), but .*a\.png is \(3, 5, 1\)"):
        read_images(tmp_path)


@pytest.mark.parametrize(("name", "order"), [("a.png", "<u2"), ("a.tif", "<u2"), ("a.tif", ">u2"), ("a.pgm", "<u2")])
def test_sixteen_bits_of_grey_become_eight(tmp_path: Path, name: str, order: str) -> None:
    image = pytest.importorskip("PIL.Image")
    wide = np.array([[0, 128, 129, 257], [300, 32768, 65406, 65407], [65534, 65535, 1000, 256]], np.uint16)
    image.fromarray(wide.astype(order)).save(tmp_path / name)
    assert np.array_equal(read_images(tmp_path / name), np.rint(wide / 257)[None, ..., None])
    exact = PIXELS[0].astype(np.uint16) * 8 * 257
    image.fromarray(exact).save(tmp_path / name)
    assert np.array_equal(read_images(tmp_path / name), PIXELS[:1, ..., None] * 8)


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_grey_whose_white_is_not_known_is_refused(tmp_path: Path, kind: type) -> None:
    image = pytest.importorskip("PIL.Image")
    image.fromarray(PIXELS[0].astype(kind)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif: .*white is not known: say .*--white N, or save it as"):
        read_images(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["no.png", "no.npy", "no.npz", "no.gz", "no"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_images(tmp_path / name)


@pytest.mark.parametrize("name", ["bad.png", "bad.npy", "bad.npz", "bad.gz", "bad"])
@pytest.mark.parametrize("content", [b"", b"\0", b"PK\x03\x04", b"\x1f\x8b\x08", b"\x93NUMPY\x01"])
def test_a_damaged_file_is_a_data_error(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(DataError, match="bad"):
        read_images(write(tmp_path / name, content))


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match="more than 1,000 bytes"):
        read_images(write(tmp_path / "bomb.gz", gzip.compress(bytes(1001))))


def test_an_npz_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", images=np.zeros((2, 20, 20), np.uint8))
    assert read_images(tmp_path / "bomb.npz").shape == (2, 20, 20, 1)
    monkeypatch.setattr(files, "MAX_BYTES", 800)
    with pytest.raises(DataError, match="more than 800 bytes"):
        read_images(tmp_path / "bomb.npz")


def test_a_jpeg_of_thousands_of_scans_is_refused(tmp_path: Path) -> None:
    """Each costs the decoder a pass over all pixels: a megabyte would take minutes."""
    image, stream = pytest.importorskip("PIL.Image"), io.BytesIO()
    image.fromarray(PIXELS[0]).save(stream, "JPEG", progressive=True)
    whole = stream.getvalue()
    scan = whole[whole.rfind(b"\xff\xda") : -2]
    for times, refused in ((9, False), (1000, True)):
        path = write(tmp_path / f"{times}.jpg", whole[:-2] + scan * times + b"\xff\xd9")
        if refused:
            with pytest.raises(DataError, match=r"scans, at most 200 are read"):
                read_images(path)
        else:
            assert read_images(path).shape == (1, 3, 5, 1)


def test_a_format_that_no_name_promises_is_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow goes by the content: PostScript by the name of a picture would start Ghostscript."""
    image = pytest.importorskip("PIL.Image")
    image.fromarray(PIXELS[0]).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("something was started"))
    with pytest.raises(DataError, match=r"not a picture that can be read"):
        read_images(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", files.PICTURES)
def test_each_format_that_is_named_is_read(tmp_path: Path, suffix: str) -> None:
    image = pytest.importorskip("PIL.Image")
    image.fromarray(PIXELS[0]).save(tmp_path / f"a{suffix}")
    assert read_images(tmp_path / f"a{suffix}").shape[:3] == (1, 3, 5)


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures in it"):
        read_images(tmp_path)
