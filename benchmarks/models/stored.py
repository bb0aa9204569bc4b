"""Models that are files: of Keras 3, of tf_keras, SavedModels, ONNX."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import numpy as np
import onnx
import tf_keras
from keras import layers
from onnx import TensorProto, helper, numpy_helper

from benchmarks.models.parts import EXAMPLES, LATENT, Arguments, ink, randomise
from vae_edge.export import Bernoulli, Image, Normal

__all__ = ["files", "onnx_files"]


def files(folder: Path, kind: str = ".keras") -> Arguments:
    """Files alone: `.keras`, `.h5` of tf_keras, or SavedModels ('')."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder, decoder = (folder / f"{name}{kind}" for name in ("encoder", "decoder"))
    if kind == ".h5":
        k = tf_keras.layers
        models = [
            tf_keras.Sequential([k.InputLayer((144,)), k.Dense(8, activation="relu"), k.Dense(2 * LATENT)]),
            tf_keras.Sequential([k.InputLayer((LATENT,)), k.Dense(8, activation="relu"), k.Dense(144)]),
        ]
    else:
        models = [
            keras.Sequential([keras.Input((144,)), layers.Dense(8, activation="gelu"), layers.Dense(2 * LATENT)]),
            keras.Sequential([keras.Input((LATENT,)), layers.Dense(8, activation="gelu"), layers.Dense(144)]),
        ]
    randomise(*models)
    for model, path in zip(models, (encoder, decoder), strict=True):
        if kind:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # .h5 is an old format, which is why it is here
                model.save(path)
        else:
            model.export(path, verbose=False)
    return {
        "encoder": str(encoder),
        "decoder": str(decoder),
        "examples": ink(12, 12, 1).reshape(-1, 144),
        "event": Image(12, 12, 1),
        "posterior": Normal(loc=0, log_var=1),
        "likelihood": Bernoulli(logits=0),
    }


def onnx_files(folder: Path, opset: int = 17) -> Arguments:
    """Two ONNX files as PyTorch would write them: channels first, names of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(0)

    def weights(**shapes: tuple[int, ...]) -> list[onnx.TensorProto]:
        return [numpy_helper.from_array(draws.normal(0, 0.3, size).astype("f"), n) for n, size in shapes.items()]

    node, value = helper.make_node, helper.make_tensor_value_info
    encoder = helper.make_graph(
        [
            node("Conv", ["input.1", "conv.weight", "conv.bias"], ["h"], strides=[2, 2], pads=[1, 1, 1, 1]),
            node("Relu", ["h"], ["r"]),
            node("Flatten", ["r"], ["f"]),
            node("Gemm", ["f", "mu.weight", "mu.bias"], ["mu"], transB=1),
            node("Gemm", ["f", "lv.weight", "lv.bias"], ["logvar"], transB=1),
        ],
        "main_graph",
        [value("input.1", TensorProto.FLOAT, ["N", 3, 10, 8])],
        [value(name, TensorProto.FLOAT, ["N", LATENT]) for name in ("mu", "logvar")],
        weights(
            **{"conv.weight": (4, 3, 3, 3), "conv.bias": (4,), "mu.weight": (LATENT, 80), "mu.bias": (LATENT,)},
            **{"lv.weight": (LATENT, 80), "lv.bias": (LATENT,)},
        ),
    )
    decoder = helper.make_graph(
        [
            node("Gemm", ["z.1", "fc.weight", "fc.bias"], ["h"], transB=1),
            node("Relu", ["h"], ["r"]),
            node("Reshape", ["r", "shape"], ["g"]),
            node("ConvTranspose", ["g", "up.weight", "up.bias"], ["t"], strides=[2, 2]),
            node("Sigmoid", ["t"], ["12"]),
        ],
        "main_graph",
        [value("z.1", TensorProto.FLOAT, ["N", LATENT])],
        [value("12", TensorProto.FLOAT, ["N", 3, 10, 8])],
        [
            *weights(**{"fc.weight": (80, LATENT), "fc.bias": (80,), "up.weight": (4, 3, 2, 2), "up.bias": (3,)}),
            numpy_helper.from_array(np.array([-1, 4, 5, 4]), "shape"),
        ],
    )
    paths = []
    for name, graph in (("encoder", encoder), ("decoder", decoder)):
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6 if opset < 13 else 8
        )
        onnx.save(model, folder / f"{name}.onnx")
        paths.append(str(folder / f"{name}.onnx"))
    return {
        "encoder": paths[0],
        "decoder": paths[1],
        "examples": np.random.default_rng(0).random((EXAMPLES, 3, 10, 8), np.float32),
        "posterior": Normal(loc="mu", log_var="logvar"),
        "likelihood": Normal(loc=0, scale=0.1),
    }
