"""The NLL of a bundle learned with --binarize dynamic, as papers report it: python -m benchmarks.quality.dynamic BUNDLE

Papers binarise MNIST and Fashion-MNIST at random, anew each epoch: the grey value is a pixel's probability of 1. The
test images are drawn once. NLL is by K importance samples an image (Burda et al. 2016); a larger K makes it smaller.

Every 500 images the figures are kept under --out, and a second call goes on there. With --publish the result goes into
dynamic.json and README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.quality import kept, tables
from benchmarks.quality.published import PUBLISHED
from vae_edge.runtime import VAE, atomic
from vae_edge.runtime.errors import InputError, VaeEdgeError
from vae_edge.runtime.evaluation import likelihood
from vae_edge.train import data
from vae_edge.train.provenance import commit

HERE = Path(__file__).parent
IMAGES = 500  # how many get their NLL between two savings


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where all is done, 1 after a failure named in one line."""
    options = _options(arguments)
    try:
        vae = VAE.load(options.bundle)
        name = dataset(vae)
        grey = data.load(name, "test", options.data_dir).images
        drawn = data.binarise(grey[: options.images], "dynamic", seed=options.seed)
        row = measured(vae, drawn, options.samples, options.seed, options.out)
        if options.publish:
            _publish(name, row)
    except VaeEdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(row, indent=2))
    return 0


def dataset(vae: VAE) -> str:
    """The data set that the bundle has learned; raises InputError where nothing is published that compares with it."""
    said = vae.manifest.training
    if said is None or said.binarize != "dynamic" or said.dataset not in PUBLISHED:
        names = " or ".join(PUBLISHED)
        raise InputError(
            f"{vae.manifest.name}: expected a bundle that this project has learned from {names} with --binarize dynamic"
        )
    return said.dataset


def measured(vae: VAE, drawn: npt.NDArray[np.float32], samples: int, seed: int, out: Path) -> kept.Row:
    """The bundle's mean NLL on the images `drawn` (n, H, W, C), 0 or 1; what `out` holds is not done again."""
    said = vae.manifest
    key = {"digest": said.digest, "samples": samples, "seed": seed}
    bounds: list[float] = []
    for at in range(0, len(drawn), IMAGES):
        part = drawn[at : at + IMAGES]

        def make(part: npt.NDArray[np.float32] = part) -> kept.Row:
            return {"nll": likelihood.nll(vae, part, samples, seed=seed).tolist()}

        bounds += kept.row(out / said.name / str(at), key | {"images": len(part)}, make)["nll"]
        kept.say(f"{said.name}: {len(bounds):,} of {len(drawn):,} images, NLL {np.mean(bounds):.2f} on average")
    assert said.training is not None
    return {
        "name": said.name,
        "command": said.training.command,
        "nll": float(np.mean(bounds)),
        "error": float(np.std(bounds, ddof=1) / len(bounds) ** 0.5),
        "samples": samples,
        "images": len(bounds),
        "commit": commit(),
    }


def _publish(name: str, row: kept.Row) -> None:
    page, path = HERE / "README.md", HERE / "dynamic.json"
    results = json.loads(path.read_bytes()) | {name: row}
    text = tables.insert(page.read_text(encoding="utf-8"), tables.dynamic(results), tables.DYNAMIC)
    atomic.write_bytes(path, kept.as_json(results))
    atomic.write_bytes(page, text.encode())


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.quality.dynamic",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("bundle", type=Path, metavar="BUNDLE")
    add("--samples", type=int, default=5000, help="K, importance samples an image (default: 5000)")
    add("--images", type=int, default=10_000, help="the first test images, so many (default: all 10,000)")
    add("--seed", type=int, default=0, help="of the images that are drawn, and of z (default: 0)")
    add("--out", type=Path, default=Path("runs/dynamic"), help="where figures are kept (default: runs/dynamic)")
    add("--data-dir", type=Path, help="where the set's files lie; else $VAE_EDGE_DATA, cache, network")
    add("--publish", action="store_true", help="put the result into README.md and dynamic.json")
    options = parser.parse_args(arguments)
    for name in ("samples", "images"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} should be 1 or more, it is {getattr(options, name)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
