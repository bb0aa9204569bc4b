"""`vae-edge score` and `evaluate --against`: scores of files, with their names, as .csv, .json and a picture."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from tests.bundles import NAMES
from vae_edge.pictures import files
from vae_edge.pictures.sheet import save
from vae_edge.runtime import VAE


@pytest.fixture
def pictures(folder, bundle_of):
    """Five pictures of the grey bundle's own, and one that is not; and its VAE."""
    vae = VAE.load(bundle_of("grey"))
    (folder / "x").mkdir()
    images = vae.generate(6, head="sample", seed=0)
    for place, image in enumerate(images):
        save(folder / "x" / f"p{place}.png", image)
    return vae, files.read_images(folder / "x")


@pytest.fixture
def fitted(folder, bundle_of):
    """The table's bundle with a fit to its own rows."""
    pytest.importorskip("sklearn")
    from vae_edge.export import scoring

    path = shutil.copytree(bundle_of("table"), folder / "fitted")
    vae = VAE.load(path)
    rows = vae.generate(1500, head="sample", seed=1)
    fit = scoring.fit(vae, scoring.Sample(rows[:1000]), scoring.Sample(rows[1000:]), draws=2)
    scoring.write(path, fit, vae.manifest.digest)
    return path


def lines_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_becomes_a_csv_with_its_names(vae_edge, bundle_of, pictures):
    vae, images = pictures
    done = vae_edge("score", "x", "-b", bundle_of("grey"), "--out", "s.csv")
    assert done.exit_code == 0, done.output
    assert "scored 6 images: 'grey' has no fit" in done.stderr
    lines, found = lines_of("s.csv"), vae.score(images)
    assert [line["name"] for line in lines] == [f"p{place}.png" for place in range(6)]
    for name, values in found.statistics.items():
        np.testing.assert_allclose([float(line[name]) for line in lines], values, rtol=1e-4, atol=1e-4)
    assert "value" not in lines[0]


def test_json_holds_the_same_and_is_one_document(vae_edge, bundle_of, pictures):
    assert vae_edge("score", "x", "-b", bundle_of("grey"), "--out", "s.json", "--out", "s.png").exit_code == 0
    with open("s.json") as file:
        document = json.load(file)
    assert (document["n"], document["bundle"], document["threshold"]) == (6, "grey", None)
    assert [event["name"] for event in document["events"]] == [f"p{place}.png" for place in range(6)]
    done = vae_edge("score", "x", "-b", bundle_of("grey"), "--json")
    assert json.loads(done.stdout)["events"] == document["events"]


def test_without_out_lines_go_to_stdout(vae_edge, bundle_of, pictures):
    done = vae_edge("score", "x/p1.png", "-b", bundle_of("grey"))
    header, line = csv.reader(done.stdout.splitlines())
    assert (header[0], line[0]) == ("name", "p1.png")
    assert done.stdout == vae_edge("score", "x/p1.png", "-b", bundle_of("grey"), "--out", "-").stdout


def test_the_picture_shows_the_most_unusual_first(vae_edge, bundle_of, pictures):
    from vae_edge.cli.reports.scores import Gallery

    vae, images = pictures
    assert (
        vae_edge("score", "x", "-b", bundle_of("grey"), "--out", "s.png", "--show", "2", "--scale", "1").exit_code == 0
    )
    sheet = files.read_images("s.png")[0]
    found, gallery = vae.score(images), Gallery(2)
    for place in range(6):  # one at a time, as a stream comes
        gallery.add(vae.score(images[place : place + 1]), vae.prepare(images[place]), vae.prepare(images[place]), place)
    worst = np.argsort(-found.statistics["misfit"])[:2]
    assert gallery.places() == worst.tolist()
    left = sheet.shape[1] - (2 * 5 + 1) + 1  # two images of four pixels beside each other, at the right end
    assert (sheet[1:7, left : left + 4, 0] == images[worst[0], :, :, 0]).all()


