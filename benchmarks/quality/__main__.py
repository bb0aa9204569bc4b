"""Trains the baselines, measures them and our bundles by one code, and writes the tables: python -m benchmarks.quality

Data: MNIST, 1 where a pixel > 0.5; the first 55,000 training images to learn from, the last 5,000 to choose the epoch
by, the test images for the final figures alone. Budget: 20 epochs each, or as many as the baseline's author takes where
that is more (pythae's default is 100), and no epoch begun after 30 minutes of CPU time; Adam with its author's step
size and batch. One seed. Ours are the bundles of artifacts/, as they are, for 50 to 100 epochs.

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

import numpy as np
import numpy.typing as npt

from benchmarks.quality import evaluate, learn, pythae_default, tables
from benchmarks.quality.baselines import BASELINES, Baseline
from vae_edge.export import graphs
from vae_edge.export.sources.models import translate_model
from vae_edge.runtime import VAE, atomic
from vae_edge.runtime.errors import CheckFailed, InputError, VaeEdgeError
from vae_edge.runtime.evaluation import likelihood
from vae_edge.runtime.evaluation.classifier import Classifier
from vae_edge.runtime.evaluation.figures import Judge
from vae_edge.train import data
from vae_edge.train.provenance import commit, versions

HERE = Path(__file__).parent
ARTIFACTS = HERE.parents[1] / "artifacts"
CPU_MINUTES = 30.0
CHECKED = 200  # images that hold this evaluation against the runtime's
DYNAMIC_IMAGES = 500  # how many get their NLL between two savings

Row = dict[str, Any]
Measure = Callable[[evaluate.Model], Row]


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
    add("--dynamic", type=Path, metavar="BUNDLE", help="a bundle learned with --binarize dynamic, for the second table")
    add("--dynamic-samples", type=int, default=5000, help="K for that bundle")
    add("--dynamic-images", type=int, default=10_000, help="test images that get that NLL")
    add("--data-dir", type=Path, help="where MNIST's four files lie; else $VAE_EDGE_DATA, cache, network")
    add("--publish", action="store_true", help="put the results into README.md and results.json")
    options = parser.parse_args(arguments)
    partial = options.limit or options.epochs or options.only != names or options.cpu_minutes != CPU_MINUTES
    if options.publish and partial:
        parser.error("--publish is for the whole comparison: leave --limit, --epochs, --cpu-minutes and --only out")
    for name in ("epochs", "limit", "nll_images", "nll_samples", "dynamic_samples", "dynamic_images"):
        if (value := getattr(options, name)) is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} should be 1 or more, it is {value}")
    return options


class _Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Paragraphs as they are written, defaults said."""


def _compare(options: argparse.Namespace) -> None:
    parts = {split: data.load("mnist", split, options.data_dir) for split in ("train", "validation", "test")}
    grey = {split: part.images[: options.limit] for split, part in parts.items()}
    images = learn.Images(**{split: data.binarise(part) for split, part in grey.items()})
    options.out.mkdir(parents=True, exist_ok=True)
    bundles = [VAE.load(path.parent) for path in sorted(options.artifacts.glob("*/manifest.json"))]
    if not bundles:
        raise InputError(f"{options.artifacts}: holds no bundle to compare with; name a folder of bundles")
    agreement = evaluate.check(bundles[0], images.test[:CHECKED], seed=options.seed)
    _say(f"this evaluation agrees with the runtime's on {bundles[0].manifest.name}: {agreement}")
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
        "commit": commit(),
        "versions": versions("tensorflow", "keras", "tensorflow-probability", "numpy", "onnxruntime"),
        "cpus": len(os.sched_getaffinity(0)),
        "settings": key | {"train_images": len(images.train), "validation_images": len(images.validation)},
        "agreement": agreement,
        "rows": rows,
        "dynamic": _dynamic(options, grey["test"]) if options.dynamic else None,
    }
    _write(results, options)


