"""Rows by the million: `--format`, .parquet and .tar give what the library gives; else it is said before any work."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.batch.reading import content, index, rows, shards
from vae_edge.pictures.sheet import to_bytes
from vae_edge.runtime import VAE

pytest.importorskip("pyarrow")

SHARDS = ("--format", "parquet", "--rows-per-shard", 30)


@pytest.fixture
def drawn(vae_edge, folder, tiny):
    """100 samples in shards/ of 30."""
    done = vae_edge("generate", "-b", tiny, "--n", 100, "--head", "sample", "--out", "shards/", *SHARDS)
    assert done.exit_code == 0
    return done


@pytest.mark.parametrize("kind", ["parquet", "npz", "tar"])
@pytest.mark.parametrize("head", ["sample", "mean"])
def test_shards_hold_the_events_of_the_library(vae_edge, folder, tiny, kind, head):
    vae = VAE.load(tiny)
    options = ("-b", tiny, "--n", 700, "--head", head, "--seed", 4, "--start", 1000)
    done = vae_edge("generate", *options, "--out", "a/", "--format", kind, "--rows-per-shard", 512)
    assert done.exit_code == 0
    found = shards(folder / "a")
    assert (found["id"] == np.arange(1000, 1700)).all()
    expected = np.concatenate([*vae.stream(512, head=head, seed=4, start=1000),
                               *vae.stream(188, head=head, seed=4, start=1512)])  # fmt: skip
    assert (found["image"] == (expected if kind == "npz" else to_bytes(expected))).all()
    listed = index(folder / "a")
    assert listed["record"]["digest"] == vae.manifest.digest
    assert (listed["record"]["seed"], listed["record"]["start"], listed["rows"]) == (4, 1000, 700)
    assert listed["command"].split()[0] == "vae-edge"


def test_dtype_float32_holds_exactly_what_the_head_gives(vae_edge, folder, tiny):
    vae_edge("generate", "-b", tiny, "--n", 10, "--out", "a.parquet", "--dtype", "float32")
    vae_edge("generate", "-b", tiny, "--n", 10, "--out", "b/", "--format", "npz", "--dtype", "uint8")
    expected = VAE.load(tiny).generate(10, head="mean", seed=0)
    assert (rows(folder / "a.parquet")["image"] == expected).all()
    assert (shards(folder / "b")["image"] == to_bytes(expected)).all()


@pytest.mark.parametrize("out", ["a.parquet", "a.tar"])
def test_all_heads_are_of_the_same_draws(vae_edge, folder, tiny, out):
    assert vae_edge("generate", "-b", tiny, "--n", 20, "--head", "all", "--out", out).exit_code == 0
    found, vae = rows(folder / out), VAE.load(tiny)
    for head in ("sample", "mean", "mode"):
        assert (found[head] == to_bytes(vae.generate(20, head=head, seed=0))).all()


def test_resume_goes_on_and_gives_the_same_bytes(vae_edge, folder, tiny, drawn):
    whole = content(folder / "shards")
    assert len(whole) == 4
    for name in ("000001.parquet", "000003.parquet"):
        (folder / "shards" / name).unlink()
    options = ("-b", tiny, "--n", 100, "--head", "sample", "--out", "shards/", *SHARDS)
    done = vae_edge("generate", *options, "--resume", "--json")
    assert json.loads(done.stdout)["written"] == 40
    assert content(folder / "shards") == whole
    assert "0 of 100 rows, the others were there" in vae_edge("generate", *options, "--resume").stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--seed", 1), "job (seed 0, asked for: 1)"),
        (("--head", "mean"), "job (heads ['sample'], asked for: ['mean'])"),
        (("--start", 5), "job (start 0, asked for: 5)"),
        (("--n", 200), "job (rows 100, asked for: 200)"),
        (("--dtype", "float32"), "job (columns"),
        (("--bundle", "mnist"), "job (bundle 'tiny', asked for: 'mnist')"),
    ],
)
def test_resume_refuses_other_options(vae_edge, folder, tiny, drawn, one_line, change, message):
    before = content(folder / "shards")
    options = ("-b", tiny, "--n", 100, "--head", "sample", "--out", "shards/", *SHARDS)
    done = vae_edge("generate", *options, "--resume", *change)
    assert done.exit_code == 1
    assert message in one_line(done.stderr)
    assert content(folder / "shards") == before


def test_a_folder_that_holds_shards_is_refused_or_replaced(vae_edge, folder, tiny, drawn, one_line):
    options = ("-b", tiny, "--n", 20, "--out", "shards/", "--format", "npz")
    done = vae_edge("generate", *options)
    assert done.exit_code == 1
    assert "holds files already" in one_line(done.stderr)
    assert vae_edge("generate", *options, "--force").exit_code == 0
    assert sorted(content(folder / "shards")) == ["000000.npz"]


def test_codes_of_shards_are_those_of_the_library(vae_edge, folder, tiny, drawn):
    assert vae_edge("encode", "shards/", "-b", tiny, "--out", "codes.parquet").exit_code == 0
    found, vae = rows(folder / "codes.parquet"), VAE.load(tiny)
    images = shards(folder / "shards")["image"]
    q = vae.encode(images)
    assert (found["id"] == np.arange(100)).all()
    assert found["name"][31] == "000001.parquet:1"
    assert np.abs(found["loc"] - q.loc).max() < 1e-5
    assert np.abs(found["scale"] - q.scale).max() < 1e-5


def test_parquet_is_read_for_sheets_arrays_and_json_too(vae_edge, folder, tiny, drawn):
    vae = VAE.load(tiny)
    images = shards(folder / "shards")["image"]
    assert vae_edge("reconstruct", "shards/", "-b", tiny, "--limit", 8, "--out", "pairs.png").exit_code == 0
    assert (folder / "pairs.png").stat().st_size > 100
    assert vae_edge("encode", "shards/", "-b", tiny, "--start", 10, "--out", "codes.npz").exit_code == 0
    found = rows(folder / "codes.npz")
    assert np.abs(found["loc"] - vae.encode(images[10:]).loc).max() < 1e-5
    assert found["names"][25] == "000001.parquet:5"
    done = vae_edge("encode", "shards/000001.parquet", "-b", tiny, "--limit", 1)
    assert np.allclose(json.loads(done.stdout)["loc"], vae.encode(images[30:31]).loc, atol=1e-5)
    assert vae_edge("encode", folder / "pairs.png", "-b", tiny, "--column", "image").exit_code == 1


def test_a_row_keeps_the_id_of_its_input(vae_edge, folder, tiny):
    vae_edge("generate", "-b", tiny, "--n", 20, "--start", 7, "--out", "a.parquet")
    vae_edge("encode", "a.parquet", "-b", tiny, "--start", 5, "--limit", 3, "--out", "codes.parquet")
    assert rows(folder / "codes.parquet")["id"].tolist() == [12, 13, 14]
    np.save(folder / "a.npy", rows(folder / "a.parquet")["image"])
    vae_edge("encode", "a.npy", "-b", tiny, "--start", 5, "--limit", 3, "--out", "codes.parquet")
    found = rows(folder / "codes.parquet")
    assert found["id"].tolist() == [5, 6, 7]
    assert found["name"].tolist() == ["a.npy:5", "a.npy:6", "a.npy:7"]


def test_reconstructions_are_those_of_the_library_in_shards_as_in_arrays(vae_edge, folder, tiny, drawn):
    options = ("-b", tiny, "--head", "all", "--latent", "sample", "--seed", 3)
    assert vae_edge("reconstruct", "shards/", *options, "--out", "back/", *SHARDS).exit_code == 0
    np.save(folder / "x.npy", shards(folder / "shards")["image"])
    assert vae_edge("reconstruct", "x.npy", *options, "--out", "back.npz").exit_code == 0
    found, expected = shards(folder / "back"), rows(folder / "back.npz")
    for head in ("sample", "mean", "mode"):
        assert (found[head] == to_bytes(expected[head])).mean() > 0.999  # a pixel at the edge of its draw may flip
    before = content(folder / "back")
    (folder / "back" / "000002.parquet").unlink()
    assert vae_edge("reconstruct", "shards/", *options, "--out", "back/", *SHARDS, "--resume").exit_code == 0
    assert content(folder / "back") == before


def test_scores_are_those_of_the_library(vae_edge, folder, tiny, drawn, bundle_of):
    options = ("score", "shards/", "-b", tiny, "--out", "scores/", *SHARDS)
    assert vae_edge(*options).exit_code == 0
    found, vae = shards(folder / "scores"), VAE.load(tiny)
    score = vae.score(shards(folder / "shards")["image"])
    assert (found["id"] == np.arange(100)).all()
    assert "value" not in found  # the bundle has no fit
    for name, values in score.statistics.items():
        assert np.allclose(found[name], values, rtol=1e-5, atol=1e-5)
    before = content(folder / "scores")
    (folder / "scores" / "000001.parquet").unlink()
    assert vae_edge(*options, "--resume").exit_code == 0
    assert content(folder / "scores") == before
    assert "job (draws" in vae_edge(*options, "--resume", "--draws", 3).stderr
    vae_edge("generate", "-b", bundle_of("labelled-table"), "--n", 9, "--label", "cat", "--out", "t.parquet")
    assert vae_edge("score", "t.parquet", "-b", bundle_of("labelled-table"), "--out", "s.parquet").exit_code == 0
    found = rows(folder / "s.parquet")
    assert found["label"].tolist() == [0] * 9
    assert (found["surprise_age"] >= 0).all()


def test_inputs_that_changed_meanwhile_are_not_resumed(vae_edge, folder, tiny, one_line):
    np.save(folder / "x.npy", np.zeros((40, 6, 4), np.uint8))
    options = ("encode", "x.npy", "-b", tiny, "--out", "codes/", *SHARDS)
    assert vae_edge(*options).exit_code == 0
    np.save(folder / "x.npy", np.full((40, 6, 4), 255, np.uint8))
    done = vae_edge(*options, "--resume")
    assert done.exit_code == 1
    assert "holds shards of another job (state" in one_line(done.stderr)


def test_folders_arrays_and_idx_files_are_encoded_alike(vae_edge, folder, tiny):
    vae_edge("generate", "-b", tiny, "--n", 12, "--head", "sample", "--out", "pictures/")
    vae_edge("generate", "-b", tiny, "--n", 12, "--head", "sample", "--out", "a.npz")
    vae_edge("generate", "-b", tiny, "--n", 12, "--head", "sample", "--out", "a.npy")
    found = []
    for name in ("pictures/", "a.npz", "a.npy"):
        assert vae_edge("encode", name, "-b", tiny, "--out", "codes.parquet").exit_code == 0
        found.append(rows(folder / "codes.parquet"))
    assert found[0]["name"][11] == "00000011.png"
    for other in found[1:]:
        assert (other["loc"] == found[0]["loc"]).all()


def test_labels_come_along(vae_edge, folder, bundle_of):
    labelled = bundle_of("labels")
    vae_edge("generate", "-b", labelled, "--n", 25, "--label", "3,zero", "--out", "a.parquet")
    assert rows(folder / "a.parquet")["label"].tolist() == [3, 0] * 12 + [3]
    vae_edge("generate", "-b", labelled, "--n", 4, "--label", "3,zero", "--out", "a.tar")
    assert rows(folder / "a.tar")["label"].tolist() == [3, 0, 3, 0]
    assert vae_edge("encode", "a.parquet", "-b", labelled, "--out", "codes.parquet").exit_code == 0
    vae = VAE.load(labelled)
    expected = vae.encode(rows(folder / "a.parquet")["image"], label=[3, 0] * 12 + [3]).loc
    assert np.abs(rows(folder / "codes.parquet")["loc"] - expected).max() < 1e-5
    assert vae_edge("encode", "a.parquet", "-b", labelled, "--label", "5", "--out", "other.parquet").exit_code == 0
    assert np.abs(rows(folder / "other.parquet")["loc"] - expected).max() > 1e-3


def test_vectors_and_covariances_have_columns(vae_edge, folder, bundle_of):
    vector = bundle_of("vector")
    vae_edge("generate", "-b", vector, "--n", 5, "--condition", "0.5,-1", "--out", "a.parquet")
    assert rows(folder / "a.parquet")["condition"].tolist() == [[0.5, -1]] * 5
    vae_edge("generate", "-b", bundle_of("binary"), "--n", 5, "--out", "b.parquet")
    vae_edge("encode", "b.parquet", "-b", bundle_of("binary"), "--out", "codes.parquet")
    assert rows(folder / "codes.parquet")["scale_tril"].shape == (5, 3, 3)


def test_a_tables_rows_are_columns(vae_edge, folder, bundle_of):
    table = bundle_of("table")
    assert vae_edge("generate", "-b", table, "--n", 40, "--head", "sample", "--out", "a/", *SHARDS).exit_code == 0
    found, vae = shards(folder / "a"), VAE.load(table)
    events = vae.generate(40, head="sample", seed=0)
    assert list(found) == ["id", *vae.manifest.event.names]
    assert (found["height"] == events[:, 1]).all()
    assert vae_edge("encode", "a/", "-b", table, "--out", "codes.parquet").exit_code == 0
    assert np.abs(rows(folder / "codes.parquet")["loc"] - vae.encode(events).loc).max() < 1e-4
    assert vae_edge("reconstruct", "a/", "-b", table, "--head", "all", "--out", "back.parquet").exit_code == 0
    assert "age_mean" in rows(folder / "back.parquet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("generate", "--format", "parquet"), "expected --out FOLDER/ beside it"),
        (("generate", "--format", "npz", "--out", "a.parquet"), "expected --out FOLDER/"),
        (("generate", "--format", "csv", "--out", "a/"), "expected one of parquet, npz, tar, got 'csv'"),
        (("generate", "--out", "a.parquet", "--resume"), "a file is one whole"),
        (("generate", "--out", "a.tar", "--rows-per-shard", 9), "a file is one whole"),
        (("generate", "--out", "a.npz", "--rows-per-shard", 9), "is for rows: give --format"),
        (("generate", "--out", "a.png", "--dtype", "uint8"), "is for rows: give --format"),
        (("encode", "x.npy", "--out", "a.npz", "--resume"), "is for shards: give --format"),
        (("encode", "x.npy", "--out", "a.tar"), "a tar is for pictures"),
        (("score", "x.npy", "--out", "a.tar"), "a tar is for pictures"),
        (("score", "x.npy", "--out", "a.csv", "--resume"), "is for shards: give --format"),
        (("score", "x.npy", "--out", "a.csv", "--out", "a.parquet"), "rows go to one place"),
        (("reconstruct", "x.npy", "--out", "a/", "--resume"), "is for shards: give --format"),
    ],
)
def test_wrong_usage_is_said(vae_edge, folder, one_line, arguments, message):
    np.save(folder / "x.npy", np.zeros((2, 28, 28)))
    done = vae_edge(*arguments)
    assert done.exit_code == 2
    assert message in one_line(done.stderr)
    assert [path.name for path in folder.iterdir()] == ["x.npy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("generate", "--out", "a.tar", "--dtype", "float32"), "a tar holds pictures, of uint8"),
        (("generate", "--out", "none/a.parquet"), "no such folder"),
        (("encode", "x.npy", "--out", "a.parquet", "--start", 9), "--start 9 is behind the last of 2 images"),
        (("encode", "y.npy", "--out", "a.parquet"), "give --resize 28 --crop fit"),
        (("encode", "a.parquet", "--out", "b.parquet"), "a.parquet: no such file"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_nothing(vae_edge, folder, one_line, arguments, message):
    np.save(folder / "x.npy", np.zeros((2, 28, 28)))
    np.save(folder / "y.npy", np.zeros((2, 9, 9)))
    done = vae_edge(*arguments)
    assert done.exit_code == 1
    assert message in one_line(done.stderr)
    assert sorted(path.name for path in folder.iterdir()) == ["x.npy", "y.npy"]


def test_a_table_has_no_pixels(vae_edge, folder, bundle_of, one_line):
    for options, message in (
        (("--dtype", "uint8", "--out", "a.parquet"), "is for pixels"),
        (("--out", "a.tar"), "a tar"),
    ):
        done = vae_edge("generate", "-b", bundle_of("table"), *options)
        assert done.exit_code == 1
        assert message in one_line(done.stderr)


def test_what_is_noticed_in_pictures_is_told(vae_edge, folder):
    from PIL import Image

    for at in range(3):
        Image.new("LA", (28, 28), (0, 128)).save(folder / f"{at}.png")
    done = vae_edge("encode", folder, "--out", "codes.parquet")
    assert "3 of 3 pictures have transparent parts, laid on white" in done.stderr
    assert "images are grey, mnist knows black and white" in done.stderr


@pytest.mark.parametrize("options", [("--label", "two"), ("--label", "zero,two")], ids=["one", "two"])
def test_rows_of_all_heads_follow_the_label_as_single_heads_do(vae_edge, folder, bundle_of, options):
    """A prior that follows the label is drawn given each row's label."""
    common = ("-b", bundle_of("flow-labels"), "--n", 20, *options, "--format", "npz")
    assert vae_edge("generate", *common, "--head", "all", "--out", "all/").exit_code == 0
    assert vae_edge("generate", *common, "--head", "mean", "--out", "mean/").exit_code == 0
    np.testing.assert_allclose(shards(folder / "all")["mean"], shards(folder / "mean")["image"], atol=1e-6)
