"""A bundle's graphs at work: events and latents in, distributions out, part by part on several threads.

Arguments have been checked by `vae.VAE`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import events, parallel
from vae_edge.runtime.bundle import Bundle, deviations, guard
from vae_edge.runtime.bundle.manifest import Image, Spec
from vae_edge.runtime.distributions import registry
from vae_edge.runtime.distributions.base import Distribution
from vae_edge.runtime.errors import InputError, UnsafeBundle
from vae_edge.runtime.members import Members
from vae_edge.runtime.noise import Purpose
from vae_edge.runtime.prior import Prior
from vae_edge.runtime.session import PROVIDERS, Session, check_threads

__all__ = ["BATCH_SIZE", "Model"]

Float32 = npt.NDArray[np.float32]
Array = npt.NDArray[Any]
Inputs = Callable[[slice], Float32]  # a graph's inputs, by parts of the call

BATCH_SIZE = 256  # events of a stream's batch, and the most of a session run


class _Family:
    """The family of a graph's outputs, with what the manifest says of it."""

    def __init__(self, spec: Spec, role: str, purpose: Purpose) -> None:
        self.kind = registry.family(spec.family, role)
        self._spec, self._purpose, self._names = spec, purpose, tuple(spec.outputs)
        given = set(self.kind.parameters) - set(spec.outputs)
        self._constants = {name: np.asarray(spec.constants[name], np.float32) for name in given}  # of shape ()

    def parameters(self, outputs: list[Float32]) -> dict[str, Float32]:
        """The parameters by name: the graph's outputs, and the constants."""
        parameters = dict(zip(self._names, outputs, strict=True))
        parameters.update(self._constants)
        return parameters

    def of(self, parameters: dict[str, Float32]) -> Distribution:
        """The distribution of this family with these parameters, (B, *shape) or () each."""
        return self.kind.from_parameters(parameters, self._spec.constants, self._spec.event_shape, self._purpose)


