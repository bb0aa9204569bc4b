"""Fixtures that need TensorFlow: one small run on scikit-learn's digits, which many tests read."""

from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the train extra is not installed")

from vae_edge.train.config import Config
from vae_edge.train.fit import fit

SMALL = Config(data="digits", latent=4, width=8, depth=1, epochs=2, batch=64, warmup=1.0)


@pytest.fixture(scope="session")
def small() -> Config:
    return SMALL


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(SMALL, tmp_path_factory.mktemp("runs") / "small", command="vae-edge train --data digits", verbose=0)
