"""What users call: the runtime's verbs over a Ray cluster."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from vae_edge.batch.inputs import Source
from vae_edge.cluster.inputs import source
from vae_edge.cluster.running import Concurrency, Outcome, connect, run
from vae_edge.cluster.tasks import Encode, Generate, Given, Reconstruct, Score, Task
from vae_edge.pictures.treatment import PLAIN, Treatment
from vae_edge.runtime import VAE, arguments, conditions, heads, noise
from vae_edge.runtime import bundle as bundles
from vae_edge.runtime.bundle import Bundle
from vae_edge.runtime.conditions import Label
from vae_edge.runtime.errors import InputError

__all__ = ["encode", "generate", "reconstruct", "score"]

Place = str | os.PathLike[str]


def generate(
    bundle: Place | Bundle,
    *,
    n: SupportsIndex,
    out: Place,
    head: str = "mean",
    seed: int = 0,
    start: int = 0,
    label: Label | None = None,
    condition: npt.ArrayLike | None = None,
    temperature: float = 1.0,
    concurrency: Concurrency = None,
    resume: bool = False,
    address: str | None = None,
) -> Outcome:
    """The outcome of writing n new events as Parquet: columns id, part and image, or those of a table's row.

    A conditional bundle's rows also have the `label` or `condition` that they were made of.

    The row of id i is event i of the seed's series, as `VAE.stream(n, head=head, seed=seed, start=start)` makes it on
    one thread of the same kind of processor: to the bit, whatever the number of workers and whichever of them die.
    An image is a tensor (H, W, C) of float32, which readers that know no tensors take for a list.

    `bundle` is a name, a folder, or a `Bundle`; its bytes travel to the workers. `out` is a folder that all nodes see,
    or a URI (s3://, gs://, hdfs://). Several `label` (k,) or `condition` (k, size) are taken in turn: event i
    takes i mod k. `temperature` is that of `VAE.generate`. `concurrency` is how many workers there are, or (fewest,
    most), between which Ray scales; by default up to the cluster's CPUs. Each runs on one thread. `resume` goes on with
    the job that lies in `out`, and makes what is missing. `address` is that of a Ray cluster, or 'local'; None is the
    one of $RAY_ADDRESS, or of this machine. Raises InputError, BundleError, OutputError for a folder that is not empty,
    or RunError.
    """
    vae, count = _vae(bundle), arguments.count("n", n)
    heads.check(head)
    seed, start = noise.check_seed(seed), noise.check_draws(start, count)
    temperature = arguments.temperature(temperature)
    vae.model.prior.expect()  # an autoencoder has none
    task = Generate(count, head, seed, start, _given(vae, label, condition), temperature)
    record = {"n": count, "head": head, "seed": seed, "start": start, "given": _told(task.given)}
    if temperature != 1:  # a job that was begun by a version without temperatures has the same record, and goes on
        record["temperature"] = temperature
    return _run(vae, "generate", task, out, record, concurrency, resume, address)


def encode(
    bundle: Place | Bundle,
    inputs: Place | Source,
    *,
    out: Place,
    label: Label | None = None,
    condition: npt.ArrayLike | None = None,
    column: str = "",
    label_column: str = "",
    treatment: Treatment = PLAIN,
    concurrency: Concurrency = None,
    resume: bool = False,
    address: str | None = None,
) -> Outcome:
    """The outcome of writing q(z|x) of each event in `inputs` as Parquet: columns id, name, part and its parameters.

    `inputs` is a file or a folder of Parquet, .npy or .npz, or a folder of pictures, which all nodes see; or a source
    of `vae_edge.batch.inputs`. Events are taken in the order of the files' names, and numbered so, where Parquet has no
    `id` of its own. They are encoded as `VAE.encode` does 256 of them from a multiple of 256 on. Of Parquet, `column`
    holds the images where there are several that might, and `label_column` the labels, by default `label` where the
    bundle takes them. `treatment` says how pictures are read.

    `bundle`, `out`, `label`, `condition`, `concurrency`, `resume` and `address` are those of `generate`. Raises what it
    raises, or DataError.
    """
    vae = _vae(bundle)
    found = _source(vae, inputs, treatment, column, label_column)
    task = Encode(found, _given(vae, label, condition, label_column, comes_along=True))
    return _run(
        vae,
        "encode",
        task,
        out,
        _read(found, task.given, treatment, column, label_column),
        concurrency,
        resume,
        address,
    )


def reconstruct(
    bundle: Place | Bundle,
    inputs: Place | Source,
    *,
    out: Place,
    head: str = "mode",
    latent: str = "mean",
    seed: int = 0,
    label: Label | None = None,
    condition: npt.ArrayLike | None = None,
    column: str = "",
    label_column: str = "",
    treatment: Treatment = PLAIN,
    concurrency: Concurrency = None,
    resume: bool = False,
    address: str | None = None,
) -> Outcome:
    """The outcome of writing each event of `inputs` through z and back as Parquet: columns id, name, part and image.

    A table's row has its own columns in place of the image. `head`, `latent` and `seed` are those of `VAE.reconstruct`;
    event i of the inputs takes draw i. `bundle`, `inputs`, `out`, `column`, `label_column`, `treatment`, `label`,
    `condition`, `concurrency`, `resume` and `address` are those of `encode`. Raises what it raises, among them
    InputError for another `latent`.
    """
    vae = _vae(bundle)
    heads.check(head)
    if latent not in ("mean", "sample"):
        raise InputError(f"latent should be mean or sample, it is {latent!r:.60}")
    seed = noise.check_seed(seed)
    found = _source(vae, inputs, treatment, column, label_column)
    task = Reconstruct(found, _given(vae, label, condition, label_column, comes_along=True), head, latent, seed)
    record = {"head": head, "latent": latent, "seed": seed, **_read(found, task.given, treatment, column, label_column)}
    return _run(vae, "reconstruct", task, out, record, concurrency, resume, address)


def score(
    bundle: Place | Bundle,
    inputs: Place | Source,
    *,
    out: Place,
    draws: int | None = None,
    seed: int = 0,
    label: Label | None = None,
    condition: npt.ArrayLike | None = None,
    column: str = "",
    label_column: str = "",
    treatment: Treatment = PLAIN,
    concurrency: Concurrency = None,
    resume: bool = False,
    address: str | None = None,
) -> Outcome:
    """The outcome of writing how unlike its training data the model finds each event of `inputs`, as Parquet.

    Columns are id, name, part, `value` (float64) and `is_unusual` where the bundle has a fit of as many draws, the
    statistics by name (float64), of a table `surprise_` of each of its columns (float32), and the `label` (int64) that
    an event was scored under. `draws` and `seed` are those of `VAE.score`; `bundle`, `inputs`, `out`, `column`,
    `label_column`, `treatment`, `label`, `condition`, `concurrency`, `resume` and `address` those of `encode`. Raises
    what it raises, among them InputError for events without labels where the fit has no threshold for these.
    """
    vae = _vae(bundle)
    seed = noise.check_seed(seed)
    found = _source(vae, inputs, treatment, column, label_column)
    task = Score(found, _given(vae, label, condition, label_column, comes_along=True), draws, seed)
    record = {"draws": draws, "seed": seed, **_read(found, task.given, treatment, column, label_column)}
    return _run(vae, "score", task, out, record, concurrency, resume, address)


def _vae(bundle: Place | Bundle) -> VAE:
    """A VAE that brings its bundle's bytes along when it is pickled, on one thread."""
    return VAE(bundle if isinstance(bundle, Bundle) else bundles.read(bundle), threads=1)


def _run(
    vae: VAE,
    verb: str,
    task: Task,
    out: Place,
    record: dict[str, Any],
    concurrency: Concurrency,
    resume: bool,
    address: str | None,
) -> Outcome:
    connect(address)
    record = {"verb": verb, "bundle": vae.manifest.name, "digest": vae.manifest.digest, **record}
    return run(vae, task, os.fspath(out), record, concurrency, resume)


def _source(vae: VAE, inputs: Place | Source, treatment: Treatment, column: str, label_column: str) -> Source:
    """What `inputs` name, by a path that holds from any folder of a node."""
    if isinstance(inputs, str | os.PathLike):
        return source(vae, Path(inputs).absolute(), treatment, column, label_column)
    return inputs


def _read(found: Source, given: Given, treatment: Treatment, column: str, label_column: str) -> dict[str, Any]:
    how = {"treatment": treatment.options, "column": column, "label_column": label_column}
    return {"n": found.count, "inputs": found.state, "given": _told(given), **how}


def _given(
    vae: VAE,
    label: Label | None,
    condition: npt.ArrayLike | None,
    label_column: str = "",
    comes_along: bool = False,
) -> Given:
    """Labels or vectors that are taken in turn, checked; a label that `comes_along` with the events may be left out."""
    wanted = vae.manifest.condition
    if comes_along and label is condition is None and wanted is not None and wanted.is_label and not label_column:
        return Given()
    if label_column:
        if label is not None or condition is not None or wanted is None or not wanted.is_label:
            raise InputError("label_column is for a bundle that takes labels, and then no other label is given")
        return Given()
    several = label is not None and not isinstance(label, str) and np.ndim(label) > 0
    count = len(label) if several else len(np.atleast_2d(np.asarray(condition))) if condition is not None else 1  # type: ignore[arg-type]
    conditions.check(wanted, label, condition, count)
    if wanted is None:
        return Given()
    if wanted.is_label:
        assert label is not None
        return Given("label", tuple(int(each) for each in conditions.indices(wanted, label, count)))
    rows = np.atleast_2d(np.asarray(condition, np.float32))
    return Given("condition", tuple(tuple(map(float, row)) for row in rows))


def _told(given: Given) -> dict[str, Any]:
    return dataclasses.asdict(given)
