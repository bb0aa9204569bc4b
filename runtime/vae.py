"""The VAE at the edge: two graphs, a prior, and three heads."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator, Mapping
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import bundle as bundles
from vae_edge.runtime import events, noise, parallel
from vae_edge.runtime.bundle import Bundle, npz
from vae_edge.runtime.bundle.manifest import Graph, Manifest
from vae_edge.runtime.distributions import Bernoulli, Mixture, Normal, heads
from vae_edge.runtime.errors import InputError, IntegrityError
from vae_edge.runtime.noise import Purpose
from vae_edge.runtime.session import PROVIDERS, Session, check_threads

__all__ = ["BATCH_SIZE", "VAE"]

Float32 = npt.NDArray[np.float32]

BATCH_SIZE = 256  # images of a stream's batch, and the most of a session run

# Where several threads share a call, each runs whole parts of it; graphs of more multiply-adds an image than this keep
# all threads busy in each operator.
_HEAVY = 30_000_000


class VAE:
    """A variational autoencoder (Kingma & Welling 2014) that runs on NumPy and ONNX Runtime.

    Images are float32 (B, H, W, C) with pixels in [0, 1]. A head makes them of the decoder's Bernoulli: `sample` one
    draw (0 or 1), `mean` its mean, `mode` 1 where p >= 0.5. Image i has the noise of draw i of the seed, at any batch
    size, number of threads or provider; its logits agree to rounding, so that a pixel at the edge of its draw can flip.
    One VAE may be used from many threads, and in forked children.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        provider: str = "auto",
        provider_options: Mapping[str, object] | None = None,
        threads: int | None = None,
        spin: bool = False,
    ) -> None:
        said, threads = bundle.manifest, check_threads(threads)
        self.bundle = bundle
        self._prior = _prior(bundle)
        in_parts = max(said.encoder.multiply_adds, said.decoder.multiply_adds) < _HEAVY
        within = 1 if in_parts else threads  # an operator
        self._decoder = Session(
            "decoder",
            bundle[said.decoder.file],
            said.decoder,
            provider=provider,
            provider_options=provider_options,
            threads=within,
            spin=spin,
        )
        self._encoder = Session(
            "encoder",
            bundle[said.encoder.file],
            said.encoder,
            provider=self._decoder.provider,
            provider_options=provider_options,
            threads=within,
            spin=spin,
            lazy=True,  # who only generates never pays for it
        )
        self.threads = threads
        self._workers = threads if in_parts and self.provider == PROVIDERS["cpu"] else 1

    @classmethod
    def load(
        cls,
        bundle: str | os.PathLike[str],
        *,
        provider: str = "auto",
        provider_options: Mapping[str, object] | None = None,
        threads: int | None = None,
        spin: bool = False,
    ) -> VAE:
        """The VAE of a bundle: a folder, or the name of one that is built in.

        `provider` is `auto` (the best that works; `.provider` says which), `cpu`, `cuda`, ... or one of ONNX Runtime's
        own names, with its `provider_options`. `threads` is how many a call may use (default: the CPUs that this
        process may use); `spin` lets an operator's burn CPU time while they wait. Raises BundleError or ProviderError.
        """
        options = {"provider": provider, "provider_options": provider_options, "threads": threads, "spin": spin}
        return cls(bundles.read(bundle), **options)  # type: ignore[arg-type]

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self.bundle.manifest

    @property
    def provider(self) -> str:
        """The execution provider that the sessions run on, by ONNX Runtime's name."""
        return self._decoder.provider

    @property
    def latent_size(self) -> int:
        """L, the size of z."""
        return self.manifest.latent_size

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.manifest.image_shape

    @property
    def prior(self) -> Normal | Mixture:
        """p(z), of batch_shape () and event_shape (L,); an autoencoder has none, which is an InputError."""
        if self._prior is None:
            raise InputError(
                f"{self.manifest.name!r} is an autoencoder: it has no prior to generate from; it can reconstruct"
            )
        return self._prior

    def encode(self, images: npt.ArrayLike) -> Normal:
        """q(z|x) of each image, loc and scale (B, L); `images` as `events.prepare` takes them."""
        checked = events.check(images, self.manifest.image)
        loc = np.empty((len(checked), self.latent_size), np.float32)
        scale = np.empty_like(loc)

        def encode(part: slice) -> None:
            loc[part], scale[part] = self._encoder.run(events.convert(checked[part], self.manifest.image))

        parallel.each(self._parts(len(checked), self.manifest.encoder), self._workers, encode)
        return Normal(loc, scale)

    def decode(self, z: npt.ArrayLike) -> Bernoulli:
        """p(x|z) of each latent vector, logits (B, H, W, C); `z` is real numbers (B, L)."""
        z = self._latents(z)
        parts = self._parts(len(z), self.manifest.decoder)
        if len(parts) == 1:
            return Bernoulli(*self._decoder.run(z))
        logits = np.empty((len(z), *self.image_shape), np.float32)

        def decode(part: slice) -> None:
            (logits[part],) = self._decoder.run(z[part])

        parallel.each(parts, self._workers, decode)
        return Bernoulli(logits)

    def generate(self, n: SupportsIndex, *, head: str = "mean", seed: int = 0, start: int = 0) -> Float32:
        """n new images, (n, H, W, C): images start to start + n of this seed's endless series."""
        n, seed, start = _count("n", n), noise.check_seed(seed), noise.check_draws(start, int(n))
        prior, paint = self.prior, heads.get(head)
        return self._render(
            n, lambda part: prior._draw(seed, start + part.start, part.stop - part.start, 0), paint, seed, start
        )

    def stream(
        self, n: SupportsIndex, *, head: str = "mean", seed: int = 0, start: int = 0, batch_size: int = BATCH_SIZE
    ) -> Iterator[Float32]:
        """The images of `generate` in batches (b, H, W, C), b <= batch_size; memory does not grow with n."""
        n, size = _count("n", n), _count("batch_size", batch_size)
        start, seed = noise.check_draws(start, n), noise.check_seed(seed)
        self.prior, heads.get(head)  # what is wrong is said now, not at the first batch
        return (self.generate(min(size, n - at), head=head, seed=seed, start=start + at) for at in range(0, n, size))

    def reconstruct(
        self, images: npt.ArrayLike, *, head: str = "mode", latent: str = "mean", seed: int = 0, start: int = 0
    ) -> Float32:
        """Each image through z and back, (B, H, W, C); z is the mean of q(z|x), or one sample of it."""
        if latent not in ("mean", "sample"):
            raise InputError(f"latent should be mean or sample, it is {latent!r:.60}")
        paint, seed = heads.get(head), noise.check_seed(seed)
        q = self.encode(images)
        start = noise.check_draws(start, len(q.loc))
        z = q.mean() if latent == "mean" else q.sample(seed=seed, start=start)
        return self._render(len(z), z.__getitem__, paint, seed, start)

    def interpolate(
        self, a: npt.ArrayLike, b: npt.ArrayLike, steps: SupportsIndex, *, head: str = "mean", seed: int = 0
    ) -> Float32:
        """(steps, H, W, C): from image a to image b in equal steps between the means of their posteriors."""
        steps, paint, seed = _count("steps", steps), heads.get(head), noise.check_seed(seed)
        ends = [self.encode(end).mean() for end in (a, b)]
        if any(len(end) != 1 for end in ends):
            raise InputError(f"a and b should be one image each, they are {len(ends[0])} and {len(ends[1])}")
        t = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        # z = (1 - t) z_a + t z_b meets both ends exactly
        z = (1 - t) * ends[0] + t * ends[1]
        return self._render(steps, z.__getitem__, paint, seed, 0)

    def _render(self, n: int, latents: Callable[[slice], Float32], paint: heads.Head, seed: int, start: int) -> Float32:
        """The images (n, H, W, C) of latent vectors, which `latents` gives by parts."""
        # More than fit in memory are refused before they are parted: a list of the parts of 10^15 would not fit either.
        out = _empty((n, *self.image_shape)) if n > BATCH_SIZE else None
        parts = self._parts(n, self.manifest.decoder)
        if len(parts) == 1:
            (logits,) = self._decoder.run(latents(slice(0, n)))
            paint(logits, logits, seed, start)
            return logits
        out = _empty((n, *self.image_shape)) if out is None else out

        def render(part: slice) -> None:
            (logits,) = self._decoder.run(latents(part))
            paint(logits, out[part], seed, start + part.start)

        parallel.each(parts, self._workers, render)
        return out

    def _parts(self, n: int, graph: Graph) -> list[slice]:
        return parallel.parts(n, self._workers, graph.multiply_adds, BATCH_SIZE)

    def _latents(self, z: npt.ArrayLike) -> Float32:
        try:
            array = np.asarray(z)
        except (ValueError, TypeError) as error:
            raise InputError(f"z should be one array of shape (B, {self.latent_size}): {error}") from error
        if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != self.latent_size or len(array) == 0:
            raise InputError(
                f"z should be real numbers of shape (B, {self.latent_size}), B >= 1; it is {array.dtype} {array.shape}"
            )
        if array.dtype == np.float32:
            narrow = np.ascontiguousarray(array)
        else:
            with np.errstate(over="ignore"):
                narrow = np.ascontiguousarray(array, np.float32)
        if not np.isfinite(narrow).all():
            raise InputError("z should be finite in float32, there is a NaN or an infinity in it")
        return narrow


