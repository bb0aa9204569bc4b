from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from vae_edge.runtime import VAE
from vae_edge.runtime.bundle import npz
from vae_edge.runtime.bundle.manifest import File, Spec


@pytest.fixture
def images() -> np.ndarray:
    """Seven images of the tiny bundle's size, floats in [0, 1]."""
    return np.random.default_rng(0).random((7, 6, 4, 1), np.float32)


@pytest.fixture
def mixture_vae(make_bundle) -> VAE:
    """The tiny bundle with a prior of two components."""
    arrays = {
        "weights": np.array([0.25, 0.75], np.float32),
        "loc": np.array([[1, 0, -1], [0, 2, 0]], np.float32),
        "lower": np.array([[1, 0.5, 2, -1, 0.25, 1], [0.25, 0, 1, 0.5, 2, 1]], np.float32),
    }
    prior = Spec("mixture", (3,), constants={"components": 2.0}, file=File("prior.npz", 1, "0" * 64))
    return VAE.load(make_bundle({"prior.npz": npz.render(arrays)}, "mixture", prior=prior))


@pytest.fixture
def autoencoder(make_bundle) -> VAE:
    """The tiny bundle as an autoencoder: no prior."""
    posterior = Spec("deterministic", (3,), {"loc": "loc"})
    return VAE.load(make_bundle(folder="autoencoder", posterior=posterior, prior=Spec("none", (3,))))


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program in a process of its own; its assertions fail the test."""

    def run(code: str, *arguments: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    return run
