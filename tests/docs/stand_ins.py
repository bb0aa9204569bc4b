"""Small data and models in place of a reader's own, made without a network: what the examples' names stand for.

`mnist` and `fashion-mnist` are 360 digits of the bundle `mnist`, which pass as the published sets while a test runs.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests import bundles
from vae_edge.runtime import VAE
from vae_edge.runtime.bundle import manifest
from vae_edge.train import mnist

__all__ = ["OWN_MODEL", "as_published", "write"]

ROOT = Path(__file__).parents[2]
TRAIN, TEST = 300, 60

# What a reader has before the page on an own model begins.
OWN_MODEL = """
import keras
import numpy as np

x_test = np.load("x.npy")
h = keras.layers.Flatten()(x := keras.Input((8, 8, 1)))
encoder = keras.Model(x, [keras.layers.Dense(3, name="z_mean")(h), keras.layers.Dense(3, name="z_log_var")(h)])
h = keras.layers.Dense(64, activation="sigmoid")(z := keras.Input((3,)))
decoder = keras.Model(z, keras.layers.Reshape((8, 8, 1))(h))
encoder.save("enc.keras")
decoder.save("dec.keras")
"""

MY_VAE = """
import keras
import numpy as np

from vae_edge.export import Bernoulli, Normal


def build():
    return {
        "encoder": keras.models.load_model("enc.keras"),
        "decoder": keras.models.load_model("dec.keras"),
        "examples": np.load("x.npy"),
        "posterior": Normal(loc=0, log_var=1),
        "likelihood": Bernoulli(probs=0),
    }
"""


def write(folder: Path) -> None:
    """Writes all stand-ins that need no TensorFlow: files, folders and bundles."""
    vae = VAE.load("mnist")
    grey = _bytes(vae.generate(TRAIN + TEST, seed=1))
    for name, images in (("mnist", grey), ("fashion-mnist", grey.swapaxes(1, 2))):
        _write_idx(folder / "data" / name, images)
    shutil.copy(folder / "data" / "mnist" / "t10k-images-idx3-ubyte.gz", folder)
    np.save(folder / "images.npy", grey[:20])
    (folder / "parquet").mkdir()
    rows = {"id": np.arange(20), "image": pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(grey[:20]))}
    pq.write_table(pa.table(rows), folder / "parquet" / "a.parquet")
    for name, image in (("three.png", grey[0]), ("seven.png", grey[1])):
        Image.fromarray(image[..., 0]).save(folder / name)
    _write_pictures(folder / "my-pictures", list(grey[:20, :, :, 0]))
    large = (255 - grey[:6, :, :, :1]).repeat(2, axis=1).repeat(2, axis=2).repeat(3, axis=3)
    _write_pictures(folder / "scans", list(large))  # dark strokes on white, in colour
    y, x = np.mgrid[:16, :16] * 15
    colours = [np.stack([y, x, np.full_like(x, 8 * i % 255)], -1).astype(np.uint8) for i in range(60)]
    for name, colour in (("a.jpg", colours[0]), ("b.jpg", colours[20])):
        Image.fromarray(colour).save(folder / name)
    for name in ("photos", "photographs"):
        _write_pictures(folder / name, colours)
    _write_tables(folder)
    shutil.copytree(ROOT / "artifacts" / "mnist-tiny", folder / "my-bundle")
    bundles.uncertain("mnist-tiny", folder / "my-ensemble")
    labelled = bundles.make(
        "my-labels",
        manifest.Image(28, 28, 1, 0.5),
        manifest.Spec("bernoulli", (28, 28, 1), {"logits": "logits"}),
        manifest.Condition("one_hot", 10, bundles.DIGITS),
        False,
    )
    labelled.write(folder / "my-labels")
    pixels = manifest.Spec("normal", (64, 64, 3), {"loc": "mean"}, {"scale": 0.5})
    bundles.make("my-photos", manifest.Image(64, 64, 3, None), pixels, None, False).write(folder / "my-photos")
    bundles.build("table").write(folder / "my-table")
    bits = (np.arange(64 * 64).reshape(64, 8, 8, 1) % 5 > 2).astype(np.float32)
    np.save(folder / "x.npy", bits)
    (folder / "my_vae.py").write_text(MY_VAE)
    _write_onnx(folder)
    _write_npm_package(folder / "node_modules" / "onnxruntime-web")


def as_published(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Lets the stand-ins in `folder`/data pass as MNIST and Fashion-MNIST, and the bundles' record of them hold."""
    real = {name: published.sha256 for name, published in mnist.SETS.items()}
    monkeypatch.setattr(mnist.Published, "sha256", property(lambda self: real[self.name]))
    for name, published in mnist.SETS.items():
        for file in published.files:
            data = gzip.decompress((folder / "data" / name / f"{file}.gz").read_bytes())
            monkeypatch.setitem(published.files, file, hashlib.sha256(data).hexdigest())
    monkeypatch.setenv("VAE_EDGE_DATA", str(folder / "data"))


