"""Coverage-guided fuzzing of every reader of foreign bytes: python tests/fuzz/fuzz.py TARGET [libFuzzer's options].

Needs `pip install atheris`, NumPy, Pillow and vae_edge; a target ends at the first exception that is not VaeEdgeError.
What it finds becomes a test of the reader.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["vae_edge"]):
    from vae_edge.runtime import bundle, graphcheck, manifest, npz
    from vae_edge.runtime.errors import VaeEdgeError
    from vae_edge.train import files

TINY = Path(__file__).parent.parent / "runtime" / "tiny"
FOLDER = Path(tempfile.mkdtemp())
SHAPES = {"image": ("|u1", (-1, 6, 4, 1)), "loc": ("<f4", (-1, 3))}


def read_manifest(data: bytes) -> None:
    assert manifest.render(manifest.parse(data)) == data


def read_bundle(data: bytes) -> None:
    """One of the four files is other bytes: the first says which."""
    names = ("manifest.json", "encoder.onnx", "decoder.onnx", "probe.npz")
    for name in names:
        (FOLDER / name).write_bytes((TINY / name).read_bytes())
    (FOLDER / names[data[0] % 4 if data else 0]).write_bytes(data[1:])
    bundle.read(FOLDER)


def read_file(name: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        (FOLDER / name).write_bytes(data)
        files.read_images(FOLDER / name)

    return read


TARGETS: dict[str, Callable[[bytes], object]] = {
    "manifest": read_manifest,
    "bundle": read_bundle,
    "graph": lambda data: graphcheck.check(data, "fuzz"),
    "probe": lambda data: npz.parse(data, "fuzz", SHAPES),
    "idx": read_file("images"),
    "idx.gz": read_file("images.gz"),
    "npy": read_file("images.npy"),
    "npz": read_file("images.npz"),
    "png": read_file("image.png"),
    "gif": read_file("image.gif"),
}


def main() -> None:
    target = TARGETS[sys.argv.pop(1)]

    def one(data: bytes) -> None:
        with suppress(VaeEdgeError):
            target(data)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
