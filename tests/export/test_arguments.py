"""What users hand in (examples, conditions, events, layouts) is taken as it is meant, or refused with a remedy."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from vae_edge.export import Bernoulli, Categorical, Deterministic, Image, Index, Normal, OneHot, Part, Vector, plan

DRAWS = np.random.default_rng(0)
W = tf.constant(DRAWS.normal(size=(16, 6)) / 4, tf.float32)
V = tf.constant(DRAWS.normal(size=(3, 96)) / 4, tf.float32)
X = (DRAWS.random((20, 4, 4, 1)) < 0.4).astype(np.float32)


def encode(x: tf.Tensor) -> Any:
    return tf.reshape(x, (-1, 16)) @ W


def decode(z: tf.Tensor) -> Any:
    return tf.reshape(z @ V[:, :16], (-1, 4, 4, 1))


def labelled(z: tf.Tensor, y: tf.Tensor) -> Any:
    return decode(z) + tf.reshape(tf.cast(y, tf.float32) @ V[:2, :16], (-1, 4, 4, 1))


GOOD: dict[str, Any] = {
    "encoder": encode,
    "decoder": decode,
    "examples": X,
    "posterior": Normal(loc=0, log_var=1),
    "likelihood": Bernoulli(logits=0),
}


def problems(**changes: Any) -> str:
    return "\n".join(plan(**GOOD | changes).problems)


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([[1, 2], [3]], "examples should be one array, they are not"),
        (np.zeros((0, 4, 4, 1)), "examples should be some events that the model knows"),
        (np.zeros(16), "examples should be some events that the model knows"),
        (np.full((3, 4, 4, 1), "x"), "numbers of shape (N, ...); they are <U1 (3, 4, 4, 1)"),
        (np.where(X > 0, np.nan, X), "there is a NaN or an infinity in them"),
        (np.zeros((3, 1, 4, 4, 1)), "they have (3, 1, 4, 4, 1): say event="),
        (np.full((3, 4, 4, 1), 300), "examples of int64 should lie in 0 to 255, they go from 300 to 300"),
        (X * 7 - 3, "shift=..., scale=...), with (pixel - shift) / scale what the model reads"),
    ],
)
def test_examples_that_cannot_be_read_are_refused(examples: Any, message: str) -> None:
    assert message in problems(examples=examples)


def test_examples_of_whole_numbers_are_pixels() -> None:
    grey = DRAWS.integers(2, 256, (20, 4, 4, 1))
    said = Image(4, 4, 1, threshold=None)
    assert problems(examples=grey, event=said) == problems(examples=grey.astype(np.uint8), event=said) == ""


def test_a_model_of_bytes_reads_0_to_255() -> None:
    x = keras.Input((4, 4, 1), dtype="uint8")
    model = keras.Model(x, layers.Dense(6)(layers.Flatten()(layers.Rescaling(1 / 255)(x))))
    found = plan(**GOOD | {"encoder": model, "examples": (255 * X).astype(np.uint8)})
    assert "the model takes uint8, so it reads 0 to 255" in str(found)
    assert found.problems == ()


@pytest.mark.parametrize(
    ("condition", "conditions", "message"),
    [
        (Vector(2, shift=(0.0, 1.0), scale=(1.0, 1.0)), None, "a condition has no shift and no scale"),
        (3, None, "condition should be OneHot(n), Index(n) or Vector(n), it is 3"),
        (OneHot(2), np.full((20, 2), 0.5), "conditions= should be labels, or rows with a single 1"),
        (OneHot(2), np.full(20, 0.5), "label"),
    ],
)
def test_conditions_that_are_none_are_refused(condition: Any, conditions: Any, message: str) -> None:
    assert message in problems(decoder=labelled, condition=condition, conditions=conditions)


def test_labels_may_be_one_hot_floats_or_a_column() -> None:
    labels = np.arange(20) % 2
    for given in (labels, labels.astype(np.float64), labels[:, None], np.eye(2)[labels]):
        assert problems(decoder=labelled, condition=OneHot(2), conditions=given) == ""
    indexed = lambda z, y: labelled(z, tf.one_hot(y, 2))  # noqa: E731
    assert problems(decoder=indexed, condition=Index(2), conditions=labels) == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"posterior": Bernoulli(logits=0)}, "posterior= should be one of"),
        ({"posterior": Normal(loc=0, log_var=2)}, "its 2 parts are counted 0 to 1, given are [0, 2]"),
        ({"posterior": Normal(loc=0.0, scale=0.5)}, "the posterior's loc should be one of the model's outputs"),
        ({"posterior": Normal(loc=Part(0, 0, 4), log_var=Part(0, 1, 4))}, "has no 4 equal parts along its axis -1"),
        ({"posterior": Deterministic(loc="z")}, "there is no output 'z'"),
        ({"decoder": lambda z: None}, "the model should return tensors or distributions, it returns nothing"),
        ({"decoder": lambda z: (decode(z), "x")}, "output '1' should be a tensor or a TFP distribution, it is a str"),
        ({"decoder": lambda z: tf.strings.as_string(decode(z))}, "should hold real numbers"),
        ({"encoder": 3}, "a model should be a Keras model, a SavedModel or a function, it is a int"),
    ],
)
def test_statements_that_the_model_does_not_bear_out_are_refused(changes: dict[str, Any], message: str) -> None:
    try:
        text = problems(**changes)
    except Exception as error:
        text = str(error)
    assert message in text


@pytest.mark.parametrize(
    "shape",
    [(4, 4, 6), (6, 4, 4), (6, 1, 4, 4), (1, 4, 4, 6), (4, 4, 1, 6), (16, 6)],
    ids=lambda shape: "x".join(map(str, shape)),
)
def test_the_levels_of_a_categorical_may_lie_anywhere(shape: tuple[int, ...]) -> None:
    """Where TensorFlow has them, where PyTorch has them, and flat."""
    said = {"likelihood": Categorical(logits=0, levels=6), "event": Image(4, 4, 1)}
    grey = (DRAWS.integers(0, 6, (20, 4, 4, 1)) / 5).astype("f")
    assert problems(decoder=lambda z: tf.reshape(z @ V, (-1, *shape)), examples=grey, **said) == ""
