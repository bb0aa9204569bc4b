"""The parity gate of a flow prior: its two graphs, run by the runtime, against the user's own bijector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.export.flows import OUTPUTS, FlowSource
from vae_edge.runtime import VAE, noise, probe
from vae_edge.runtime.errors import CheckFailed
from vae_edge.runtime.noise import Purpose

__all__ = ["measure"]

Array = npt.NDArray[Any]
INVERSE = 1e-2  # how far the inverse of a draw may be from its noise: else the graphs are of two flows

Latents = Sequence[tuple[str, Array, Array | None]]  # what they are, z, and the condition of each


def measure(source: FlowSource, vae: VAE, latents: Latents, tolerance: float) -> dict[str, float]:
    """max |difference| / max(1, |value|) by output: z of noise, and the noise and log-determinant of `latents`.

    The noise is that of the prior's first draws. Raises CheckFailed where one is above `tolerance`, and where the
    inverse of a draw is not its noise.
    """
    worst = {output: 0.0 for _, output in OUTPUTS.values()}
    graphs = vae.model.prior.graphs
    drawn = 0
    for what, z, condition in latents:
        ours = dict(zip(("noise", "log_det"), graphs.inverse(z, condition), strict=True))
        theirs = dict(zip(("noise", "log_det"), source.inverse(z, condition), strict=True))
        if what == "prior draw":
            eps = noise.normals(0, Purpose.PRIOR, drawn, *z.shape)
            drawn += len(z)
            ours["sample"], theirs["sample"] = graphs.forward(eps, condition), source.sample(eps, condition)
            _hold("noise", f"{what}, back to noise", ours["noise"], eps, max(tolerance, INVERSE), vae)
        for name, value in theirs.items():
            output = OUTPUTS[name][1]
            difference = _hold(output, what, ours[name], value, tolerance, vae)
            worst[output] = max(worst[output], difference)
    return worst


def _hold(output: str, what: str, value: Array, expected: Array, tolerance: float, vae: VAE) -> float:
    difference = probe.compare(value, expected)
    if not difference <= tolerance:
        place = int(np.abs(value - expected).reshape(len(value), -1).max(axis=1).argmax())
        raise CheckFailed(
            f"{vae.manifest.name!r}: {output} of {what} {place} should be that of the flow that it is made of, it "
            f"differs by {difference:.3g}; at most {tolerance:g} * max(1, |value|) is allowed; nothing is written"
        )
    return difference
