"""The speed of vae-edge's runtime beside its peers': `setup`, then `run`, then `table`; README.md says what is fair.

python benchmarks/speed/run.py setup
python benchmarks/speed/run.py run --out results.json
python benchmarks/speed/run.py table results.json --readme
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import environments
import session
import tables
from roster import ENVIRONMENTS, MODELS, OURS, PEERS, SIZES, named
from workers import clean_environment

PARTS = ("peers", "training", "bench", "processes", "streams")


def main() -> int:
    said = _arguments()
    if said.verb == "table":
        results = json.loads(said.results.read_text())
        print((tables.readme if said.readme else tables.full)(results), end="")
        return 0
    said.envs = said.envs.resolve()
    said.exchange = (said.exchange or said.envs / "exchange").resolve()
    threads = (said.verb == "run" and said.threads) or len(os.sched_getaffinity(0))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    clean = clean_environment(os.environ, threads, said.envs / "torch-compiled")
    os.environ.clear()
    os.environ.update(clean)
    if said.verb == "setup":
        return _set_up(said)
    results = session.run(session.Plan.of(said, threads), said.out)
    print(tables.full(results), end="")
    return 0


def _set_up(said: argparse.Namespace) -> int:
    for environment in said.only or ENVIRONMENTS:
        print(f"{environment} ...", file=sys.stderr)
        if reason := environments.set_up(said.envs, environment):
            print(f"{environment}: {reason}", file=sys.stderr)
    if not said.only or "tensorflow" in said.only:
        print("the exchange folder ...", file=sys.stderr)
        if reason := environments.write_exchange(said.envs, said.exchange, said.models):
            print(f"the exchange folder: {reason}", file=sys.stderr)
            return 1
    missing = {environment: environments.why_missing(said.envs, environment) for environment in ENVIRONMENTS}
    for environment, reason in missing.items():
        print(f"{environment}: {reason or 'ready'}")
    return 1 if missing[OURS] or missing["tensorflow"] else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    set_up = verbs.add_parser("setup", help="make the environments and the exchange folder")
    run = verbs.add_parser("run", help="measure, and write the results as JSON")
    table = verbs.add_parser("table", help="show results as markdown")
    for verb in (set_up, run):
        verb.add_argument("--envs", type=Path, default=environments.HERE / ".envs", help="the environments' folder")
        verb.add_argument("--exchange", type=Path, help="the folder of weights and graphs (default: in --envs)")
        verb.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    set_up.add_argument("--only", nargs="+", choices=ENVIRONMENTS, metavar="ENVIRONMENT", help=", ".join(ENVIRONMENTS))
    names = [peer.name for peer in PEERS]
    run.add_argument("--only", nargs="+", choices=names, default=[], metavar="PEER", help=", ".join(names))
    run.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    run.add_argument("--sizes", nargs="+", type=int, choices=SIZES, default=list(SIZES))
    run.add_argument("--threads", type=int, help="CPUs for each side (default: all that are there)")
    run.add_argument("--rounds", type=int, default=7)
    run.add_argument("--seconds", type=float, default=0.2, help="a side's turn, at least one call long")
    run.add_argument("--stream", type=int, default=10_000_000, help="images of the longest stream")
    run.add_argument("--int8", nargs="+", default=[], help="int8 bundles' folders, to be timed beside --float32")
    run.add_argument("--float32", nargs="+", default=["mnist"], help="the bundles that those of --int8 were made of")
    run.add_argument("--quick", action="store_true", help="n <= 64, 2 rounds of a call: do all sides work and agree?")
    run.add_argument("--out", type=Path, default=Path("speed.json"))
    table.add_argument("results", type=Path)
    table.add_argument("--readme", action="store_true", help="the README's table alone")
    said = parser.parse_args()
    if said.verb == "run" and said.quick:
        said.rounds, said.seconds, said.stream = 2, 0.0, 20_000
        said.sizes = [n for n in said.sizes if n <= 64]
    if said.verb == "run" and (said.rounds < 1 or not said.sizes):
        parser.error("there should be a round and a size at least")
    if said.verb == "run":
        if said.int8 and len(said.int8) != len(said.float32):
            parser.error("--float32 should name as many bundles as --int8")
        named(said.only)
    return said


if __name__ == "__main__":
    sys.exit(main())
