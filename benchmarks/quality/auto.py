"""What `--preset auto` makes of data that it has not been tuned on: python -m benchmarks.quality.auto OUT [SET...]

Four sets, each trained by `vae-edge train --data SET --preset auto` and nothing else, exported, and measured on its
test images by `vae-edge evaluate`:

- digits: scikit-learn's 1,797 digits of 8x8, which vae-edge scales to 28x28;
- fashion-mnist: 70,000 grey pictures of 28x28;
- photos: 3,000 colour pictures of 32x32, cut out of the two photographs that scikit-learn ships, at one to two pixels
  of the photograph a pixel; the 500 test pictures come from two stripes of each photograph, which no other touches;
- shapes: a folder of 3,500 colour pictures of 64x64, made here: a ground that changes from one colour to another, and
  on it a disc, a triangle or a square.

Beside the model's bits a dimension stand those of PNG files of the same test images, all in one strip, which is what a
lossless coder that knows nothing of the set needs. OUT keeps data, runs (with pictures) and bundles; what is there is
not made again.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from vae_edge.train import data

SETS = ("digits", "fashion-mnist", "photos", "shapes")
COMMAND = (sys.executable, "-c", "from vae_edge.cli.main import main; main()")

# Columns of photographs 640 pixels wide; a wider stripe stands as often as it has stripes of 80.
STRIPES = {
    "x_train": ((0, 160), (0, 160), (240, 480), (240, 480), (240, 480), (560, 640)),
    "x_test": ((160, 240), (480, 560)),
}

Pixels = npt.NDArray[np.uint8]


def photos(out: Path) -> Path:
    """An .npz of crops of 32x32 of scikit-learn's photographs."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    parts: dict[str, list[Pixels]] = {"x_train": [], "x_test": []}
    for name, count in (("x_train", 1500), ("x_test", 250)):
        for photograph in load_sample_images().images:
            for number in range(count):
                left, right = STRIPES[name][number % len(STRIPES[name])]
                size = int(rng.integers(32, 65))
                x = int(rng.integers(left, right - size + 1))
                y = int(rng.integers(0, len(photograph) - size + 1))
                crop = Image.fromarray(photograph[y : y + size, x : x + size])
                parts[name].append(np.asarray(crop.resize((32, 32), Image.Resampling.BOX)))
    path = out / "photos.npz"
    np.savez(path, x_train=np.stack(parts["x_train"]), x_test=np.stack(parts["x_test"]))
    return path


def shapes(out: Path) -> Path:
    """A folder of 3,500 pictures of 64x64."""
    rng = np.random.default_rng(0)
    folder = out / "shapes.part"
    folder.mkdir(exist_ok=True)
    large = 256  # drawn so large, then made smaller: edges are smooth
    for number in range(3500):
        ends = rng.integers(0, 256, (2, 3))
        ramp = np.linspace(ends[0], ends[1], large)
        ground = np.broadcast_to(ramp[:, None] if rng.random() < 0.5 else ramp[None], (large, large, 3))
        picture = Image.fromarray(np.rint(ground).astype(np.uint8))
        draw = ImageDraw.Draw(picture)
        radius = float(rng.uniform(40, 90))
        x, y = rng.uniform(radius, large - radius, 2)
        colour = tuple(int(each) for each in rng.integers(0, 256, 3))
        if number % 3 == 0:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        else:
            draw.regular_polygon((x, y, radius), 3 + number % 3 - 1, float(rng.uniform(0, 120)), fill=colour)
        picture.resize((64, 64), Image.Resampling.BOX).save(folder / f"{number:04}.png")
    return folder.rename(out / "shapes")  # whole, or not there


def png_bits(images: Pixels) -> float:
    """Bits a number of the images as one optimised PNG, one below the other."""
    file = io.BytesIO()
    strip = images.reshape(-1, *images.shape[2:])
    Image.fromarray(strip.squeeze(-1) if strip.shape[-1] == 1 else strip).save(file, "PNG", optimize=True)
    return 8 * len(file.getvalue()) / images.size


def run(*words: object) -> str:
    """What a command of vae-edge prints; its progress goes on to stderr."""
    return subprocess.run([*COMMAND, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(name: str, out: Path) -> dict[str, Any]:
    """Trains, exports and evaluates one set; the figures of `vae-edge evaluate --json`, and what auto chose."""
    makers = {"photos": (out / "photos.npz", photos), "shapes": (out / "shapes", shapes)}
    source: Path | str = name
    if name in makers:
        source, make = makers[name]
        if not source.exists():
            make(out)
    runs, bundle = out / f"run-{name}", out / f"bundle-{name}"
    if not bundle.exists():
        resume = ("--resume",) if (runs / "run.json").exists() else ("--data", source, "--preset", "auto")
        run("train", *resume, "--out", runs)
        run("export", runs, "--out", bundle)
    found: dict[str, Any] = json.loads(run("evaluate", bundle, "--data", source, "--samples", 200, "--json"))
    record = json.loads((runs / "run.json").read_text())
    images = data.read(source).split("test").images
    return {"set": name, "record": record, "png": png_bits(images), **found}


def row(found: dict[str, Any]) -> str:
    """A row of a Markdown table."""
    config = found["record"]["config"]
    networks = f"{config['network']} {config['width']} x {config['depth']}"
    if config["pixel_width"]:
        networks += f" + {config['pixel_width']} on pixels"
    if config["encoder_network"] != "same":
        networks += f" (encoder {config['encoder_network']} {config['encoder_width']} x {config['encoder_depth']})"
    chosen = f"{networks}, latent {config['latent']}, {config['epochs']} epochs"
    bits = found.get("bits_per_dimension", {}).get("mean")
    cells = [
        found["set"], config["likelihood"], chosen, f"{-found['elbo']['mean']:,.2f}",
        f"{found['nll']['mean']:,.2f}", *(("", "") if bits is None else (f"{bits:.2f}", f"{found['png']:.2f}")),
        f"{found['active_units']} of {config['latent']}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.quality.auto", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("sets", nargs="*", default=SETS, metavar="SET")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    print("| set | likelihood | chosen | -ELBO | NLL (K = 200) | bits a dimension | PNG | active |")
    print("|---|---|---|---|---|---|---|---|")
    for name in asked.sets:
        found = measure(name, asked.out)
        print(row(found), flush=True)


if __name__ == "__main__":
    main()