def _prior(bundle: Bundle) -> Normal | Mixture | None:
    said, size = bundle.manifest.prior, bundle.manifest.latent_size
    if said.kind == "none":
        return None
    if said.file is None:
        return Normal(np.zeros(size), np.ones(size), purpose=Purpose.PRIOR)
    k, stored = said.components, {"fp32": "<f4", "fp16": "<f2", "int8": "|i1"}[bundle.manifest.precision]
    wide = {"loc": size, "lower": size * (size + 1) // 2}
    shapes = {"weights": ("<f4", (k,))} | {name: (stored, (k, width)) for name, width in wide.items()}
    if bundle.manifest.precision == "int8":
        shapes |= {f"{name}_step": ("<f4", (width,)) for name, width in wide.items()}
    arrays = npz.parse(bundle[said.file], said.file.name, shapes)
    with np.errstate(all="ignore"):  # what is not finite is refused below
        loc, lower = (arrays[name] * arrays.get(f"{name}_step", np.float32(1)) for name in wide)
    scale_tril = np.zeros((k, size, size), np.float32)
    scale_tril[:, *np.tril_indices(size)] = lower
    try:
        return Mixture(arrays["weights"], loc, scale_tril)
    except InputError as error:
        raise IntegrityError(f"{said.file.name} is no mixture ({error}); export the bundle again") from error


def _count(name: str, value: SupportsIndex) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        count = 0
    if not 1 <= count <= noise.MAX_DRAW or isinstance(value, bool):
        raise InputError(f"{name} should be a positive integer, it is {value!r:.60}")
    return count


def _empty(shape: tuple[int, ...]) -> Float32:
    try:
        return np.empty(shape, np.float32)
    except (MemoryError, ValueError) as error:
        raise InputError(f"{shape[0]:,} images do not fit in memory: use VAE.stream") from error
