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
from matplotlib.ticker import MaxNLocator

from vae_edge.runtime import atomic
from vae_edge.runtime.bundle.manifest import Vector
from vae_edge.runtime.heads import HEADS
from vae_edge.train import events, kept
from vae_edge.train.fit import load
from vae_edge.train.model import VariationalAutoencoder
from vae_edge.train.run import Record, Run

__all__ = ["draw"]

matplotlib.use("agg")

COLUMNS = 12
LABELS = 20  # rows of a conditional run's samples
DRAWS = 1000  # rows that a table's histograms are of
HISTOGRAMS = 16  # columns of a table that are shown
GRID = 20  # images a side of the manifold of a two-dimensional latent

Array = npt.NDArray[Any]


def draw(path: str | Path, data_dir: str | Path | None = None) -> list[Path]:
    """Writes curves.png, and pictures by the best weights of validation data, into the run's folder; returns the files.

    Of images reconstructions.png and samples.png, a row a label for a conditional run; of a table columns.png, its
    columns beside generated ones. For a latent plane manifold.png and posteriors.png too. An autoencoder, which has no
    prior, gets no samples; a manifold takes a normal prior and no label. Of 2 or of more than 4 channels the first is
    shown. Raises RunError, DataError.
    """
    run = Run(Path(path))
    model, record, _ = load(run.path)
    validation = kept.load_or_read(run.path, record, "validation", data_dir)
    x = events.as_input(record.event, validation.events, record.config.binarize)
    label = events.one_hot(validation.labels, len(record.labels))
    generates = record.config.objective != "ae"
    figures = {"curves": _curves(run)}
    if isinstance(record.event, Vector):
        if generates:
            figures["columns"] = _columns(model, record.event, validation.events, label)
    else:
        first = None if label is None else label[:COLUMNS]
        figures["reconstructions"] = _reconstructions(model, x[:COLUMNS], first)
        if generates:
            figures["samples"] = _samples(model, record)
    if record.config.latent == 2:
        is_plain = record.config.prior == "normal" and not record.labels and not isinstance(record.event, Vector)
        if generates and is_plain:
            figures["manifold"] = _manifold(model)
        figures["posteriors"] = _posteriors(model, x, label, validation.labels)
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
    figure = Figure(figsize=(3.4 * len(terms), 3.2), layout="constrained")
    for axes, term in zip(figure.subplots(1, len(terms)), terms, strict=True):
        mark = "." if len(table) == 1 else ""  # a line of one point is not seen
        axes.plot(table["epoch"], table[term], label="training", marker=mark)
        axes.plot(table["epoch"], table[f"val_{term}"], label="validation", marker=mark)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set(title=term, xlabel="epoch", ylabel="nats an event" if term == terms[0] else "")
        late = np.concatenate([table[key][len(table) // 10 :] for key in (term, f"val_{term}")])
        axes.set_ylim(late.min() - 1, late.max() + 1)  # the first epochs would flatten the rest
    axes.legend()
    return figure


def _reconstructions(model: VariationalAutoencoder, images: Array, label: Array | None) -> Figure:
    posterior = model.decode(model.encode(images, label).mean(), label)
    return _rows({"original": images} | _heads(posterior))


def _samples(model: VariationalAutoencoder, record: Record) -> Figure:
    """Draws of the prior: a row a head, or for a conditional run the means, a row a label of the same draws."""
    if not record.labels:
        return _rows(_heads(model.decode(model.prior.sample(COLUMNS, seed=(0, 0)))))
    every = np.eye(len(record.labels), dtype=np.float32)
    rows = {}
    for k, name in enumerate(record.labels[:LABELS]):
        label = every[[k] * COLUMNS]
        rows[name] = _mean(model, _drawn(model, label), label)
    return _rows(rows)


def _drawn(model: VariationalAutoencoder, label: Array) -> Array:
    """A draw of the prior for each label, (n, L), of the same noise whatever they are."""
    prior = model.prior_given(label)
    z: Array = prior.sample(() if prior.batch_shape.rank else len(label), seed=(0, 0)).numpy()
    return z


def _columns(model: VariationalAutoencoder, event: Vector, rows: Array, label: Array | None) -> Figure:
    """Histograms of a table's columns beside those of rows drawn from the model, given the same labels."""
    rows = rows[:DRAWS]
    given = None if label is None else label[:DRAWS]
    z = model.prior.sample(len(rows), seed=(0, 0)) if given is None else _drawn(model, given)
    drawn = model.decode(z, given).sample(seed=(0, 1)).numpy()
    drawn = drawn * np.array(event.scale) + np.array(event.shift)
    count = min(event.size, HISTOGRAMS)
    across = min(count, 4)
    figure = Figure(figsize=(3 * across, 2.4 * -(-count // across)), layout="constrained")
    for k, axes in enumerate(figure.subplots(-(-count // across), across, squeeze=False).flat):
        if k >= count:
            axes.set_axis_off()
            continue
        bins = np.histogram_bin_edges(np.concatenate([rows[:, k], drawn[:, k]]), 30)
        for values, name in ((rows[:, k], "validation"), (drawn[:, k], "generated")):
            axes.hist(values, bins, histtype="step", label=name)
        axes.set(title=event.names[k] if event.names else f"column {k + 1}", yticks=[])
    figure.axes[0].legend()
    return figure


def _heads(distribution: Any) -> dict[str, Array]:
    made = (distribution.sample(seed=(0, 1)), distribution.mean(), distribution.mode())
    return {name: np.asarray(pixels, np.float32) for name, pixels in zip(HEADS, made, strict=True)}


def _mean(model: VariationalAutoencoder, z: Any, label: Array) -> Array:
    mean: Array = model.decode(z, label).mean().numpy()
    return mean


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


def _posteriors(model: VariationalAutoencoder, x: Array, label: Array | None, labels: Array | None) -> Figure:
    loc = model.encode(x, label).mean().numpy()
    figure = Figure(figsize=(7, 6))
    axes = figure.subplots()
    points = axes.scatter(loc[:, 0], loc[:, 1], c=labels, s=4, cmap="tab10" if labels is not None else None)
    axes.set(title="mean of q(z|x), validation data", xlabel="z[0]", ylabel="z[1]", aspect="equal")
    if labels is not None:
        figure.colorbar(points, label="class")
    return figure


def _show(axes: Any, pixels: Array) -> None:
    pixels = np.clip(pixels, 0, 1)  # a normal has no edges
    axes.imshow(pixels if pixels.shape[-1] in (3, 4) else pixels[..., 0], cmap="gray", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
