"""python -m benchmarks.cluster kill|cost|memory: see README.md beside this file."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.cluster.kill import killed

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster")
    parser.add_argument("what", choices=("kill",))
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--bundle", default="mnist")
    parser.add_argument("--publish", action="store_true", help="into results.json")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vae-edge-cluster-") as folder:
        result = {"n": asked.n, "bundle": asked.bundle, **killed(asked.n, asked.bundle, Path(folder, "out"))}
    print(json.dumps(result, indent=2))
    if asked.publish:
        path = HERE / "results.json"
        results = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(results | {asked.what: result}, indent=2) + "\n")


if __name__ == "__main__":
    main()
