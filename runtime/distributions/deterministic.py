"""A point: what an autoencoder's encoder gives."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.distributions.base import Distribution, Float32, numbers
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.noise import Purpose

__all__ = ["Deterministic"]


class Deterministic(Distribution):
    """A point, loc (B, L) or (L,): it has samples and moments, but no density."""

    family = "deterministic"
    roles = ("posterior",)
    parameters = MappingProxyType({"loc": "real"})
    tfp = MappingProxyType({"Deterministic": {"loc": "loc"}, "VectorDeterministic": {"loc": "loc"}})

    def __init__(self, loc: npt.ArrayLike) -> None:
        self.loc = numbers("loc", loc, np.float32)
        if self.loc.ndim not in (1, 2):
            raise InputError(f"loc should have shape (B, L) or (L,), it has {self.loc.shape}")
        super().__init__(self.loc.shape[:-1], self.loc.shape[-1:])
        if not np.isfinite(self.loc).all():
            raise InputError("loc should be finite, there is a NaN or an infinity in it")

    @classmethod
    def from_parameters(  # noqa: D102 - told by the base class, as below
        cls,
        parameters: Mapping[str, Float32],
        settings: Mapping[str, float],
        event_shape: tuple[int, ...],
        purpose: Purpose,
    ) -> Self:
        return cls(parameters["loc"])

    def _draw(self, seed: int, start: int, n: int, stream: int) -> Float32:
        return self.loc.copy() if self.batch_shape else np.tile(self.loc, (n, 1))

    def mean(self) -> Float32:  # noqa: D102
        return self.loc.copy()

    def mode(self) -> Float32:  # noqa: D102
        return self.loc.copy()

    def variance(self) -> Float32:  # noqa: D102
        return np.zeros_like(self.loc)
