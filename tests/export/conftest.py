"""Exports of the ten kinds of model, each made once."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

if importlib.util.find_spec("tensorflow") is None:  # the report's header says so
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[dict[str, Any], Path]]:
    """Builds and exports a model of the zoo: its arguments and its bundle's folder."""
    made: dict[str, tuple[dict[str, Any], Path]] = {}

    def export_model(name: str, *options: Any) -> tuple[dict[str, Any], Path]:
        from benchmarks.models.zoo import MODELS
        from vae_edge.export import export

        key = " ".join(map(str, (name, *options)))
        if key not in made:
            folder = tmp_path_factory.mktemp("models")
            arguments = MODELS[name](folder / "source", *options)
            export(folder / "bundle", **arguments)
            made[key] = arguments, folder / "bundle"
        return made[key]

    return export_model
