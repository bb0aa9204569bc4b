"""Whether the TypeScript runtime gives what Python gives: python -m benchmarks.web.agreement.

Draws 10 x 10^7 normals, latents of every bundle that ships, and 4,096 images of five seeds by sample and by mode, of
one by mean, in Node and in Python, and counts what differs. Takes minutes and `npm test` (for web/build) once before.
"""

from __future__ import annotations

import hashlib
import json
import platform
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from vae_edge.runtime import VAE, bundle, noise

ROOT = Path(__file__).parents[2]
NORMALS, LATENTS, IMAGES = 10**7, 100_000, 4096
SEEDS = ["0", "1", "2024", str(2**63), str(2**64 - 1)]
NORMAL_SEEDS = [*SEEDS, "7", "42", "123456789", str(2**53 + 1), str(2**40)]


def main() -> None:
    """Prints one JSON document."""
    folders = bundle.built_in()
    plan = {
        "normals": NORMALS, "normal_seeds": NORMAL_SEEDS, "seeds": SEEDS, "latents": LATENTS, "images": IMAGES,
        "bundles": list(folders), "artifacts": str(ROOT / "artifacts"),
    }  # fmt: skip
    script = Path(__file__).with_suffix(".mjs")
    with tempfile.TemporaryDirectory() as folder:
        command = ["node", str(script), str(ROOT / "web" / "build"), folder, json.dumps(plan)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        report: dict[str, Any] = {
            "machine": platform.processor() or platform.machine(),
            "node": found["node"],
            "seconds of 10^7 normals in Node, median": round(statistics.median(found["seconds"]["normals"]), 2),
            "seeds whose 10^7 normals differ": sum(normals(seed) != found["normals"][seed] for seed in NORMAL_SEEDS),
        }
        for name in folders:
            report[name] = {"backend": found["backends"][name]} | compare(name, found["latents"][name], Path(folder))
    print(json.dumps(report, indent=1))


def normals(seed: str) -> str:
    """The hash of what Node draws as one call."""
    drawn = noise.normals(int(seed), noise.Purpose.PRIOR, 0, NORMALS // 10, 10)
    return hashlib.sha256(drawn.astype("<f4").tobytes()).hexdigest()


def compare(name: str, latents: dict[str, str], folder: Path) -> dict[str, Any]:
    """What differs between the two runtimes for one bundle: seeds, pixels, and the largest difference of a mean."""
    vae = VAE.load(name)
    found: dict[str, Any] = {"seeds whose latents differ": 0, "latents a seed": LATENTS}
    for seed in SEEDS:
        drawn = hashlib.sha256(vae.prior.sample(LATENTS, seed=int(seed)).tobytes()).hexdigest()
        found["seeds whose latents differ"] += drawn != latents[seed]
    for head in ("sample", "mode", "mean"):
        differ, largest, pixels = 0, 0.0, 0
        for seed in SEEDS[:1] if head == "mean" else SEEDS:
            here = vae.generate(IMAGES, head=head, seed=int(seed))
            there = np.fromfile(folder / f"{name}-{head}-{seed}.f4", "<f4").reshape(here.shape)
            differ, pixels = differ + int((here != there).sum()), pixels + here.size
            largest = max(largest, float(np.abs(here - there).max()))
        found[head] = {"largest difference": largest} if head == "mean" else {"pixels": pixels, "differ": differ}
    return found


if __name__ == "__main__":
    main()
