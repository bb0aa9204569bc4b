"""Standard deviations beside a decoder's graph: which number of which variable stands where in it.

The converter and the passes move the numbers of a weight about, and call it by another name. So the graph is built once
more with a tag in place of each number, a float32 of which no two are alike: where a tag comes out, its number belongs.
A number that was changed on its way, as by a batch normalisation that was folded into a layer, is no tag: such a model
is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from vae_edge.runtime.errors import InputError

__all__ = ["Placed", "Uncertain", "place"]

Float32 = npt.NDArray[np.float32]

# The bits of the first tag, 1.1e-19: no constant of a network. All tags are plain numbers below 1e-4.
_FIRST, _MOST = 0x20000000, 1 << 28


@dataclass(frozen=True)
class Uncertain:
    """A decoder's weights that have a posterior: `variables` of Keras hold the means, `scales` standard deviations."""

    variables: Sequence[Any]
    scales: Sequence[Float32]

    @property
    def loc(self) -> Float32:
        """The means of all, one by one, (P,)."""
        return np.concatenate([np.asarray(variable.numpy()).reshape(-1) for variable in self.variables])

    @property
    def scale(self) -> Float32:
        """The standard deviations of all, in the same order, (P,)."""
        return np.concatenate([np.asarray(scale, np.float32).reshape(-1) for scale in self.scales])

    @contextlib.contextmanager
    def holding(self, values: Float32) -> Iterator[None]:
        """For its length the variables hold `values` (P,); then their means again."""
        means = self.loc
        self._assign(values)
        try:
            yield
        finally:
            self._assign(means)

    def _assign(self, values: Float32) -> None:
        at = 0
        for variable in self.variables:
            size = int(np.prod(variable.shape))
            variable.assign(values[at : at + size].reshape(variable.shape))
            at += size


@dataclass(frozen=True)
class Placed:
    """Where the numbers went: `names` of the graph's initializers, and in `places` (P,) the index of each of theirs."""

    names: tuple[str, ...]
    places: npt.NDArray[np.int64]

    def back(self, values: Float32) -> Float32:
        """Numbers (P,) in the graph's order, in that of the variables."""
        found = np.empty_like(values)
        found[self.places] = values
        return found


def place(uncertain: Uncertain, build: Callable[[], onnx.ModelProto]) -> tuple[onnx.ModelProto, Placed]:
    """The graph that `build` makes of the decoder, with the means as its weights, and where they stand in it.

    Raises InputError where a number is not in the graph exactly once.
    """
    loc = uncertain.loc
    size = len(loc)
    if size > _MOST:
        raise InputError(f"a decoder should have at most {_MOST:,} uncertain weights, this has {size:,}")
    tags = (np.arange(size, dtype=np.uint32) + np.uint32(_FIRST)).view(np.float32)
    with uncertain.holding(tags):
        model = build()
    names, places = [], []
    for weight in model.graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(weight)
        numbers = np.ascontiguousarray(values).view(np.uint32).astype(np.int64).reshape(-1) - _FIRST
        is_tag = (numbers >= 0) & (numbers < size)
        if not is_tag.any():
            continue
        if not is_tag.all():
            raise _changed(int(is_tag.sum()), weight.name)
        weight.CopyFrom(numpy_helper.from_array(loc[numbers].reshape(values.shape), weight.name))
        names.append(weight.name)
        places.append(numbers)
    found = np.concatenate(places) if places else np.empty(0, np.int64)
    if len(found) != size or len(np.unique(found)) != size:
        raise InputError(
            f"each of the decoder's {size:,} uncertain weights should be in the graph once, it has "
            f"{len(np.unique(found)):,} of them in {len(found):,} places: a layer was changed on the way, or is used "
            "twice; leave batch normalisation and shared layers out of the decoder"
        )
    return model, Placed(tuple(names), found)


def _changed(count: int, name: str) -> InputError:
    return InputError(
        f"the graph mixes {count:,} uncertain weights with other numbers in {name!r}: leave what does so out of the "
        "decoder"
    )
