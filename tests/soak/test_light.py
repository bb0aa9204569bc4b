"""The light runtime stays light: built as a wheel, it works beside NumPy and ONNX Runtime alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

PROGRAM = """
import sys
import numpy as np
before = set(sys.modules)
from vae_edge.runtime import HEADS, VAE
from vae_edge.runtime.bundle import built_in
import vae_edge.runtime.probe as probe
names = list(built_in())
for name in names:
    vae = VAE.load(name)
    given = {"label": 0} if vae.labels else {}
    for head in HEADS:
        assert vae.generate(2, head=head, **given).shape == (2, *vae.event_shape)
    assert vae.reconstruct(vae.generate(2, **given), **given).shape == (2, *vae.event_shape)
    probe.check(vae)
import importlib.metadata
kept = {"pip", "setuptools", "vae-edge", "numpy", "onnxruntime", "flatbuffers", "packaging", "protobuf"}
print(sorted({d.metadata["Name"] for d in importlib.metadata.distributions()} - kept))
CYTHON = {name for name in sys.modules if "cython" in name}  # of NumPy's own modules
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(roots - set(sys.stdlib_module_names) - {"vae_edge", "numpy", "onnxruntime", "__editable__"} - CYTHON))
print(len(names))
"""


def test_the_built_wheel_works_in_an_empty_environment(tmp_path, soak):
    if not soak(0, 1):
        pytest.skip("builds a wheel and installs it: make soak (tests/runtime/test_boundary.py holds the imports)")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("vae_edge-*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "empty")], check=True)
    python = str(tmp_path / "empty" / "bin" / "python")
    install = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run([*install, "--constraint", str(ROOT / "constraints.txt"), f"{wheel}[cpu]"], check=True)
    done = subprocess.run([python, "-I", "-c", PROGRAM], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    surplus, imported, bundles = done.stdout.splitlines()
    assert (surplus, imported) == ("[]", "[]")
    assert int(bundles) >= 1
