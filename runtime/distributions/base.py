"""The contract of every distribution, and what their files share."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import heads, noise
from vae_edge.runtime.errors import InputError

__all__ = [
    "LOG_2_PI",
    "Distribution",
    "Float32",
    "Float64",
    "check_finite",
    "check_positive",
    "empty",
    "is_finite",
    "numbers",
    "owned",
    "spread",
    "total",
]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

LOG_2_PI = math.log(2.0 * math.pi)
_FEW = 1 << 12  # numbers, up to which `is_finite` takes one product


class Distribution:
    """The methods that every family has; one without a closed form raises InputError, and says what to do instead.

    `batch_shape` is () or (B,), `event_shape` that of one x or z. The class attributes describe the family to the code
    that exports, writes and reads bundles.
    """

    family: ClassVar[str] = ""  # its name in a manifest
    roles: ClassVar[tuple[str, ...]] = ()  # of "posterior", "likelihood", "prior"
    # The parameters that a graph gives, and where each lies: "real", "positive", "nonnegative" or "lower_triangular".
    parameters: ClassVar[Mapping[str, str]] = {}
    # Numbers that are the same for all events, each with its range: the levels of a pixel, the components of a mixture.
    settings: ClassVar[Mapping[str, tuple[float, float]]] = {}
    options: ClassVar[Mapping[str, tuple[float, float]]] = {}  # settings that may be left out
    # Other parameters that a model may give in place of one above: name -> (parameter, the transform of
    # `vae_edge.export` that makes it, such as "exp").
    spellings: ClassVar[Mapping[str, tuple[str, str]]] = {}
    # TFP's classes of this family: class -> parameter or setting -> the path of attributes and calls to it, such as
    # "scale.diag_part()", "a / b" or "a + 1". "A(B)" is an A whose `.distribution` is a B. A value "= -0.5" is a
    # condition: an object with another number at that path is not of this family.
    tfp: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    is_location_scale: ClassVar[bool] = False  # x -> shift + scale x stays in the family
    is_discrete: ClassVar[bool] = False  # log_prob is of a mass, not of a density
    _prepare: Callable[[npt.ArrayLike], npt.NDArray[Any]] | None = None
    writes_in_place: ClassVar[bool] = False  # `write` may write over a parameter that has the shape of `out`

    @classmethod
    def parameter_shapes(
        cls, event_shape: tuple[int, ...], settings: Mapping[str, float]
    ) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter without its batch; a graph may give 1 where all are alike along an axis.

        `event_shape` is that of x or z, and `settings` holds the family's numbers, as the levels of a pixel.
        """
        return dict.fromkeys(cls.parameters, event_shape)

    @classmethod
    def prior_shapes(cls, event_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """The shape, without its batch, of each output that a prior reads from graphs; {} for one that reads none.

        `event_shape` is that of z.
        """
        return {}

    @classmethod
    def from_parameters(
        cls,
        parameters: Mapping[str, Float32],
        settings: Mapping[str, float],
        event_shape: tuple[int, ...],
        purpose: noise.Purpose,
    ) -> Self:
        """The distribution of a graph's outputs, `parameters` float32 (B, *shape), shaped as the manifest says.

        `settings` and `event_shape` as for `parameter_shapes`; draws take their noise from `purpose`. A parameter that
        is the same for all events has no axis for the batch, or no axes at all. Nothing is copied. Raises InputError
        for a NaN, an infinity, or a number outside the parameter's range.
        """
        raise NotImplementedError

    @classmethod
    def _spread(
        cls, parameters: Mapping[str, Float32], settings: Mapping[str, float], event_shape: tuple[int, ...]
    ) -> dict[str, Float32]:
        """Each parameter as a view of its full shape (B, *shape)."""
        shapes = cls.parameter_shapes(event_shape, settings)
        batch = [len(array) for name, array in parameters.items() if array.ndim == len(shapes[name]) + 1]
        return {name: spread(parameters[name], (*batch[:1], *shape)) for name, shape in shapes.items()}

    def __init__(self, batch_shape: tuple[int, ...], event_shape: tuple[int, ...]) -> None:
        if 0 in batch_shape + event_shape:
            raise InputError(f"a {type(self).__name__} should hold something, its shape is {batch_shape + event_shape}")
        self.batch_shape = batch_shape  # () or (B,)
        self.event_shape = event_shape

    def sample(self, sample_shape: int | Sequence[int] = (), *, seed: int, start: int = 0, stream: int = 0) -> Float32:
        """Draws, float32 of shape sample_shape + batch_shape + event_shape; the same for the same seed, everywhere.

        Member i of the batch takes draw `start` + i; place k of the sample shape takes stream `stream` + k. Without a
        batch, as for a prior, the draws run along the sample shape, all of stream `stream`. Raises InputError, also
        where the draws do not fit in memory.
        """
        seed = noise.check_seed(seed)
        try:
            if isinstance(sample_shape, int):
                shape: tuple[int, ...] = (operator.index(sample_shape),)
            else:
                sizes = sample_shape if isinstance(sample_shape, Sequence) else (sample_shape,)
                shape = tuple(map(operator.index, sizes))
        except TypeError:
            shape = (-1,)
        if min(shape, default=1) < 1:
            raise InputError(f"sample_shape should hold positive integers, it is {sample_shape!r:.60}")
        n = math.prod(shape)
        if not self.batch_shape:
            start = noise.check_draws(start, n)
            out = empty((n, *self.event_shape))
            self._write_sample(out, seed, start, stream)
            return out.reshape(shape + self.event_shape)
        start = noise.check_draws(start, self.batch_shape[0])
        out = empty((n, *self.batch_shape, *self.event_shape))
        for place, draws in enumerate(out):
            self._write_sample(draws, seed, start, stream + place)
        return out.reshape(shape + self.batch_shape + self.event_shape)

    def write(self, head: str, out: Float32, *, seed: int = 0, start: int = 0, stream: int = 0) -> None:
        """Writes the `head` 'sample', 'mean' or 'mode' into `out`, float32 of batch_shape + event_shape in C order.

        The sample of member i is draw `start` + i of the `seed` and the stream. No other array of that size is made;
        where `writes_in_place`, `out` may be the array of a parameter. Raises InputError.
        """
        heads.check(head)
        wanted = self.batch_shape + self.event_shape
        if out.shape != wanted or out.dtype != np.float32 or not out.flags.c_contiguous:
            raise InputError(f"out should be float32 of shape {wanted} in C order, it is {out.dtype} of {out.shape}")
        if head == "sample":
            self._write_sample(out if self.batch_shape else out[None], seed, start, stream)
        elif head == "mean":
            self._write_mean(out)
        else:
            self._write_mode(out)

    def _write_sample(self, out: Float32, seed: int, start: int, stream: int) -> None:
        """Writes draws start to start + n of one stream into `out` (n, *event_shape); n is B where there is a batch."""
        raise NotImplementedError

    def _write_mean(self, out: Float32) -> None:
        raise self._no("mean")

    def _write_mode(self, out: Float32) -> None:
        raise self._no("mode")

    def mean(self) -> Float32:
        """E[x], float32 of shape batch_shape + event_shape; raises InputError where there is no closed form."""
        out = empty(self.batch_shape + self.event_shape)
        self._write_mean(out)
        return out

    def mode(self) -> Float32:
        """The likeliest value, float32 of shape batch_shape + event_shape; raises InputError without a closed form."""
        out = empty(self.batch_shape + self.event_shape)
        self._write_mode(out)
        return out

    def variance(self) -> Float32:
        """Var[x], float32 of shape batch_shape + event_shape; inf or 0 where float32 does not hold it.

        Raises InputError where there is no closed form.
        """
        raise self._no("variance")

    def stddev(self) -> Float32:
        """The square root of the variance, float32 of shape batch_shape + event_shape; raises InputError like it."""
        return np.sqrt(self.variance())

    def log_prob(self, value: npt.ArrayLike) -> Float64:
        """log p(value) in nats, float64 of shape (sample_shape +) batch_shape.

        `value` has shape (sample_shape +) batch_shape + event_shape, or broadcasts to it. Raises InputError for other
        shapes, and where the distribution has no density.
        """
        raise self._no("log_prob")

    def elementwise_log_prob(self, value: npt.ArrayLike) -> Float64:
        """log p of each number of `value` in nats, float64 of shape (sample_shape +) batch_shape + event_shape.

        Its sum over the event is `log_prob`; `value` is what `log_prob` takes. Raises InputError like `log_prob`, and
        where the numbers of an event depend on each other.
        """
        raise self._no("log_prob of each number")

    def entropy(self) -> Float64:
        """-E[log p(x)] in nats, float64 of shape batch_shape; raises InputError where there is no closed form."""
        raise self._no("entropy")

    def kl_divergence(self, other: Distribution) -> Float64:
        """KL(self || other) = E_self[log self(x) - log other(x)] in nats, float64 of the batch shapes broadcast.

        Raises InputError where the two shapes differ, and where the pair has no closed form.
        """
        return other._divergence_from(self)

    def _divergence_from(self, other: Distribution) -> Float64:
        """KL(other || self), for pairs that `other.kl_divergence` does not know."""
        raise InputError(
            f"KL({type(other).__name__} || {type(self).__name__}) has no closed form: estimate it from samples, "
            "mean(p.log_prob(x) - q.log_prob(x)) over x of p.sample(...)"
        )

    def _no(self, method: str) -> InputError:
        return InputError(f"a {type(self).__name__} has no {method} in closed form: estimate it from samples")

    def _check_shapes(self, other: Distribution) -> None:
        if self.event_shape != other.event_shape or len({*self.batch_shape, *other.batch_shape, 1}) > 2:
            raise InputError(f"both should have the same batch and event shapes, they are {self!r} and {other!r}")

    def hand_out(self, prepare: Callable[[npt.ArrayLike], npt.NDArray[Any]] | None) -> Self:
        """Itself, for a user: its arrays are read-only from now on.

        `log_prob` first gives its values to `prepare`, which makes a model's events of users'.
        """
        self._prepare = prepare
        self._freeze()
        return self

    def _freeze(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def _value(self, value: npt.ArrayLike, dtype: type[np.floating[Any]]) -> npt.NDArray[Any]:
        value = value if self._prepare is None else self._prepare(value)
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

    def __setstate__(self, state: dict[str, Any]) -> None:
        # pickle gives arrays that may be written to, whatever they were: a distribution does not change
        vars(self).update(state)
        self._freeze()

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
    with np.errstate(over="ignore"):  # what becomes an infinity is refused later
        return array.astype(dtype, copy=False)


def owned(name: str, values: npt.ArrayLike, dtype: type[np.floating[Any]] = np.float32) -> npt.NDArray[Any]:
    """A read-only copy of a caller's array, as `numbers` gives it."""
    array = numbers(name, values, dtype).copy()
    array.setflags(write=False)
    return array


def check_finite(name: str, array: Float32) -> None:
    """Raises InputError where an array holds a NaN or an infinity, without an array of its size."""
    if not is_finite(array):
        raise InputError(f"{name} should be finite, there is a NaN or an infinity in the array")


def is_finite(array: Float32) -> bool:
    """Whether an array holds no NaN and no infinity, without an array of its size."""
    # Few numbers: where the sum of their squares is finite, so are they, and that is a single call. Squares may
    # overflow, and BLAS may take threads for many numbers: then the extremes tell.
    if array.size <= _FEW and math.isfinite(np.vdot(array, array)):
        return True
    return math.isfinite(array.min()) and math.isfinite(array.max())


def check_positive(name: str, array: Float32) -> None:
    """Raises InputError where an array is not finite and > 0 throughout, without an array of its size."""
    if not (array.min() > 0 and math.isfinite(array.max())):
        raise InputError(f"{name} should be finite and > 0 in float32, the smallest is {array.min():g}, "
                         f"the largest {array.max():g}")  # fmt: skip


def empty(shape: tuple[int, ...]) -> Float32:
    """An uninitialised float32 array; raises InputError where it does not fit in memory."""
    try:
        return np.empty(shape, np.float32)
    except (MemoryError, ValueError) as error:
        raise InputError(
            f"{shape[0]:,} draws do not fit in memory: draw fewer at a time, each from its `start`"
        ) from error


def spread(array: Float32, shape: tuple[int, ...]) -> Float32:
    """A view of `array` broadcast to `shape`, for quick arithmetic.

    NumPy's inner loop runs along the last axes. Where only some of an event's axes have size 1, as for a scale of each
    channel, that loop would be a few numbers long: then one event is copied to its full shape first.
    """
    if array.shape == shape:
        return array
    full = (1,) * (len(shape) - array.ndim) + array.shape
    if full[1:] != shape[1:] and max(full[1:]) > 1:
        array = np.ascontiguousarray(np.broadcast_to(array.reshape(full), (*full[:1], *shape[1:])))
    return np.broadcast_to(array, shape)


def total(terms: npt.NDArray[Any], axes: int) -> Float64:
    """The sum over the last `axes` axes, accumulated in float64; an array also where its shape is ()."""
    kept = terms.shape[: terms.ndim - axes]
    flat = terms.reshape((*kept, math.prod(terms.shape[len(kept) :])))
    result: Float64 = np.asarray(flat.sum(axis=-1, dtype=np.float64))
    return result
