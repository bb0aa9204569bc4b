"""Images that nobody tuned to are learned, exported and measured with no change but their path."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from vae_edge.cli.app import app
from vae_edge.export.sources.run import export
from vae_edge.runtime import VAE
from vae_edge.runtime.evaluation import figures
from vae_edge.train import data
from vae_edge.train.config import Config
from vae_edge.train.fit import fit


def digits_as_they_are(folder: Path) -> Path:
    """scikit-learn's digits at their own 8x8, as an .npz."""
    images = load_digits().images
    np.savez(folder / "digits8x8.npz", images=np.rint(images * (255 / 16)).astype(np.uint8))
    return folder / "digits8x8.npz"


def bars(folder: Path, height: int, width: int) -> Path:
    """A folder of pictures of one upright or lying bar each."""
    rng = np.random.default_rng(0)
    (folder / "bars").mkdir()
    for number in range(600):
        picture = np.zeros((height, width), np.uint8)
        at, thick = rng.integers(0, (height, width)[number % 2] - 3), rng.integers(2, 4)
        picture[(slice(at, at + thick), slice(None)) if number % 2 == 0 else (slice(None), slice(at, at + thick))] = 255
        Image.fromarray(picture).save(folder / "bars" / f"{number:03d}.png")
    return folder / "bars"


@pytest.mark.parametrize(
    ("make", "shape", "epochs"),
    [
        (digits_as_they_are, (8, 8, 1), 60),
        (lambda folder: bars(folder, 20, 28), (20, 28, 1), 10),
        (lambda folder: bars(folder, 13, 30), (13, 30, 1), 10),  # sides that do not divide by 4 are padded and cropped
    ],
    ids=["8x8 .npz", "20x28 pictures", "13x30 pictures"],
)
def test_images_of_any_size_train_export_and_evaluate(tmp_path: Path, small: Config, make, shape, epochs) -> None:  # type: ignore[no-untyped-def]
    path = make(tmp_path)
    config = dataclasses.replace(small, data=str(path), width=16, latent=8, epochs=epochs, batch=32)
    manifest = export(fit(config, tmp_path / "run", verbose=0), tmp_path / "bundle")
    assert manifest.event_shape == shape
    vae, images = VAE.load(tmp_path / "bundle"), data.load(path, "test").images
    found = figures.likelihoods(vae, images, samples=20) | figures.reconstructions(vae, images)
    # far better than a model that knows each pixel's mean alone
    mean = np.clip(data.binarise(data.load(path, "train").images).mean(0), 1e-3, 1 - 1e-3)
    x = data.binarise(images)
    simple = -(x * np.log(mean) + (1 - x) * np.log(1 - mean)).sum((1, 2, 3)).mean()
    assert found["nll"].value < 0.9 * simple
    assert found["nll"].value < -found["elbo"].value
    assert vae.generate(3, head="mode").shape == (3, *shape)
    measure = ["evaluate", str(tmp_path / "bundle"), "--samples", "20", "--json"]
    done = CliRunner().invoke(app, [*measure, "--data", str(path)], catch_exceptions=False)
    assert json.loads(done.stdout)["nll"]["mean"] == pytest.approx(found["nll"].value)
    lost = CliRunner().invoke(app, measure, catch_exceptions=False)  # a bundle records no path
    assert lost.exit_code == 1
    assert "name its data by --data" in json.loads(lost.stdout)["error"]["message"]
