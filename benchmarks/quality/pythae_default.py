"""pythae's default VAE, trained by pythae in an interpreter of its own, and its weights in networks of ours."""

from __future__ import annotations

import math
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality import evaluate
from benchmarks.quality.baselines import Baseline, Networks
from benchmarks.quality.learn import Images, Settings, Trained, expect_same
from vae_edge.runtime.errors import CheckFailed, RunError
from vae_edge.train.run import Arrays, Run, restore

__all__ = ["learn", "missing"]

SCRIPT = Path(__file__).with_name("pythae_script.py")


def missing(python: str) -> str:
    """Why the interpreter `python` has no pythae to run; "" where it has."""
    try:
        found = subprocess.run(
            [python, "-I", "-c", "import pythae.models"], capture_output=True, text=True, check=False
        )
    except OSError as error:
        return f"{Path(python).name}: {error.strerror}"
    return found.stderr.strip().splitlines()[-1] if found.returncode and found.stderr.strip() else ""


def learn(baseline: Baseline, images: Images, settings: Settings, folder: Path, python: str) -> Trained:
    """The baseline trained by pythae in `folder`, or as it lies there; raises RunError where pythae fails.

    The seed is pythae's own default. Its trainer takes all epochs, whatever CPU time they cost, and where it was cut
    off it begins anew.
    """
    run, networks = Run(folder), baseline.build(baseline.latent)
    found = run.load("best")
    if found is not None:
        expect_same(folder, found[1]["settings"], settings)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        found = _train(baseline, images, settings, folder, python)
        _check(baseline, networks, found, images)
        run.save("best", *found)
    arrays, note = found
    restore(networks.variables, arrays, folder / "best.npz")
    losses = note["losses"]
    best = int(np.argmin(losses))
    return Trained(networks, len(losses), best + 1, -losses[best], note["cpu_minutes"], f"pythae {note['version']}")


def _train(
    baseline: Baseline, images: Images, settings: Settings, folder: Path, python: str
) -> tuple[Arrays, dict[str, Any]]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        given, made = Path(name) / "images.npz", Path(name) / "weights.npz"
        np.savez(given, train=_channels_first(images.train), validation=_channels_first(images.validation))
        command = [python, "-I", str(SCRIPT), str(given), str(made), str(baseline.latent), str(settings.epochs), name]
        with (folder / "log.txt").open("wb") as log:
            done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise RunError(f"{baseline.name}: pythae ended with {done.returncode}; {folder / 'log.txt'} says why")
        with np.load(made, allow_pickle=False) as weights:
            note = {
                "settings": asdict(settings),
                "version": str(weights["version"]),
                "losses": weights["losses"].tolist(),
                "cpu_minutes": float(weights["cpu_minutes"]),
            }
            dense = (
                "encoder.layers.0.0",
                "encoder.embedding",
                "encoder.log_var",
                "decoder.layers.0.0",
                "decoder.layers.1.0",
            )
            # PyTorch's matrices are (out, in); ours give loc and log variance in one
            kernels = [weights[f"{key}.weight"].T for key in dense]
            biases = [weights[f"{key}.bias"] for key in dense]
    hidden, loc, log_variance, *decoder = zip(kernels, biases, strict=True)
    both = tuple(np.concatenate(pair, axis=-1) for pair in zip(loc, log_variance, strict=True))
    return [array for layer in (hidden, both, *decoder) for array in layer], note


def _check(baseline: Baseline, networks: Networks, found: tuple[Arrays, dict[str, Any]], images: Images) -> None:
    """Our networks with pythae's weights have the validation loss that pythae reports, as far as noise lets one see."""
    restore(networks.variables, found[0], Path(baseline.name))
    elbo = evaluate.elbo(evaluate.of_baseline(baseline, networks), images.validation)
    ours, theirs = -float(elbo.mean()), float(np.min(np.asarray(found[1]["losses"])))
    if not abs(ours - theirs) < 4 * float(elbo.std()) / math.sqrt(len(elbo)):
        raise CheckFailed(
            f"{baseline.name}: pythae says {theirs:.2f} nats on the validation images, our networks with its weights "
            f"say {ours:.2f}; pythae_default.py reads another release's weights wrongly"
        )


def _channels_first(images: np.ndarray) -> np.ndarray:
    return np.moveaxis(images, -1, 1)
