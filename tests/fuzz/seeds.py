"""Where fuzzing begins: small files of every kind that a reader takes, made by code."""

from __future__ import annotations

import gzip
import io
import runpy
import struct
from pathlib import Path

import numpy as np

from vae_edge.runtime.bundle import npz as archives

TESTS = Path(__file__).parent.parent
TINY = TESTS / "runtime" / "tiny"
PIXELS = (np.arange(2 * 6 * 4) * 5 % 256).astype(np.uint8).reshape(2, 6, 4)
PRIOR = {
    "weights": np.array([0.25, 0.75], np.float32),
    "loc": np.array([[1, 0, -1], [0, 2, 0]], np.float32),
    "lower": np.array([[1, 0.5, 2, -1, 0.25, 1], [0.25, 0, 1, 0.5, 2, 1]], np.float32),
}


def manifests() -> list[bytes]:
    shipped = (TESTS.parent / "artifacts").glob("*/manifest.json")
    return [path.read_bytes() for path in (TINY / "manifest.json", *sorted(shipped))]


def graphs() -> list[bytes]:
    """The tiny bundle's, and a hundred and twenty random ones of the operators that a graph may use."""
    found = [(TINY / name).read_bytes() for name in ("encoder.onnx", "decoder.onnx")]
    try:
        maker = runpy.run_path(str(TESTS / "soak" / "random_graphs.py"))["Maker"]
        for seed in range(120):
            made = maker(seed)
            for _ in range(6):
                made.step()
            found.append(made.model())
    except ImportError:
        pass  # without the train extra the two must do
    return found


def bundles() -> list[bytes]:
    """One file each, behind a byte that says which."""
    names = ("manifest.json", "encoder.onnx", "decoder.onnx", "probe.npz")
    parts = [(TINY / name).read_bytes() for name in names]
    return [bytes([which]) + part for which, part in enumerate([*parts, archives.render(PRIOR)])]


def probes() -> list[bytes]:
    arrays = {"image": PIXELS[..., None], "loc": np.zeros((2, 3), np.float32)}
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return [archives.render(arrays), stream.getvalue()]


def idx() -> list[bytes]:
    plain = [
        b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
        for array in (PIXELS, PIXELS[0], PIXELS[..., None], PIXELS.ravel()[:5], PIXELS[:0])
    ]
    return [*plain, *(gzip.compress(data, mtime=0) for data in plain)]


def npy() -> list[bytes]:
    found = []
    for array in (
        PIXELS,
        PIXELS[0],
        PIXELS / 255,
        PIXELS > 99,
        np.asfortranarray(PIXELS),
        PIXELS.astype(">f4"),
        PIXELS.astype("U1"),
    ):
        for version in ((1, 0), (2, 0), (3, 0)):
            stream = io.BytesIO()
            np.lib.format.write_array(stream, array, version)
            found.append(stream.getvalue())
    return found


def npz() -> list[bytes]:
    found = []
    for save in (np.savez, np.savez_compressed):
        for arrays in ({"images": PIXELS, "labels": np.arange(2)}, {"a": PIXELS, "b": PIXELS}, {"x": PIXELS / 255}):
            stream = io.BytesIO()
            save(stream, **arrays)
            found.append(stream.getvalue())
    return found


def pictures() -> list[bytes]:
    """Grey, palette, colour and transparent ones in each format that is read; none without Pillow."""
    try:
        from PIL import Image
    except ImportError:
        return []
    found = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "WEBP"):
        for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16"):
            for options in ({}, {"progressive": True}, {"save_all": True, "append_images": [Image.new(mode, (4, 6))]}):
                stream = io.BytesIO()
                try:
                    Image.fromarray(PIXELS[0]).convert(mode).save(stream, kind, **options)
                except (OSError, ValueError, KeyError):
                    continue  # a format that has no such mode
                if (data := stream.getvalue()) not in found:
                    found.append(data)
    return found
