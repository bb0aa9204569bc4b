"""The figures of a bundle: likelihood, reconstruction, samples, cost; each with its error or its floor."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle.manifest import Manifest
from vae_edge.runtime.conditions import Label, example
from vae_edge.runtime.conditions import check as conditions_of
from vae_edge.runtime.distributions.bernoulli import Bernoulli
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.evaluation import likelihood, quality
from vae_edge.runtime.evaluation.classifier import Classifier
from vae_edge.runtime.events import prepare
from vae_edge.runtime.vae import BATCH_SIZE, VAE

__all__ = ["Cost", "Figure", "Judge", "Sampler", "costs", "likelihoods", "reconstructions"]

SAMPLES = 10_000  # images a side for figures of samples
Pixels = npt.NDArray[np.uint8]
Events = npt.NDArray[Any]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Figure:
    """A number; a mean over images has a standard error.

    A figure of samples is of the head `sample`, and has what the head `mode` and what real images would get.
    """

    value: float
    standard_error: float | None = None
    mode: float | None = None
    floor: float | None = None


@dataclass(frozen=True)
class Cost:
    """What a bundle costs; microseconds are those of an event from z to its mean, in batches of 256."""

    decoder_multiply_adds: int
    parameters: int
    bytes: int
    microseconds: float


class Sampler(Protocol):
    """What makes images that can be judged: a VAE, or another model that is compared with one."""

    def stream(self, n: int, *, head: str, seed: int) -> Iterator[npt.NDArray[np.float32]]:
        """n new images in batches (b, H, W, C), pixels 0 or 1."""


def likelihoods(
    vae: VAE,
    events: Events,
    samples: int,
    *,
    label: Label | None = None,
    condition: npt.ArrayLike | None = None,
    seed: int = 0,
    members: int = 0,
    progress: Progress | None = None,
) -> dict[str, Figure]:
    """elbo, reconstruction, kl and nll (with `samples` > 0), nats an event, and active_units; {} for an autoencoder.

    ELBO and its terms by one sample of z an event; the NLL is the importance-weighted bound (Burda et al. 2016). Where
    the likelihood is of discrete levels, bits_per_dimension is the NLL, or without it the negative ELBO, in bits a
    number of the event. With `members`, and where a bundle has some, members_nll is that of the mean of their p(x); all
    else is of the weights' means. `progress` counts 1 + `samples` draws of z an event, and as many for each member.
    Raises InputError.
    """
    if not likelihood.has_bound(vae.manifest):
        return {}
    given: dict[str, Any] = {"label": label, "condition": condition, "seed": seed, "progress": progress}
    reconstruction, kl = likelihood.elbo(vae, events, **given)
    figures = {"elbo": _mean(reconstruction - kl), "reconstruction": _mean(reconstruction), "kl": _mean(kl)}
    nats = kl - reconstruction
    if samples:
        nats = likelihood.nll(vae, events, samples, **given)
        figures["nll"] = _mean(nats)
        if members and vae.has_members:
            figures["members_nll"] = _mean(likelihood.nll(vae, events, samples, members=members, **given))
    if "levels" in vae.manifest.likelihood.constants:
        figures["bits_per_dimension"] = _mean(nats / math.log(2) / math.prod(vae.event_shape))
    codes = vae.encode(events, label=label, condition=condition).mean()
    figures["active_units"] = Figure(likelihood.active_units(codes))
    return figures


def reconstructions(
    vae: VAE,
    events: Events,
    *,
    label: Label | None = None,
    condition: npt.ArrayLike | None = None,
    progress: Progress | None = None,
) -> dict[str, Figure]:
    """How near events come back from z = the posterior's mean: cross_entropy, squared_error, wrong_pixels.

    cross_entropy is -log p(x|z) in nats an event, squared_error the mean of (x - mean)^2 over the event's numbers, and
    for a Bernoulli wrong_pixels is the share of pixels that the mode has wrong. `progress` counts events. Raises
    InputError.
    """
    entropy, squared, wrong = [], [], []
    conditions = conditions_of(vae.manifest.condition, label, condition, len(events))
    for at in range(0, len(events), BATCH_SIZE):
        x = vae.prepare(events[at : at + BATCH_SIZE])
        given = None if conditions is None else conditions[at : at + BATCH_SIZE]
        p = vae.model.decode(vae.model.encode(x, given).mean(), given)
        axes = tuple(range(1, x.ndim))
        entropy.append(-p.log_prob(x))
        squared.append(np.square(x - p.mean()).mean(axis=axes, dtype=np.float64))
        if isinstance(p, Bernoulli):
            wrong.append(((x > 0.5) != (p.logits >= 0)).mean(axis=axes))
        if progress is not None:
            progress(len(x))
    found = {"cross_entropy": entropy, "wrong_pixels": wrong, "squared_error": squared}
    return {name: _mean(np.concatenate(each)) for name, each in found.items() if each}


class Judge:
    """Compares generated digits with real ones in a classifier's features, which it takes of the real ones once.

    `real` are the images of the split. `others`, real ones too, show what a perfect generator would get: `floor`, {} if
    there are none. The two sets count equally many images, at most `n`; `progress` counts them. Raises InputError.
    """

    def __init__(
        self,
        classifier: Classifier,
        real: Pixels,
        others: Pixels | None = None,
        n: int = SAMPLES,
        *,
        progress: Progress | None = None,
    ) -> None:
        self.classifier = classifier
        self.n = min(n, len(real), n if others is None else len(others))
        if self.n <= quality.NEIGHBOURS:
            raise InputError(f"samples are judged by more than {quality.NEIGHBOURS} real images, there are {self.n}")
        self._real = quality.Features(self._look(real[: self.n], progress)[0])
        self.floor = {} if others is None else self._measure(*self._look(others[: self.n], progress))

    def judge(
        self,
        model: Sampler,
        *,
        labels: npt.NDArray[np.integer] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> dict[str, Figure]:
        """Figures of n draws by the heads `sample` and `mode`: frechet; precision, recall, density, coverage (by 5
        neighbours); confidence, the mean probability of the likeliest class; class_distance, the total variation of the
        classes from uniform. Where draw i was asked for the class `labels`[i], obeyed is the share of draws that the
        classifier takes for it. `progress` counts 2n images.
        """
        sample, mode = (self._generated(model, head, seed, labels, progress) for head in ("sample", "mode"))
        return {name: Figure(value, mode=mode[name], floor=self.floor.get(name)) for name, value in sample.items()}

    def _generated(
        self,
        model: Sampler,
        head: str,
        seed: int,
        labels: npt.NDArray[np.integer] | None,
        progress: Progress | None,
    ) -> dict[str, float]:
        parts = []
        for batch in model.stream(self.n, head=head, seed=seed):
            parts.append(self.classifier.run(batch))
            if progress is not None:
                progress(len(batch))
        features, logits = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        found = self._measure(features, logits)
        return found if labels is None else found | {"obeyed": float((logits.argmax(axis=1) == labels).mean())}

    def _look(
        self, images: Pixels, progress: Progress | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        return self.classifier.run(prepare(images, self.classifier.record.image), progress=progress)

    def _measure(self, values: npt.NDArray[np.float32], logits: npt.NDArray[np.float32]) -> dict[str, float]:
        features = quality.Features(values)
        return {
            "frechet": quality.frechet(self._real, features),
            **vars(quality.likeness(self._real, features)),
            "confidence": quality.confidence(logits),
            "class_distance": quality.class_distance(logits),
        }


def costs(vaes: Sequence[VAE], repeats: int = 9) -> list[Cost]:
    """The cost of each; times are medians of runs taken in turn, so that other load on the machine hits all alike."""
    latents = [np.zeros((BATCH_SIZE, vae.latent_size), np.float32) for vae in vaes]
    given = [example(vae.manifest.condition, BATCH_SIZE) for vae in vaes]
    seconds: list[list[float]] = [[] for _ in vaes]
    for _ in range(repeats + 1):
        for vae, z, condition, times in zip(vaes, latents, given, seconds, strict=True):
            begun = time.perf_counter()
            vae.model.decode(z, condition).mean()
            times.append(time.perf_counter() - begun)
    return [
        _cost(vae.manifest, float(np.median(times[1:])) / BATCH_SIZE * 1e6)  # the first one warms up
        for vae, times in zip(vaes, seconds, strict=True)
    ]


def _cost(manifest: Manifest, microseconds: float) -> Cost:
    return Cost(
        decoder_multiply_adds=manifest.decoder.multiply_adds,
        parameters=manifest.encoder.parameters + manifest.decoder.parameters,
        bytes=sum(file.bytes for file in manifest.files),
        microseconds=microseconds,
    )


def _mean(values: npt.NDArray[np.float64]) -> Figure:
    n = len(values)
    return Figure(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else None)
