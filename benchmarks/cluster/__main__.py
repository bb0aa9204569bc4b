"""python -m benchmarks.cluster kill|cost|memory: see README.md beside this file."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.cluster.cost import cost, memory
from benchmarks.cluster.kill import killed

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster")
    parser.add_argument("what", choices=("kill", "cost", "memory"))
    parser.add_argument("--n", type=int, nargs="+", help="kill: how many images; cost: two sizes; memory: sizes")
    parser.add_argument("--rounds", type=int, default=3, help="of cost")
    parser.add_argument("--bundle", default="mnist")
    parser.add_argument("--publish", action="store_true", help="into results.json")
    asked = parser.parse_args()
    result: dict[str, Any]
    if asked.what == "kill":
        (n,) = asked.n or [1_000_000]
        with tempfile.TemporaryDirectory(prefix="vae-edge-cluster-") as folder:
            result = {"n": n} | killed(n, asked.bundle, Path(folder, "out"))
    elif asked.what == "cost":
        small, large = asked.n or [30_720, 153_600]
        result = cost(asked.bundle, small, large, asked.rounds)
    else:
        result = memory(asked.bundle, asked.n or [100_000, 1_000_000, 10_000_000])
    print(json.dumps(result, indent=2))
    if asked.publish:
        path = HERE / "results.json"
        results = json.loads(path.read_text()) if path.exists() else {}
        results[f"{asked.what} {asked.bundle}"] = {"bundle": asked.bundle} | result
        path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
