"""A training run of ours as a source: its record holds all that users have to state of other models."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from keras import ops

from vae_edge.export import bundle, priors, scoring, statements, variant
from vae_edge.export.bundle import Events, Options, Progress, Sets
from vae_edge.export.convert import DEFAULT_OPSET
from vae_edge.export.deviations import Uncertain
from vae_edge.export.inspection import inspect
from vae_edge.export.request import Request
from vae_edge.export.scoring import Fitted, Sample
from vae_edge.export.sources.callables import CallableSource
from vae_edge.export.statements import Statement
from vae_edge.runtime import VAE
from vae_edge.runtime.bundle import manifest
from vae_edge.runtime.bundle.manifest import FP32, Manifest, Training
from vae_edge.runtime.conditions import check as conditions_of
from vae_edge.runtime.errors import DataError, InputError, RunError
from vae_edge.runtime.evaluation import figures
from vae_edge.train import data as datasets
from vae_edge.train import fit, kept
from vae_edge.train.commands import without_folders
from vae_edge.train.data import Dataset
from vae_edge.train.kept import Part
from vae_edge.train.model import MixturePrior, VariationalAutoencoder
from vae_edge.train.provenance import producer, versions
from vae_edge.train.run import Record
from vae_edge.train.weights import uncertain_layers

__all__ = ["export"]


def export(
    run: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    opset: int = DEFAULT_OPSET,
    precision: str = FP32,
    max_nats: float = variant.MAX_NATS,
    force: bool = False,
    scores: bool = True,
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    progress: Progress = lambda step, draws: lambda done: None,
) -> Manifest:
    """Exports the best weights of `run` into the bundle folder `out`, and returns its manifest.

    The bundle is written only where the runtime computes what TensorFlow computes (CheckFailed otherwise), and appears
    whole or not at all. An earlier bundle of the same run is replaced; another only with `force`, and a folder that is
    no bundle never (OutputError). `progress` is called with the name of each step and how many draws it takes (0: it
    does not count), and gives what counts them.

    The data set is looked for where the run found it, or at `data` and in `data_dir`. It must be the one that the run
    has learned from: at `data` another is a RunError; where the run found it, and also where it is gone, the events
    that the run kept take its place, and the bundle has no test figures.

    `name` is the bundle's, by default that of its folder, and `opset` the ONNX operator set, 13 to 18.
    `precision` 'fp16' or 'int8' makes a smaller bundle of these graphs. Its manifest holds how far it is from
    TensorFlow and how many nats it costs on validation events; more than `max_nats` are a CheckFailed too. A run with
    uncertain weights is exported in fp32 alone (InputError).

    With `scores` the bundle gets what `VAE.score` judges by, fitted to training events, with a threshold on validation
    events; where these are too few for that it gets none, and `progress` is told.
    """
    out = Path(out)
    model, record, best = fit.load(run)
    training = _training(record, int(best["epoch"]))
    if data is not None:
        record = dataclasses.replace(record, config=dataclasses.replace(record.config, data=str(data)).absolute())
    sets = RunData(Path(run), record, data_dir, is_named=data is not None or data_dir is not None)
    options = dataclasses.asdict(record.config) | {"data": record.config.data_name}  # no folder of this machine
    metrics = functools.partial(_measured, record, sets)
    chosen = Options(name, precision, max_nats, force, training, metrics, options, progress)
    if scores:
        chosen = dataclasses.replace(chosen, scores=functools.partial(_fitted, record, sets))
    bundle.expect(out, chosen)
    if record.config.weights == "uncertain" and precision != FP32:
        raise InputError(
            f"precision should be fp32 for a run with uncertain weights, whose deviations are of such weights; it is "
            f"{precision}: leave --precision out"
        )
    examples = sets.test or sets.split("validation")
    if sets.test is None:
        progress(f"without {record.config.data} ({sets.why}): by the events that the run kept; no test figures", 0)
    progress("convert", 0)
    request = _request(model, record, examples, opset)
    found = inspect(request)
    bundle.check(found)

    def part(split: Part, most: int) -> Callable[[], Events]:
        return lambda: _events(record, sets.split(split), most)

    packages = record.versions | versions("vae-edge", "tf2onnx", "onnx", "onnxruntime")
    both = Sets(part("train", variant.CALIBRATION), part("validation", variant.IMAGES))
    return bundle.make(out, request, found, both, chosen, (producer(), packages))


class RunData:
    """The data of a run: read where it lies, or where that is gone the events that the run kept."""

    def __init__(self, run: Path, record: Record, data_dir: str | Path | None, *, is_named: bool) -> None:
        """Reads the data; where the place was named by the user, what is wrong with it is an error."""
        self.run, self.record, self.why = run, record, ""
        self.test: Dataset | None = None
        try:
            self.splits = datasets.read_for(record.config, data_dir or record.data_dir or None)
            self.test = self.splits.split("test")
            record.expect(self.test)
        except (DataError, RunError) as error:
            if is_named:
                raise
            self.test, self.why = None, str(error)

    def split(self, split: Part) -> Dataset:
        """Training or validation events; raises DataError where nothing was kept either."""
        if self.test is None:
            return kept.load(self.run, self.record, split)
        return self.splits.split(split)


def _training(record: Record, epoch: int) -> Training:
    return Training(
        dataset=record.dataset,
        dataset_sha256=record.dataset_sha256,
        images=record.images,
        epochs=epoch,
        seed=record.config.seed,
        objective=record.config.objective,
        command=without_folders(record.command),
        commit=record.commit,
        binarize=record.config.binarize if record.config.likelihood == "bernoulli" else "none",
        pictures=record.config.treatment.record,
    )


def _request(model: VariationalAutoencoder, record: Record, test: Dataset, opset: int) -> Request:
    config, event = record.config, record.event
    is_point = config.objective == "ae"
    said: statements.Image | manifest.Vector = (
        event
        if isinstance(event, manifest.Vector)
        else statements.Image(*event.shape, event.threshold, event.shift, event.scale)
    )
    likelihoods: dict[str, Statement] = {
        "bernoulli": statements.Bernoulli(logits=0),
        "normal": statements.Normal(loc=0, scale=1),
        "discretized_logistic": statements.DiscretizedLogistic(loc=0, scale=1),
        "categorical": statements.Categorical(logits=0),
    }
    return Request(
        CallableSource(model.encoder, "encoder"),
        CallableSource(model.decoder, "decoder"),
        _rows(record, test),
        posterior=statements.Deterministic(loc=0) if is_point else statements.Normal(loc=0, scale=1),
        likelihood=likelihoods[config.likelihood],
        prior="none" if is_point else _prior(model),
        condition=statements.OneHot(record.labels) if record.labels else None,
        conditions=test.labels if record.labels else None,
        event=said,
        opset=opset,
        uncertain=_uncertain(model),
    )


def _prior(model: VariationalAutoencoder) -> Any:
    if model.flow is not None:
        frozen = model.flow.frozen()
        return frozen if model.follows_label else frozen(None)
    return "normal" if model.mixture is None else _mixture(model.mixture)


def _uncertain(model: VariationalAutoencoder) -> Uncertain | None:
    """The decoder's weights that have a posterior; None of a run whose weights are points."""
    found = [pair for layer in uncertain_layers(model.decoder) for pair in layer.posteriors]
    if not found:
        return None
    return Uncertain([loc for loc, _ in found], [np.asarray(ops.softplus(rho)) for _, rho in found])


