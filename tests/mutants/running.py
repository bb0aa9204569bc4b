"""One mutant: a copy of the package with a change in it, and the tests that execute the changed line."""

from __future__ import annotations

import compileall
import os
import queue
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tests.mutants import operators
from tests.mutants.plugin import CHOOSE, LEARN

__all__ = ["ROOT", "Contexts", "Run", "learn"]

ROOT = Path(__file__).parents[2]
FIRST = 24  # tests that a mutant meets first: to collect them all takes seconds, and most die by these
WAITS = 3600  # seconds for tests that use no CPU: a lock that nobody gives back
MEMORY = 16 << 30  # bytes of address space: a mutant of a bound may ask for all there is

_PYTEST = [sys.executable, "-m", "pytest", "-p", "tests.mutants.plugin", "-p", "no:cacheprovider", "-q", "--no-header",
           "--tb=line"]  # fmt: skip


class Contexts:
    """Which tests execute a line, and how long each takes."""

    def __init__(self, contexts: dict[str, Any]) -> None:
        """`contexts` as `plugin.Learning` wrote it."""
        self.seconds: dict[str, float] = contexts["seconds"]
        self._lines: dict[str, dict[str, list[str]]] = contexts["lines"]

    def of(self, file: str, mutant: operators.Mutant) -> list[str]:
        """The tests that a mutant meets, the quickest first, but one case of each function before all others."""
        lines = self._lines.get(file, {})
        here = {test for line in range(mutant.first, mutant.last + 1) for test in lines.get(str(line), ())}
        if not here:  # an import's, or a child process's
            here = {test for tests in lines.values() for test in tests}
        quickest = sorted(here, key=lambda test: (self._wait(test), test))
        first = {test.partition("[")[0]: test for test in reversed(quickest)}
        return sorted(quickest, key=lambda test: first[test.partition("[")[0]] != test)

    def others(self, chosen: list[str]) -> list[str]:
        """All tests but those, the quickest first."""
        return sorted((test for test in self.seconds.keys() - set(chosen) if "::" in test), key=self._wait)

    def _wait(self, test: str) -> float:
        """Seconds that a test takes, with the collection of its file: who imports TensorFlow comes last."""
        return self.seconds.get(test, 0.0) + self.seconds.get(test.partition("::")[0], 0.0)


def learn(tests: list[str], room: Path, target: Path) -> None:
    """Runs `tests` once, and writes which of them executes which line of `room`."""
    environment = os.environ | {LEARN: str(target), "VAE_EDGE_MUTANTS_ROOM": str(room), "COVERAGE_CORE": "ctrace"}
    environment["PYTHONPATH"] = str(ROOT / "typings")
    subprocess.run([*_PYTEST, *tests], cwd=ROOT, env=environment, check=True)


class Run:
    """Copies of the package, one for each mutant at a time."""

    def __init__(self, room: Path, jobs: int, equivalent: Collection[tuple[str, str, str]] = ()) -> None:
        """Mutants that are `equivalent`, by (file, line before, line after), meet no test."""
        self._equivalent = equivalent
        self._room, self._folder = room, Path(tempfile.mkdtemp(prefix="mutants"))
        self._copies: queue.Queue[Path] = queue.Queue()
        for job in range(jobs):
            self._copies.put(self._copy(self._folder / str(job)))

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._folder)

    def judge(self, file: str, mutant: operators.Mutant, tests: Contexts, near: bool = False) -> dict[str, Any]:
        """What became of a mutant: 'killed', 'timeout' (a hang counts as killed) or 'survived'.

        `near` leaves out the tests that do not execute the changed line.
        """
        source = (self._room / file).read_bytes()
        before, after = operators.lines(source, mutant)
        change = f"{self._room.name}/{file}", before, after
        chosen = [] if change in self._equivalent else tests.of(file, mutant)
        copy = self._copies.get()
        target = copy / "vae_edge" / self._room.name / file
        try:
            for compiled in (target.parent / "__pycache__").glob(f"{target.stem}.*"):
                compiled.unlink()
            target.write_bytes(operators.apply(source, mutant))
            fate, killer = "survived", ""
            # All others come last: what is calculated once and kept was executed in one test alone.
            for some in (chosen[:FIRST], chosen[FIRST:], tests.others(chosen) if chosen and not near else []):
                if some and fate == "survived":
                    fate, killer = _outcome(copy, some, tests)
        finally:
            target.write_bytes(source)
            self._copies.put(copy)
        return {
            "file": f"{self._room.name}/{file}",
            "line": mutant.first,
            "kind": mutant.kind,
            "before": before,
            "after": after,
            "tests": len(chosen),
            "fate": fate,
            "killer": killer,
        }

    def _copy(self, folder: Path) -> Path:
        """A folder for PYTHONPATH: this room copied and compiled, the others as links."""
        package = folder / "vae_edge"
        package.mkdir(parents=True)
        for room in (ROOT / "typings" / "vae_edge").iterdir():
            if room.name == self._room.name:
                shutil.copytree(self._room, package / room.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (package / room.name).symlink_to(room.resolve())
        compileall.compile_dir(package / self._room.name, quiet=1)
        return folder


def _outcome(copy: Path, chosen: list[str], tests: Contexts) -> tuple[str, str]:
    """The fate, and the test that failed."""
    names = copy / "chosen.txt"
    names.write_text("\n".join(chosen))
    files = sorted({name.partition("::")[0] for name in chosen})
    command = [*_PYTEST, "-x", *files]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", CHOOSE: str(names)}
    # Of CPU: on a machine that is busy, or holds these processes for a while, a test is slow without a hang.
    patience = int(min(900, 120 + 10 * sum(tests.seconds.get(name, 0.0) for name in chosen)))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (patience, patience))

    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,  # to end with all that it starts; still of this session, which a user may stop
        preexec_fn=limit,
    )
    try:
        output, _ = process.communicate(timeout=WAITS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "timeout", ""
    if process.returncode == 0:
        return "survived", ""
    if process.returncode in (-signal.SIGKILL, -signal.SIGXCPU):
        return "timeout", ""
    failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return "killed", (failed[0] if failed else output[-200:])
