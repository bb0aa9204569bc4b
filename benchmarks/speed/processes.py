"""Whole processes: from the start to 64 images, what that takes in memory, and whether both stay flat in n."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from environments import HERE, python
from roster import OURS, Peer

from vae_edge.cli.reports.measure import starts

__all__ = ["IMPORTS", "fresh", "streams"]

IMPORTS = "import numpy, onnxruntime"
COMMAND = "vae-edge generate --n 64"

_LOAD = "import sys\nfrom vae_edge.runtime import VAE\nvae = VAE.load(sys.argv[1])\n"
_GENERATE = _LOAD + "vae.generate(64)\n"
_STREAM = """
import json, statistics, sys, time
from vae_edge.runtime import VAE
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
vae = VAE.load(sys.argv[1], threads=int(sys.argv[2]))
found = {}
for n in map(int, sys.argv[3:]):
    times = []
    for _ in range(max(1, min(99, 100_000 // n))):
        begun = time.perf_counter()
        for batch in vae.stream(n, head="sample"):
            pass
        times.append(time.perf_counter() - begun)
    found[n] = {"seconds": statistics.median(times), "peak_bytes": peak()}
print(json.dumps(found))
"""
_COMMAND = """
import sys
sys.argv[0] = "vae-edge"
from vae_edge.cli.main import main
try:
    main()
except SystemExit as end:
    if end.code:
        raise
"""
_SCRIPT = (
    "import runpy, sys\ndel sys.argv[0]\nsys.path[0] = {folder!r}\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
)


def fresh(
    envs: Path, bundle: str, peers: Sequence[Peer], exchange: Path, model: str, threads: int, rounds: int, out: Path
) -> dict[str, dict[str, float]]:
    """Seconds and peak bytes of each program by name: the imports, ours, our command, and each peer's 64 images.

    A peer's begins with its environment's Python and ends with NumPy's array; ours take the bundle that ships.
    """
    programs: dict[str, list[str]] = {
        IMPORTS: [IMPORTS + "\n"],
        OURS: [_GENERATE, bundle],
        COMMAND: [_COMMAND, "generate", "--bundle", bundle, "--n", "64", "--out", str(out)],
    }
    pythons = dict.fromkeys(programs, str(python(envs, OURS)))
    script = _SCRIPT.format(folder=str(HERE / "peers"))
    for peer in peers:
        options = ["--exchange", str(exchange), "--threads", str(threads), "--once", model, "64", "--", *peer.arguments]
        programs[peer.name] = [script, str(HERE / "peers" / peer.script), *options]
        pythons[peer.name] = str(python(envs, peer.environment))
    found = starts(programs, rounds, lambda: None, pythons)
    return {name: {"seconds": start.seconds, "peak_bytes": start.peak_bytes} for name, start in found.items()}


def streams(envs: Path, bundle: str, threads: int, counts: Sequence[int]) -> dict[str, dict[str, float]]:
    """One process streams n images for each n, the smallest first: seconds of a stream, and the process's peak so far.

    The median of as many streams as make 100,000 images, 99 at most and one at least.
    """
    command = [str(python(envs, OURS)), "-c", _STREAM, bundle, str(threads), *map(str, sorted(counts))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found
