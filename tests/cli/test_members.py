"""Members of a bundle with uncertain weights, by the command line."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tests import bundles
from vae_edge.cli.reports.scores import Gallery
from vae_edge.runtime import VAE

pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    return bundles.uncertain("mnist-tiny", tmp_path_factory.mktemp("members") / "ensemble")


def test_generate_takes_turns(vae_edge, ensemble, folder):
    told = json.loads(vae_edge("generate", "-b", ensemble, "--n", 20, "--members", 3, "--start", 5, "--out", "x.npy",
                               "--threads", 1, "--json").stdout)  # fmt: skip
    assert told["members"] == 3
    expected = VAE.load(ensemble, threads=1).generate(20, start=5, members=3)
    assert np.abs(np.load("x.npy") - expected).max() < 1e-6
    assert np.abs(np.load("x.npy") - VAE.load(ensemble).generate(20, start=5)).max() > 0.1


@pytest.mark.parametrize("head", ["mean", "all"])
def test_rows_are_decoded_in_turn_too(vae_edge, ensemble, folder, head):
    parquet = pytest.importorskip("pyarrow.parquet")
    vae_edge("generate", "-b", ensemble, "--n", 7, "--members", 3, "--start", 2, "--head", head, "--out", "shards/",
             "--format", "parquet", "--dtype", "float32")  # fmt: skip
    (shard,) = sorted(folder.glob("shards/*.parquet"))
    column = parquet.read_table(shard)["image" if head == "mean" else "mean"].combine_chunks()
    found = np.array(column.to_pylist(), np.float32).reshape(7, 28, 28, 1)
    assert np.abs(found - VAE.load(ensemble).generate(7, start=2, members=3)).max() < 1e-6


def test_a_folder_of_pictures_is_of_the_members_that_it_was_begun_with(vae_edge, ensemble, folder):
    for members, code in ((3, 0), (3, 0), (4, 1)):
        found = vae_edge("generate", "-b", ensemble, "--n", 4, "--members", members, "--out", "pictures/", "--resume")
        assert found.exit_code == code
    assert "options (members 3, asked for: 4)" in found.stderr


def test_reconstruct_takes_a_member(vae_edge, ensemble, folder):
    x = VAE.load(ensemble).generate(3, head="mode")
    np.save("x.npy", x)
    vae_edge("reconstruct", "x.npy", "-b", ensemble, "--member", 7, "--head", "mean", "--out", "back.npz")
    expected = VAE.load(ensemble).reconstruct(x, head="mean", member=7)
    with np.load("back.npz") as found:
        assert np.abs(found["mean"] - expected).max() < 1e-6


@pytest.mark.parametrize("arguments", [("generate", "--members", 2), ("reconstruct", "x.npy", "--member", 0),
                                       ("evaluate", "mnist-tiny", "--members", 2)])  # fmt: skip
def test_a_bundle_without_members_says_so(vae_edge, folder, arguments):
    np.save("x.npy", np.zeros((1, 28, 28, 1)))
    bundle = () if arguments[0] == "evaluate" else ("-b", "mnist-tiny")
    found = vae_edge(*arguments, *bundle)
    assert found.exit_code == 1
    assert "'mnist-tiny' has no members" in found.stderr
    assert "Traceback" not in found.stderr


def test_info_tells_that_weights_are_uncertain(vae_edge, ensemble):
    assert re.search(r"^weights +uncertain: weights.npz", vae_edge("info", ensemble).stdout, re.M)
    assert "uncertain" not in vae_edge("info", "mnist-tiny").stdout


def test_scores_have_what_members_disagree_of_and_a_picture_shows_it(vae_edge, ensemble, folder):
    vae = VAE.load(ensemble)
    x = vae.generate(4, head="mode", seed=0)
    np.save("x.npy", x)
    found = vae_edge("score", "x.npy", "-b", ensemble, "--members", 3, "--draws", 2, "--out", "s.json",
                     "--out", "s.png")  # fmt: skip
    assert found.exit_code == 0, found.output
    told = json.loads((folder / "s.json").read_text())
    assert told["members"] == 3
    expected = vae.score(x, members=3, draws=2)
    for name in ("aleatoric", "epistemic", "disagreement"):
        assert [event[name] for event in told["events"]] == pytest.approx(expected.statistics[name], rel=1e-3)
    assert "wrote s.png" in found.stderr
    gallery = Gallery(2)
    gallery.add(expected, x, x, 0)
    rows = gallery.rows()
    assert list(rows) == ["image", "reconstruction", "surprise", "open", "disagreed"]
    for place, event in enumerate(gallery.places()):
        for name, values in (("open", expected.aleatoric), ("disagreed", expected.epistemic)):
            shown = np.asarray(rows[name])[place]
            assert shown.max() <= 1
            dark = shown < 1
            assert np.corrcoef(shown[dark], values[event][dark])[0, 1] > 0.999
    gallery = Gallery(2)
    gallery.add(vae.score(x), x, x, 0)
    assert list(gallery.rows()) == ["image", "reconstruction", "surprise"]


def test_evaluate_writes_how_many_members_its_figure_is_of(vae_edge, ensemble, tmp_path, folder):
    """Of data that nothing but --data names, since the bundle says that it learned from MNIST."""
    import dataclasses
    import shutil

    from vae_edge.runtime.bundle import manifest, read

    path = shutil.copytree(ensemble, tmp_path / "theirs")
    said = dataclasses.replace(read(path).manifest, training=None)
    (path / "manifest.json").write_bytes(manifest.render(manifest.seal(said)))
    (path / "CARD.md").write_text("# theirs\n\n## Figures\n\n## Limits\n")
    x = VAE.load(path).generate(140, head="mode", seed=0)
    np.savez("x.npz", x_train=(x[:120] * 255).astype(np.uint8), x_test=(x[120:] * 255).astype(np.uint8))
    found = vae_edge("evaluate", path, "--data", "x.npz", "--samples", 3, "--members", 2, "--generated", 0, "--write")
    assert found.exit_code == 0, found.output
    metrics = read(path).manifest.metrics
    assert metrics["members"] == 2
    assert metrics["members_nll"] < metrics["nll"] + 50
    assert metrics["members_nll_standard_error"] > 0
    assert "NLL of the mean over members of the ensemble, M = 2" in (path / "CARD.md").read_text()
    assert "nll of members" in found.output
