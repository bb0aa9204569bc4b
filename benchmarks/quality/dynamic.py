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

from benchmarks.quality import store, tables
from benchmarks.quality.published import PUBLISHED
from vae_edge.runtime import VAE, atomic
from vae_edge.runtime.errors import InputError, VaeEdgeError
from vae_edge.runtime.evaluation import likelihood
from vae_edge.train import data
from vae_edge.train.provenance import commit

HERE = Path(__file__).parent
ALL = 10_000  # test images of either set
IMAGES = 500  # how many get their NLL between two savings


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where all is done, 1 after a failure named in one line."""
    options = _options(arguments)
    try:
        if options.publish:
            store.expect_clean([commit()])
        vae = VAE.load(options.bundle)
        test = test_images(vae, options.data_dir)
        drawn = data.binarise(test.images[: options.images], "dynamic", seed=options.seed)
        row = measured(vae, drawn, options.samples, options.seed, options.out)
        if options.publish:
            _publish(test.name, row)
    except VaeEdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(row, indent=2))
    return 0


def test_images(vae: VAE, data_dir: Path | None) -> data.Dataset:
    """The test images of the set that the bundle has learned; raises InputError where no published figure compares."""
    training, condition = vae.manifest.training, vae.manifest.condition
    if training is None or training.binarize != "dynamic" or training.dataset not in PUBLISHED or condition is not None:
        raise InputError(
            f"{vae.manifest.name}: expected a bundle that this project has learned from {' or '.join(PUBLISHED)} with "
            "--binarize dynamic, without labels"
        )
    test = data.load(training.dataset, "test", data_dir)
    if test.sha256 != training.dataset_sha256:
        raise InputError(f"{vae.manifest.name}: learned from other images than the {training.dataset} that lies here")
    return test


def measured(vae: VAE, drawn: npt.NDArray[np.float32], samples: int, seed: int, out: Path) -> store.Row:
    """The bundle's mean NLL on the images `drawn` (n, H, W, C), 0 or 1; what `out` holds is not done again."""
    manifest = vae.manifest
    assert manifest.training is not None  # see `test_images`
    folder, rows = out / f"{manifest.name}-{samples}-{seed}", []
    for number, at in enumerate(range(0, len(drawn), IMAGES)):
        part = drawn[at : at + IMAGES]

        def make(part: npt.NDArray[np.float32] = part, seed: int = seed + number) -> store.Row:
            return {"nll": likelihood.nll(vae, part, samples, seed=seed).tolist()}

        key = {"digest": manifest.digest, "samples": samples, "seed": seed, "images": len(part)}
        rows.append(store.row(folder / str(at), key, make))
        bounds = np.concatenate([row["nll"] for row in rows])
        store.say(f"{manifest.name}: {len(bounds):,} of {len(drawn):,} images, NLL {bounds.mean():.2f} on average")
    return {
        "name": manifest.name,
        "command": manifest.training.command,
        "nll": float(bounds.mean()),
        "error": float(bounds.std(ddof=1) / len(bounds) ** 0.5),
        "samples": samples,
        "images": len(bounds),
        "commits": sorted({row["commit"] for row in rows}),
    }


def _publish(name: str, row: store.Row) -> None:
    store.expect_clean(row["commits"])
    page, path = HERE / "README.md", HERE / "dynamic.json"
    results = json.loads(path.read_bytes()) | {name: row}
    text = tables.insert(page.read_text(encoding="utf-8"), tables.dynamic(results), tables.DYNAMIC)
    atomic.write_bytes(path, store.as_json(results))
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
    add("--images", type=int, default=ALL, help="the first test images, so many (default: all 10,000)")
    add("--seed", type=int, default=0, help="of the images that are drawn, and of z (default: 0)")
    add("--out", type=Path, default=Path("runs/dynamic"), help="where figures are kept (default: runs/dynamic)")
    add("--data-dir", type=Path, help="where the set's files lie; else $VAE_EDGE_DATA, cache, network")
    add("--publish", action="store_true", help="put the result into README.md and dynamic.json")
    options = parser.parse_args(arguments)
    for name, least in (("samples", 1), ("images", 2)):
        if getattr(options, name) < least:
            parser.error(f"--{name} should be {least} or more, it is {getattr(options, name)}")
    if options.publish and options.images < ALL:
        parser.error("--publish is for all test images: leave --images out")
    return options


if __name__ == "__main__":
    sys.exit(main())
