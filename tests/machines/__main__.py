"""Tries other processors by qemu: python -m tests.machines [NAME ...] [--tests] (`make machines`, `make arm`).

Prints one row of a table for each: the hashes of noise, and where there is an ONNX Runtime, what the bundles that ship
draw there beside what they draw here. `--tests` runs tests/runtime there too: half an hour.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.machines import answers, roots
from tests.machines.machines import MACHINES, Machine

COUNT = 64


def noise(machine: Machine) -> str:
    """The last line of golden.py there; raises CalledProcessError where a hash does not hold."""
    golden = str(roots.REPOSITORY / "tests/soak/golden.py")
    done = subprocess.run(
        [roots.interpreter(machine), golden],
        env=roots.environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip().splitlines()[-1]


def bundles(machine: Machine, count: int = COUNT) -> tuple[int, float]:
    """How many values of latents, modes and samples differ from this machine's, and how far logits are apart."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "there.npz"))
        subprocess.run(
            [roots.interpreter(machine), answers.__file__, out, str(count)], env=roots.environment(), check=True
        )
        with np.load(out) as there:
            return answers.compare(answers.answers(count), dict(there))


def main(arguments: list[str]) -> int:
    names = [name for name in arguments if not name.startswith("--")] or list(MACHINES)
    failed = 0
    print("| machine | | noise | latents, modes, samples that differ; logits apart |\n|---|---|---|---|", flush=True)  # noqa: T201
    for name in names:
        machine = MACHINES[name]
        roots.build(machine)
        try:
            held = noise(machine)
            differ, worst = bundles(machine) if machine.wheels else (0, 0.0)
        except subprocess.CalledProcessError as error:
            failed, held = failed + 1, f"failed: {(error.stderr or '').strip()[-500:] or error}"
            differ, worst = 0, 0.0
        failed += differ > 0 or worst > answers.TOLERANCE
        drawn = f"{differ}; {worst:.1e}" if machine.wheels else "no wheel of ONNX Runtime"
        print(f"| {name} | {machine.what} | {held} | {drawn} |", flush=True)  # noqa: T201
        if machine.wheels and "--tests" in arguments:
            command = [roots.interpreter(machine), "-m", "pytest", "tests/runtime", "-q", "-p", "no:cacheprovider"]
            command += ["--timeout", "1800"]
            done = subprocess.run(command, cwd=roots.REPOSITORY, env=roots.environment(), check=False)
            failed += done.returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
