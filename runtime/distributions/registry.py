"""The families of distributions that a bundle can name: a file each, and a line each in FAMILIES."""

from __future__ import annotations

import math
from collections.abc import Mapping

from vae_edge.runtime.distributions.base import Distribution
from vae_edge.runtime.distributions.bernoulli import Bernoulli
from vae_edge.runtime.distributions.categorical import Categorical
from vae_edge.runtime.distributions.deterministic import Deterministic
from vae_edge.runtime.distributions.discretized_logistic import DiscretizedLogistic
from vae_edge.runtime.distributions.flow import Flow
from vae_edge.runtime.distributions.mixture import Mixture
from vae_edge.runtime.distributions.multivariate_normal import MultivariateNormalTriL
from vae_edge.runtime.distributions.normal import Normal

__all__ = ["FAMILIES", "NO_PRIOR", "SpecError", "check", "family"]

FAMILIES: dict[str, type[Distribution]] = {
    kind.family: kind
    for kind in (
        Bernoulli,
        Categorical,
        Deterministic,
        DiscretizedLogistic,
        Flow,
        Mixture,
        MultivariateNormalTriL,
        Normal,
    )
}
NO_PRIOR = "none"  # an autoencoder's: it reconstructs, and has nothing to generate from

Shape = tuple[int, ...]


class SpecError(Exception):
    """Why a distribution spec makes no sense, as the end of a sentence."""


def family(name: str, role: str) -> type[Distribution]:
    """The class of a family that can be a 'posterior', 'likelihood' or 'prior'; raises SpecError that lists them."""
    found = FAMILIES.get(name)
    if found is None or role not in found.roles:
        known = [key for key, kind in FAMILIES.items() if role in kind.roles]
        raise SpecError(f"family should be one of {', '.join(known)}, it is {name!r:.60}")
    return found


def check(
    role: str,
    name: str,
    event_shape: Shape,
    outputs: Mapping[str, tuple[object, ...]],
    constants: Mapping[str, float],
    *,
    has_file: bool = False,
) -> None:
    """Raises SpecError where a spec does not describe one distribution of the family `name`.

    `outputs` has the shape, without its batch, of the graph's output behind each parameter; `constants` the numbers.
    """
    if role == "prior" and name == NO_PRIOR:
        wanted: dict[str, Shape] = {}
        settings: Mapping[str, tuple[float, float]] = {}
    else:
        kind = family(name, role)
        given = {name: limits for name, limits in kind.options.items() if name in constants}
        settings = {**kind.settings, **given}
        for setting, (low, high) in settings.items():
            value = constants.get(setting, math.nan)
            if not low <= value <= high or value != int(value):
                raise SpecError(f"{name} should have {setting}, a whole number from {low:g} to {high:g}, in constants")
        is_prior = role == "prior"
        wanted = kind.prior_shapes(event_shape) if is_prior else kind.parameter_shapes(event_shape, constants)
    parameters = constants.keys() - settings.keys()
    if outputs.keys() | parameters != wanted.keys() or outputs.keys() & parameters:
        raise SpecError(f"{name} should have {', '.join(wanted) or 'no parameters'}, it has "
                        f"{', '.join(sorted([*outputs, *parameters])) or 'none'}")  # fmt: skip
    for parameter, shape in outputs.items():
        full = wanted[parameter]
        if len(shape) != len(full) or any(size not in (1, most) for size, most in zip(shape, full, strict=True)):
            raise SpecError(f"{parameter} should have shape {full}, or 1 along an axis, it has {shape}")
    if wanted and not outputs:
        raise SpecError(f"{name} should have a parameter that its graph gives, all are constants")
    for parameter in parameters:
        if kind.parameters[parameter] == "lower_triangular":
            raise SpecError(f"{parameter} is a matrix, it should be a graph's output, no constant")
        low = {"positive": 0.0, "nonnegative": -5e-324}.get(kind.parameters[parameter], -math.inf)
        if not (math.isfinite(constants[parameter]) and constants[parameter] > low):
            raise SpecError(f"{parameter} should be {kind.parameters[parameter]}, it is {constants[parameter]}")
    if has_file != (role == "prior" and name == Mixture.family):
        raise SpecError(f"{name} {'has no' if has_file else 'needs a'} file of arrays")
