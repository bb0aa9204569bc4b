"""A bundle's prior at work: p(z), or p(z|y) where it follows the condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle import Bundle, priors
from vae_edge.runtime.distributions import registry
from vae_edge.runtime.distributions.flow import AT_ONCE, Flow
from vae_edge.runtime.distributions.mixture import Mixture
from vae_edge.runtime.distributions.normal import Normal
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.noise import Purpose
from vae_edge.runtime.session import Session

__all__ = ["FlowGraphs", "Prior"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FlowGraphs:
    """The graphs of a flow at work; `sessions` are those of 'prior' and 'prior_inverse'."""

    sessions: dict[str, Session]

    def forward(self, noise: Float32, rows: Array | None) -> Float32:
        """z (n, L) of noise (n, L)."""
        return self.sessions["prior"].run(noise, rows)[0]

    def inverse(self, z: Float32, rows: Array | None) -> tuple[Float32, Float32]:
        """The noise (n, L) of z (n, L), and log |det d noise / d z| (n,)."""
        noise, log_det = self.sessions["prior_inverse"].run(z, rows)
        return noise, log_det


class Prior:
    """What a bundle's manifest says of p(z).

    `sessions` are those of a flow, 'prior' and 'prior_inverse', and `at_once` bounds the vectors of a run. Conditions
    are rows as the graphs read them: float32 (B, size), int64 (B,) for the kind 'index', or None.
    """

    def __init__(self, bundle: Bundle, sessions: dict[str, Session], at_once: int) -> None:
        manifest = self._manifest = bundle.manifest
        spec = manifest.prior
        (self._size,) = spec.event_shape
        self.graphs, self._at_once = FlowGraphs(sessions), min(AT_ONCE, at_once)
        self.is_conditional = manifest.prior_follows_condition  # whether it is p(z|y)
        self.is_flow = bool(sessions)
        self._fixed: Normal | Mixture | None = None
        self._tempered: tuple[float, Normal | Mixture] | None = None
        if spec.family == Mixture.family:
            assert spec.file is not None  # the manifest has been checked
            components, labels = (int(spec.constants.get(name, 0)) for name in ("components", "labels"))
            self._fixed = priors.parse(
                bundle[spec.file], spec.file.name, components, self._size, manifest.precision, labels
            )
        elif spec.family == Normal.family:
            self._fixed = Normal(np.zeros(self._size), np.ones(self._size), purpose=Purpose.PRIOR)

    def expect(self) -> None:
        """Raises InputError for an autoencoder, which has no prior."""
        if self._manifest.prior.family == registry.NO_PRIOR:
            raise InputError(
                f"{self._manifest.name!r} is an autoencoder: it has no prior to generate from; it can reconstruct"
            )

    def alone(self) -> Normal | Mixture | Flow:
        """p(z), of batch_shape (); raises InputError where it follows the condition, or where there is none."""
        if self.is_conditional:
            raise InputError(
                f"the prior of {self._manifest.name!r} follows the condition: use vae.prior_given(label=...) or "
                "condition="
            )
        return self.given(None)

    def given(self, rows: Array | None, *, is_batch: bool = True, temperature: float = 1.0) -> Normal | Mixture | Flow:
        """p(z|y) of the conditions `rows`, of batch_shape (B,); p(z), of batch_shape (), where it follows none.

        Without `is_batch` it is that of the first row, of batch_shape (). `temperature` is what `arguments.temperature`
        gave. Raises InputError for an autoencoder.
        """
        self.expect()
        follows = self.is_conditional
        if follows:
            assert rows is not None  # `conditions.check` has seen to it
            rows = rows if is_batch else rows[:1]
        if self._fixed is None:
            return Flow(
                self.graphs.forward, self.graphs.inverse, self._size, condition=rows if follows else None,
                is_batch=is_batch and follows, at_once=self._at_once, temperature=temperature,
            )  # fmt: skip
        fixed = self._fixed if temperature == 1 else self._at_temperature(self._fixed, temperature)
        if not follows:
            return fixed
        assert isinstance(fixed, Mixture)
        assert rows is not None
        places = self.places(rows)
        return fixed.members(places if is_batch else int(places[0]))

    def _at_temperature(self, fixed: Normal | Mixture, temperature: float) -> Normal | Mixture:
        """`fixed` at a temperature; the last one is kept, since a stream asks for it once a batch."""
        kept = self._tempered
        if kept is None or kept[0] != temperature:
            if isinstance(fixed, Mixture):
                prior: Normal | Mixture = fixed.at_temperature(temperature)
            else:
                prior = Normal(fixed.loc, np.full(self._size, temperature, np.float32), purpose=Purpose.PRIOR)
            kept = self._tempered = (temperature, prior)
        return kept[1]

    def places(self, rows: Array) -> npt.NDArray[np.intp]:
        """The number of each row's label."""
        found: npt.NDArray[np.intp] = rows if rows.ndim == 1 else rows.argmax(axis=1)
        return found

    @property
    def mixture(self) -> Mixture:
        """The mixture of a bundle that has one; of p(z|y), the batch of all labels' mixtures."""
        assert isinstance(self._fixed, Mixture)
        return self._fixed
