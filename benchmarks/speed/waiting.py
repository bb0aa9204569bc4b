"""How the threads of one call should wait for each other: python benchmarks/speed/waiting.py [--rounds 5].

Each way is a process of its own; the processes take turns, so that what else the machine does hits all alike. Printed
are the median time of a call, and the CPU time that the process took for it, which spinning threads make larger.
`--json` prints the figures of each round too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIZES = (1, 8, 64, 256, 1024)


@dataclass(frozen=True)
class Way:
    """How a call's threads work and wait.

    `parts`: each thread takes whole parts of the call, else ONNX Runtime splits each operator. `spin` is how long a
    thread that waits is busy, in microseconds; None is without end, 0 is asleep at once.
    """

    parts: bool
    spin: float | None


WAYS = {
    "parts, asleep (the default)": Way(True, 0),
    "parts, 20 us busy": Way(True, 20),
    "parts, 100 us busy": Way(True, 100),
    "operators split, asleep": Way(False, 0),
    "operators split, 20 us busy": Way(False, 20),
    "operators split, 100 us busy": Way(False, 100),
    "operators split, always busy (spin=True)": Way(False, None),
}

CHILD = """
import json, queue, sys, time
import numpy as np

bundle, parts, spin, threads, seconds, sizes = json.loads(sys.argv[1])
if parts and spin:
    class Busy(queue.SimpleQueue):
        # Looks again and again for `spin` microseconds, then sleeps; between two looks other threads may have the GIL.
        def get(self):
            until = time.perf_counter_ns() + spin * 1000
            while time.perf_counter_ns() < until:
                try:
                    return self.get_nowait()
                except queue.Empty:
                    time.sleep(0)
            return super().get()
    queue.SimpleQueue = Busy  # before the runtime takes it from there

from vae_edge.runtime import VAE, parallel
from vae_edge.runtime.session import onnxruntime
if not parts:
    parallel.HEAVY = 0  # every graph counts as heavy: ONNX Runtime splits its operators
    ort = onnxruntime()
    if spin:
        class Bounded(ort.SessionOptions):
            def add_session_config_entry(self, key, value):
                if key == "session.intra_op.allow_spinning":
                    super().add_session_config_entry("session.intra_op.spin_duration_us", str(int(spin)))
                    value = "1"
                super().add_session_config_entry(key, value)
        ort.SessionOptions = Bounded
vae = VAE.load(bundle, threads=threads, spin=spin is None)
found = {}
for n in sizes:
    for _ in range(3):
        vae.generate(n, head="mean")
    taken, cpu, until = [], time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < until or len(taken) < 5:
        began = time.perf_counter()
        vae.generate(n, head="mean")
        taken.append(time.perf_counter() - began)
    found[n] = [float(np.median(taken)), (time.process_time() - cpu) / len(taken)]
print(json.dumps(found))
"""


def measure(way: Way, bundle: str, threads: int, seconds: float) -> dict[str, list[float]]:
    """Wall and CPU seconds of a call, by its number of events."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "typings")}
    work = json.dumps([bundle, way.parts, way.spin, threads, seconds, SIZES])
    done = subprocess.run([sys.executable, "-c", CHILD, work], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundles", nargs="+", default=["mnist", "mnist-large"])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each number of events, a round (%(default)s)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds: dict[str, dict[str, list[dict[str, list[float]]]]] = {
        bundle: {name: [] for name in WAYS} for bundle in options.bundles
    }
    for _ in range(options.rounds):
        for bundle, ways in rounds.items():
            for name, found in ways.items():
                found.append(measure(WAYS[name], bundle, options.threads, options.seconds))
    if options.json:
        print(json.dumps({"threads": options.threads, "rounds": rounds}))
        return
    for bundle, ways in rounds.items():
        print(f"`{bundle}`, {options.threads} threads: us a call, and us of CPU\n")
        print("| | " + " | ".join(f"n = {n}" for n in SIZES) + " |\n|---" + "|---" * len(SIZES) + "|")
        for name, found in ways.items():
            cells = (
                " / ".join(f"{statistics.median(each[str(n)][k] for each in found) * 1e6:,.0f}" for k in (0, 1))
                for n in SIZES
            )
            print(f"| {name} | " + " | ".join(cells) + " |")
        print()


if __name__ == "__main__":
    main()
