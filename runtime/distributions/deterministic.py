"""A point: the code of an autoencoder without noise."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.distributions.base import Distribution, Float32, check_finite, owned
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
        array = owned("loc", loc)
        if array.ndim not in (1, 2):
            raise InputError(f"loc should have shape (B, L) or (L,), it has {array.shape}")
        self._hold(array)

    @classmethod
    def from_parameters(  # noqa: D102 - documented in the base class, as below
        cls,
        parameters: Mapping[str, Float32],
        settings: Mapping[str, float],
        event_shape: tuple[int, ...],
        purpose: Purpose,
    ) -> Self:
        self = cls.__new__(cls)
        self._hold(cls._spread(parameters, settings, event_shape)["loc"])
        return self

    def _hold(self, loc: Float32) -> None:
        super().__init__(loc.shape[:-1], loc.shape[-1:])
        check_finite("loc", loc)
        self.loc = loc

    def _write_sample(self, out: Float32, seed: int, start: int, stream: int) -> None:
        np.copyto(out, self.loc)

    def _write_mean(self, out: Float32) -> None:
        np.copyto(out, self.loc)

    def _write_mode(self, out: Float32) -> None:
        np.copyto(out, self.loc)

    def variance(self) -> Float32:  # noqa: D102
        return np.zeros_like(self.loc)
