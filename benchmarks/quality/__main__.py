"""Trains the baselines, measures them and our bundles by one code, and writes the table: python -m benchmarks.quality

Data: MNIST, 1 where a pixel > 0.5; the first 55,000 training images to learn from, the last 5,000 to choose the epoch
by, the test images for the final figures alone. Budget: 20 epochs each, or as many as the baseline's author takes where
that is more (pythae's default is 100), and no epoch begun after 30 minutes of CPU time; Adam with its author's step
size and batch. One seed. Ours are the bundles of artifacts/ that are of these images, as they are.

Everything is kept under --out: each baseline goes on after its last whole epoch, each figure is measured once. With
--publish the results go into results.json and README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.quality import evaluate, learn, pythae_default, store, tables
from benchmarks.quality.baselines import BASELINES, Baseline
from vae_edge.export import graphs
from vae_edge.export.sources.models import translate_model
from vae_edge.runtime import VAE, atomic
from vae_edge.runtime.bundle.manifest import Manifest
from vae_edge.runtime.distributions import Bernoulli
from vae_edge.runtime.errors import CheckFailed, InputError, VaeEdgeError
from vae_edge.runtime.evaluation.classifier import Classifier
from vae_edge.runtime.evaluation.figures import Judge
from vae_edge.train import data
from vae_edge.train.provenance import commit, versions

HERE = Path(__file__).parent
ARTIFACTS = HERE.parents[1] / "artifacts"
CPU_MINUTES = 30.0
CHECKED = 200  # images that hold this evaluation against the runtime's

Measure = Callable[[evaluate.Model], store.Row]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where all is done, 1 after a failure named in one line, 3 where the two evaluations disagree."""
    options = _options(arguments)
    try:
        _compare(options)
    except VaeEdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3 if isinstance(error, CheckFailed) else 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    about, *rest = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        "python -m benchmarks.quality", description=about, epilog="\n\n".join(rest), formatter_class=_Help
    )
    add = parser.add_argument
    names = [baseline.name for baseline in BASELINES]
    add("--out", type=Path, default=Path("runs/baselines"), help="where runs and figures are kept")
    add("--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"baselines: {', '.join(names)}")
    add("--epochs", type=int, help="epochs of each baseline, in place of the stated budget's")
    add("--cpu-minutes", type=float, default=CPU_MINUTES, help="of training, of all threads together; pythae's runs on")
    add("--limit", type=int, help="the first images of each part alone, to try the program")
    add("--seed", type=int, default=0, help="of weights, order and noise")
    add("--nll-images", type=int, default=1000, help="test images that get an NLL")
    add("--nll-samples", type=int, default=200, help="K, importance samples an image")
    add("--pythae", default=sys.executable, metavar="PYTHON", help="an interpreter that has pythae; default: this one")
    add("--artifacts", type=Path, default=ARTIFACTS, help="a folder of our bundles")
    add("--data-dir", type=Path, help="where MNIST's four files lie; else $VAE_EDGE_DATA, cache, network")
    add("--publish", action="store_true", help="put the results into README.md and results.json")
    options = parser.parse_args(arguments)
    partial = options.limit or options.epochs or options.only != names or options.cpu_minutes != CPU_MINUTES
    if options.publish and partial:
        parser.error("--publish is for the whole comparison: leave --limit, --epochs, --cpu-minutes and --only out")
    for name in ("epochs", "limit", "nll_images", "nll_samples"):
        if (value := getattr(options, name)) is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} should be 1 or more, it is {value}")
    return options


