"""Finds out what a model is: event, condition, posterior, likelihood, prior, graphs; and the problems with it.

Each step that can run does, so that a user sees all problems at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from vae_edge.export import building, deviations, events, parameters, priors, vetoes, wiring
from vae_edge.export.parameters import Reading
from vae_edge.export.request import Findings, Request
from vae_edge.export.sources.members import Members
from vae_edge.export.wiring import Wired
from vae_edge.runtime import events as runtime_events
from vae_edge.runtime.bundle import manifest
from vae_edge.runtime.errors import InputError, UnsafeBundle

__all__ = ["inspect", "prepared"]

Array = npt.NDArray[Any]
_SEED = 0  # of the latents that the decoder is tried with


def inspect(request: Request) -> Findings:
    """All that can be inferred; `problems` holds everything that would be refused, each with its remedy."""
    found = Findings([], [], [])
    with _Collected(found):
        found.condition = events.condition_of(request.condition)
    declared = request.encoder.inputs
    main = None
    if declared:  # of two inputs, the one that is not as large as the condition
        size = found.condition.size if found.condition else None
        main = next(
            (spec for spec in declared if len(declared) == 1 or spec.shape not in ((size,), (), (1,))), declared[0]
        )
    with _Collected(found):
        shape = None if main is None or -1 in main.shape else main.shape
        found.events = events.infer(request.examples, request.event, shape, main.dtype if main else None)
    if found.events is None:
        return found
    with _Collected(found):
        found.conditions = events.conditions_of(found.condition, request.conditions, len(found.events.examples))
    if found.condition is not None and found.conditions is None:
        return found
    _inspect_encoder(request, found)
    if found.posterior is not None:
        (found.latent_size,) = found.posterior.event_shape
    elif (given := request.decoder.inputs) and len(given) == 1 and -1 not in given[0].shape:
        found.latent_size = int(np.prod(given[0].shape))
    else:
        found.latent_size = _guessed(request, found)
    if found.latent_size is None:
        return found
    _inspect_decoder(request, found)
    with _Collected(found):
        found.prior = priors.read(_default_prior(request.prior, found), found.latent_size, found.condition)
    _build(request, found)
    return found


def prepared(found_events: events.Events, likelihood: Reading | None) -> npt.NDArray[np.float32]:
    """The examples as the runtime hands them to a graph, but for shift and scale."""
    x = runtime_events.convert(found_events.examples, found_events.event)
    levels = None if likelihood is None else likelihood.constants.get("levels")
    if levels is not None and found_events.examples.dtype.kind == "f":
        steps = np.float32(levels - 1)
        x = np.rint(x * steps) / steps
    return x


def _inspect_encoder(request: Request, found: Findings) -> None:
    assert found.events is not None
    n, event = vetoes.EXAMPLES, found.events.event
    name = "image" if isinstance(event, manifest.Image) else "x"
    with _Collected(found):
        found.encoder = wiring.wire(request.encoder, "event", event.shape, found.events.own_shape, found.condition,
                                    name=name, channels_first=found.events.is_channels_first)  # fmt: skip
    if found.encoder is None:
        return
    x = runtime_events.standardise(prepared(found.events, None), event)
    x, given = _some(x, n), None if found.conditions is None else _some(found.conditions, n)
    call = _caller(found.encoder, x, given)
    with _Collected(found):
        members = found.encoded = call(slice(0, n))
        found.posterior = parameters.read("posterior", request.posterior, members, n, None,
                                          channels_first=found.events.is_channels_first)  # fmt: skip
        found.problems += _vetoes(request.encoder.label, found.posterior, members, call, n)
        loc = next(each for each in found.posterior.parameters if each.name == "loc")
        found.latents = loc.theirs(members, n)


def _guessed(request: Request, found: Findings) -> int | None:
    """A latent size that the decoder takes, where the posterior is unknown, so that other problems are reported too."""
    sizes = [] if found.encoded is None else [int(np.prod(each.shape[1:])) for each in found.encoded.tensors.values()]
    for size in (*sizes, *(size // 2 for size in sizes)):
        with contextlib.suppress(InputError):
            decoder = wiring.wire(request.decoder, "latent", (size,), (size,), found.condition, name="z")
            given = None if found.conditions is None else found.conditions[:1]
            decoder.call(np.zeros((1, size), np.float32), given)
            return size
    return None


def _inspect_decoder(request: Request, found: Findings) -> None:
    assert found.events is not None
    assert found.latent_size is not None
    n, size = vetoes.EXAMPLES, found.latent_size
    own = (size,)
    with _Collected(found):
        found.decoder = wiring.wire(request.decoder, "latent", (size,), own, found.condition, name="z")
    if found.decoder is None:
        return
    if found.condition is not None and found.decoder.condition is None:
        found.warnings.append(f"the {request.decoder.label} takes no condition: what it generates follows none")
    z = np.random.default_rng(_SEED).normal(size=(n, size)).astype(np.float32)
    if found.latents is not None and np.isfinite(found.latents).all():
        z[: n // 2] = found.latents[: n // 2]
    given = None if found.conditions is None else _some(found.conditions, n)
    call = _caller(found.decoder, z, given)
    taken = frozenset(each.tensor for each in found.posterior.parameters) if found.posterior else frozenset()
    with _Collected(found):
        members = call(slice(0, n))
        found.likelihood = parameters.read("likelihood", request.likelihood, members, n, found.events.event.shape,
                                           channels_first=found.events.is_channels_first, taken=taken)  # fmt: skip
        found.problems += _vetoes(request.decoder.label, found.likelihood, members, call, n)
        found.events, told = events.with_threshold(found.events, found.likelihood.family)
        found.notes += [told] if told else []
        if found.condition is not None and found.condition.is_label and found.decoder.condition is not None:
            keys = [each.key for each in found.likelihood.parameters]
            found.warnings += vetoes.of_condition(
                request.decoder.label, _by_label(found, z), keys, found.condition.size
            )


def _vetoes(label: str, reading: Reading, members: Members, call: Callable[[slice], Members], n: int) -> Iterator[str]:
    problems = [*vetoes.of_values(label, reading, members, n)]
    keys = [each.key for each in reading.parameters]
    yield from problems or vetoes.of_calls(label, call, members, keys, n)


def _build(request: Request, found: Findings) -> None:
    """The graphs of both and of a flow, and why the runtime would refuse them."""
    found.graphs = {}
    for name, source, wired, reading in (
        ("encoder", request.encoder, found.encoder, found.posterior),
        ("decoder", request.decoder, found.decoder, found.likelihood),
    ):
        if wired is None or reading is None:
            continue
        try:
            model, remarks, ends = building.build(wired, reading, request.opset)
            if name == "decoder" and request.uncertain is not None:
                model, found.placed = _placed(request, wired, reading)
        except (InputError, UnsafeBundle) as error:
            found.problems.append(f"the {source.label}: {error}")
            continue
        said = [*vetoes.of_operators(source.label, reading, ends)]
        told = [problem.split(" ")[0] for problem in found.problems]
        found.problems += [problem for problem in said if problem.split(" ")[0] not in told]
        found.notes += remarks
        found.graphs[name] = model
    if found.prior is not None and found.prior.flow is not None:
        with _Collected(found):
            found.graphs |= found.prior.flow.graphs(request.opset)


def _placed(request: Request, wired: Wired, reading: Reading) -> tuple[onnx.ModelProto, deviations.Placed]:
    """The decoder's graph, and where its uncertain weights stand in it."""
    assert request.uncertain is not None
    return deviations.place(request.uncertain, lambda: building.build(wired, reading, request.opset)[0])


def _default_prior(prior: Any, found: Findings) -> Any:
    is_point = found.posterior is not None and found.posterior.family == "deterministic"
    return "none" if is_point and isinstance(prior, str) and prior == "normal" else prior


def _caller(wired: Wired, main: Array, condition: Array | None) -> Callable[[slice], Members]:
    return lambda rows: wired.call(main[rows], None if condition is None else condition[rows])


def _by_label(found: Findings, z: Array) -> Callable[[int], Members]:
    condition, decoder = found.condition, found.decoder
    assert condition is not None
    assert decoder is not None
    return lambda place: decoder.call(z, events.conditions_of(condition, np.full(len(z), place), len(z)))


def _some(array: Array, n: int) -> Array:
    """n rows of an array, from the start again where it has fewer."""
    return array[np.arange(n) % len(array)]


class _Collected:
    """A block whose InputError becomes a problem of the findings, so that the steps that do not need it go on."""

    def __init__(self, found: Findings) -> None:
        self._problems = found.problems

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, InputError):
            self._problems.append(str(error))
            return True
        return False
