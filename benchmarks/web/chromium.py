"""How fast the explorer's page is in Chromium, as one JSON document: python -m benchmarks.web.chromium.

Times: from the disk to the first pixels, from a slider's move to pixels, and the decoder of `mnist` for 1 and 64 images
on the page's kernels beside onnxruntime-web. Medians, and the range. Needs Node, `npm ci` in web/, and Chromium.
`VAE_EDGE_SOAK=1 pytest tests/web/test_chromium.py` compares noise and pixels at full size.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from vae_edge.cli.app import app
from vae_edge.runtime import bundle

WEB = Path(__file__).parents[2] / "web"


def main() -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "explore.html"
        CliRunner().invoke(app, ["explore", "mnist", "--out", str(page)], catch_exceptions=False)
        command = ["node", "test-browser/serve.mjs"]
        with subprocess.Popen(command, cwd=WEB, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            endpoint = server.stdout.readline().strip()
            times = _run(endpoint, "times", page=str(page))
            decoders = _run(endpoint, "decoders", bundle=str(bundle.locate("mnist")))
            server.stdin.close()
        report: dict[str, Any] = {
            "machine": _machine(),
            "load": os.getloadavg()[0],
            "browser": decoders["agent"],
            "bytes of the page": page.stat().st_size,
            "ms to first pixels": _summary(times["first"]),
            "ms until all is there": _summary(times["complete"]),
            "ms from a slider's move to pixels": _summary(times["moves"]),
        }
    for n, found in decoders["sizes"].items():
        report[f"ms of the decoder, {n}"] = {name: _summary(each) for name, each in found.items()} | {
            "times as fast": round(statistics.median(found["onnxruntime-web"]) / statistics.median(found["kernels"]), 2)
        }
    print(json.dumps(report, indent=1))


def _run(endpoint: str, scenario: str, **options: object) -> dict[str, Any]:
    command = ["node", "test-browser/run.mjs", endpoint, scenario, json.dumps(options)]
    done = subprocess.run(command, cwd=WEB, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _summary(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = {line.partition(": ")[2] for line in lines if "model name" in line}
    return f"{', '.join(sorted(models)) or platform.machine()}, {os.cpu_count()} CPUs"


if __name__ == "__main__":
    main()
