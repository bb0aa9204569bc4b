"""Ten kinds of VAE as people build them, small, with random weights.

Each function gives the keyword arguments of `vae_edge.export.export` for one. What stands in them beside the model and
its examples is what its user has to say.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from keras import layers, ops
from onnx import TensorProto, helper, numpy_helper

from vae_edge.export import (
    Bernoulli,
    Categorical,
    DiscretizedLogistic,
    Image,
    Normal,
    OneHot,
)

__all__ = ["MODELS", "Arguments", "build"]

tfd, tfpl = tfp.distributions, tfp.layers

Arguments = dict[str, Any]
Array = npt.NDArray[Any]

EXAMPLES, LATENT = 70, 3
LABELS = ("zero", "one", "two", "three")


def convolutional(folder: Path) -> Arguments:
    """Conv2D and Conv2DTranspose; mean and log-variance side by side in one output; logits."""
    encoder = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(6, 3, strides=2, activation="relu"),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(2 * LATENT),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((LATENT,)),
            layers.Dense(3 * 3 * 8, activation="relu"),
            layers.Reshape((3, 3, 8)),
            layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 3, padding="same"),
        ]
    )
    _randomise(encoder, decoder)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "examples": _ink(12, 12, 1),
        "posterior": Normal(loc=0, log_var=1),
        "likelihood": Bernoulli(logits=0),
    }


@keras.saving.register_keras_serializable("zoo")
class Sampling(layers.Layer):
    """z = mean + exp(log_var / 2) eps, as the tutorials have it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, inputs: Any) -> Any:
        mean, log_var = inputs
        return mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean), seed=self.seed_generator)


def functional(folder: Path) -> Arguments:
    """Functional Keras: the encoder also gives a sampled z; the decoder ends in a sigmoid."""
    x = keras.Input((12, 12, 1))
    h = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    h = layers.Dense(8, activation="relu")(layers.Flatten()(h))
    mean, log_var = layers.Dense(LATENT, name="z_mean")(h), layers.Dense(LATENT, name="z_log_var")(h)
    encoder = keras.Model(x, [mean, log_var, Sampling(name="z")([mean, log_var])], name="encoder")
    decoder = _sigmoid_decoder()
    _randomise(encoder, decoder)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "examples": _ink(12, 12, 1),
        "posterior": Normal(loc="z_mean", log_var="z_log_var"),
        "likelihood": Bernoulli(probs=0),
    }


def probabilistic_layers(folder: Path) -> Arguments:
    """TFP's layers in tf_keras: full covariance, a KL regulariser in the graph, IndependentBernoulli."""
    prior = tfd.Independent(tfd.Normal(tf.zeros(LATENT), 1.0), 1)
    k = tf_keras.layers
    encoder = tf_keras.Sequential(
        [
            k.InputLayer((12, 12, 1)),
            k.Conv2D(6, 3, strides=2, activation="relu"),
            k.Flatten(),
            k.Dense(tfpl.MultivariateNormalTriL.params_size(LATENT)),
            tfpl.MultivariateNormalTriL(LATENT, activity_regularizer=tfpl.KLDivergenceRegularizer(prior)),
        ]
    )
    decoder = tf_keras.Sequential(
        [
            k.InputLayer((LATENT,)),
            k.Dense(10, activation="relu"),
            k.Dense(tfpl.IndependentBernoulli.params_size((12, 12, 1))),
            tfpl.IndependentBernoulli((12, 12, 1), tfd.Bernoulli.logits),
        ]
    )
    _randomise(encoder, decoder)
    return {"encoder": encoder, "decoder": decoder, "examples": _ink(12, 12, 1)}


class Subclassed(tf_keras.Model):
    """encode and decode return distributions; the prior is a trainable mixture."""

    def __init__(self) -> None:
        super().__init__()
        k = tf_keras.layers
        self.hidden, self.out = k.Dense(8, activation="relu"), k.Dense(2 * LATENT)
        self.hidden_back, self.out_back = k.Dense(8, activation="relu"), k.Dense(144)
        draws = np.random.default_rng(3)
        self.weights_of_prior = tf.Variable(draws.normal(size=4).astype("f"))
        self.locs = tf.Variable(draws.normal(size=(4, LATENT)).astype("f"))
        self.scales = tf.Variable(draws.uniform(0.3, 1, size=(4, LATENT)).astype("f"))

    def encode(self, x: tf.Tensor) -> Any:
        h = self.out(self.hidden(tf.reshape(x, (-1, 144))))
        loc, raw = tf.split(h, 2, axis=-1)
        return tfd.MultivariateNormalDiag(loc, 1e-3 + tf.nn.softplus(raw))

    def decode(self, z: tf.Tensor) -> Any:
        logits = tf.reshape(self.out_back(self.hidden_back(z)), (-1, 12, 12, 1))
        return tfd.Independent(tfd.Bernoulli(logits=logits), 3)

    @property
    def prior(self) -> Any:
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=self.weights_of_prior), tfd.MultivariateNormalDiag(self.locs, self.scales)
        )