class _Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Paragraphs as they are written, defaults said."""


def _compare(options: argparse.Namespace) -> None:
    if options.publish:
        store.expect_clean([commit()])
    parts = {split: data.load("mnist", split, options.data_dir) for split in ("train", "validation", "test")}
    grey = {split: part.images[: options.limit] for split, part in parts.items()}
    images = learn.Images(**{split: data.binarise(part) for split, part in grey.items()})
    options.out.mkdir(parents=True, exist_ok=True)
    bundles = comparable(options.artifacts)
    agreement = evaluate.check(bundles[0], images.test[:CHECKED], seed=options.seed)
    store.say(f"this evaluation agrees with the runtime's on {bundles[0].manifest.name}: {agreement}")
    judge = Judge(Classifier.load(), grey["test"], grey["train"])

    def measure(model: evaluate.Model) -> dict[str, Any]:
        found = evaluate.measure(
            model,
            images.test,
            judge,
            nll_images=options.nll_images,
            nll_samples=options.nll_samples,
            seed=options.seed,
        )
        return asdict(found)

    key = {"nll_images": options.nll_images, "nll_samples": options.nll_samples, "seed": options.seed}
    key["limit"] = options.limit
    rows = [_ours(vae, options, key, measure) for vae in bundles]
    for baseline in (entry for entry in BASELINES if entry.name in options.only):
        rows.append(_baseline(baseline, images, options, key, measure))
    results = {
        "commits": sorted({row["commit"] for row in rows if "figures" in row}),
        "versions": versions("tensorflow", "keras", "tensorflow-probability", "numpy", "onnxruntime"),
        "cpus": len(os.sched_getaffinity(0)),
        "settings": key | {"train_images": len(images.train), "validation_images": len(images.validation)},
        "agreement": agreement,
        "rows": rows,
    }
    _write(results, options)


def comparable(folder: Path) -> list[VAE]:
    """The bundles in `folder` that model p(x) of the images of this comparison; raises InputError where none does."""
    bundles = [VAE.load(path.parent) for path in sorted(folder.glob("*/manifest.json"))]
    chosen = [vae for vae in bundles if _is_comparable(vae.manifest)]
    if not chosen:
        raise InputError(f"{folder}: holds no bundle of MNIST binarised at 0.5; name a folder of such bundles")
    return chosen


def _is_comparable(manifest: Manifest) -> bool:
    training = manifest.training
    if training is None or manifest.condition is not None or manifest.likelihood.family != Bernoulli.family:
        return False
    return (training.dataset, training.binarize) == ("mnist", "static")


def _ours(vae: VAE, options: argparse.Namespace, key: Mapping[str, Any], measure: Measure) -> store.Row:
    manifest, training = vae.manifest, vae.manifest.training
    assert training is not None  # see `comparable`

    def make() -> store.Row:
        return {
            "name": manifest.name,
            "ours": True,
            "command": training.command,
            "latent": manifest.latent_size,
            "best_epoch": training.epochs,
            "parameters": manifest.encoder.parameters + manifest.decoder.parameters,
            "decoder_multiply_adds": manifest.decoder.multiply_adds,
            "figures": measure(evaluate.of_bundle(vae)),
        }

    return _row(options.out / manifest.name, {**key, "digest": manifest.digest}, make)


def _baseline(
    baseline: Baseline,
    images: learn.Images,
    options: argparse.Namespace,
    key: Mapping[str, Any],
    measure: Measure,
) -> store.Row:
    """The baseline's row: trained and measured, or as it lies in --out; or why it can be neither."""
    row: store.Row = {field: getattr(baseline, field) for field in _PUBLIC} | {"ours": False}
    epochs, folder = baseline.budget(options.epochs), options.out / baseline.name
    settings = learn.Settings(epochs, options.cpu_minutes, options.seed, len(images.train), len(images.validation))
    to_train = baseline.trainer == "pythae" and not (folder / "best.npz").is_file()
    if to_train and (reason := pythae_default.missing(options.pythae)):
        return row | {"reason": f"pythae is not installed ({reason})"}

    def make() -> store.Row:
        if baseline.trainer == "pythae":
            trained = pythae_default.learn(baseline, images, settings, folder, options.pythae)
        else:
            trained = learn.learn(baseline, images, settings, folder, store.say)
        decoder = trained.networks.decoder
        return row | {
            "epochs": trained.epochs,
            "best_epoch": trained.best_epoch,
            "trainer": trained.trainer,
            "validation_elbo": trained.validation_elbo,
            "cpu_minutes": trained.cpu_minutes,
            "parameters": trained.networks.parameters,
            "decoder_multiply_adds": graphs.multiply_adds(translate_model(decoder, ("logits",))),
            "figures": measure(evaluate.of_baseline(baseline, trained.networks)),
        }

    return _row(folder, {**key, **asdict(settings)}, make)


def _row(folder: Path, key: Mapping[str, Any], make: Callable[[], store.Row]) -> store.Row:
    row = store.row(folder, key, make)
    store.say(f"{folder.name}: {json.dumps(row['figures'])}")
    return row


_PUBLIC = ("name", "title", "source", "latent", "batch", "learning_rate", "result")


def _write(results: store.Row, options: argparse.Namespace) -> None:
    text = f"### Baselines and bundles, MNIST binarised at 0.5\n{tables.static(results)}\n"
    atomic.write_bytes(options.out / "results.json", store.as_json(results))
    atomic.write_bytes(options.out / "tables.md", text.encode())
    if options.publish:
        store.expect_clean(results["commits"])
        page = HERE / "README.md"
        atomic.write_bytes(page, tables.insert(page.read_text(encoding="utf-8"), text, tables.BASELINES).encode())
        atomic.write_bytes(HERE / "results.json", store.as_json(results))
    print(text)


if __name__ == "__main__":
    sys.exit(main())
