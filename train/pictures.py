"""The pictures that people look at when a run has ended: curves, reconstructions, samples, the latent plane."""

from __future__ import annotations

import io
from pathlib import Path
from statistics import NormalDist
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from vae_edge.runtime import atomic
from vae_edge.train import data
from vae_edge.train.fit import load
from vae_edge.train.model import VariationalAutoencoder
from vae_edge.train.run import Run

__all__ = ["draw"]

matplotlib.use("agg")

COLUMNS = 12
GRID = 20  # images a side of the manifold of a two-dimensional latent
HEADS = ("sample", "mean", "mode")

Array = npt.NDArray[Any]


def draw(path: str | Path, data_dir: str | Path | None = None) -> list[Path]:
    """Writes curves.png, reconstructions.png and samples.png; for a latent plane manifold.png and posteriors.png too.

    All by the best weights, of validation images, into the run's folder; returns the files. An autoencoder, which has
    no prior, gets no samples; a manifold takes a normal prior. Of 2 or of more than 4 channels the first is shown.
    Raises RunError, DataError.
    """
    run = Run(Path(path))
    model, record, _ = load(run.path)
    validation = data.load(record.config.data, "validation", data_dir)
    images = data.binarise(validation.images, record.config.binarize)
    figures = {"curves": _curves(run), "reconstructions": _reconstructions(model, images[:COLUMNS])}
    if record.config.objective != "ae":
        figures["samples"] = _samples(model)
    if record.config.latent == 2:
        if record.config.objective != "ae" and record.config.prior == "normal":
            figures["manifold"] = _manifold(model)
        figures["posteriors"] = _posteriors(model, images, validation.labels)
    files = []
    for name, figure in figures.items():
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=120, bbox_inches="tight")
        atomic.write_bytes(run.path / f"{name}.png", content.getvalue())
        files.append(run.path / f"{name}.png")
    return files


def _curves(run: Run) -> Figure:
    table = np.genfromtxt(run.path / "history.csv", delimiter=",", names=True, ndmin=1)
    terms = [name for name in ("bound", "elbo", "reconstruction", "kl") if name in (table.dtype.names or ())]
    figure = Figure(figsize=(3.4 * len(terms), 3.2))
    for axes, term in zip(figure.subplots(1, len(terms)), terms, strict=True):
        axes.plot(table["epoch"], table[term], label="training")
        axes.plot(table["epoch"], table[f"val_{term}"], label="validation")
        axes.set(title=term, xlabel="epoch", ylabel="nats an image" if term == terms[0] else "")
        late = np.concatenate([table[key][len(table) // 10 :] for key in (term, f"val_{term}")])
        axes.set_ylim(late.min() - 1, late.max() + 1)  # the first epochs would flatten the rest
    axes.legend()
    return figure


def _reconstructions(model: VariationalAutoencoder, images: Array) -> Figure:
    posterior = model.decode(model.encode(images).mean())
    return _rows({"original": images} | _heads(posterior))


def _samples(model: VariationalAutoencoder) -> Figure:
    return _rows(_heads(model.decode(model.prior.sample(COLUMNS, seed=(0, 0)))))


def _heads(distribution: Any) -> dict[str, Array]:
    made = (distribution.sample(seed=(0, 1)), distribution.mean(), distribution.mode())
    return {name: np.asarray(pixels, np.float32) for name, pixels in zip(HEADS, made, strict=True)}


def _rows(rows: dict[str, Array]) -> Figure:
    figure = Figure(figsize=(COLUMNS, len(rows) * 1.05))
    for axes, (name, images) in zip(figure.subplots(len(rows), squeeze=False)[:, 0], rows.items(), strict=True):
        _show(axes, np.concatenate(list(images), axis=1))
        axes.set_ylabel(name)
    return figure


def _manifold(model: VariationalAutoencoder) -> Figure:
    """p(x|z)'s mean over a grid of z, at the normal prior's quantiles (Kingma & Welling 2014, figure 4)."""
    places = np.array([NormalDist().inv_cdf((k + 0.5) / GRID) for k in range(GRID)], np.float32)
    z = np.stack(np.meshgrid(places, -places), axis=-1).reshape(-1, 2)
    height, width, channels = model.encoder.input_shape[1:]
    means = model.decode(z).mean().numpy().reshape(GRID, GRID, height, width, channels)
    figure = Figure(figsize=(8, 8))
    _show(figure.subplots(), means.transpose(0, 2, 1, 3, 4).reshape(GRID * height, GRID * width, channels))
    return figure


def _posteriors(model: VariationalAutoencoder, images: Array, labels: Array | None) -> Figure:
    loc = model.encode(images).mean().numpy()
    figure = Figure(figsize=(7, 6))
    axes = figure.subplots()
    points = axes.scatter(loc[:, 0], loc[:, 1], c=labels, s=4, cmap="tab10" if labels is not None else None)
    axes.set(title="mean of q(z|x), validation images", xlabel="z[0]", ylabel="z[1]", aspect="equal")
    if labels is not None:
        figure.colorbar(points, label="class")
    return figure


def _show(axes: Any, pixels: Array) -> None:
    axes.imshow(pixels if pixels.shape[-1] in (3, 4) else pixels[..., 0], cmap="gray", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
