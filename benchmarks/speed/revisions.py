"""Another revision of this project beside the working tree: python benchmarks/speed/revisions.py REVISION [ROUNDS].

Both run on the same work in processes that take turns, so that what else the machine does hits both alike. Prints
medians and ratios: the guard's check of both graphs, a whole VAE.load, and generate by head and number of images.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUNDLES = ("mnist", "mnist-large", "mnist-tiny")

CHILD = """
import json, sys, time
import numpy as np
from vae_edge.runtime import VAE
try:
    from vae_edge.runtime.bundle import guard
except ImportError:
    from vae_edge.runtime import graphcheck as guard  # before the runtime had rooms

def median(call, seconds=0.25):
    call()
    taken, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until or len(taken) < 3:
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))

found = {}
for name in sys.argv[1:]:
    vae = VAE.load(name)
    graphs = [vae.bundle[graph.file] for graph in (vae.manifest.encoder, vae.manifest.decoder)]
    found[f"{name}: guard"] = median(lambda: [guard.check(data, "graph") for data in graphs])
    found[f"{name}: VAE.load"] = median(lambda: VAE.load(name))
    for n in (1, 64, 1024):
        for head in ("mean", "mode", "sample"):
            found[f"{name}: generate({n}, {head})"] = median(lambda: vae.generate(n, head=head))
print(json.dumps(found))
"""


def measure(checkout: Path) -> dict[str, float]:
    """Seconds of each piece of work, by the code of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "typings")}
    command = [sys.executable, "-c", CHILD, *BUNDLES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=checkout, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(revision: str, rounds: int = 5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder, "other")
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", other, revision], check=True)
        try:
            pairs = [(measure(other), measure(ROOT)) for _ in range(rounds)]
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", other], check=True)
    print(f"| work | {revision} | here | here / {revision} |\n|---|---|---|---|")
    for work in pairs[0][0]:
        before, after = (statistics.median(pair[side][work] for pair in pairs) for side in (0, 1))
        ratio = statistics.median(pair[1][work] / pair[0][work] for pair in pairs)
        print(f"| {work} | {before * 1e6:,.1f} us | {after * 1e6:,.1f} us | {ratio:.2f} |")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
