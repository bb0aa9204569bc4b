"""Makes a bundle of the inspection's findings: checks parity, measures, seals, and puts the folder in place at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from vae_edge.export import card, draft, folder, parity, replacing, scoring, variant
from vae_edge.export.draft import Draft
from vae_edge.export.inspection import prepared
from vae_edge.export.request import Findings, Request
from vae_edge.export.scoring import Fitted
from vae_edge.runtime import VAE, probe
from vae_edge.runtime.bundle.manifest import FP32, PRECISIONS, Manifest, Training, seal
from vae_edge.runtime.errors import InputError

__all__ = ["Events", "Options", "Progress", "Sets", "check", "expect", "make"]

Progress = Callable[[str, int], Callable[[int], None]]
Array = npt.NDArray[Any]
Events = tuple[Array, Array | None]  # and the condition of each


def _silent(step: str, draws: int) -> Callable[[int], None]:
    return lambda done: None


@dataclasses.dataclass(frozen=True)
class Sets:
    """Prepared events with their conditions: what int8 is calibrated on, and what the nats lost are measured on."""

    calibration: Callable[[], Events]
    validation: Callable[[], Events]


@dataclasses.dataclass(frozen=True)
class Options:
    """How a bundle is written; see `api.export`."""

    name: str | None = None
    precision: str = FP32
    max_nats: float = variant.MAX_NATS
    force: bool = False
    training: Training | None = None
    metrics: Callable[[VAE, Progress], dict[str, float]] = lambda vae, progress: {}
    run: dict[str, object] = dataclasses.field(default_factory=dict)  # of the run, for the card
    progress: Progress = _silent
    scores: Callable[[VAE, Progress], Fitted | None] = lambda vae, progress: None


def expect(out: Path, options: Options) -> None:
    """Raises InputError for options that do not go together, OutputError where `out` holds what may not be replaced."""
    if options.precision not in PRECISIONS:
        raise InputError(f"precision should be fp32, fp16 or int8, it is {options.precision!r:.60}")
    if not options.max_nats >= 0:
        raise InputError(f"max_nats should be 0 or more, it is {options.max_nats}")
    replacing.expect_ours(out, _name(out, options), options.training, options.precision, options.force)


def make(out: Path, request: Request, found: Findings, sets: Sets, options: Options,
         versions: tuple[str, dict[str, str]]) -> Manifest:  # fmt: skip
    """Writes the bundle of the findings into `out`, and returns its manifest.

    It appears whole or not at all, and only where the runtime computes what the model does (CheckFailed otherwise).
    """
    name = _name(out, options)
    assert found.events is not None
    events, conditions = prepared(found.events, found.likelihood), found.conditions
    with folder.staged(out) as staging:
        made = draft.draft(request, found, name=name, producer=versions[0], versions=versions[1],
                           training=options.training)  # fmt: skip
        vae = draft.open_vae(made, staging, request.max_elements)
        options.progress("compare with the model", 0)
        reference = _reference(found)
        measured = parity.measure(reference, vae, events, conditions)
        if request.uncertain is not None and found.placed is not None:
            with request.uncertain.holding(draft.member_of(vae, request.uncertain, found.placed)):
                of_member = parity.measure(reference, vae, events, conditions, member=draft.MEMBER)
            measured = {name: max(value, of_member[name]) for name, value in measured.items()}
        made = draft.with_probe(made, vae, reference, found)
        metrics: dict[str, float] = {}
        if options.precision != FP32:
            whole = draft.open_vae(made, staging, request.max_elements)
            made, metrics = _in_precision(whole, made, staging, (events, conditions), sets, options)
            vae = draft.open_vae(made, staging, request.max_elements)
            measured = parity.measure(reference, vae, events, conditions, tolerance=math.inf)
        else:
            vae = draft.open_vae(made, staging, request.max_elements)
        probe.check(vae)
        metrics |= options.metrics(vae, options.progress)
        fitted = options.scores(vae, options.progress)
        scores = None if fitted is None else fitted.scores
        manifest = seal(dataclasses.replace(made.manifest, metrics=metrics, parity=measured, scores=scores))
        files = made.files | ({} if fitted is None else {scoring.FILE: fitted.data})
        files |= {"CARD.md": card.render(manifest, options.run).encode()}
        dataclasses.replace(made, manifest=manifest, files=files).write(staging)
    return manifest


def check(found: Findings) -> None:
    """Raises InputError where the model has problems; one message names all of them."""
    if len(found.problems) == 1:
        raise InputError(found.problems[0])
    if found.problems:
        listed = "; ".join(f"({place}) {problem}" for place, problem in enumerate(found.problems, 1))
        raise InputError(f"{len(found.problems)} things have to be said or mended: {listed}")


def _name(out: Path, options: Options) -> str:
    return options.name or out.resolve().name


def _in_precision(whole: VAE, made: Draft, staging: Path, test: Events, sets: Sets,
                  options: Options) -> tuple[Draft, dict[str, float]]:  # fmt: skip
    options.progress(f"convert to {options.precision}", 0)
    small = variant.make(whole, made, staging, options.precision, sets.calibration(), test)
    events, conditions = sets.validation()
    advance = options.progress("nats lost", 2 * len(events) * variant.SAMPLES)
    vae = draft.open_vae(small, staging)
    mean, error = variant.lost(whole, vae, events, options.max_nats, advance, conditions)
    return small, {"nats_lost": mean, "nats_lost_standard_error": error}


def _reference(found: Findings) -> parity.Reference:
    assert found.encoder is not None
    assert found.posterior is not None
    assert found.decoder is not None
    assert found.likelihood is not None
    flow = None if found.prior is None else found.prior.flow
    return parity.Reference(found.encoder, found.posterior, found.decoder, found.likelihood, flow)
