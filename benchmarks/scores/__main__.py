"""Measures a bundle's scores: `python -m benchmarks.scores BUNDLE ...` writes tables and results.json."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.scores import sets
from vae_edge.runtime import VAE
from vae_edge.runtime.evaluation.detection import Detection, detection, oriented

HERE = Path(__file__).parent
CHUNK = 512
RATES = (0.2, 0.1, 0.05, 0.02, 0.01)  # of the validation images

Float64 = npt.NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scores", description=__doc__)
    parser.add_argument("bundles", nargs="+", help="bundles of mnist or fashion-mnist, with a fit of scores")
    parser.add_argument("--data-dir", type=Path, default=None)
    parser.add_argument("--limit", type=int, default=None, help="images of each set; all")
    parser.add_argument("--development", action="store_true", help="the sets that rules were chosen by, in their place")
    parser.add_argument("--cost", action="store_true", help="times only: on a quiet machine")
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    asked = parser.parse_args()
    results = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    for name in asked.bundles:
        vae = VAE.load(name, threads=1)
        found = results.setdefault(Path(name).name, {})
        if asked.cost:
            found["cost"] = cost(vae)
            print(json.dumps(found["cost"], indent=1))
        else:
            part = "development" if asked.development else "final"
            found[part] = measure(vae, asked.data_dir, asked.limit, asked.development)
            print(table(Path(name).name, found[part]))
        asked.out.write_text(json.dumps(results, indent=1) + "\n")


def measure(vae: VAE, folder: Path | None, limit: int | None, development: bool) -> dict[str, Any]:
    """AUROC and false positives at 95 % true positives, per statistic and combined, against each strange set."""
    training, scores = vae.manifest.training, vae.manifest.scores
    assert training is not None
    assert scores is not None
    own = training.dataset
    split = "validation" if development else "test"
    usual, above = scored(vae, sets.ordinary(own, split, folder)[:limit])
    strange = (sets.development if development else sets.strange)(own, folder)
    n, hits = len(above), int(above.sum())
    found: dict[str, Any] = {
        "digest": vae.manifest.digest,
        "draws": scores.draws,
        "ordinary": f"{own}, {split}, {n:,} images",
        "false_positives": {"rate": scores.false_positive_rate, "found": hits / n, "n": n, "interval": wilson(hits, n)},
        "against": {},
    }
    if not development:
        held_out, _ = scored(vae, sets.ordinary(own, "validation", folder)[:limit])
        edges = np.quantile(held_out["value"], [1 - rate for rate in RATES])
        found["shift"] = {
            "validation": RATES, "test": [float((usual["value"] > edge).mean()) for edge in edges]
        }  # fmt: skip
    for name, images in strange.items():
        theirs, unusual = scored(vae, images[:limit])
        each = {key: dataclasses.asdict(detection(usual[key], theirs[key])) for key in usual}
        print(f"{name}: {each['value']['auroc']:.4f}", file=sys.stderr, flush=True)
        found["against"][name] = {"n": len(unusual), "called_unusual": float(unusual.mean()), "figures": each}
    return found


def scored(vae: VAE, images: npt.NDArray[np.uint8]) -> tuple[dict[str, Float64], npt.NDArray[np.bool_]]:
    """Scores by name, higher for what is strange, `value` first; and whether each image is above the threshold."""
    parts = []
    for at in range(0, len(images), CHUNK):
        score = vae.score(as_float(images[at : at + CHUNK]))
        parts.append({"value": score.value, "unusual": score.is_unusual, **oriented(score.statistics)})
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    unusual = whole.pop("unusual")
    return whole, unusual


def as_float(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Pixels in [0, 1]: of uint8 images whose largest number is 1 the runtime would ask of what."""
    return images.astype(np.float32) / np.float32(255)


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, spread = hits / n, z * z / n
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return (share + spread / 2 - half) / (1 + spread), (share + spread / 2 + half) / (1 + spread)


def table(name: str, found: dict[str, Any]) -> str:
    """The figures of one bundle as Markdown."""
    false = found["false_positives"]
    low, high = false["interval"]
    columns = list(found["against"])
    lines = [
        f"### {name}: {found['ordinary']}, {found['draws']} draws",
        f"Called unusual: {false['found']:.2%} (95 % interval {low:.2%} to {high:.2%}); asked: {false['rate']:.2%}.",
        *_shift(found),
        "",
        "| AUROC | " + " | ".join(f"{column} ({found['against'][column]['n']:,})" for column in columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for key in found["against"][columns[0]]["figures"]:
        each = [Detection(**found["against"][column]["figures"][key]) for column in columns]
        title = "**combined**" if key == "value" else f"`{key}`"
        lines.append(f"| {title} | " + " | ".join(map(cell, each)) + " |")
    fpr = [Detection(**found["against"][column]["figures"]["value"]) for column in columns]
    rates = [f"{each.fpr95:.2%} ({each.fpr95_interval[0]:.2%}-{each.fpr95_interval[1]:.2%})" for each in fpr]
    lines.append("| combined: false positives at 95 % true ones | " + " | ".join(rates) + " |")
    called = [f"{found['against'][column]['called_unusual']:.2%}" for column in columns]
    lines.append("| above the threshold | " + " | ".join(called) + " |")
    return "\n".join([*lines, ""])


def _shift(found: dict[str, Any]) -> list[str]:
    """How the test images' values lie beside the validation images', where both were scored."""
    if "shift" not in found:
        return []
    ours, theirs = (
        ", ".join(f"{100 * share:.3g}" for share in found["shift"][part]) for part in ("validation", "test")
    )
    return [f"Above the value that {ours} % of the validation images exceed: {theirs} % of these."]


def cell(found: Detection) -> str:
    """An AUROC with its interval."""
    low, high = found.auroc_interval
    return f"{found.auroc:.4f} ({low:.4f}-{high:.4f})"


def cost(vae: VAE, repeats: int = 31) -> dict[str, float]:
    """Milliseconds of `reconstruct` and `score` of 64 images, medians of runs in turn; how many times as long."""
    x = vae.generate(64, head="sample", seed=0)
    calls = {"reconstruct": lambda: vae.reconstruct(x), "score": lambda: vae.score(x)}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats + 2):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - begun)
    found = {f"{name}_ms": float(np.median(each[2:])) * 1e3 for name, each in seconds.items()}
    ratios = [b / a for a, b in zip(seconds["reconstruct"][2:], seconds["score"][2:], strict=True)]
    return found | {"ratio": float(np.median(ratios)), "draws": 16.0, "threads": float(vae.threads)}


if __name__ == "__main__":
    main()
