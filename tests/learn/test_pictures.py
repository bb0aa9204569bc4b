"""A run that has ended shows itself."""

import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from vae_edge.train.config import Config
from vae_edge.train.fit import fit
from vae_edge.train.pictures import draw


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["curves", "reconstructions", "samples"]),
        ({"objective": "ae"}, ["curves", "reconstructions"]),
        ({"latent": 2}, ["curves", "reconstructions", "samples", "manifold", "posteriors"]),
    ],
)
def test_each_kind_of_run_gets_its_pictures(
    tmp_path: Path, small: Config, options: dict[str, object], names: list[str]
) -> None:
    run = fit(dataclasses.replace(small, epochs=1, **options), tmp_path, verbose=0)  # type: ignore[arg-type]
    files = draw(run)
    assert [file.name for file in files] == [f"{name}.png" for name in names]
    for file in files:
        with Image.open(file) as picture:
            assert min(picture.size) > 100
            assert len(picture.convert("L").getcolors() or range(257)) > 2  # not blank