class Model:
    """The sessions of a bundle's graphs, what their outputs parameterise, and its prior."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        provider: str,
        provider_options: Mapping[str, object] | None,
        threads: int | None,
        spin: bool,
        max_elements: int,
    ) -> None:
        """Options are those of `VAE.load`."""
        manifest = bundle.manifest
        self.bundle, self.event = bundle, manifest.event
        self.condition, self.latent_size = manifest.condition, manifest.latent_size
        self.threads = check_threads(threads)
        self._affine = events.affine(manifest.event)
        self._posterior = _Family(manifest.posterior, "posterior", Purpose.POSTERIOR)
        self._likelihood = _Family(manifest.likelihood, "likelihood", Purpose.PIXEL)
        self.scored: events.Scored | None = None  # what users' images go through before p(x|z) scores them
        if isinstance(self.event, Image):
            levels = manifest.likelihood.constants.get("levels")
            self.scored = events.Scored(self.event, levels, self._likelihood.kind.is_discrete)
        # Threads that spin belong to ONNX Runtime, which splits each operator over them.
        in_parts = not spin and max(cost.multiply_adds for cost in bundle.costs.values()) < parallel.HEAVY
        options: dict[str, Any] = {
            "provider_options": provider_options,
            "spin": spin,
            "threads": 1 if in_parts else self.threads,  # of an operator
        }
        decoder, encoder = manifest.decoder, manifest.encoder
        given = tuple(manifest.likelihood.outputs.values())
        self.decoder = Session("decoder", bundle[decoder.file], decoder, given, provider=provider, **options)
        self._members = _members(bundle, self.decoder, given, options, max_elements)
        outputs = tuple(manifest.posterior.outputs.values())
        # lazy: programs that only generate never build it
        self.encoder = Session(
            "encoder", bundle[encoder.file], encoder, outputs, provider=self.decoder.provider, lazy=True, **options
        )
        flow = manifest.prior.outputs
        read = {"prior": ("sample",), "prior_inverse": ("noise", "log_det")} if flow else {}
        sessions = {
            name: Session(
                name, bundle[manifest.graphs[name].file], manifest.graphs[name], tuple(flow[key] for key in keys),
                provider=self.decoder.provider, lazy=True, **options,
            )
            for name, keys in read.items()
        }  # fmt: skip
        workers = self.threads if in_parts and self.decoder.provider == PROVIDERS["cpu"] else 1
        batches = _batches(bundle, workers, max_elements)
        self._workers = workers if batches else 1
        self._batches = batches or {name: cost.batch for name, cost in bundle.costs.items()}
        self.prior = Prior(bundle, sessions, min(self._batches[name] for name in ("decoder", *sessions)))

    def convert(self, checked: Array) -> Float32:
        """Events that `events.check` gave, as the model knows them: float32 (B, *event_shape)."""
        return events.convert(checked, self.event, self.bundle.manifest.likelihood.constants.get("levels"))

    def encode(self, checked: Array, condition: Array | None) -> Distribution:
        """q(z|x) of events that `events.check` gave, with the conditions that `conditions.check` gave."""

        def inputs(part: slice) -> Float32:
            x = self.convert(checked[part])
            return x if self._affine is None else events.standardise(x, self.event)

        outputs = self._run(self.encoder, "encoder", len(checked), inputs, condition)
        return self._posterior.of(self._posterior.parameters(outputs))

    @property
    def members(self) -> Members:
        """The ensemble of a decoder whose weights are uncertain; raises InputError where they are points."""
        if self._members is None:
            raise InputError(
                f"{self.bundle.manifest.name!r} has no members, its weights are points: leave member and members "
                "out, or use a bundle that was trained with --weights uncertain"
            )
        return self._members

    def decode(self, z: Float32, condition: Array | None, member: int | None = None) -> Distribution:
        """p(x|z) of latents (B, L), by the means of the weights, or by one member's."""
        session = self.decoder if member is None else self.members.session(member)
        return self.likelihood(self._run(session, "decoder", len(z), z.__getitem__, condition))

    def likelihood(self, outputs: list[Float32]) -> Distribution:
        """p(x|z) of the decoder's outputs, which are in the order of the manifest's spec."""
        parameters = self._likelihood.parameters(outputs)
        if self._affine is not None and self._likelihood.kind.is_location_scale:
            shift, scale = self._affine  # the graph parameterises (x - shift) / scale
            parameters = {"loc": parameters["loc"] * scale + shift, "scale": parameters["scale"] * scale}
        return self._likelihood.of(parameters)

    def generate(self, n: int, head: str, seed: int, start: int, condition: Array | None,
                 members: int | None = None, temperature: float = 1.0) -> Float32:  # fmt: skip
        """The events that a head makes of draws `start` to `start` + n of the prior, float32 (n, *event_shape)."""

        # Threads take turns. Drawing at once, they wait for the interpreter's lock at each of NumPy's short steps. A
        # flow's graph is a long step without that lock.
        turn = nullcontext() if self.prior.is_flow else threading.Lock()

        def latents(part: slice) -> Float32:
            prior = self.prior.given(None if condition is None else condition[part], temperature=temperature)
            count = () if prior.batch_shape else part.stop - part.start
            with turn:
                return prior.sample(count, seed=seed, start=start + part.start)

        return self.render(n, latents, head, seed, start, condition, members=members)

    def render(self, n: int, latents: Inputs, head: str, seed: int, start: int, condition: Array | None, *,
               member: int | None = None, members: int | None = None) -> Float32:  # fmt: skip
        """The events that a head makes of latents, float32 (n, *event_shape); `latents` gives those of one part.

        The decoder is that of the weights' means, or one `member`, or of event i member (start + i) mod `members`.
        """
        session = self.decoder if member is None else self.members.session(member)
        ensemble = None if members is None else self.members

        def run(part: slice, given: Array | None) -> list[Float32]:
            if ensemble is None:
                return session.run(latents(part), given)
            return ensemble.run(latents(part), given, start + part.start, members or 1)

        # Allocate first: where n events do not fit in memory, the list of their parts might not fit either.
        out = self._empty(n) if n > BATCH_SIZE else None
        parts = self._parts(n, "decoder", parallel.LARGEST if ensemble is None else BATCH_SIZE)
        if len(parts) == 1 and self._likelihood.kind.writes_in_place:
            outputs = run(parts[0], condition)
            whole = next((each for each in outputs if each.shape == (n, *self.event.shape)), None)
            pixels = self._empty(n) if whole is None else whole
            self.likelihood(outputs).write(head, pixels, seed=seed, start=start)
            return pixels
        pixels = self._empty(n) if out is None else out

        def render(part: slice) -> None:
            given = None if condition is None else condition[part]
            p = self.likelihood(run(part, given))
            p.write(head, pixels[part], seed=seed, start=start + part.start)

        parallel.each(parts, self._workers, render)
        return pixels

    def each_part(self, n: int, draws: int, work: Callable[[slice], None]) -> None:
        """Calls `work` with parts of n events, on several threads; `draws` latents of each event fill a decoder's run.

        `work` decodes by `decode_part`, which stays on its thread.
        """
        size = max(1, min(self._batches["decoder"], parallel.LARGEST) // draws)
        parallel.each([slice(at, min(at + size, n)) for at in range(0, n, size)], self._workers, work)

    def decode_part(self, z: Float32, condition: Array | None) -> Iterator[tuple[slice, list[Float32]]]:
        """The decoder's outputs for latents (n, L), in runs that hold no more than they may, each with its rows."""
        size = min(self._batches["decoder"], parallel.LARGEST)
        for at in range(0, len(z), size):
            rows = slice(at, min(at + size, len(z)))
            yield rows, self.decoder.run(z[rows], None if condition is None else condition[rows])

    def _run(self, session: Session, name: str, n: int, inputs: Inputs, condition: Array | None) -> list[Float32]:
        """A graph's outputs for n events."""
        parts = self._parts(n, name)
        if len(parts) == 1:
            return session.run(inputs(parts[0]), condition)
        outputs = [np.empty((n, *shape), np.float32) for shape in session.output_shapes]

        def run(part: slice) -> None:
            given = None if condition is None else condition[part]
            for whole, result in zip(outputs, session.run(inputs(part), given), strict=True):
                whole[part] = result

        parallel.each(parts, self._workers, run)
        return outputs

    def _parts(self, n: int, name: str, largest: int = parallel.LARGEST) -> list[slice]:
        cost = self.bundle.costs[name].multiply_adds
        return parallel.parts(n, self._workers, cost, self._batches[name], largest)

    def _empty(self, n: int) -> Float32:
        try:
            return np.empty((n, *self.event.shape), np.float32)
        except (MemoryError, ValueError) as error:
            raise InputError(f"{n:,} events do not fit in memory: use VAE.stream") from error


def _members(bundle: Bundle, decoder: Session, outputs: tuple[str, ...], options: dict[str, Any],
             max_elements: int) -> Members | None:  # fmt: skip
    """The ensemble of a bundle with deviations, on the decoder's provider."""
    said, graph = bundle.manifest.deviations, bundle.manifest.decoder
    if said is None:
        return None

    def build(data: bytes) -> Session:
        # Weights may be what a graph makes sizes of: a member has to cost what the manifest's decoder costs.
        if guard.check(data, graph.file.name, max_elements=max_elements) != bundle.costs["decoder"]:
            raise UnsafeBundle(f"{graph.file.name}: a member costs more to run than the decoder does; do not use it")
        return Session("decoder", data, graph, outputs, provider=decoder.provider, lazy=True, **options)

    # A session keeps the memory of its largest run: all that are kept stay within the bound together.
    most = max_elements // bundle.costs["decoder"].elements
    return Members(deviations.parse(said, bundle[said.file], bundle[graph.file]), build, most)


def _batches(bundle: Bundle, workers: int, max_elements: int) -> dict[str, int]:
    """How many events each worker may put into one run of each graph, so that all workers' runs together stay within
    `max_elements`; {} where one event each is too much.
    """
    found = {}
    for name, cost in bundle.costs.items():
        found[name] = cost.batch
        if workers * cost.elements > max_elements:
            graph = bundle.manifest.graphs[name]
            try:
                share = guard.check(bundle[graph.file], graph.file.name, max_elements=max_elements // workers)
            except UnsafeBundle:
                return {}
            found[name] = share.batch
    return found
