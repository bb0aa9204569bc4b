"""Writes the exchange folder, by TensorFlow: for each model weights, inputs, TensorFlow's outputs, and all graphs.

    EXCHANGE/MODEL/  model.json  encoder.npz  decoder.npz  z.npy  images.npy  loc.npy  logits.npy  reconstruction.npy
                     plain/encoder.onnx, decoder.onnx   what tf2onnx writes by its defaults
                     bundle/                            what vae_edge.export makes of the same networks
                     litert/encoder-N.tflite, decoder-N.tflite

`logits` are the decoder's of `z`, `reconstruction` those of `loc`, which is the encoder's of `images`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

import keras
import keras_networks
import numpy as np
import numpy.typing as npt
import onnx
import tensorflow as tf
import tf2onnx
from protocol import CHUNK, LARGEST

from vae_edge.export import Bernoulli, Normal, export, graphs
from vae_edge.runtime import VAE
from vae_edge.runtime.bundle import built_in
from vae_edge.train.presets import PRESETS

Array = npt.NDArray[np.float32]

IMAGES = 10_000
LITERT = (1, 8, 64, CHUNK, LARGEST)  # its graphs have a fixed batch, at which XNNPACK takes the whole of them


def main(exchange: Path, models: list[str]) -> None:
    for model in models:
        folder = exchange / model
        for name in ("plain", "litert"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        encoder, decoder = keras_networks.build(model)
        origin = _set_weights(model, encoder, decoder)
        for name, network in (("encoder", encoder), ("decoder", decoder)):
            np.savez(folder / f"{name}.npz", **{str(i): value for i, value in enumerate(network.get_weights())})
        arrays = _arrays(encoder, decoder)
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        _plain(folder / "plain", encoder, decoder)
        _bundle(folder / "bundle", model, encoder, decoder, arrays["images"])
        _litert(folder / "litert", encoder, decoder)
        described = dataclasses.asdict(PRESETS[model]) if model in PRESETS else {}
        kept = ("width", "depth", "encoder_network", "encoder_width", "encoder_depth")
        described = {"kind": described["network"]} | {key: described[key] for key in kept} if described else {}
        described = {"kind": "tutorial", "latent": arrays["z"].shape[1]} | described
        described |= {"weights": origin, "logits_deviation": float(arrays["logits"].std())}
        described["multiply_adds"] = graphs.multiply_adds(onnx.load(folder / "plain" / "decoder.onnx"))
        (folder / "model.json").write_text(json.dumps(described, indent=2) + "\n")  # the last: the folder is whole
        print(f"{model}: {origin}; logits' standard deviation {described['logits_deviation']:.2g}", file=sys.stderr)


def _set_weights(model: str, encoder: keras.Model, decoder: keras.Model) -> str:
    """Those of the shipped bundle where it ships and they give what it gives, else random ones; says which."""
    try:
        for network, weights in zip((encoder, decoder), keras_networks.shipped(model), strict=True):
            network.set_weights(weights)
        vae, draws = VAE.load(built_in()[model], provider="cpu"), np.random.default_rng(0)
        z = draws.standard_normal((64, vae.latent_size), np.float32)
        images = draws.integers(0, 2, (64, *vae.event_shape)).astype(np.float32)
        pairs = ((vae.decode(z).logits, decoder(z)), (vae.encode(images).loc, encoder(images)[0]))
        if (off := max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)) > 1e-3:
            raise LookupError(f"the shipped weights give other values, by {off:.2g}")
        return "the shipped bundle's"
    except (LookupError, ValueError) as error:
        for seed, network in enumerate((encoder, decoder)):
            keras_networks.shuffle(network, seed)
        return "random" if model == "tutorial" else f"random ({' '.join(str(error).split())[:200]})"


def _arrays(encoder: keras.Model, decoder: keras.Model) -> dict[str, Array]:
    draws = np.random.default_rng(0)
    z = draws.standard_normal((IMAGES, decoder.input_shape[1]), np.float32)
    # Strokes' share of MNIST's pixels; what is on them changes no speed.
    images = (draws.random((IMAGES, *keras_networks.IMAGE), np.float32) < 0.13).astype(np.float32)
    loc = _in_batches(lambda x: encoder(x, training=False)[0], images)
    logits, reconstruction = (_in_batches(lambda x: decoder(x, training=False), code) for code in (z, loc))
    return {"z": z, "images": images, "loc": loc, "logits": logits, "reconstruction": reconstruction}


def _in_batches(network: object, x: Array) -> Array:
    return np.concatenate([network(x[at : at + CHUNK]).numpy() for at in range(0, len(x), CHUNK)])


def _plain(folder: Path, encoder: keras.Model, decoder: keras.Model) -> None:
    @tf.function(input_signature=[tf.TensorSpec((None, *keras_networks.IMAGE), tf.float32, name="image")])
    def encode(image: tf.Tensor) -> dict[str, tf.Tensor]:
        loc, scale = encoder(image, training=False)
        return {"loc": loc, "scale": scale}

    @tf.function(input_signature=[tf.TensorSpec((None, decoder.input_shape[1]), tf.float32, name="z")])
    def decode(z: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": decoder(z, training=False)}

    for name, function in (("encoder", encode), ("decoder", decode)):
        tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, output_path=str(folder / f"{name}.onnx")
        )


def _bundle(folder: Path, model: str, encoder: keras.Model, decoder: keras.Model, images: Array) -> None:
    """What anyone gets who exports these networks, with a normal prior."""
    export(
        folder,
        encoder=encoder,
        decoder=decoder,
        examples=images[:64],
        posterior=Normal(loc=0, scale=1),
        likelihood=Bernoulli(logits=0),
        name=model,
        force=True,
    )


def _litert(folder: Path, encoder: keras.Model, decoder: keras.Model) -> None:
    for n in LITERT:
        image = keras.Input(batch_shape=(n, *keras_networks.IMAGE))
        z = keras.Input(batch_shape=(n, *decoder.input_shape[1:]))
        fixed = {"encoder": keras.Model(image, encoder(image)[0]), "decoder": keras.Model(z, decoder(z))}
        for name, network in fixed.items():
            converter = tf.lite.TFLiteConverter.from_keras_model(network)
            (folder / f"{name}-{n}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(Path(sys.argv[1]), sys.argv[2:])
