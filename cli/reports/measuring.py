"""What `evaluate` measures of a bundle on events, and what judges its samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vae_edge.cli.progress import Progress
from vae_edge.cli.reading.conditions import Given
from vae_edge.cli.reading.dataset import Reader

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vae_edge.runtime import VAE
    from vae_edge.runtime.evaluation.figures import Figure, Judge
    from vae_edge.train.data import Dataset

__all__ = ["absent", "judge", "measure"]

DIGITS = ("mnist", "digits")  # the data sets whose images the classifier of digits can judge
CLASSES = 10  # that it knows


def judge(
    vaes: list[VAE], dataset: Dataset, generated: int, reader: Reader, split: str, device: dict[str, Any]
) -> tuple[Judge | None, str]:
    """What judges samples, or None and why not; `reader` gives another split, the classifier runs on `device`."""
    if not generated or dataset.is_table:
        return None, ""
    from vae_edge.runtime.evaluation.classifier import Classifier
    from vae_edge.runtime.evaluation.figures import Judge
    from vae_edge.runtime.evaluation.quality import NEIGHBOURS

    shape = dataset.images.shape[1:]
    classifier = Classifier.load(**device)
    if shape != classifier.image_shape:
        size = "x".join(map(str, shape))
        return None, f"no figures of samples: the classifier knows digits of 28x28x1, these images are {size}"
    if dataset.published not in DIGITS:
        return None, "no figures of samples: the classifier knows digits, these images are neither mnist nor digits"
    if not any(_is_judged(vae) for vae in vaes):
        return None, "no figures of samples: the classifier knows digits in black and white"
    real, other = dataset.images, None  # of all images, no others are left to say what real ones get
    if split != "all":
        other = reader.read("test" if split == "train" else "train").images
    n = min(generated, len(real), generated if other is None else len(other))
    if n <= NEIGHBOURS:
        return None, f"no figures of samples: they take more than {NEIGHBOURS} images"
    with Progress("real images", n if other is None else 2 * n) as progress:
        return Judge(classifier, real, other, n, progress=progress.advance), ""


def _is_judged(vae: VAE) -> bool:
    """Whether a bundle generates images of black and white."""
    return getattr(vae.manifest.event, "threshold", None) is not None and vae.manifest.prior.family != "none"


def absent(vae: VAE, judge: Judge | None) -> list[str]:
    """Why some figures of a bundle are not there."""
    from vae_edge.runtime.evaluation.likelihood import has_bound

    name, notes = vae.manifest.name, []
    if vae.manifest.prior.family == "none":
        notes.append(f"{name} is an autoencoder: it has neither likelihood nor samples")
    elif not has_bound(vae.manifest):
        notes.append(f"{name} encodes to points: it has no likelihood")
    if judge is not None and vae.manifest.prior.family != "none" and not _is_judged(vae):
        notes.append(f"{name} has no figures of samples: the classifier knows digits in black and white")
    return notes


@dataclass(frozen=True)
class Labelled:
    """A VAE that is given the labels of the data in turn, so that its samples have their classes."""

    vae: VAE
    given: Given
    temperature: float = 1.0

    def stream(self, n: int, *, head: str, seed: int) -> Iterator[npt.NDArray[np.float32]]:
        """n new images in batches (b, H, W, C)."""
        return self.vae.stream(n, head=head, seed=seed, temperature=self.temperature, **self.given.of(0, n))


def measure(
    vae: VAE,
    events: npt.NDArray[Any],
    given: Given,
    samples: int,
    seed: int,
    judge: Judge | None,
    members: int = 0,
    temperature: float = 1.0,
) -> dict[str, Figure]:
    """The figures of one bundle; those of its samples, drawn at `temperature`, where a judge is there and can."""
    from vae_edge.runtime.evaluation import figures

    n = len(events)
    arguments = given.of(0, n)
    decoders = 1 + (members if vae.has_members else 0)
    with Progress("likelihood", n * (1 + samples * decoders), "samples") as progress:
        found = figures.likelihoods(
            vae, events, samples, **arguments, seed=seed, members=members, progress=progress.advance
        )
    with Progress("reconstruction", n) as progress:
        found |= figures.reconstructions(vae, events, **arguments, progress=progress.advance)
    if judge is not None and _is_judged(vae):
        with Progress("samples", 2 * judge.n) as progress:
            labels = _classes(vae, given, judge.n)
            found |= judge.judge(Labelled(vae, given, temperature), labels=labels, seed=seed, progress=progress.advance)
    return found


def _classes(vae: VAE, given: Given, n: int) -> npt.NDArray[np.int64] | None:
    """The classes that n images are asked for, (n,); None where the labels of the bundle are not the ten digits'."""
    if given.keyword != "label" or len(vae.labels) != CLASSES:
        return None
    import numpy as np

    return np.broadcast_to(given.of(0, n)["label"], n).astype(np.int64)
