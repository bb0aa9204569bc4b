"""Runs golden.py over a matrix of Pythons and NumPys: python tests/soak/matrix.py PYTHON... (`make golden`).

Each pair that has a wheel gets an environment of its own, in a temporary folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

NUMPYS = ("1.26.*", "2.0.*", "2.1.*", "2.2.*", "2.3.*", "2.4.*")
HERE = Path(__file__).parent


def main(pythons: list[str]) -> int:
    run, failed = 0, 0
    for python in pythons:
        for version in NUMPYS:
            with tempfile.TemporaryDirectory() as folder:
                subprocess.run([python, "-m", "venv", folder], check=True)
                inside = str(Path(folder, "bin", "python"))
                pip = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                wheel = subprocess.run(
                    [*pip, "--only-binary=:all:", f"numpy=={version}"], capture_output=True, text=True, check=False
                )
                if wheel.returncode:
                    print(f"{python}: no NumPy {version}")  # noqa: T201
                    continue
                subprocess.run([*pip, "--no-deps", str(HERE.parent.parent)], check=True)
                run += 1
                failed += subprocess.run([inside, "-I", str(HERE / "golden.py")], check=False).returncode != 0
    print(f"{run} pairs, {failed} of them differ")  # noqa: T201
    return 1 if failed or not run else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [sys.executable]))