def _ours(vae: VAE, options: argparse.Namespace, key: Mapping[str, Any], measure: Measure) -> Row:
    said, training = vae.manifest, vae.manifest.training
    if training is None:
        raise InputError(f"{said.name!r} was not trained by this project: expected a bundle of a run")

    def make() -> Row:
        return {
            "name": said.name,
            "ours": True,
            "command": training.command,
            "latent": said.latent_size,
            "epochs": training.epochs,
            "parameters": said.encoder.parameters + said.decoder.parameters,
            "decoder_multiply_adds": said.decoder.multiply_adds,
            "figures": measure(evaluate.of_bundle(vae)),
        }

    return _kept(options.out / said.name, {**key, "digest": said.digest}, make)


def _baseline(
    baseline: Baseline,
    images: learn.Images,
    options: argparse.Namespace,
    key: Mapping[str, Any],
    measure: Measure,
) -> Row:
    """The baseline's row: trained and measured, or as it lies in --out; or why it can be neither."""
    row: Row = {field: getattr(baseline, field) for field in _PUBLIC} | {"ours": False}
    epochs, folder = baseline.budget(options.epochs), options.out / baseline.name
    settings = learn.Settings(epochs, options.cpu_minutes, options.seed, len(images.train), len(images.validation))
    to_train = baseline.trainer == "pythae" and not (folder / "best.npz").is_file()
    if to_train and (reason := pythae_default.missing(options.pythae)):
        return row | {"reason": f"pythae is not installed ({reason})"}

    def make() -> Row:
        if baseline.trainer == "pythae":
            trained = pythae_default.learn(baseline, images, settings, folder, options.pythae)
        else:
            trained = learn.learn(baseline, images, settings, folder, _say)
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

    return _kept(folder, {**key, **asdict(settings)}, make)


_PUBLIC = ("name", "title", "source", "latent", "batch", "learning_rate", "result")


def _dynamic(options: argparse.Namespace, grey: npt.NDArray[np.uint8]) -> Row:
    """The bundle's NLL on test images binarised as it learned them: 1 with the grey value's probability, drawn once."""
    vae = VAE.load(options.dynamic)
    said, samples = vae.manifest, options.dynamic_samples
    if said.training is None or said.training.binarize != "dynamic":
        raise InputError(
            f"--dynamic: expected a bundle learned by this project with --binarize dynamic, got {options.dynamic}"
        )
    drawn = data.binarise(grey[: options.dynamic_images], "dynamic", seed=options.seed)
    key = {"digest": said.digest, "samples": samples, "seed": options.seed, "limit": options.limit}
    bounds: list[float] = []
    for at in range(0, len(drawn), DYNAMIC_IMAGES):
        part = drawn[at : at + DYNAMIC_IMAGES]
        _say(f"{said.name}, dynamic binarisation: {at:,} of {len(drawn):,} images have their NLL")

        def make(part: Any = part) -> Row:
            return {"nll": likelihood.nll(vae, part, samples, seed=options.seed).tolist()}

        bounds += _kept(options.out / "dynamic" / str(at), key | {"images": len(part)}, make)["nll"]
    return {
        "name": said.name,
        "command": said.training.command,
        "nll": float(np.mean(bounds)),
        "error": float(np.std(bounds, ddof=1) / len(bounds) ** 0.5),
        "samples": samples,
        "images": len(bounds),
    }


def _kept(folder: Path, key: Mapping[str, Any], make: Callable[[], Row]) -> Row:
    """The row that lies in `folder` under this key, or a new one, which is put there."""
    path = folder / "row.json"
    if path.is_file():
        found = json.loads(path.read_bytes())
        if found["key"] == dict(key):
            return dict(found["row"])
    row = make()
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, _json({"key": dict(key), "row": row}))
    if figures := row.get("figures"):
        _say(f"{folder.name}: {json.dumps(figures)}")
    return row


def _write(results: Row, options: argparse.Namespace) -> None:
    text = f"### The same data\n{tables.static(results)}\n\n### Dynamic binarisation\n{tables.dynamic(results)}\n"
    atomic.write_bytes(options.out / "results.json", _json(results))
    atomic.write_bytes(options.out / "tables.md", text.encode())
    if options.publish:
        page = HERE / "README.md"
        atomic.write_bytes(page, tables.insert(page.read_text(encoding="utf-8"), text).encode())
        atomic.write_bytes(HERE / "results.json", _json(results))
    print(text)


def _json(tree: object) -> bytes:
    return json.dumps(tree, indent=2, allow_nan=False).encode() + b"\n"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