def subclassed(folder: Path) -> Arguments:
    """A subclassed model whose methods return TFP distributions, and a mixture as the prior."""
    model = Subclassed()
    model.decode(model.encode(tf.zeros((1, 12, 12, 1))).mean())
    _randomise(model.hidden, model.out, model.hidden_back, model.out_back)
    return {"model": model, "prior": model.prior, "examples": _ink(12, 12, 1)}


def colour(folder: Path, scale: str = "fixed") -> Arguments:
    """Colour images: upsampling, batch normalisation, LeakyReLU; a `scale` that is fixed, shared, or of each pixel."""
    x = keras.Input((8, 8, 3))
    h = layers.Conv2D(6, 3, strides=2, padding="same")(x)
    h = layers.LeakyReLU(negative_slope=0.2)(layers.BatchNormalization()(h))
    h = layers.Flatten()(h)
    encoder = keras.Model(x, [layers.Dense(LATENT, name="mu")(h), layers.Dense(LATENT, name="log_std")(h)])
    z = keras.Input((LATENT,))
    h = layers.Reshape((2, 2, 8))(layers.Dense(32)(z))
    for filters in (8, 6):
        h = layers.Conv2D(filters, 3, padding="same")(layers.UpSampling2D()(h))
        h = layers.LeakyReLU(negative_slope=0.2)(layers.BatchNormalization()(h))
    mean = layers.Conv2D(3, 3, padding="same", activation="sigmoid")(h)
    outputs = [mean, layers.Conv2D(3, 3, padding="same")(h)] if scale == "pixel" else mean
    decoder = keras.Model(z, outputs)
    _randomise(encoder, decoder)
    function: Any = decoder
    if scale == "shared":
        shared = tf.Variable([0.1, 0.2, 0.3])

        def function(z: tf.Tensor) -> Any:
            return tfd.Independent(tfd.Normal(decoder(z, training=False), shared), 3)

    said = {"fixed": Normal(loc=0, scale=0.22), "pixel": Normal(loc=0, log_scale=1), "shared": None}[scale]
    return {
        "encoder": encoder,
        "decoder": function,
        "examples": np.random.default_rng(0).integers(0, 256, (EXAMPLES, 8, 8, 3)).astype(np.float32) / 255,
        "posterior": Normal(loc="mu", log_scale="log_std"),
    } | ({"likelihood": said} if said else {})


def conditional(folder: Path) -> Arguments:
    """A one-hot label as second input of encoder and decoder."""
    x, label = keras.Input((12, 12, 1), name="x"), keras.Input((len(LABELS),), name="y")
    h = layers.Dense(8, activation="relu")(layers.Concatenate()([layers.Flatten()(x), label]))
    encoder = keras.Model([x, label], [layers.Dense(LATENT, name="mean")(h), layers.Dense(LATENT, name="logvar")(h)])
    z, label = keras.Input((LATENT,), name="z"), keras.Input((len(LABELS),), name="y")
    h = layers.Dense(8, activation="relu")(layers.Concatenate()([z, label]))
    decoder = keras.Model([z, label], layers.Reshape((12, 12, 1))(layers.Dense(144, activation="sigmoid")(h)))
    _randomise(encoder, decoder)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "examples": _ink(12, 12, 1),
        "conditions": np.arange(EXAMPLES) % len(LABELS),
        "condition": OneHot(LABELS),
        "posterior": Normal(loc="mean", log_var="logvar"),
        "likelihood": Bernoulli(probs=0),
    }


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
    _randomise(*models)
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
        "examples": _ink(12, 12, 1).reshape(-1, 144),
        "event": Image(12, 12, 1),
        "posterior": Normal(loc=0, log_var=1),
        "likelihood": Bernoulli(logits=0),
    }


