"""The request of a user, and the findings of the inspection, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from vae_edge.export.deviations import Placed, Uncertain
from vae_edge.export.events import Events
from vae_edge.export.parameters import Reading
from vae_edge.export.priors import Prior
from vae_edge.export.sources.base import Source
from vae_edge.export.sources.members import Members
from vae_edge.export.statements import Image, Index, OneHot, Statement, Vector
from vae_edge.export.wiring import Wired
from vae_edge.runtime.bundle import guard
from vae_edge.runtime.bundle.manifest import Condition

__all__ = ["Findings", "Request"]


@dataclass(frozen=True)
class Request:
    """The arguments of `export` that say what the model is."""

    encoder: Source
    decoder: Source
    examples: npt.ArrayLike
    posterior: Statement | None = None
    likelihood: Statement | None = None
    prior: Any = "normal"
    condition: OneHot | Index | Vector | None = None
    conditions: npt.ArrayLike | None = None
    event: Image | Vector | None = None
    opset: int = 17
    max_elements: int = guard.MAX_ELEMENTS_ALIVE
    uncertain: Uncertain | None = None  # the decoder's weights, where they have a posterior


@dataclass
class Findings:
    """What inspection has found, step by step. A step that failed leaves None, and the reason in `problems`."""

    problems: list[str]
    warnings: list[str]
    notes: list[str]
    condition: Condition | None = None
    events: Events | None = None
    conditions: npt.NDArray[Any] | None = None  # of each example
    encoder: Wired | None = None
    decoder: Wired | None = None
    encoded: Members | None = None  # what the encoder gave for the first examples
    posterior: Reading | None = None
    likelihood: Reading | None = None
    prior: Prior | None = None
    latent_size: int | None = None
    latents: npt.NDArray[np.float32] | None = None  # posterior means of the first examples
    graphs: dict[str, onnx.ModelProto] | None = None
    placed: Placed | None = None  # where the decoder's uncertain weights are in its graph
