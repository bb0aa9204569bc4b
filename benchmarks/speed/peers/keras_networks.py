"""The networks of each model as Keras models: the TensorFlow tutorial's, and those of the presets.

The tutorial: https://www.tensorflow.org/tutorials/generative/cvae, latent 2, transposed convolutions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
from keras import layers, ops
from onnx import numpy_helper

from vae_edge.runtime.bundle import built_in
from vae_edge.train import networks
from vae_edge.train.presets import PRESETS

__all__ = ["IMAGE", "build", "load", "shipped", "shuffle"]

IMAGE = (28, 28, 1)
TUTORIAL_LATENT = 2

Arrays = list[npt.NDArray[np.float32]]


def build(model: str) -> tuple[keras.Model, keras.Model]:
    """The encoder (image -> loc, scale) and the decoder (z -> logits) of a model, with weights of no meaning."""
    if model == "tutorial":
        return _tutorial()
    return networks.encoder(PRESETS[model], IMAGE), networks.decoder(PRESETS[model], IMAGE)


def _tutorial() -> tuple[keras.Model, keras.Model]:
    image = keras.Input(IMAGE, name="image")
    x = layers.Conv2D(32, 3, strides=2, activation="relu")(image)
    x = layers.Conv2D(64, 3, strides=2, activation="relu")(x)
    both = layers.Dense(2 * TUTORIAL_LATENT)(layers.Flatten()(x))
    loc, log_variance = both[:, :TUTORIAL_LATENT], both[:, TUTORIAL_LATENT:]
    scale = layers.Lambda(lambda value: ops.exp(0.5 * value))(log_variance)
    encoder = keras.Model(image, [loc, scale])
    z = keras.Input((TUTORIAL_LATENT,), name="z")
    x = layers.Reshape((7, 7, 32))(layers.Dense(7 * 7 * 32, activation="relu")(z))
    x = layers.Conv2DTranspose(64, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(x)
    return encoder, keras.Model(z, layers.Conv2DTranspose(1, 3, padding="same")(x))


def load(exchange: Path, model: str) -> tuple[keras.Model, keras.Model]:
    """The encoder and the decoder with the weights of the exchange folder."""
    both = build(model)
    for name, network in zip(("encoder", "decoder"), both, strict=True):
        with np.load(exchange / model / f"{name}.npz") as stored:
            network.set_weights([stored[str(index)] for index in range(len(stored.files))])
    return both


def shuffle(network: keras.Model, seed: int) -> None:
    """Gives each kernel and bias of the network random values, of a size that keeps activations near 1 (He 2015)."""
    draws = np.random.default_rng(seed)
    for layer in network.layers:
        if not layer.get_weights():
            continue
        kernel, bias = layer.get_weights()
        inputs = np.prod(kernel.shape[:-1])
        if isinstance(layer, layers.Conv2DTranspose):  # kernels are (h, w, out, in), and strides leave gaps
            inputs = kernel.size / kernel.shape[2] / np.prod(layer.strides)
        elif isinstance(layer, layers.DepthwiseConv2D):
            inputs = np.prod(layer.kernel_size)
        sizes = ((2 / inputs) ** 0.5, kernel.shape), (0.1, bias.shape)
        layer.set_weights([draws.normal(0, deviation, shape).astype(np.float32) for deviation, shape in sizes])


def shipped(model: str) -> tuple[Arrays, Arrays]:
    """The weights of the bundle that ships under that name, in the order in which Keras keeps them.

    Raises LookupError where none ships, or its graphs are not laid out as these networks are.
    """
    if model not in built_in():
        raise LookupError(f"no bundle {model!r} ships")
    folder = built_in()[model]
    graphs = json.loads((folder / "manifest.json").read_text())["graphs"]
    encoder, decoder = (onnx.load(folder / graphs[name]["file"]["name"]).graph for name in ("encoder", "decoder"))
    return _layers(encoder, ("loc", "scale")), _layers(decoder, ())


def _layers(graph: onnx.GraphProto, heads: tuple[str, ...]) -> Arrays:
    """Kernel and bias of each layer in the order of the graph, those of `heads` last and in their order."""
    values = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found: dict[str, Arrays] = {}
    for node in graph.node:
        if node.op_type == "Conv":
            apart = any(entry.name == "group" and entry.i > 1 for entry in node.attribute)
            kernel = values[node.input[1]].transpose((2, 3, 0, 1) if apart else (2, 3, 1, 0))
            found[node.output[0]] = [kernel, values[node.input[2]]]
        elif node.op_type == "MatMul":
            (add,) = readers[node.output[0]]
            bias = next((name for name in add.input if name in values), None)
            if add.op_type != "Add" or bias is None:
                raise LookupError(f"{node.name} is followed by {add.op_type}, a bias was expected")
            found[node.output[0]] = [values[node.input[1]], values[bias].reshape(-1)]
    for head in heads:
        name = head
        while name not in found:
            name = producers[name].input[0]
        found[name] = found.pop(name)
    return [array for pair in found.values() for array in pair]
