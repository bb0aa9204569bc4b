"""The parity gate: the bundle, run by the runtime, against the user's own function.

The function itself is called, never the graph that was made of it. Its outputs are compared in its own terms: a
probability with a probability, a log-variance with a log-variance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.export import flow_parity
from vae_edge.export.flows import FlowSource
from vae_edge.export.parameters import Parameter, Reading
from vae_edge.export.sources.members import Members
from vae_edge.export.wiring import BATCH, Wired
from vae_edge.runtime import VAE, events, probe
from vae_edge.runtime.distributions import registry
from vae_edge.runtime.errors import CheckFailed

__all__ = ["PRIOR_DRAWS", "TOLERANCE", "Reference", "measure"]

TOLERANCE = probe.TOLERANCE
PRIOR_DRAWS = 2048

Array = npt.NDArray[Any]
Values = dict[str, npt.NDArray[np.float32]]


class Reference:
    """What a user's encoder and decoder give, as the parameters of a bundle, and a flow prior."""

    def __init__(
        self, encoder: Wired, posterior: Reading, decoder: Wired, likelihood: Reading, flow: FlowSource | None = None
    ) -> None:
        self._encoder, self._posterior = encoder, posterior
        self._decoder, self._likelihood = decoder, likelihood
        self.flow = flow

    def encode(self, x: Array, condition: Array | None) -> Values:
        """The posterior's parameters as the model gives them, by tensor; `x` is what the encoder's graph reads."""
        return _values(self._posterior, self._encoder.call(x, condition), len(x))

    def decode(self, z: Array, condition: Array | None) -> Values:
        """The likelihood's parameters as the model gives them, by tensor."""
        return _values(self._likelihood, self._decoder.call(z, condition), len(z))

    @property
    def parameters(self) -> dict[str, Parameter]:
        """All parameters, by tensor."""
        return {each.tensor: each for each in (*self._posterior.parameters, *self._likelihood.parameters)}


def measure(reference: Reference, vae: VAE, examples: Array, conditions: Array | None,
            tolerance: float = TOLERANCE, member: int | None = None) -> dict[str, float]:  # fmt: skip
    """max |difference| / max(1, |value|) by output: over the examples, their posteriors' means, draws of the prior.

    `examples` are prepared events. With a `member`, its decoder is compared with what the model gives at that moment.
    Raises CheckFailed where one is above `tolerance` or not a number; the message says where.
    """
    worst = dict.fromkeys(reference.parameters, 0.0)
    parameters = reference.parameters

    def hold(start: int, what: str, theirs: Values, ours: list[npt.NDArray[np.float32]], names: list[str]) -> None:
        for name, found in zip(names, ours, strict=True):
            parameter = parameters[name]
            expected = theirs[name]
            value = found if parameter.how == "identity" else parameter.back(found)
            difference = probe.compare(value, expected)
            if not difference <= tolerance:
                raise CheckFailed(_told(parameter, value, expected, difference, tolerance, what, start))
            worst[name] = max(worst[name], difference)

    manifest, model = vae.manifest, vae.model
    decoder = model.decoder if member is None else model.members.session(member)
    encoded, decoded = ([*spec.outputs.values()] for spec in (manifest.posterior, manifest.likelihood))
    latents: list[tuple[str, Array, Array | None]] = []
    for at in range(0, len(examples), BATCH):
        here = slice(at, at + BATCH)
        given = None if conditions is None else conditions[here]
        x = events.standardise(examples[here], manifest.event)
        theirs = reference.encode(x, given)
        hold(at, "event", theirs, model.encoder.run(x, given), encoded)
        loc = parameters[manifest.posterior.outputs["loc"]]
        latents.append(("posterior mean", loc.ours(theirs[loc.tensor]), given))
    latents += _draws(vae, conditions)
    for start, (what, z, given) in zip(_starts(latents), latents, strict=True):
        hold(start, what, reference.decode(z, given), decoder.run(z, given), decoded)
    if reference.flow is not None:
        worst |= flow_parity.measure(reference.flow, vae, latents, tolerance)
    return worst


def _values(reading: Reading, members: Members, n: int) -> Values:
    return {each.tensor: each.theirs(members, n) for each in reading.parameters}


def _draws(vae: VAE, conditions: Array | None) -> Iterator[tuple[str, Array, Array | None]]:
    if vae.manifest.prior.family == registry.NO_PRIOR:
        return
    given = None if conditions is None else conditions[np.arange(PRIOR_DRAWS) % len(conditions)]
    prior = vae.model.prior.given(given)
    z = prior.sample(() if prior.batch_shape else PRIOR_DRAWS, seed=0)
    for at in range(0, PRIOR_DRAWS, BATCH):
        here = slice(at, at + BATCH)
        yield "prior draw", z[here], None if given is None else given[here]


def _starts(latents: list[tuple[str, Array, Array | None]]) -> list[int]:
    """For each batch, the index of its first latent among the latents of its kind."""
    seen: dict[str, int] = {}
    starts = []
    for what, z, _ in latents:
        starts.append(seen.get(what, 0))
        seen[what] = starts[-1] + len(z)
    return starts


def _told(parameter: Parameter, value: Array, expected: Array, difference: float, tolerance: float, what: str,
          start: int) -> str:  # fmt: skip
    with np.errstate(invalid="ignore"):
        each = np.abs(value.astype(np.float64) - expected) / np.maximum(1, np.abs(expected))
    place = np.unravel_index(int(np.argmax(np.where(np.isnan(each), math.inf, each))), each.shape)
    where = ", ".join(str(int(axis)) for axis in place[1:])
    return (
        f"{parameter.tensor}: the bundle and the model that it is made of differ by {difference:.3g} at ({where}) of "
        f"{what} {start + int(place[0])}: {parameter.spelling} {float(value[place]):.6g}, the model gives "
        f"{float(expected[place]):.6g}; at most {tolerance:g} * max(1, |value|) is allowed; nothing is written"
    )