def _mixture(prior: MixturePrior) -> priors.Prior:
    weights, loc, factor = prior.parts
    # covariance = (F'F)^-1 = T T', T = F^-1
    scale_tril = np.linalg.inv(factor.astype(np.float64))
    return priors.mixture(weights, loc, np.tril(scale_tril).astype(np.float32), "fitted to the codes")


def _rows(record: Record, dataset: Dataset) -> npt.NDArray[np.float32] | npt.NDArray[np.uint8]:
    """The events as the runtime takes them; pixels that were drawn as the run has seen them."""
    config = record.config
    if config.likelihood == "bernoulli":
        return datasets.binarise(dataset.images, config.binarize)
    return dataset.events if not dataset.is_table else dataset.events.astype(np.float32)


def _events(record: Record, dataset: Dataset, most: int = 0) -> Events:
    """Prepared events with the labels of each; the first `most` of them, or all."""
    part = slice(0, most or None)
    rows = _rows(record, dataset)[part]
    if rows.dtype == np.uint8:
        rows = (rows / 255).astype(np.float32)
    labels = None if dataset.labels is None else dataset.labels[part]
    return rows, conditions_of(record.condition, labels if record.condition else None, None, len(rows))


def _measured(record: Record, sets: RunData, vae: VAE, progress: Progress) -> dict[str, float]:
    """Test figures, nats an event: the ELBO by one draw of z an event, and its two terms; {} without test events."""
    test = sets.test
    if test is None:
        return {}
    rows = _rows(record, test)
    labels = test.labels if record.condition else None
    advance = progress("test figures", len(rows))
    found = figures.likelihoods(vae, rows, 0, label=labels, progress=advance)
    if not found:
        entropy = figures.reconstructions(vae, rows, label=labels, progress=advance)["cross_entropy"]
        return {"reconstruction": -entropy.value}
    names = ("elbo", "kl", "reconstruction", "bits_per_dimension")
    return {name: found[name].value for name in names if name in found}


def _fitted(record: Record, sets: RunData, vae: VAE, progress: Progress) -> Fitted | None:
    """What scores are judged by, or None where there are too few events for it."""

    def sample(split: Part) -> Sample:
        dataset = sets.split(split)
        if record.condition is None or dataset.labels is None:
            return Sample(dataset.events)
        return Sample(dataset.events, {"label": dataset.labels})

    try:
        return scoring.fit(
            vae,
            sample("train"),
            sample("validation"),
            dataset=record.dataset,
            dataset_sha256=record.dataset_sha256,
            command="vae-edge export",
            progress=progress,
        )
    except (InputError, DataError) as error:
        progress(f"no scores: {error}", 0)
        return None
