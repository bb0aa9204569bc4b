"""The ensemble of a decoder whose weights are uncertain: member k has weights of its own, by the seed contract.

Each member has a session of its own. Some are kept, those that were used last.
"""

from __future__ import annotations

import operator
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.bundle.deviations import Posterior
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.noise import Purpose
from vae_edge.runtime.session import Session

__all__ = ["SEED", "Members", "check_count", "check_member", "weights_of"]

Float32 = npt.NDArray[np.float32]

SEED = 0  # of all members: member k is the same network in every call
MOST = 64  # sessions that are kept
MOST_NUMBERS = 1 << 26  # of their weights, all together: 256 MiB, and as much again where ONNX Runtime packs them anew


def check_member(member: SupportsIndex) -> int:
    """`member` as an int in [0, 2**63); raises InputError."""
    return _whole("member", member, 0)


def check_count(members: SupportsIndex) -> int:
    """`members` as an int, 1 or more; raises InputError."""
    return _whole("members", members, 1)


def weights_of(posterior: Posterior, member: int) -> Float32:
    """The uncertain weights of a member, (P,): w = f32(f32(eps * scale) + loc), eps a draw of purpose WEIGHT."""
    weights: Float32 = noise.normals(SEED, Purpose.WEIGHT, member, 1, len(posterior.loc))[0]
    weights *= posterior.scale
    weights += posterior.loc
    return weights


class Members:
    """The decoders of an ensemble. May be used from many threads; a forked child builds sessions of its own."""

    def __init__(self, posterior: Posterior, build: Callable[[bytes], Session], most: int = MOST) -> None:
        """`build` makes a session of a member's graph; at most `most` of them are kept."""
        self.posterior, self._build = posterior, build
        self.most = max(1, min(most, MOST, MOST_NUMBERS // max(1, len(posterior.loc))))
        self._kept: OrderedDict[int, Session] = OrderedDict()
        self._lock = threading.Lock()
        _everyone.add(self)

    def session(self, member: int) -> Session:
        """The session of one member."""
        with self._lock:
            if (found := self._kept.get(member)) is not None:
                self._kept.move_to_end(member)
                return found
        # Others need not wait while it is built; where two threads build one at once, the first one stays.
        built = self._build(self.posterior.graph_with(weights_of(self.posterior, member)))
        with self._lock:
            found = self._kept.setdefault(member, built)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
        return found

    def run(self, z: Float32, condition: npt.NDArray[Any] | None, first: int, count: int) -> list[Float32]:
        """The decoder's outputs for latents (B, L), of which latent b is decoded by member (first + b) mod `count`.

        Latents of the same member go through its session together.
        """
        outputs: list[Float32] = []
        for offset in range(min(count, len(z))):
            rows = slice(offset, None, count)
            given = None if condition is None else condition[rows]
            session = self.session((first + offset) % count)
            outputs = outputs or [np.empty((len(z), *shape), np.float32) for shape in session.output_shapes]
            for whole, result in zip(outputs, session.run(np.ascontiguousarray(z[rows]), given), strict=True):
                whole[rows] = result
        return outputs

    def __len__(self) -> int:
        """How many sessions are kept at the moment."""
        return len(self._kept)

    def begin_anew(self) -> None:
        """Takes a new lock: in a forked child a thread that is not there may hold the old one."""
        self._lock = threading.Lock()


def _whole(name: str, value: SupportsIndex, least: int) -> int:
    try:
        whole = operator.index(value)
    except TypeError:
        whole = -1
    if not least <= whole < noise.MAX_DRAW or isinstance(value, bool):
        raise InputError(f"{name} should be a whole number, {least} or more, it is {value!r:.60}")
    return whole


_everyone: weakref.WeakSet[Members] = weakref.WeakSet()


def _after_fork() -> None:
    for members in _everyone:
        members.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
