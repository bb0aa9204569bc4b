"""How `vae-edge bench` measures: calls in turn, the machine's matrix products, and processes from start to end.

Times on a machine that does other things mean little, ratios of times taken in turn mean more: everything here is
called in rounds, and medians are what is told.
"""

from __future__ import annotations

import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Self

__all__ = ["Products", "Start", "in_turn", "percentile", "starts"]

LEAST, MOST = 5, 10_000  # rounds

# What NumPy may have been built with. OpenBLAS's threads wait 2**26 ticks in a loop, where the session would need them.
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_WAIT = {"OPENBLAS_THREAD_TIMEOUT": "4"}
_SIZE = 1024
_PRODUCTS = f"""
import sys
import numpy as np
a = np.random.default_rng(0).random(({_SIZE}, {_SIZE}), np.float32)
out = np.empty_like(a)
for line in sys.stdin:
    np.matmul(a, a, out=out)
    print(flush=True)
"""

# Told by the process itself, at its end. VmHWM, since the kernel counts into ru_maxrss what the parent had at the fork.
_PEAK = """
import sys
try:
    with open("/proc/self/status") as status:
        print(next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")), 0))
except OSError:
    try:
        import resource
    except ImportError:
        print(0)
    else:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def in_turn(
    calls: Mapping[str, Callable[[], object]], seconds: float, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """The seconds that each call took: round by round, until `seconds` are over, after a round that is not counted.

    Each round has an order of its own, since a call finds in the caches what the one before has left.
    """
    order, shuffle = list(calls), random.Random(0).shuffle
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    end = clock() + seconds
    for done in range(MOST):
        if done >= LEAST and clock() >= end:
            break
        shuffle(order)
        for name in order:
            began = clock()
            calls[name]()
            taken[name].append(clock() - began)
    return taken


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that `percent` % of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


class Products:
    """The machine's own rate: NumPy's product of two 1024 x 1024 matrices, in a process with as many threads."""

    multiply_adds = _SIZE**3

    def __init__(self, threads: int) -> None:
        environment = os.environ | _WAIT | dict.fromkeys(_THREADS, str(threads))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PRODUCTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __call__(self) -> None:
        """Computes one product."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # the end of its input ends it


@dataclass(frozen=True)
class Start:
    """A process from its start to its end: median seconds, and its peak resident memory in bytes."""

    seconds: float
    peak_bytes: int


def starts(
    programs: Mapping[str, Sequence[str]],
    rounds: int,
    advance: Callable[[], object],
    pythons: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Start]:
    """What each program (Python code, then its arguments) takes from start to end, all in turn.

    With compiled modules, as an installation has them: the first round, which is not counted, compiles them.
    `pythons` are the interpreters of programs that do not run on this one.
    """
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory(prefix="vae-edge-") as compiled:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = compiled
        for counted in (False, *[True] * rounds):
            for name, (code, *arguments) in programs.items():
                command = [pythons.get(name, sys.executable), "-c", code + _PEAK, *arguments]
                began = time.perf_counter()
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
                if counted:
                    found[name].append((time.perf_counter() - began, int(done.stdout.split()[-1])))
                advance()
    return {
        name: Start(statistics.median(seconds for seconds, _ in taken), statistics.median_low(p for _, p in taken))
        for name, taken in found.items()
    }
