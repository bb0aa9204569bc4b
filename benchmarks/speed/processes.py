"""Whole processes: from the start to 64 images, what that takes in memory, and whether memory stays flat in n."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from environments import HERE, python
from roster import OURS, Peer

from vae_edge.cli.measure import starts

__all__ = ["IMPORTS", "fresh", "streams"]

IMPORTS = "import numpy, onnxruntime"
COMMAND = "vae-edge generate --n 64"

_LOAD = "import sys\nfrom vae_edge.runtime import VAE\nvae = VAE.load(sys.argv[1])\n"
_GENERATE = _LOAD + "vae.generate(64)\n"
_STREAM = _LOAD + "for batch in vae.stream(int(sys.argv[2])): pass\n"
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
    return _figures(programs, pythons, rounds)


def streams(envs: Path, bundle: str, counts: Sequence[int]) -> dict[str, dict[str, float]]:
    """Seconds and peak bytes of a process that streams n images, for each n; each runs twice, one time is counted."""
    programs = {str(n): [_STREAM, bundle, str(n)] for n in counts}
    return _figures(programs, dict.fromkeys(programs, str(python(envs, OURS))), 1)


def _figures(programs: dict[str, list[str]], pythons: dict[str, str], rounds: int) -> dict[str, dict[str, float]]:
    found = starts(programs, rounds, lambda: None, pythons)
    return {name: {"seconds": start.seconds, "peak_bytes": start.peak_bytes} for name, start in found.items()}
