"""Changes `runtime/` in small ways, one at a time, and sees whether a test notices: `make mutants`.

    python -m tests.mutants --seed 1 --n 240          # go on with, or begin, out/mutants
    python -m tests.mutants --seed 1 --n 240 --publish

First every test runs once under coverage, which tells which tests execute which line. Each mutant then meets those
first, the quickest at their head, and all others only if it survives these. A mutant that was judged equivalent before
meets none. It lives in a copy of the package, so that the tree may be worked on meanwhile. What is done lies in a log,
one JSON object a line: an interrupted run goes on behind it. `judged.json` says which survivors are equivalent to the
code, and why.

Neither mutmut nor cosmic-ray fits. mutmut 3 leaves constants outside functions alone and forks a process that holds
ONNX Runtime's threads; cosmic-ray changes the tree in place and runs all tests for each mutant, a minute of CPU.
"""

from __future__ import annotations

import argparse
import json
import random
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests import runs
from tests.mutants import operators, page
from tests.mutants.running import ROOT, Contexts, Run, learn

ROOM = ROOT / "runtime"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="of the sample (%(default)s)")
    parser.add_argument("--n", type=int, default=240, help="how many mutants; 0 is all (%(default)s)")
    parser.add_argument("--files", default="", help="only of files whose path holds this")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (%(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "mutants", help="log and contexts (%(default)s)")
    parser.add_argument("--tests", nargs="+", default=["tests/runtime", "tests/fuzz", "tests/test_artifacts.py"])
    parser.add_argument("--near", action="store_true", help="only tests that execute the changed line: quicker, and "
                        "what others would have noticed counts as survived")  # fmt: skip
    parser.add_argument("--publish", action="store_true", help="write tests/mutants/README.md")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    contexts = options.out / "contexts.json"
    if not contexts.exists():
        learn(options.tests, ROOM, contexts)
    tests = Contexts(json.loads(contexts.read_text()))
    log = options.out / f"{options.seed}.jsonl"
    done = {} if not log.exists() else {tuple(row["key"]): row for row in map(json.loads, log.read_text().splitlines())}

    sample = sampled(options.seed, options.n, options.files)
    todo = [each for each in sample if key(*each) not in done]
    with Run(ROOM, options.jobs, page.judged()) as run, ThreadPoolExecutor(options.jobs) as pool, log.open("a") as file:
        judged = {pool.submit(run.judge, *each, tests, options.near): each for each in todo}
        for future in as_completed(judged):
            each = judged[future]
            row = done[key(*each)] = future.result() | {"key": key(*each)}
            file.write(json.dumps(row) + "\n")
            file.flush()
            place = f"{row['file']}:{row['line']}"
            print(f"{len(done)}/{len(sample)} {row['fate']:8} {place} {row['after']}", flush=True)  # noqa: T201
    rows = [done[key(*each)] for each in sample]
    text = page.render(rows, options.seed, page.judged(), runs.commit())
    if options.publish:
        (Path(__file__).parent / "README.md").write_text(text)
    print(text)  # noqa: T201


def sampled(seed: int, n: int, part: str = "") -> list[tuple[str, operators.Mutant]]:
    """`n` of all mutants, as (path within the room, mutant): the same for the same code, seed and `part`."""
    every = [
        (path.relative_to(ROOM).as_posix(), mutant)
        for path in sorted(ROOM.rglob("*.py"))
        if part in path.as_posix()
        for mutant in operators.find(path.read_bytes())
    ]
    return random.Random(seed).sample(every, min(n or len(every), len(every)))


def key(file: str, mutant: operators.Mutant) -> tuple[str, int, int, str, str]:
    """What makes a mutant the same one: its place, its change, and the file around it."""
    source = (ROOM / file).read_bytes()
    return file, mutant.start, mutant.end, mutant.after, operators.fingerprint(source)


if __name__ == "__main__":
    main()
