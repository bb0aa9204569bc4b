"""Fixtures that need TensorFlow: one small run on scikit-learn's digits, which many tests read."""

import importlib.util
from pathlib import Path

import pytest

from vae_edge.train.config import Config

if importlib.util.find_spec("tensorflow") is None:  # the report's header says so
    collect_ignore_glob = ["test_*.py"]

SMALL = Config(
    data="digits", likelihood="bernoulli", network="conv", latent=4, width=8, depth=1, epochs=2, batch=64, warmup=1.0
)


@pytest.fixture(scope="session")
def small() -> Config:
    return SMALL


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from vae_edge.train.fit import fit

    return fit(SMALL, tmp_path_factory.mktemp("runs") / "small", command="vae-edge train --data digits", verbose=0)
