"""A bundle of images binarised at random is measured on images drawn so, and stands beside the published figures."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.quality import dynamic, tables
from benchmarks.quality.published import PUBLISHED
from vae_edge.runtime import VAE
from vae_edge.runtime.bundle import manifest
from vae_edge.runtime.errors import RunError
from vae_edge.runtime.evaluation import likelihood
from vae_edge.train import data

ARTIFACTS = Path(__file__).parents[2] / "artifacts"


@pytest.fixture
def drawn_anew(tmp_path: Path) -> Path:
    """A bundle whose manifest says that it was learned with dynamic binarisation."""
    bundle = tmp_path / "bundle"
    shutil.copytree(ARTIFACTS / "mnist-tiny", bundle)
    said = manifest.parse((bundle / "manifest.json").read_bytes())
    said = dataclasses.replace(said, training=dataclasses.replace(said.training, binarize="dynamic"))
    (bundle / "manifest.json").write_bytes(manifest.render(manifest.seal(said)))
    return bundle


def test_only_a_bundle_learned_with_dynamic_binarisation_stands_beside_published_figures(
    drawn_anew: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dynamic.main([str(ARTIFACTS / "mnist-tiny")]) == 1
    expected = "mnist-tiny: expected a bundle that this project has learned from mnist or fashion-mnist with --binarize"
    assert expected in capsys.readouterr().err
    other = data.Dataset("mnist", np.zeros((2, 28, 28, 1), np.uint8), None, "the SHA-256 of other images")
    monkeypatch.setattr(data, "load", lambda *arguments: other)
    assert dynamic.main([str(drawn_anew)]) == 1
    assert "learned from other images than the mnist that lies here" in capsys.readouterr().err


def test_a_bundle_of_dynamic_binarisation_is_measured_on_images_that_were_drawn(
    drawn_anew: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pixels of half grey come up white half of the time, and black ones never."""
    seen, seeds, exact = [], [], likelihood.nll
    sha256 = VAE.load(drawn_anew).manifest.training.dataset_sha256

    def nll(vae: VAE, images: np.ndarray, samples: int, *, seed: int) -> np.ndarray:
        seeds.append(seed)
        seen.append((images, exact(vae, images, samples, seed=seed)))
        return seen[-1][1]

    grey = np.zeros((50, 28, 28, 1), np.uint8)
    grey[:, :14] = 128
    asked = []

    def load(name: str, split: str, data_dir: Path | None) -> data.Dataset:
        asked.append((name, split))
        return data.Dataset(name, grey, None, sha256)

    monkeypatch.setattr(data, "load", load)
    monkeypatch.setattr(likelihood, "nll", nll)
    monkeypatch.setattr(dynamic, "IMAGES", 20)
    arguments = [str(drawn_anew), "--samples", "7", "--out", str(tmp_path / "out")]
    assert dynamic.main(arguments) == 0
    row = json.loads(capsys.readouterr().out)
    drawn, bounds = (np.concatenate(parts) for parts in zip(*seen, strict=True))
    assert asked == [("mnist", "test")]
    assert [len(images) for images, _ in seen] == [20, 20, 10]
    assert seeds == [0, 1, 2]  # no two images have the same noise
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert drawn[:, :14].mean() == pytest.approx(128 / 255, abs=0.02)
    assert not drawn[:, 14:].any()
    assert row["nll"] == pytest.approx(bounds.mean())
    assert row["error"] == pytest.approx(stats.sem(bounds))
    assert (row["samples"], row["images"], len(row["commits"])) == (7, 50, 1)
    assert dynamic.main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == row
    assert len(seen) == 3  # the second time, nothing is measured
    assert dynamic.main([*arguments, "--images", "45"]) == 0
    assert [len(images) for images, _ in seen[3:]] == [5]  # a part of another size is another part


def test_what_was_measured_is_put_beside_the_other_sets_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamic, "HERE", tmp_path)
    old = {
        "name": "old",
        "command": "c",
        "nll": 81.5,
        "error": 0.1,
        "samples": 5,
        "images": 10_000,
        "commits": ["a" * 40],
    }
    (tmp_path / "dynamic.json").write_text(json.dumps({"mnist": old}))
    (tmp_path / "README.md").write_text("<!-- dynamic: begin -->\n<!-- dynamic: end -->\n")
    with pytest.raises(RunError, match="commit first"):
        dynamic._publish("fashion-mnist", old | {"commits": ["a" * 40 + "-dirty"]})
    dynamic._publish("fashion-mnist", old | {"name": "new", "nll": 200.0})
    page = (tmp_path / "README.md").read_text()
    assert "**old**, ours | 81.50" in page
    assert "**new**, ours | 200.00" in page
    assert sorted(json.loads((tmp_path / "dynamic.json").read_text())) == ["fashion-mnist", "mnist"]


def test_ours_stands_among_the_published_only_where_it_was_measured() -> None:
    without = tables.dynamic({})
    assert "ours" not in without
    assert all(f"{entry.nll:.2f}" in without for entries in PUBLISHED.values() for entry in entries)
    row = {
        "name": "x",
        "command": "c",
        "nll": 80.0,
        "error": 0.1,
        "samples": 5000,
        "images": 10_000,
        "commits": ["abc"],
    }
    mnist, fashion = tables.dynamic({"mnist": row}).split("\n\n")
    lines = mnist.splitlines()[3:]
    assert "| **x**, ours | 80.00 +- 0.10 | `c`, K = 5,000, 10,000 images, measured at abc |" in lines
    figures = [float(line.split("|")[2].split("+-")[0]) for line in lines]
    assert figures == sorted(figures, reverse=True)
    assert "ours" not in fashion