def _write_onnx(folder: Path) -> None:
    """An encoder with the outputs mu and logvar, and a decoder, as another framework would have written them."""
    from onnx import TensorProto, helper, numpy_helper

    def tensors(shapes: dict[str, list[Any]]) -> list[Any]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape]) for name, shape in shapes.items()]

    def save(name: str, nodes: list[Any], inputs: dict[str, list[Any]], outputs: dict[str, list[Any]]) -> None:
        weights = {"to_mu": (64, 3), "to_logvar": (64, 3), "to_pixels": (3, 64)}
        constants = {key: bundles.weights(place, *shape) / 8 for place, (key, shape) in enumerate(weights.items())}
        constants |= {"flat": np.array([-1, 64]), "image": np.array([-1, 8, 8, 1])}
        initializers = [numpy_helper.from_array(value, key) for key, value in constants.items()]
        used = {each for node in nodes for each in node.input}
        kept = [each for each in initializers if each.name in used]
        graph = helper.make_graph(nodes, "graph", tensors(inputs), tensors(outputs), kept)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        (folder / name).write_bytes(proto.SerializeToString())

    make = helper.make_node
    encoder = [
        make("Reshape", ["x", "flat"], ["row"]),
        *(make("MatMul", ["row", f"to_{p}"], [p]) for p in ("mu", "logvar")),
    ]
    save("enc.onnx", encoder, {"x": [8, 8, 1]}, {"mu": [3], "logvar": [3]})
    decoder = [make("MatMul", ["z", "to_pixels"], ["row"]), make("Reshape", ["row", "image"], ["pixels"])]
    save("dec.onnx", decoder, {"z": [3]}, {"pixels": [8, 8, 1]})


def _write_npm_package(folder: Path) -> None:
    """What `vae-edge explore` reads of onnxruntime-web; a page with it would not run."""
    (folder / "dist").mkdir(parents=True)
    (folder / "package.json").write_text('{"version": "0"}')
    (folder / "dist" / "ort.wasm.bundle.min.mjs").write_text("const a={};export{a as env};")
    (folder / "dist" / "ort-wasm-simd-threaded.wasm").write_bytes(b"\0asm")


def _bytes(images: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.rint(images * 255).astype(np.uint8)


def _write_pictures(folder: Path, images: list[npt.NDArray[np.uint8]]) -> None:
    folder.mkdir()
    for place, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{place:03d}.png")


def _write_idx(folder: Path, images: npt.NDArray[np.uint8]) -> None:
    folder.mkdir(parents=True)
    labels = (np.arange(len(images)) % 10).astype(np.uint8)
    for split, here in (("train", slice(0, TRAIN)), ("t10k", slice(TRAIN, None))):
        for kind, array in (("images-idx3", images[here, :, :, 0]), ("labels-idx1", labels[here])):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (folder / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes(), mtime=0))


def _write_tables(folder: Path) -> None:
    rows = np.random.default_rng(0).normal((40, 170, 70, 30_000, 0.001), (16, 8, 12, 2_000, 0.0005), (60, 5))
    _write_csv(folder / "rows.csv", bundles.NAMES, rows.tolist())
    wine = [[*map(str, row[:3]), ("red", "white")[i % 2]] for i, row in enumerate(rows.tolist())]
    _write_csv(folder / "wine.csv", ("acidity", "sugar", "alcohol", "kind"), wine)


def _write_csv(path: Path, names: tuple[str, ...], rows: list[list[Any]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
