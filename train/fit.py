"""Fits a model into a run's folder, and goes on exactly where it was cut off."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import keras

from vae_edge.runtime.errors import DataError, RunError
from vae_edge.train import auto, choice, data, events, kept, replicas
from vae_edge.train.config import Config
from vae_edge.train.feed import Feed
from vae_edge.train.keeper import Keeper
from vae_edge.train.learner import Learner
from vae_edge.train.model import VariationalAutoencoder
from vae_edge.train.provenance import commit, versions
from vae_edge.train.replicas import Strategy
from vae_edge.train.report import Report
from vae_edge.train.resuming import into, resumed
from vae_edge.train.run import Record, Run, restore

__all__ = ["fit", "load"]


def fit(
    config: Config,
    out: str | Path,
    *,
    resume: bool = False,
    command: str = "",
    data_dir: str | Path | None = None,
    start: str | Path | None = None,
    strategy: Strategy = "none",
    verbose: int = 1,
    say: Callable[[str], None] | None = None,
    given: Collection[str] | None = None,
) -> Path:
    """Learns a model into the run folder `out`, and returns the folder's path.

    After each epoch the run on disk is complete: the process may die at any moment, and `resume` goes on with the same
    weights, batches and noise as if it had not (bit for bit on one CPU). A resumed run may have other `epochs`; its
    step size then falls as if it had been started with them. `patience` and the place of the data may change too,
    nothing else. The weights start as the best ones of the run `start`, which must have the same network; a prior of
    another kind than that run's, or a mixture of another number of components, begins anew. Without `start` they are
    random. `strategy` 'mirrored' shares a batch among all GPUs (or logical CPUs), 'multi-worker' among the workers of
    TF_CONFIG, which all call this with the same arguments and see the same folder; the first of them writes. The
    weights are those of one process, to 1e-5, except with free bits, which look at each share by itself. `verbose` 0 is
    silent, 1 prints a line an epoch and a progress bar, 2 the line alone. What the configuration leaves to the data is
    chosen, recorded, and passed to `say` as a line (by default to stderr). `command` is the command line to record, and
    `data_dir` the folder with the files of a published set. With `given`, the names of the options that the user has
    given, the data choose the others (`auto.choose`). The folder is locked meanwhile. Raises DataError. Raises RunError
    where `out` holds a run already, or none to resume, where the resumed run had another configuration or other data,
    where another training writes there, where a worker was lost, or where the bound is not a number; InputError for a
    strategy that this process or the batch does not fit.
    """
    writes = replicas.is_chief(strategy)
    run, say = Run(Path(out)), (say or _say) if writes else _be_silent
    if run.exists and not resume and writes:
        raise RunError(f"{run.path}: holds a run already; go on with --resume, or name another folder")
    if not resume and config.freeze and start is None:
        raise RunError("freeze keeps the networks of a run that was trained before: name it by --start")
    if not resume and writes:
        run.expect_free()
    with ExitStack() as stack:
        if resume:
            record = run.record()  # before a folder is made where none lies
            if writes:
                stack.enter_context(run.locked())
            record = resumed(run.record(), config, run.path)
            _expect_epochs_left(run, record.config)
        else:
            config = config.absolute()
        data_dir = data_dir or (record.data_dir if resume else "") or None
        if resume and record.config.is_path and not Path(record.config.data).exists():
            raise DataError(f"{record.config.data}: the run's data lies there no more; name its place by --data")
        splits = data.read_for(record.config if resume else config, data_dir, say)
        training, validation = splits.split("train"), splits.split("validation")
        if resume:
            record.expect(training)
        else:
            splits.check_validation()
            if given is not None:
                config = auto.choose(config, training, given, say)  # which says how many
            elif config.is_path:
                what = "rows" if training.is_table else "images"
                say(f"{training.name}: {len(training):,} {what} to learn from, {len(validation):,} to validate")
            if start is not None and config.encoder_pixels == "auto":  # as its encoder has learned to see
                config = dataclasses.replace(config, encoder_pixels=Run(Path(start)).record().config.encoder_pixels)
            config = choice.resolve(config, training, say)
            record = _record(config, training, command)
        if data_dir is not None:
            record = dataclasses.replace(record, data_dir=str(Path(data_dir).absolute()))
        config = record.config
        del splits  # a copy of all events
        count = len(record.labels)
        stack.enter_context(replicas.naming_the_lost(strategy))
        with replicas.scope(strategy, min(config.batch, len(training))):
            rows = events.as_input(record.event, training.events) if training.is_table else training.images
            feed = Feed(config, rows, events.one_hot(training.labels, count))
            model = VariationalAutoencoder(config, record.event_shape, count)
            if start is not None and not resume:
                before = _take_weights(model, record.labels, Path(start))
                folder = f"START{before.count(' && ') + 1}"  # a start may have a start of its own
                record = dataclasses.replace(record, command=f"{into(before, folder)} && {command} --start {folder}")
            learner = Learner(model, feed, events.log_scale(record.event))
        held_out = events.as_input(record.event, validation.events, config.binarize)
        keeper = Keeper(learner, run, held_out, events.one_hot(validation.labels, count), say, writes=writes)
        if resume:
            keeper.resume()
        elif writes:
            stack.enter_context(run.locked())
            if run.exists:
                raise RunError(f"{run.path}: another training has begun a run in it meanwhile; name another folder")
        if writes:
            run.begin(record)
            kept.keep(run.path, {"train": training, "validation": validation})
            if start is not None and not resume:
                keeper.save()
        reports = [keras.callbacks.TensorBoard(run.path / "tensorboard", write_graph=False)] if writes else []
        learner.fit(
            feed.batches(keeper.epoch),
            initial_epoch=keeper.epoch,
            epochs=keeper.last_epoch,
            steps_per_epoch=feed.steps,
            shuffle=False,  # the feed has shuffled
            callbacks=[
                keeper,
                *reports,
                Report(config.epochs, feed.steps, verbose if writes else 0, finish=config.finish),
            ],
            verbose=0,
        )
    return run.path


def load(path: str | Path) -> tuple[VariationalAutoencoder, Record, dict[str, Any]]:
    """The model of the run at `path` with its best weights, its record, and those weights' epoch and figures.

    Raises RunError where no epoch has been finished yet.
    """
    run = Run(Path(path))
    record = run.record()
    best = run.load("best")
    if best is None:
        raise RunError(f"{run.path}: no epoch has been finished yet; go on with vae-edge train --resume")
    model = VariationalAutoencoder(record.config, record.event_shape, len(record.labels))
    restore(model.variables, best[0], run.path / "best.npz")
    return model, record, best[1]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _take_weights(model: VariationalAutoencoder, labels: tuple[str, ...], start: Path) -> str:
    """Gives the model the best weights of another run; returns the command line that made those."""
    run = Run(start)
    record, best = run.record(), run.load("best")
    if best is None:
        raise RunError(f"{start}: no epoch has been finished yet; start from another run, or finish this with --resume")
    if record.labels != labels:
        ours, theirs = (", ".join(names) or "none" for names in (labels, record.labels))
        raise RunError(f"{start}: has the labels {theirs}, this one has {ours}; start from a run of the same")
    if (pixels := record.config.encoder_pixels) != model.config.encoder_pixels:
        raise RunError(
            f"{start}: its encoder sees pixels as --encoder-pixels {pixels} says, this one as "
            f"{model.config.encoder_pixels}; give --encoder-pixels {pixels}"
        )
    networks = [*model.encoder.variables, *model.decoder.variables]
    priors = {(c.prior, c.components if c.prior == "mixture" else 0) for c in (model.config, record.config)}
    if len(priors) == 1:
        restore(model.variables, best[0], start / "best.npz")
    else:  # its variables come first
        restore(networks, best[0][: len(networks)], start / "best.npz")
    return record.command


def _be_silent(line: str) -> None:
    """What a worker that does not write has to say: the first one says it already."""


def _expect_epochs_left(run: Run, config: Config) -> None:
    """Raises RunError where a run to extend has done more epochs already, or was stopped by its patience."""
    checkpoint = run.load("checkpoint")
    if checkpoint is None or config.epochs == run.record().config.epochs:
        return
    note = checkpoint[1]
    done = len(note["rows"])
    if config.epochs < done:
        raise RunError(f"{run.path}: epoch {done} is done already; resume with --epochs {done} or more")
    if 0 < config.patience <= done - note["best_epoch"]:
        raise RunError(
            f"{run.path}: ended after --patience {config.patience} without a better bound; give --patience 0, or a "
            "larger one, beside --epochs"
        )


def _record(config: Config, training: data.Dataset, command: str) -> Record:
    packages = versions("vae-edge", "tensorflow", "keras", "tensorflow-probability", "numpy")
    return Record(
        config=config,
        event=events.describe(training, config.likelihood),
        labels=training.label_names if config.conditional else (),
        dataset=training.name,
        dataset_sha256=training.sha256,
        images=len(training),
        command=command,
        commit=commit(),
        versions=packages,
    )
