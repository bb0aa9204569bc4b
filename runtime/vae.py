"""The VAE at the edge: two graphs, a prior, and three heads."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Mapping
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import bundle as bundles
from vae_edge.runtime import heads, image, random
from vae_edge.runtime.bundle import Bundle
from vae_edge.runtime.distributions import Bernoulli, Mixture, Normal
from vae_edge.runtime.errors import InputError, IntegrityError
from vae_edge.runtime.manifest import Manifest
from vae_edge.runtime.random import Purpose
from vae_edge.runtime.session import Session

__all__ = ["BATCH_SIZE", "VAE"]

Float32 = npt.NDArray[np.float32]

BATCH_SIZE = 256  # images a session run


class VAE:
    """A variational autoencoder (Kingma & Welling 2014) that runs on NumPy and ONNX Runtime.

    Images are float32 (B, H, W, C) with pixels in [0, 1]. A head makes them of the decoder's Bernoulli: `sample` one
    draw (0 or 1), `mean` its mean, `mode` 1 where p >= 0.5. Image i is made from draw i of the seed, at any batch size,
    number of threads or provider. One VAE may be used from many threads, and in forked children.
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
        said = bundle.manifest
        self.bundle = bundle
        self._prior = _prior(bundle)
        self._decoder = Session(
            "decoder",
            bundle[said.decoder.file],
            said.decoder,
            provider=provider,
            provider_options=provider_options,
            threads=threads,
            spin=spin,
        )
        self._encoder = Session(
            "encoder",
            bundle[said.encoder.file],
            said.encoder,
            provider=self._decoder.provider,
            provider_options=provider_options,
            threads=threads,
            spin=spin,
            lazy=True,  # who only generates never pays for it
        )

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
        own names, with its `provider_options`. `threads` is how many an operator may use (default: the CPUs that this
        process may use); `spin` lets them burn CPU time while they wait. Raises BundleError or ProviderError.
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
        """q(z|x) of each image, loc and scale (B, L); `images` as `image.prepare` takes them."""
        checked = image.check(images, self.manifest.image)
        loc = np.empty((len(checked), self.latent_size), np.float32)
        scale = np.empty_like(loc)
        for at in range(0, len(checked), BATCH_SIZE):
            part = slice(at, at + BATCH_SIZE)
            loc[part], scale[part] = self._encoder.run(image.convert(checked[part], self.manifest.image))
        return Normal(loc, scale)

    def decode(self, z: npt.ArrayLike) -> Bernoulli:
        """p(x|z) of each latent vector, logits (B, H, W, C); `z` is real numbers (B, L)."""
        z = self._latents(z)
        logits = np.empty((len(z), *self.image_shape), np.float32)
        for at in range(0, len(z), BATCH_SIZE):
            (logits[at : at + BATCH_SIZE],) = self._decoder.run(z[at : at + BATCH_SIZE])
        return Bernoulli(logits)

    def generate(self, n: SupportsIndex, *, head: str = "mean", seed: int = 0, start: int = 0) -> Float32:
        """n new images, (n, H, W, C): images start to start + n of this seed's endless series."""
        n, seed, start = _count("n", n), random.check_seed(seed), random.check_draws(start, int(n))
        prior, paint = self.prior, heads.get(head)
        if n <= BATCH_SIZE:
            return self._paint(prior._draw(seed, start, n, 0), paint, seed, start)
        out = _empty((n, *self.image_shape))
        for at in range(0, n, BATCH_SIZE):
            part = out[at : at + BATCH_SIZE]
            self._paint(prior._draw(seed, start + at, len(part), 0), paint, seed, start + at, part)
        return out

    def stream(
        self, n: SupportsIndex, *, head: str = "mean", seed: int = 0, start: int = 0, batch_size: int = BATCH_SIZE
    ) -> Iterator[Float32]:
        """The images of `generate` in batches (b, H, W, C), b <= batch_size; memory does not grow with n."""
        n, size = _count("n", n), _count("batch_size", batch_size)
        start, seed = random.check_draws(start, n), random.check_seed(seed)
        self.prior, heads.get(head)  # what is wrong is said now, not at the first batch
        return (self.generate(min(size, n - at), head=head, seed=seed, start=start + at) for at in range(0, n, size))

    def reconstruct(
        self, images: npt.ArrayLike, *, head: str = "mode", latent: str = "mean", seed: int = 0, start: int = 0
    ) -> Float32:
        """Each image through z and back, (B, H, W, C); z is the mean of q(z|x), or one sample of it."""
        if latent not in ("mean", "sample"):
            raise InputError(f"latent should be mean or sample, it is {latent!r:.60}")
        paint, seed = heads.get(head), random.check_seed(seed)
        q = self.encode(images)
        start = random.check_draws(start, len(q.loc))
        return self._render(q.mean() if latent == "mean" else q.sample(seed=seed, start=start), paint, seed, start)

    def interpolate(
        self, a: npt.ArrayLike, b: npt.ArrayLike, steps: SupportsIndex, *, head: str = "mean", seed: int = 0
    ) -> Float32:
        """(steps, H, W, C): from image a to image b in equal steps between the means of their posteriors."""
        steps, paint, seed = _count("steps", steps), heads.get(head), random.check_seed(seed)
        ends = [self.encode(end).mean() for end in (a, b)]
        if any(len(end) != 1 for end in ends):
            raise InputError(f"a and b should be one image each, they are {len(ends[0])} and {len(ends[1])}")
        t = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        # z = (1 - t) z_a + t z_b meets both ends exactly
        return self._render((1 - t) * ends[0] + t * ends[1], paint, seed, 0)

    def _render(self, z: Float32, paint: heads.Head, seed: int, start: int) -> Float32:
        """The images of latent vectors z (B, L), in batches."""
        if len(z) <= BATCH_SIZE:
            return self._paint(z, paint, seed, start)
        out = _empty((len(z), *self.image_shape))
        for at in range(0, len(z), BATCH_SIZE):
            part = slice(at, at + BATCH_SIZE)
            self._paint(z[part], paint, seed, start + at, out[part])
        return out

    def _paint(self, z: Float32, paint: heads.Head, seed: int, start: int, out: Float32 | None = None) -> Float32:
        (logits,) = self._decoder.run(z)
        out = logits if out is None else out
        paint(logits, out, seed, start)
        return out

    def _latents(self, z: npt.ArrayLike) -> Float32:
        try:
            array = np.asarray(z)
        except (ValueError, TypeError) as error:
            raise InputError(f"z should be one array of shape (B, {self.latent_size}): {error}") from error
        if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != self.latent_size or len(array) == 0:
            raise InputError(
                f"z should be real numbers of shape (B, {self.latent_size}), B >= 1; it is {array.dtype} {array.shape}"
            )
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
    from vae_edge.runtime import npz  # zipfile takes 4 ms, a tenth of what the whole start may take beside NumPy's

    k, stored = said.components, {"fp32": "<f4", "fp16": "<f2", "int8": "|i1"}[bundle.manifest.precision]
    shapes = {"weights": ("<f4", (k,)), "loc": (stored, (k, size)), "scale": (stored, (k, size))}
    steps = ("loc_step", "scale_step") if bundle.manifest.precision == "int8" else ()
    arrays = npz.parse(bundle[said.file], said.file.name, shapes | dict.fromkeys(steps, ("<f4", (size,))))
    with np.errstate(all="ignore"):  # what is not finite is refused below
        for step in steps:  # one a dimension, as the graphs' weights have one a channel
            arrays[step.removesuffix("_step")] = arrays[step.removesuffix("_step")] * arrays.pop(step)
    try:
        return Mixture(**arrays)
    except InputError as error:
        raise IntegrityError(f"{said.file.name} is no mixture ({error}); export the bundle again") from error


def _count(name: str, value: SupportsIndex) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        count = 0
    if not 1 <= count <= random.MAX_DRAW or isinstance(value, bool):
        raise InputError(f"{name} should be a positive integer, it is {value!r:.60}")
    return count


def _empty(shape: tuple[int, ...]) -> Float32:
    try:
        return np.empty(shape, np.float32)
    except (MemoryError, ValueError) as error:
        raise InputError(f"{shape[0]:,} images do not fit in memory: use VAE.stream") from error
