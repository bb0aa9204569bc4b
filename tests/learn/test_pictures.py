"""A run that has ended shows itself."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vae_edge.train import pictures
from vae_edge.train.config import Config
from vae_edge.train.fit import fit
from vae_edge.train.pictures import draw
from vae_edge.train.run import Run


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["curves", "reconstructions", "samples"]),
        ({"objective": "ae"}, ["curves", "reconstructions"]),
        ({"latent": 2}, ["curves", "reconstructions", "samples", "manifold", "posteriors"]),
        ({"latent": 2, "objective": "ae"}, ["curves", "reconstructions", "posteriors"]),
        (
            {"latent": 2, "prior": "mixture", "components": 2},
            ["curves", "reconstructions", "samples", "posteriors"],
        ),
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


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_images_of_any_channels_are_shown(channels: int) -> None:
    images = np.random.default_rng(0).random((3, 1, 6, channels), np.float32)
    (axes,) = pictures._rows({"original": images}).axes
    shown = axes.images[0].get_array()
    expected = np.concatenate(list(images), axis=1)
    assert np.array_equal(shown, expected if channels in (3, 4) else expected[..., 0])


def test_the_bound_of_iwae_is_plotted(tmp_path: Path) -> None:
    names = ("elbo", "reconstruction", "kl")
    for columns, titles in ((names, names), ((*names, "bound"), ("bound", *names))):
        rows = [{name: float(epoch) for each in columns for name in (each, f"val_{each}")} for epoch in range(3)]
        Run(tmp_path).write_history([{"epoch": epoch} | row for epoch, row in enumerate(rows)])
        assert [axes.get_title() for axes in pictures._curves(Run(tmp_path)).axes] == list(titles)
