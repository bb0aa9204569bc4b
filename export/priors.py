"""A user's prior: 'normal', 'none', or a TFP distribution, which is stored as the arrays of a mixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.export.sources import tfp
from vae_edge.runtime.bundle import priors
from vae_edge.runtime.distributions import registry
from vae_edge.runtime.distributions.mixture import Mixture
from vae_edge.runtime.errors import InputError

__all__ = ["Prior", "mixture", "read"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Prior:
    """The family of a prior, its number of components, and its arrays."""

    family: str
    components: int = 0
    arrays: dict[str, npt.NDArray[np.float32]] | None = None
    how: str = "from prior="

    def described(self) -> str:
        """One line."""
        count = f" of {self.components} normal{'s' * (self.components > 1)} of full covariance"
        return f"{self.family}{count if self.arrays is not None else ''} ({self.how})"


def read(prior: Any, size: int) -> Prior:
    """The prior of a latent of `size`; raises InputError on one that no bundle holds."""
    if isinstance(prior, Prior):
        return prior
    if isinstance(prior, str):
        if prior not in ("normal", registry.NO_PRIOR):
            raise InputError(f"prior should be 'normal', 'none' or a TFP distribution, it is {prior!r:.60}")
        return Prior(prior)
    if not tfp.is_distribution(prior):
        raise InputError(f"prior should be 'normal', 'none' or a TFP distribution, it is a {type(prior).__name__}")
    inner = tfp.unwrapped(prior)
    name = tfp.class_name(inner)
    how = f"read off tfd.{name}"
    if name == "MixtureSameFamily":
        weights = _probabilities(inner.mixture_distribution)
        loc, scale_tril = _normals(tfp.unwrapped(inner.components_distribution), size, len(weights))
        return mixture(weights, loc, scale_tril, how)
    loc, scale_tril = _normals(inner, size, 1)
    if not loc.any() and np.array_equal(scale_tril[0], np.eye(size)):
        return Prior("normal", how=how)
    return mixture(np.ones(1), loc, scale_tril, how)


def mixture(weights: Array, loc: Array, scale_tril: Array, how: str) -> Prior:
    """A mixture of weights (K,), loc (K, L), scale_tril (K, L, L); raises InputError where it is none."""
    weights = np.asarray(weights, np.float64)
    arrays = priors.arrays(weights / weights.sum(), loc, scale_tril)
    Mixture(arrays["weights"], loc, scale_tril)  # raises InputError for what is no mixture
    return Prior(Mixture.family, len(weights), arrays, how)


def _probabilities(distribution: Any) -> Array:
    value = distribution.probs
    if value is not None:
        return np.asarray(value, np.float64)
    logits = np.asarray(distribution.logits, np.float64)
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def _normals(distribution: Any, size: int, count: int) -> tuple[Array, Array]:
    """loc (count, size) and scale_tril (count, size, size) of normals of any kind."""
    reading = tfp.read(distribution)
    given = {name: np.asarray(value, np.float64) for name, value in reading.parameters.items()}
    if reading.family == "normal":
        loc, scale = (np.broadcast_to(given[name], (count, size)) for name in ("loc", "scale"))
        return loc, scale[:, :, None] * np.eye(size)
    if reading.family == "multivariate_normal_tril":
        loc = np.broadcast_to(given["loc"], (count, size))
        return loc, np.broadcast_to(given["scale_tril"], (count, size, size))
    raise InputError(
        f"a prior should be normal or a mixture of normals (MultivariateNormalDiag, MultivariateNormalTriL, Normal), "
        f"it is of tfd.{reading.kind}"
    )
