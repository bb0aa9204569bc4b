"""TFP's own distribution objects, beyond those of the zoo, become the families that they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_edge.export import Image, Normal, export, plan
from vae_edge.runtime import VAE

tfd, tfb = tfp.distributions, tfp.bijectors

DRAWS = np.random.default_rng(0)
W = tf.constant(DRAWS.normal(size=(16, 6)) / 4, tf.float32)
V = tf.constant(DRAWS.normal(size=(3, 16)) / 4, tf.float32)
GREY = (DRAWS.integers(0, 256, (20, 4, 4, 1)) / 255).astype(np.float32)
INK = (GREY > 0.5).astype(np.float32)


def encode(x: tf.Tensor) -> Any:
    return tf.reshape(x, (-1, 16)) @ W


def spread(z: tf.Tensor) -> tf.Tensor:
    return tf.reshape(z @ V, (-1, 4, 4, 1))


def quantized(z: tf.Tensor, low: float = 0.0, shift: float = -0.5) -> Any:
    """PixelCNN's likelihood, as TFP's documentation has it: whole numbers 0 to 255."""
    logistic = tfd.Logistic(255 * tf.sigmoid(spread(z)), 255 * tf.constant(0.05))
    moved = tfd.TransformedDistribution(logistic, tfb.Shift(shift))
    return tfd.Independent(tfd.QuantizedDistribution(moved, low=low, high=255.0), 3)


def arguments(decoder: Callable[[tf.Tensor], Any], examples: np.ndarray = GREY) -> dict[str, Any]:
    said = {"posterior": Normal(loc=0, log_var=1), "event": Image(4, 4, 1, threshold=None)}
    return {"encoder": encode, "decoder": decoder, "examples": examples, **said}


def test_a_quantized_logistic_is_a_discretized_logistic(tmp_path: Path) -> None:
    manifest = export(tmp_path / "b", **arguments(quantized))
    assert manifest.likelihood.family == "discretized_logistic"
    assert manifest.likelihood.constants["levels"] == 256
    z = DRAWS.normal(size=(20, 3)).astype("f")
    ours = VAE.load(tmp_path / "b", provider="cpu").decode(z).log_prob(GREY)
    np.testing.assert_allclose(ours, quantized(tf.constant(z)).log_prob(np.rint(255 * GREY)), rtol=1e-3)


def test_levels_that_depend_on_z_are_refused() -> None:
    def moving(z: tf.Tensor) -> Any:
        high = 255 + tf.reduce_sum(z)
        moved = tfd.TransformedDistribution(tfd.Logistic(255 * spread(z), 9.0), tfb.Shift(-0.5))
        return tfd.Independent(tfd.QuantizedDistribution(moved, low=0.0, high=high), 3)

    text = "\n".join(plan(**arguments(moving)).problems)
    assert "the levels of a tfd.QuantizedDistribution should be a constant" in text


@pytest.mark.parametrize("options", [{"low": 1.0}, {"shift": 0.0}])
def test_a_quantized_distribution_of_other_numbers_is_refused(options: dict[str, float]) -> None:
    (problem,) = plan(**arguments(lambda z: quantized(z, **options))).problems
    assert "the model gives a tfd.QuantizedDistribution, which no likelihood of a bundle is" in problem


@pytest.mark.parametrize("kind", ["Bernoulli", "Categorical"])
def test_probabilities_inside_of_an_object_become_logits(kind: str, tmp_path: Path) -> None:
    def bernoulli(z: tf.Tensor) -> Any:
        return tfd.Independent(tfd.Bernoulli(probs=tf.sigmoid(spread(z))), 3)

    def categorical(z: tf.Tensor) -> Any:
        logits = tf.stack([spread(z), -spread(z), 0.3 * spread(z)], axis=-1)
        return tfd.Independent(tfd.Categorical(probs=tf.nn.softmax(logits)), 3)

    decoder, examples, scale = {
        "Bernoulli": (bernoulli, INK, 1),
        "Categorical": (categorical, np.rint(2 * GREY) / 2, 2),
    }[kind]
    manifest = export(tmp_path / "b", **arguments(decoder, examples.astype("f")))
    assert manifest.likelihood.family == kind.lower()
    z = DRAWS.normal(size=(20, 3)).astype("f")
    ours = VAE.load(tmp_path / "b", provider="cpu").decode(z).log_prob(examples)
    np.testing.assert_allclose(ours, decoder(tf.constant(z)).log_prob(scale * examples), rtol=1e-4)
