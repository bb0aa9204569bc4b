"""A prior as its user has it: 'normal', 'none', or a TFP distribution.

A normal or a mixture of normals becomes the arrays of a mixture, a TransformedDistribution of normal noise two graphs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.export import flows
from vae_edge.export.flows import FlowSource
from vae_edge.export.sources import tfp
from vae_edge.runtime.bundle import priors
from vae_edge.runtime.bundle.manifest import Condition
from vae_edge.runtime.distributions import registry
from vae_edge.runtime.distributions.flow import Flow
from vae_edge.runtime.distributions.mixture import Mixture
from vae_edge.runtime.errors import InputError

__all__ = ["Prior", "mixture", "read"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Prior:
    """The family of a prior; of a mixture the number of components and the arrays, of a flow where it comes from."""

    family: str
    components: int = 0
    arrays: dict[str, npt.NDArray[np.float32]] | None = None
    how: str = "from prior="
    labels: int = 0  # for each of which a mixture has weights
    flow: FlowSource | None = None

    def described(self) -> str:
        """One line."""
        count = f" of {self.components} normal{'s' * (self.components > 1)} of full covariance"
        if self.labels:
            count += f", weights for each of {self.labels} labels"
        if self.flow is not None:
            count = "" if self.flow.condition is None else ", which follows the condition"
        return f"{self.family}{'' if self.arrays is None and self.flow is None else count} ({self.how})"


def read(prior: Any, size: int, condition: Condition | None = None) -> Prior:
    """The prior of a latent of `size`; raises InputError on one that no bundle holds.

    A function from a tensor of conditions to a TransformedDistribution is p(z|y).
    """
    if isinstance(prior, Prior):
        return prior
    if isinstance(prior, str):
        if prior not in ("normal", registry.NO_PRIOR):
            raise InputError(f"prior should be 'normal', 'none' or a TFP distribution, it is {prior!r:.60}")
        return Prior(prior)
    is_distribution = tfp.is_distribution(prior)
    if not is_distribution and not callable(prior):
        raise InputError(f"prior should be 'normal', 'none' or a TFP distribution, it is a {type(prior).__name__}")
    if not is_distribution or flows.is_flow(prior):
        return _flow(prior, size, condition)
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
    """A mixture of weights (K,) or (labels, K), loc (K, L), scale_tril (K, L, L); raises InputError where it is not."""
    weights = np.asarray(weights, np.float64)
    arrays = priors.arrays(weights / weights.sum(axis=-1, keepdims=True), loc, scale_tril)
    Mixture(arrays["weights"], loc, scale_tril)  # raises InputError for what is no mixture
    labels = len(weights) if weights.ndim == 2 else 0
    return Prior(Mixture.family, len(loc), arrays, how, labels)


def _flow(prior: Any, size: int, condition: Condition | None) -> Prior:
    source, base = flows.read(prior, size, condition)
    loc, scale_tril = _normals(base, size, 1 if source.condition is None else 2)
    if loc.any() or not (scale_tril == np.eye(size)).all():
        raise InputError(
            f"a flow prior should transform the standard normal, it transforms a tfd.{tfp.class_name(base)} of another "
            "loc or scale: put these into the bijector"
        )
    how = f"read off tfd.{tfp.class_name(source.example())}"
    return Prior(Flow.family, how=how, flow=source)


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
