"""The contract of every distribution, and what their files share."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.errors import InputError

__all__ = ["LOG_2_PI", "Distribution", "Float32", "Float64", "numbers", "total"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

LOG_2_PI = math.log(2.0 * math.pi)


class Distribution:
    """What all of them promise; a method that has no closed form raises InputError, and says what to do instead.

    The class attributes describe a family to whoever exports, seals or reads a bundle; none of them imports anything.
    """

    family: ClassVar[str] = ""  # its name in a manifest
    roles: ClassVar[tuple[str, ...]] = ()  # of "posterior", "likelihood", "prior"
    # The parameters that a graph gives, and where each lies: "real", "positive", "nonnegative" or "lower_triangular".
    parameters: ClassVar[Mapping[str, str]] = {}
    # What is one number for all events, with its range: the levels of a pixel, the components of a mixture.
    settings: ClassVar[Mapping[str, tuple[float, float]]] = {}
    # Other parameters that a model may give: its name -> (parameter, how to calculate that: a key of export's
    # transforms, as "exp" or "exp_half").
    spellings: ClassVar[Mapping[str, tuple[str, str]]] = {}
    # TFP's classes that are of this family: class -> parameter -> where it stands on the object.
    tfp: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    is_location_scale: ClassVar[bool] = False  # x -> shift + scale x stays in the family
    is_discrete: ClassVar[bool] = False  # log_prob is of a mass, not of a density
    writes_in_place: ClassVar[bool] = False  # `write` may write over the first parameter

    @classmethod
    def parameter_shapes(
        cls, event_shape: tuple[int, ...], settings: Mapping[str, float]
    ) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter without its batch; a graph may give 1 where all are alike along an axis."""
        return dict.fromkeys(cls.parameters, event_shape)

    @classmethod
    def from_parameters(
        cls,
        parameters: Mapping[str, Float32],
        settings: Mapping[str, float],
        event_shape: tuple[int, ...],
        purpose: noise.Purpose,
    ) -> Self:
        """The distribution of a graph's outputs (B, *shape), whose shapes the manifest has checked.

        A parameter that is the same for all events is an array of no axes.
        """
        raise NotImplementedError

    def __init__(self, batch_shape: tuple[int, ...], event_shape: tuple[int, ...]) -> None:
        if 0 in batch_shape + event_shape:
            raise InputError(f"a {type(self).__name__} should hold something, its shape is {batch_shape + event_shape}")
        self.batch_shape = batch_shape  # () or (B,)
        self.event_shape = event_shape

    def sample(self, sample_shape: int | Sequence[int] = (), *, seed: int, start: int = 0, stream: int = 0) -> Float32:
        """Draws, float32 of shape sample_shape + batch_shape + event_shape; the same for the same seed, everywhere.

        Member i of the batch takes draw start + i; place k of the sample shape has stream `stream` + k. Without a
        batch, as for a prior, the draws run along the sample shape, all of them from `stream`.
        """
        seed = noise.check_seed(seed)
        try:
            shape = tuple(map(operator.index, sample_shape if isinstance(sample_shape, Sequence) else (sample_shape,)))
        except TypeError:
            shape = (-1,)
        if any(size < 1 for size in shape):
            raise InputError(f"sample_shape should hold positive integers, it is {sample_shape!r:.60}")
        n = math.prod(shape)
        if not self.batch_shape:
            start = noise.check_draws(start, n)
            return self._draw(seed, start, n, stream).reshape(shape + self.event_shape)
        start = noise.check_draws(start, self.batch_shape[0])
        draws = [self._draw(seed, start, self.batch_shape[0], stream + place) for place in range(n)]
        return np.stack(draws).reshape(shape + self.batch_shape + self.event_shape)

    def _draw(self, seed: int, start: int, n: int, stream: int) -> Float32:
        """Draws start to start + n of one stream, (n, *event_shape)."""
        raise NotImplementedError

    def mean(self) -> Float32:
        """E[x], of shape batch_shape + event_shape."""
        raise self._no("mean")

    def mode(self) -> Float32:
        """The likeliest value, of shape batch_shape + event_shape."""
        raise self._no("mode")

    def variance(self) -> Float32:
        """Var[x], of shape batch_shape + event_shape."""
        raise self._no("variance")

    def stddev(self) -> Float32:
        """The square root of the variance, of shape batch_shape + event_shape."""
        return np.sqrt(self.variance())

    def log_prob(self, value: npt.ArrayLike) -> Float64:
        """log p(value) in nats; `value` has shape (sample_shape +) batch_shape + event_shape, or broadcasts to it."""
        raise self._no("log_prob")

    def entropy(self) -> Float64:
        """-E[log p(x)] in nats, of shape batch_shape."""
        raise self._no("entropy")

    def kl_divergence(self, other: Distribution) -> Float64:
        """E_self[log self(x) - log other(x)] in nats, of the two batch shapes broadcast."""
        raise InputError(
            f"KL({type(self).__name__} || {type(other).__name__}) has no closed form: estimate it from samples, "
            "mean(self.log_prob(x) - other.log_prob(x)) over x of self.sample(...)"
        )

    def _no(self, method: str) -> InputError:
        return InputError(f"a {type(self).__name__} has no {method} in closed form: estimate it from samples")

    def _check_shapes(self, other: Distribution) -> None:
        if self.event_shape != other.event_shape or len({*self.batch_shape, *other.batch_shape, 1}) > 2:
            raise InputError(f"both should have the same batch and event shapes, they are {self!r} and {other!r}")

    def _value(self, value: npt.ArrayLike, dtype: type[np.floating[Any]]) -> npt.NDArray[Any]:
        array = numbers("value", value, dtype)
        try:
            shape = np.broadcast_shapes(array.shape, self.batch_shape + self.event_shape)
            fits = shape[-len(self.event_shape) :] == self.event_shape
        except ValueError:
            fits = False
        if not fits:
            wanted = self.batch_shape + self.event_shape
            raise InputError(f"value should have shape (..., {str(wanted)[1:]}, it has {array.shape}")
        return array

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch_shape={self.batch_shape}, event_shape={self.event_shape})"


def numbers(name: str, values: npt.ArrayLike, dtype: type[np.floating[Any]]) -> npt.NDArray[Any]:
    """`values` as an array of real numbers of `dtype`; raises InputError that names them."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"dtype {array.dtype}")
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} should be one array of real numbers, it is not: {error}") from error
    return array.astype(dtype, copy=False)


def total(terms: npt.NDArray[Any], axes: int) -> Float64:
    """The sum over the last `axes` axes, accumulated in float64."""
    flat = terms.reshape((*terms.shape[: terms.ndim - axes], -1))
    result: Float64 = np.asarray(flat.sum(axis=-1, dtype=np.float64))
    return result
