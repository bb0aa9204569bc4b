"""A provider beside the CPU, OpenVINO's, runs all of a graph or none: `make openvino` installs it for this test.

Its wheel brings the module `onnxruntime` too, and lies in a folder of its own: each test runs in a process that finds
it there first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / ".venv" / "openvino"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="OpenVINO's provider is not installed: make openvino")


@pytest.fixture
def with_openvino() -> Callable[..., str]:
    """Runs a program that finds OpenVINO's ONNX Runtime; gives what it prints."""

    def run(code: str, *arguments: object) -> str:
        paths = [str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.fixture
def mixed(make_bundle) -> Path:
    """The tiny bundle, its decoder with one operator that OpenVINO does not have: IsNaN."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper

    from tests.runtime import make_tiny

    decoder = onnx.load_from_string(make_tiny.decoder())
    decoder.graph.node[-1].output[0] = "reshaped"
    decoder.graph.node.extend([
        helper.make_node("IsNaN", ["reshaped"], ["is_nan"]),
        helper.make_node("Cast", ["is_nan"], ["zero"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Sub", ["reshaped", "zero"], ["logits"]),
    ])  # fmt: skip
    return make_bundle({"decoder.onnx": decoder.SerializeToString()}, "mixed")


def test_every_bundle_that_ships_runs_on_it_alone(with_openvino):
    printed = with_openvino(
        "from vae_edge.runtime import VAE, bundle, probe\n"
        "for name in bundle.built_in():\n"
        "    vae = VAE.load(name, provider='openvino')\n"
        "    probe.check(vae)\n"
        "    vae.generate(300, head='sample', **({'label': 0} if vae.labels else {}))\n"
        "    print(vae.provider, VAE.load(name).provider)"
    )
    assert set(printed.splitlines()) == {"OpenVINOExecutionProvider CPUExecutionProvider"}  # by name, never by `auto`


def test_a_graph_that_it_cannot_run_alone_is_refused_with_the_remedy(with_openvino, mixed):
    printed = with_openvino(
        "import sys\n"
        "from vae_edge.runtime import VAE, ProviderError\n"
        "try:\n    VAE.load(sys.argv[1], provider='openvino')\n"
        "except ProviderError as error:\n    print(error)",
        mixed,
    )
    assert "does not have every operator of the decoder: use provider 'openvino+cpu'" in printed


def test_the_cpu_helps_where_that_is_asked_for(with_openvino, mixed):
    printed = with_openvino(
        "import sys\n"
        "from vae_edge.runtime import VAE\n"
        "z = [[0.5, -1.0, 2.0]]\n"
        "both, cpu = (VAE.load(sys.argv[1], provider=name) for name in ('openvino+cpu', 'cpu'))\n"
        "print(both.provider, *both.decode(z).logits.ravel(), *cpu.decode(z).logits.ravel())",
        mixed,
    )
    provider, *numbers = printed.split()
    assert provider == "OpenVINOExecutionProvider+CPUExecutionProvider"
    both, cpu = np.array(numbers, float).reshape(2, -1)
    np.testing.assert_allclose(both, cpu, atol=1e-5)
