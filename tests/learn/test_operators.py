"""Each operator that we teach tf2onnx computes what TensorFlow computes, and brings no loops."""

import collections
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_edge.export.convert import OPSETS, TensorSpec, convert
from vae_edge.runtime.errors import InputError

WIDE = np.concatenate([[0.0, -1e-9, 1e-9, -1e-4, 1e-4, 0.499, 0.501, -0.4], np.linspace(-8, 8, 40), [30, 80]])


def compute(model: onnx.ModelProto, **feeds: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def operators(model: onnx.ModelProto) -> dict[str, int]:
    return dict(collections.Counter(node.op_type for node in model.graph.node))


def expect(function: Callable, x: np.ndarray, opset: int = 17, **tolerance: float) -> onnx.ModelProto:
    """Converts, compares with TensorFlow, and gives the model."""
    model = convert(function, [TensorSpec("x", "float32", x.shape[1:])], ["y"], opset)
    assert not {"Loop", "If", "Scan"} & set(operators(model))
    np.testing.assert_allclose(compute(model, x=x)[0], function(tf.constant(x)).numpy(), **tolerance)
    return model


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (tf.math.erfc, -8, 80),
        (tf.math.log1p, -1, 80),
        (tf.math.expm1, -8, 80),
        (lambda x: tf.math.xlogy(tf.nn.relu(x), tf.abs(x)), -8, 80),
        (lambda x: tf.math.xlog1py(tf.nn.relu(x), tf.nn.relu(x) - 1), -8, 80),
        (lambda x: tf.math.multiply_no_nan(1 / x, x), -8, 80),
    ],
    ids=["erfc", "log1p", "expm1", "xlogy", "xlog1py", "multiply_no_nan"],
)
def test_functions_of_one_number_are_exact_near_zero_and_far_away(function: Callable, low: float, high: float) -> None:
    x = WIDE[(low <= WIDE) & (high >= WIDE)].astype("f")
    expect(function, np.stack([x, x[::-1]]), rtol=2e-6, atol=2e-7 if function is tf.math.erfc else 1e-30)


@pytest.mark.parametrize("opset", [OPSETS[0], OPSETS[-1]])
def test_they_are_written_at_every_opset(opset: int) -> None:
    def all_of_them(x: tf.Tensor) -> tf.Tensor:
        x = tf.linalg.band_part(tf.math.erfc(x) + tf.math.log1p(tf.abs(x)) + tf.math.expm1(x), -1, 0)
        x = tf.linalg.set_diag(tf.reverse(x, [-1]), tf.math.softplus(tf.linalg.diag_part(x)))
        return x + tf.linalg.diag(tf.math.xlogy(x[..., 0], 2.0))

    expect(all_of_them, np.random.default_rng(0).normal(size=(3, 4, 4)).astype("f"), opset, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axes", [[1], [-1], [1, 3], [-2, -1], []])
def test_axes_are_reversed(axes: list[int]) -> None:
    model = expect(lambda x: tf.reverse(x, axes), np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("f"))
    assert set(operators(model)) == {"Slice"} if axes else {"Identity"}


SHAPES = [(3, 3), (2, 5), (5, 2), (1, 1), (2, 4, 4), (2, 4, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("band", [(-1, 0), (0, -1), (1, 1), (0, 0), (-1, -1)], ids=str)
def test_the_band_of_a_matrix(shape: tuple[int, ...], band: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype("f")
    x[..., 0, -1] = np.inf  # a product with 0 would be nan
    expect(lambda x: tf.linalg.band_part(x, *band), x)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("k", [0, 1, -1])
def test_the_diagonal_of_a_matrix(shape: tuple[int, ...], k: int) -> None:
    if shape[-1] <= k or shape[-2] <= -k:
        pytest.skip("it has none")
    expect(lambda x: tf.linalg.diag_part(x, k=k), np.random.default_rng(0).normal(size=(3, *shape)).astype("f"))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_diagonal_is_set(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype("f")
    expect(lambda x: tf.linalg.set_diag(x, tf.exp(tf.linalg.diag_part(x))), x, rtol=1e-6)


@pytest.mark.parametrize("shape", [(4,), (1,), (2, 3)], ids=str)
def test_a_matrix_of_a_diagonal(shape: tuple[int, ...]) -> None:
    expect(tf.linalg.diag, np.random.default_rng(0).normal(size=(3, *shape)).astype("f"))


def test_the_shape_that_two_shapes_broadcast_to() -> None:
    def broadcast(x: tf.Tensor) -> tf.Tensor:
        return tf.broadcast_to(x[:, :1], tf.broadcast_dynamic_shape(tf.shape(x), tf.constant([4])))

    expect(broadcast, np.ones((3, 4), "f"))


@pytest.mark.parametrize("function", [
    lambda x: tf.linalg.diag_part(x, k=(-1, 0)),
    lambda x: tf.linalg.set_diag(x, x[..., 1:, 0], k=-1),
    lambda x: tf.linalg.diag(x, k=1),
], ids=["diag_part", "set_diag", "diag"])  # fmt: skip
def test_what_is_not_written_is_an_error_that_says_so(function: Callable) -> None:
    with pytest.raises(InputError, match="diagonal"):
        convert(function, [TensorSpec("x", "float32", (3, 3))], ["y"])


def test_a_full_covariance_becomes_plain_nodes() -> None:
    bijector = tfp.bijectors.FillScaleTriL(diag_shift=1e-5)
    x = np.random.default_rng(0).normal(size=(5, 10)).astype("f")

    def posterior(x: tf.Tensor) -> tf.Tensor:
        q = tfp.distributions.MultivariateNormalTriL(loc=x[:, :4], scale_tril=bijector.forward(x))
        return q.scale_tril

    model = expect(posterior, x, rtol=1e-5, atol=1e-6)
    assert len(model.graph.node) < 40, operators(model)
