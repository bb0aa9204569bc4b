"""Which input of a model takes the event, the latent and the condition is found, or asked for in one sentence."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from vae_edge.export import Bernoulli, Image, Index, Normal, OneHot, export, plan
from vae_edge.runtime import VAE

DRAWS = np.random.default_rng(0)
X = (DRAWS.random((20, 4, 4, 1)) < 0.4).astype(np.float32)
LABELS = np.arange(20) % 5
SAID: dict[str, Any] = {"posterior": Normal(loc=0, log_var=1), "likelihood": Bernoulli(logits=0)}


def encoder(*shape: int | None) -> keras.Model:
    x = keras.Input(shape or (4, 4, 1))
    h = layers.Conv2D(6, 1)(x)
    return keras.Model(x, layers.GlobalAveragePooling2D()(h))


def decoder(label: tuple[int, ...] = (5,), *, first: bool = False) -> keras.Model:
    z, y = keras.Input((3,), name="z"), keras.Input(label, name="y")
    h = layers.Dense(16)(layers.Concatenate()([z, layers.Flatten()(y)]))
    return keras.Model([y, z] if first else [z, y], layers.Reshape((4, 4, 1))(h))


def problem(**arguments: Any) -> str:
    return "\n".join(plan(encoder=encoder(), examples=X, **SAID, **arguments).problems)


def test_the_label_may_be_the_first_input(tmp_path: Any) -> None:
    model = decoder(first=True)
    export(tmp_path / "b", encoder=encoder(), decoder=model, examples=X, conditions=LABELS, condition=OneHot(5), **SAID)
    z = DRAWS.normal(size=(7, 3)).astype("f")
    p = VAE.load(tmp_path / "b", provider="cpu").decode(z, label=4)
    one_hot = np.eye(5, dtype="f")[[4] * 7]
    np.testing.assert_allclose(p.logits, model([one_hot, z]), atol=1e-5)


def test_a_second_input_without_a_condition_is_asked_for() -> None:
    assert "takes 2 inputs (z (3,), y (5,)), an unconditional model takes one: say condition=OneHot(5)" in problem(
        decoder=decoder()
    )


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (OneHot(4), "input 'y', the condition, should have the shape (B, 4)"),
        (Index(5), "input 'y' should take one whole number an event, it takes (B, (5,))"),
    ],
)
def test_a_condition_of_another_size_is_refused(condition: Any, message: str) -> None:
    assert message in problem(decoder=decoder(), condition=condition)


def test_a_model_of_images_of_any_size_takes_those_of_the_examples(tmp_path: Any) -> None:
    model = encoder(None, None, 1)
    back = keras.Sequential([keras.Input((3,)), layers.Dense(16), layers.Reshape((4, 4, 1))])
    manifest = export(tmp_path / "b", encoder=model, decoder=back, examples=X, event=Image(4, 4, 1), **SAID)
    assert manifest.encoder.inputs[0].shape[1:] == (4, 4, 1)
    q = VAE.load(tmp_path / "b", provider="cpu").encode(X)
    np.testing.assert_allclose(q.loc, model(X)[:, :3], atol=1e-5)


def test_examples_of_several_batches_share_a_scale_without_a_batch_axis(tmp_path: Any) -> None:
    """Parity calls the user's function in batches: a fixed scale is the same in each."""
    many = np.concatenate([X] * 60)

    def encode(x: tf.Tensor) -> Any:
        return tf.reshape(x, (-1, 16))[:, :3], tf.constant([0.5, 1.0, 2.0])

    back = keras.Sequential([keras.Input((3,)), layers.Dense(16), layers.Reshape((4, 4, 1))])
    said = SAID | {"posterior": Normal(loc=0, scale=1)}
    export(tmp_path / "b", encoder=encode, decoder=back, examples=many, **said)
    q = VAE.load(tmp_path / "b", provider="cpu").encode(many)
    np.testing.assert_allclose(q.scale, np.broadcast_to([0.5, 1.0, 2.0], (1200, 3)))
    np.testing.assert_allclose(q.loc, many.reshape(-1, 16)[:, :3], atol=1e-6)
