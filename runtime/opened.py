"""A bundle whose graphs are at work, and how it travels: as the place that it came from, opened where it arrives."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any, Self

from vae_edge.runtime.bundle import Bundle
from vae_edge.runtime.model import Model
from vae_edge.runtime.origin import Origin
from vae_edge.runtime.scoring.scorer import Scorer

__all__ = ["Opened"]


class Opened:
    """A bundle, its model and its scorer. A deep copy has sessions of its own.

    Pickled, it is its `origin` alone. What arrives opens its bundle at the first use, once a process, and raises
    BundleError in the task that uses it. Raised while a pool unpickles, it would end the worker, and some pools then
    wait on.
    """

    def __init__(self, bundle: Bundle, options: Mapping[str, Any]) -> None:
        """`options` are the keyword arguments of `VAE`."""
        self.bundle, self.model = bundle, Model(bundle, **options)
        self.origin = Origin.of(bundle, options)

    @cached_property
    def bundle(self) -> Bundle:
        """The bundle, as it was read."""
        return _arrived(self.origin).bundle

    @cached_property
    def model(self) -> Model:
        """The graphs at work."""
        return _arrived(self.origin).model

    @cached_property
    def scorer(self) -> Scorer:
        """What scores events by the model."""
        return Scorer(self.model)

    @property
    def is_open(self) -> bool:
        """Whether the bundle has been read here."""
        return "model" in vars(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"origin": self.origin}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # of the bytes that were hashed, not of the folder as it is now
        copied = type(self)(self.bundle, self.origin.options)
        copied.origin = copy.deepcopy(self.origin, memo)
        return copied


@lru_cache(maxsize=2)  # a worker opens a VAE once, however many tasks bring it
def _arrived(origin: Origin) -> Opened:
    return Opened(origin.read(), origin.options)