def table(folder: Path) -> Arguments:
    """30 numeric columns in their own units: the encoder normalises, the decoder gives these units back."""
    draws = np.random.default_rng(0)
    shift, scale = draws.uniform(-100, 100, 30), draws.uniform(0.1, 30, 30)
    rows = (draws.normal(size=(EXAMPLES, 30)) * scale + shift).astype(np.float32)
    normalise = layers.Normalization()
    normalise.adapt(rows)
    x = keras.Input((30,))
    h = layers.Dense(16, activation="relu")(normalise(x))
    encoder = keras.Model(x, [layers.Dense(LATENT, name="mean")(h), layers.Dense(LATENT, name="log_var")(h)])
    z = keras.Input((LATENT,))
    h = layers.Dense(16, activation="relu")(z)
    loc = layers.Dense(30)(h) * scale.astype("f") + shift.astype("f")
    decoder = keras.Model(z, [loc, ops.log(scale.astype("f")) + 0.1 * layers.Dense(30)(h)])
    _randomise(encoder, decoder)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "examples": rows,
        "posterior": Normal(loc="mean", log_var="log_var"),
        "likelihood": Normal(loc=0, log_scale=1),
    }


def grey(folder: Path, family: str = "discretized_logistic") -> Arguments:
    """Grey images of 256 shades: a discretised logistic, or a probability of each shade (categorical)."""
    x = keras.Input((6, 6, 1))
    h = layers.Dense(8, activation="relu")(layers.Flatten()(x))
    encoder = keras.Model(x, [layers.Dense(LATENT)(h), layers.Dense(LATENT, activation="softplus")(h)])
    z = keras.Input((LATENT,))
    h = layers.Dense(8, activation="relu")(z)
    if family == "categorical":
        decoder = keras.Model(z, layers.Reshape((6, 6, 256))(layers.Dense(36 * 256)(h)))
        likelihood: Any = Categorical(logits=0)
    else:
        loc, log_scale = (layers.Reshape((6, 6, 1))(layers.Dense(36)(h)) for _ in range(2))
        decoder = keras.Model(z, [layers.Activation("sigmoid")(loc), log_scale - 3.0])
        likelihood = DiscretizedLogistic(loc=0, log_scale=1)
    _randomise(encoder, decoder)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "examples": np.random.default_rng(0).integers(0, 256, (EXAMPLES, 6, 6, 1)).astype(np.float32) / 255,
        "posterior": Normal(loc=0, scale=1),
        "likelihood": likelihood,
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


MODELS: dict[str, Callable[..., Arguments]] = {
    "convolutional": convolutional,
    "functional": functional,
    "probabilistic layers": probabilistic_layers,
    "subclassed": subclassed,
    "colour": colour,
    "conditional": conditional,
    "files": files,
    "table": table,
    "grey": grey,
    "onnx": onnx_files,
}


def build() -> Arguments:
    """The first of them: what `vae-edge export benchmarks/models/zoo.py:build` exports."""
    return convolutional(Path())


def _sigmoid_decoder() -> Any:
    z = keras.Input((LATENT,))
    h = layers.Reshape((3, 3, 8))(layers.Dense(72, activation="relu")(z))
    h = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(h)
    h = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(h)
    return keras.Model(z, layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(h), name="decoder")


def _ink(height: int, width: int, channels: int) -> Array:
    """Black and white images, float32 0 and 1."""
    return (np.random.default_rng(0).random((EXAMPLES, height, width, channels)) < 0.3).astype(np.float32)


def _randomise(*models: Any) -> None:
    """Weights of a spread that makes outputs vary; batch statistics and the converter's zero biases included."""
    draws = np.random.default_rng(7)
    for model in models:
        for weight in model.weights:
            name = getattr(weight, "path", weight.name)
            if not str(weight.dtype).startswith(("float", "<dtype: 'float")) or "normalization/mean" in name:
                continue
            if "variance" in name or "gamma" in name:
                weight.assign(draws.uniform(0.5, 1.5, weight.shape))
            elif "count" not in name and "seed" not in name:
                fan = int(np.prod(weight.shape[:-1])) or 1
                weight.assign(draws.normal(0, 1 / np.sqrt(fan) if len(weight.shape) > 1 else 0.2, weight.shape))
