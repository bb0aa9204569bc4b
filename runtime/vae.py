"""The VAE at the edge: two graphs, a prior, and the heads of the likelihood."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Self, SupportsIndex

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import arguments, conditions, events, heads, noise
from vae_edge.runtime import bundle as bundles
from vae_edge.runtime.bundle import Bundle, guard
from vae_edge.runtime.bundle.manifest import Manifest
from vae_edge.runtime.conditions import Label
from vae_edge.runtime.distributions.base import Distribution
from vae_edge.runtime.distributions.flow import Flow
from vae_edge.runtime.distributions.mixture import Mixture
from vae_edge.runtime.distributions.normal import Normal
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.members import check_count, check_member
from vae_edge.runtime.model import BATCH_SIZE, Model
from vae_edge.runtime.opened import Opened
from vae_edge.runtime.scoring.scorer import Score

__all__ = ["BATCH_SIZE", "VAE"]

Float32 = npt.NDArray[np.float32]


class VAE:
    """A variational autoencoder (Kingma & Welling 2014) that runs on NumPy and ONNX Runtime.

    An event is an image (H, W, C) with pixels in [0, 1], or a vector in its own units; all are float32. A head makes an
    event of the decoder's p(x|z): `sample` is one draw, `mean` its mean, `mode` its likeliest value. Event i has the
    noise of draw i of the seed, at any batch size, number of threads or provider. Across these, graphs agree to
    float32's rounding: a sampled pixel rarely differs.

    A conditional model also takes `label`, by name or number, one for all events or one each; or `condition`, real
    numbers (size,) or (B, size). Where the decoder's weights are uncertain (`has_members`), `member` k is a decoder
    whose weights are draw k of theirs, the same on every machine; without it they are the means. One VAE may be used
    from many threads, and in forked children.

    `VAE.load` makes one from a folder or a name; `bundle` here is one that is read already, and the other arguments are
    those of `load`.

    A VAE pickles: as its path, digest and options, or with the bundle's bytes where it was made of a `Bundle`. What
    arrives opens its bundle when it is first used, once a process, and raises BundleError where that is absent or
    another one.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        provider: str = "auto",
        provider_options: Mapping[str, object] | None = None,
        threads: int | None = None,
        spin: bool = False,
        max_elements: int = guard.MAX_ELEMENTS_ALIVE,
    ) -> None:
        options = {
            "provider": provider,
            "provider_options": provider_options,
            "threads": threads,
            "spin": spin,
            "max_elements": max_elements,
        }
        self._opened = Opened(bundle, options)

    @classmethod
    def load(
        cls,
        bundle: str | os.PathLike[str],
        *,
        provider: str = "auto",
        provider_options: Mapping[str, object] | None = None,
        threads: int | None = None,
        spin: bool = False,
        max_elements: int = guard.MAX_ELEMENTS_ALIVE,
        max_file_bytes: int = bundles.MAX_FILE_BYTES,
    ) -> Self:
        """The VAE of a bundle: the name of one that is built in, as 'mnist', or a folder, as './mnist' or a Path.

        `provider` is `auto` (the best that works; `.provider` says which), `cpu`, `cuda`, ... or one of ONNX Runtime's
        own names, with its `provider_options`. It runs every operator of all graphs, or ProviderError is raised;
        `cuda+cpu` lets the CPU run the operators that CUDA does not have. `threads` is how many a call may use
        (default: the CPUs that this process may use).

        By default the threads of a call take whole events, and sleep between calls. `spin=True` splits each operator
        over ONNX Runtime's threads instead, which busy-wait for a moment before they sleep: lower latency for small
        calls on an idle machine, at the cost of CPU time.

        `max_elements` bounds the numbers that a call's session runs may hold at once, all threads together, and
        `max_file_bytes` a file of the bundle; raise them for a large model that you trust. Raises BundleError,
        ProviderError or InputError.
        """
        found = bundles.read(bundle, max_elements=max_elements, max_file_bytes=max_file_bytes)
        vae = cls(
            found, provider=provider, provider_options=provider_options, threads=threads, spin=spin,
            max_elements=max_elements,
        )  # fmt: skip
        vae._opened.origin = vae._opened.origin.at_its_folder(max_file_bytes)
        return vae

    def __repr__(self) -> str:
        if not self._opened.is_open:
            return f"<VAE of {self._opened.origin}; not opened yet>"
        manifest = self.manifest
        what = f"{'x'.join(map(str, self.event_shape))} {'images' if len(self.event_shape) == 3 else 'numbers'}"
        given = f", {len(self.labels)} labels" if self.labels else ", conditional" if self.model.condition else ""
        return (
            f"<VAE {manifest.name!r}: {what}{given}, latent {self.latent_size}, {manifest.likelihood.family}, "
            f"{manifest.precision}; {self.provider}, {self.threads} {'thread' if self.threads == 1 else 'threads'}>"
        )

    @property
    def bundle(self) -> Bundle:
        """The bundle, as it was read."""
        return self._opened.bundle

    @property
    def model(self) -> Model:
        """The graphs at work."""
        return self._opened.model

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self.bundle.manifest

    @property
    def provider(self) -> str:
        """The execution provider that the sessions run on, by ONNX Runtime's name."""
        return self.model.decoder.provider

    @property
    def threads(self) -> int:
        """How many threads a call may use."""
        return self.model.threads

    @property
    def latent_size(self) -> int:
        """L, the size of z."""
        return self.manifest.latent_size

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(H, W, C) of images, (size,) of vectors."""
        return self.manifest.event_shape

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of a conditional model's labels; () where it takes none."""
        condition = self.model.condition
        return condition.names if condition is not None and condition.is_label else ()

    @property
    def has_members(self) -> bool:
        """Whether the decoder's weights are uncertain, so that there are members 0, 1, ... up to 2**63."""
        return self.manifest.deviations is not None

    @property
    def prior(self) -> Normal | Mixture | Flow:
        """p(z), of batch_shape () and event_shape (L,).

        Raises InputError for an autoencoder, which has none, and where p(z) follows the condition: see `prior_given`.
        """
        return self.model.prior.alone()

    def prior_given(
        self, *, label: Label | None = None, condition: npt.ArrayLike | None = None, temperature: float = 1.0
    ) -> Normal | Mixture | Flow:
        """p(z|y) of a conditional model, of event_shape (L,); where the prior follows no condition it is `prior`.

        One `label`, or one `condition` (size,), gives batch_shape (); a sequence of B labels, or (B, size) numbers,
        batch_shape (B,). `temperature` is that of `generate`. Raises InputError.
        """
        temperature = arguments.temperature(temperature)
        n = conditions.count(label, condition)
        rows = conditions.check(self.model.condition, label, condition, n or 1)
        return self.model.prior.given(rows, is_batch=n is not None, temperature=temperature)

    def prepare(self, x: npt.ArrayLike) -> Float32:
        """Events as the model knows them, float32 (B, *event_shape): what `encode` and `log_prob` make of them first.

        Images are bool, float in [0, 1] or uint8, (B, H, W, C), (B, H, W) where C is 1, or one image; the bundle's
        threshold makes them 0 and 1, and where the likelihood is of discrete levels they are rounded to the nearest.
        Vectors are real numbers (B, size), or one vector. Raises InputError.
        """
        return self.model.convert(events.check(x, self.manifest.event))

    def encode(
        self, x: npt.ArrayLike, *, label: Label | None = None, condition: npt.ArrayLike | None = None
    ) -> Distribution:
        """q(z|x) of each event, batch_shape (B,) and event_shape (L,): Normal, MultivariateNormalTriL, Deterministic.

        `x` as `prepare` takes it. Raises InputError.
        """
        checked = events.check(x, self.manifest.event)
        return self.model.encode(checked, conditions.check(self.model.condition, label, condition, len(checked)))

    def decode(
        self,
        z: npt.ArrayLike,
        *,
        label: Label | None = None,
        condition: npt.ArrayLike | None = None,
        member: SupportsIndex | None = None,
    ) -> Distribution:
        """p(x|z) of each latent vector, batch_shape (B,) and event_shape that of x; `z` is real numbers (B, L).

        `member` is the decoder to use, of a bundle that has members.

        Its `log_prob` takes images as `encode` does, bool, float in [0, 1] or uint8, and prepares them as `prepare`
        does; where the likelihood is normal, floats may lie outside of [0, 1] too. Raises InputError.
        """
        model = self.model
        z = arguments.latents(z, model.latent_size)
        given = conditions.check(model.condition, label, condition, len(z))
        p = model.decode(z, given, None if member is None else check_member(member))
        return p.hand_out(model.scored)

    def generate(
        self,
        n: SupportsIndex,
        *,
        head: str = "mean",
        seed: int = 0,
        start: int = 0,
        label: Label | None = None,
        condition: npt.ArrayLike | None = None,
        members: SupportsIndex | None = None,
        temperature: float = 1.0,
    ) -> Float32:
        """n new events, float32 (n, *event_shape): events `start` to `start` + n of the seed's series.

        `head` is 'sample', 'mean' or 'mode'; for all three, of the same z, decode once:
        `p = vae.decode(vae.prior.sample(n, seed=0))`, then `p.sample(seed=0)`, `p.mean()` and `p.mode()`. With
        `members` of them, event i is decoded by member i mod `members`. `temperature`, 0.01 to 10, multiplies the
        standard deviations of the prior's normals: below 1, events are more typical and less varied. Raises InputError,
        also for a model without a prior.
        """
        temperature = arguments.temperature(temperature)
        n, seed, start = arguments.count("n", n), noise.check_seed(seed), noise.check_draws(start, int(n))
        several = self._several(members)
        heads.check(head)
        given = conditions.check(self.model.condition, label, condition, n)
        return self.model.generate(n, head, seed, start, given, several, temperature)

    def stream(
        self,
        n: SupportsIndex,
        *,
        head: str = "mean",
        seed: int = 0,
        start: int = 0,
        batch_size: int = BATCH_SIZE,
        label: Label | None = None,
        condition: npt.ArrayLike | None = None,
        members: SupportsIndex | None = None,
        temperature: float = 1.0,
    ) -> Iterator[Float32]:
        """The events of `generate` in batches, float32 (b, *event_shape), b <= batch_size.

        The series begins at event `start`; `members` take turns and `temperature` is as in `generate`. Memory does not
        grow with n. Raises InputError at the call, not at the first batch.
        """
        temperature = arguments.temperature(temperature)
        n, size = arguments.count("n", n), arguments.count("batch_size", batch_size)
        start, seed = noise.check_draws(start, n), noise.check_seed(seed)
        self.model.prior.expect()  # raises now, not at the first batch
        heads.check(head)
        several = self._several(members)
        given = conditions.check(self.model.condition, label, condition, n)

        def batch(at: int) -> Float32:
            here = slice(at, min(n, at + size))
            rows = None if given is None else given[here]
            return self.model.generate(here.stop - at, head, seed, start + at, rows, several, temperature)

        return (batch(at) for at in range(0, n, size))

    def reconstruct(
        self,
        x: npt.ArrayLike,
        *,
        head: str = "mode",
        latent: str = "mean",
        seed: int = 0,
        start: int = 0,
        label: Label | None = None,
        condition: npt.ArrayLike | None = None,
        member: SupportsIndex | None = None,
    ) -> Float32:
        """Each event through z and back, float32 (B, *event_shape).

        `x` as `prepare` takes it; `latent` says what z is, the 'mean' of q(z|x) or a 'sample' of it. Event i takes
        draw `start` + i. `member` is the decoder to use, of a bundle that has members. Raises InputError.
        """
        only = None if member is None else check_member(member)
        if latent not in ("mean", "sample"):
            raise InputError(f"latent should be mean or sample, it is {latent!r:.60}")
        heads.check(head)
        seed = noise.check_seed(seed)
        checked = events.check(x, self.manifest.event)
        start = noise.check_draws(start, len(checked))
        given = conditions.check(self.model.condition, label, condition, len(checked))
        q = self.model.encode(checked, given)
        z = q.mean() if latent == "mean" else q.sample(seed=seed, start=start)
        return self.model.render(len(z), z.__getitem__, head, seed, start, given, member=only)

    def interpolate(
        self,
        a: npt.ArrayLike,
        b: npt.ArrayLike,
        steps: SupportsIndex,
        *,
        head: str = "mean",
        seed: int = 0,
        label: Label | None = None,
        condition: npt.ArrayLike | None = None,
    ) -> Float32:
        """From event a to event b, float32 (steps, *event_shape), in equal steps between their posteriors' means.

        `a` and `b` are one event each, as `prepare` takes it. Raises InputError.
        """
        steps, seed = arguments.count("steps", steps), noise.check_seed(seed)
        heads.check(head)
        ends = [self.encode(end, label=label, condition=condition).mean() for end in (a, b)]
        if any(len(end) != 1 for end in ends):
            raise InputError(f"a and b should be one event each, they are {len(ends[0])} and {len(ends[1])}")
        t = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        # z = (1 - t) z_a + t z_b meets both ends exactly
        z = (1 - t) * ends[0] + t * ends[1]
        given = conditions.check(self.model.condition, label, condition, steps)
        return self.model.render(steps, z.__getitem__, head, seed, 0, given)

    def score(
        self,
        x: npt.ArrayLike,
        *,
        label: Label | None = None,
        condition: npt.ArrayLike | None = None,
        draws: int | None = None,
        seed: int = 0,
        members: SupportsIndex | None = None,
    ) -> Score:
        """How unlike its training data the model finds each event: statistics, a map of surprise, and one value.

        `x` as `prepare` takes it. `draws` is how many z of each posterior are decoded, by default as many as the
        bundle's fit took, or 16 without one. An event's score does not depend on the others, nor on its place among
        them: all share their noise. A conditional model is given `label` or `condition`; without a label each event is
        scored under the one that makes it likeliest. `members` of an ensemble also say where they disagree: the score's
        `aleatoric` and `epistemic`. Raises InputError.
        """
        checked, several = events.check(x, self.manifest.event), self._several(members)
        return self._opened.scorer.score(checked, label, condition, draws, seed, several)

    def _several(self, members: SupportsIndex | None) -> int | None:
        if members is None:
            return None
        self.model.members  # noqa: B018 - raises where there are none
        return check_count(members)