def test_a_table_says_which_column_is_odd(vae_edge, fitted, folder):
    vae = VAE.load(fitted)
    rows = vae.generate(4, head="mean", seed=3)
    rows[2, 4] += 30 * vae.manifest.event.scale[4]
    with open("rows.csv", "w", newline="") as file:
        csv.writer(file).writerows([NAMES, *rows.tolist()])
    done = vae_edge("score", "rows.csv", "-b", fitted, "--out", "s.csv")
    assert done.exit_code == 0, done.output
    lines = lines_of("s.csv")
    assert (lines[2]["odd_column"], lines[2]["is_unusual"]) == (NAMES[4], "yes")
    assert float(lines[2][f"surprise {NAMES[4]}"]) > 20
    values = vae.score(rows).value
    np.testing.assert_allclose([float(line["value"]) for line in lines], values, rtol=1e-3)
    assert f"{(values > vae.score(rows).threshold).sum()} of 4 rows" in done.stderr


def test_labels_come_from_the_data_the_option_or_the_likeliest(vae_edge, bundle_of, folder):
    vae = VAE.load(bundle_of("labels"))
    np.save("x.npy", vae.generate(3, head="sample", label=2, seed=0))
    guessed = vae_edge("score", "x.npy", "-b", bundle_of("labels"), "--json")
    labels = [event["label"] for event in json.loads(guessed.stdout)["events"]]
    assert labels == [vae.labels[place] for place in vae.score(np.load("x.npy")).labels]
    given = vae_edge("score", "x.npy", "-b", bundle_of("labels"), "--label", "two", "--json")
    assert {event["label"] for event in json.loads(given.stdout)["events"]} == {"two"}


@pytest.mark.parametrize(("options", "told"), [
    ([], "expected images or rows, or --fit"),
    (["x", "--out", "s.txt"], "expected FILE.csv"),
    (["x", "--out", "s.csv", "--out", "s.json"], "expected one of FILE.csv"),
    (["x", "--rate", "0.1"], "belongs to --fit"),
    (["x", "--fit"], "leave IMAGES"),
])  # fmt: skip
def test_wrong_usage_is_told_before_anything_is_scored(vae_edge, bundle_of, pictures, options, told):
    done = vae_edge("score", *options, "-b", bundle_of("grey"))
    assert done.exit_code == 2
    assert told in done.output


def test_a_table_makes_no_picture(vae_edge, bundle_of, folder):
    np.save("rows.npy", np.zeros((2, 5)))
    done = vae_edge("score", "rows.npy", "-b", bundle_of("table"), "--out", "s.png")
    assert done.exit_code == 2
    assert "a table makes no picture" in done.output


def test_fit_seals_into_the_bundle_what_says_its_command(vae_edge, bundle_of, folder):
    pytest.importorskip("sklearn")
    path = shutil.copytree(bundle_of("table"), folder / "own")
    np.save("own.npy", VAE.load(path).generate(1200, head="sample", seed=1))
    done = vae_edge("score", "--fit", "-b", "own", "--data", "own.npy", "--rate", "0.1", "--draws", "2", "--json")
    assert done.exit_code == 0, done.output
    scores = VAE.load(path).manifest.scores
    assert json.loads(done.stdout)["scores"]["threshold"] == scores.threshold
    assert scores.command == "vae-edge score --fit --bundle table --rate 0.1 --draws 2 --data own.npy"
    assert (scores.draws, scores.false_positive_rate) == (2, 0.1)
    again = vae_edge("score", "own.npy", "-b", "own", "--json")
    assert json.loads(again.stdout)["unusual"] / 1200 == pytest.approx(0.1, abs=0.06)


def test_evaluate_against_ranks_the_statistics(vae_edge, fitted, folder):
    vae = VAE.load(fitted)
    rows = vae.generate(300, head="sample", seed=5)
    np.save("own.npy", rows)
    rows[:, 1] += 100 * rows[:, 1].std()
    np.save("other.npy", rows)
    options = ("evaluate", fitted, "--data", "own.npy", "--against", "other.npy", "--split", "all")
    document = json.loads(vae_edge(*options, "--json").stdout)
    assert document["detection"]["value"]["auroc"] == 1.0
    assert document["detection"]["misfit"]["auroc_interval"] == [1.0, 1.0]
    assert document["unusual"][1] == 1.0
    text = vae_edge(*options).stdout.splitlines()
    assert text[1].split()[:2] == ["combined", "1.0000"]
    assert text[-1].startswith("  above the threshold: ")
