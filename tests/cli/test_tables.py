"""The bundle of a table: rows in from .csv, .npy and .npz by their columns' names, and out of them again."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from tests.bundles import NAMES
from vae_edge.runtime import VAE


@pytest.fixture
def table(bundle_of):
    return bundle_of("table")


@pytest.fixture
def vae(table):
    return VAE.load(table)


@pytest.fixture
def rows(folder, vae):
    """Five rows, as `rows.csv` with other columns between and in another order, and as `rows.npy`."""
    event = vae.manifest.event
    rows = np.random.default_rng(0).normal(size=(5, 5)) * event.scale + event.shift
    order = [3, 0, 4, 2, 1]
    with open("rows.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["who", *(NAMES[place] for place in order), "left"])
        writer.writerows(["Ann", *map(repr, row[order].tolist()), ""] for row in rows)
    np.save("rows.npy", rows)
    return rows


def test_generate_writes_a_csv_that_holds_every_float32(vae_edge, table, vae, folder):
    done = vae_edge("generate", "-b", table, "--n", 300, "--head", "sample")
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith("wrote generated.csv: 300 rows (head sample, seed 0) from table on CPU")
    with open("generated.csv", newline="") as file:
        header, *lines = csv.reader(file)
    assert tuple(header) == NAMES
    assert np.array_equal(np.array(lines).astype(np.float32), vae.generate(300, head="sample"))


def test_arrays_of_rows_hold_the_columns_names(vae_edge, table, vae, folder):
    assert vae_edge("generate", "-b", table, "--n", 9, "--out", "x.npz").exit_code == 0
    with np.load("x.npz") as arrays:
        assert tuple(arrays["columns"]) == NAMES
        assert np.array_equal(arrays["rows"], vae.generate(9))
    assert vae_edge("generate", "-b", table, "--n", 9, "--head", "all", "--out", "x.npy").exit_code == 0
    assert np.load("x.npy").shape == (3, 9, 5)


def test_what_was_written_is_read_again(vae_edge, table, vae, folder):
    for name in ("x.csv", "x.npz", "x.npy"):
        assert vae_edge("generate", "-b", table, "--n", 9, "--out", name).exit_code == 0
        assert vae_edge("encode", name, "-b", table, "--out", "q.npz").exit_code == 0
        with np.load("q.npz") as arrays:
            assert np.array_equal(arrays["loc"], vae.encode(vae.generate(9)).loc)


@pytest.mark.parametrize("name", ["rows.csv", "rows.npy"])
def test_columns_are_matched_by_name(vae_edge, table, vae, rows, name):
    assert vae_edge("encode", name, "-b", table, "--out", "q.npz").exit_code == 0
    with np.load("q.npz") as arrays:
        assert np.array_equal(arrays["loc"], vae.encode(rows).loc)
        assert np.array_equal(arrays["scale"], vae.encode(rows).scale)


def test_reconstruct_writes_each_row_above_what_it_becomes(vae_edge, table, vae, rows):
    assert vae_edge("reconstruct", "rows.csv", "-b", table, "--head", "mean").exit_code == 0
    with open("reconstructed.csv", newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["event", "row", *NAMES]
    assert [line[:2] for line in lines[:4]] == [["0", "original"], ["0", "mean"], ["1", "original"], ["1", "mean"]]
    values = np.array([line[2:] for line in lines]).astype(np.float32)
    assert np.array_equal(values[::2], rows.astype(np.float32))
    assert np.array_equal(values[1::2], vae.reconstruct(rows, head="mean"))


def test_interpolate_goes_from_row_to_row(vae_edge, table, vae, rows):
    assert (
        vae_edge("interpolate", "rows.csv:0", "rows.npy:4", "--steps", 5, "-b", table, "--out", "x.npy").exit_code == 0
    )
    assert np.array_equal(np.load("x.npy"), vae.interpolate(rows[:1], rows[4:], 5))


def test_evaluate_speaks_of_rows(vae_edge, table, vae, rows):
    from vae_edge.runtime.evaluation import likelihood

    arguments = ["evaluate", table, "--data", "rows.npy", "--split", "all", "--samples", 3]
    told = json.loads(vae_edge(*arguments, "--json").stdout)
    assert (told["n"], told["unit"], told["notes"], told["binarize"]) == (5, "nats per row", [], "none")
    assert "bits_per_dimension" not in told
    assert "wrong_pixels" not in told
    bounds = likelihood.elbo(vae, rows)
    assert told["elbo"]["mean"] == pytest.approx(np.subtract(*bounds).mean(), abs=2)  # the rows stand in another order
    text = vae_edge(*arguments).stdout
    assert "table on 5 rows of rows.npy (all)" in text
    assert "us/row" in text


def test_evaluate_matches_columns_by_name_and_reads_labels(vae_edge, bundle_of, vae, folder):
    bundle = bundle_of("labelled-table")
    rows = VAE.load(bundle).generate(12, label=0)
    with open("pets.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*NAMES[::-1], "pet"])
        writer.writerows([*map(str, row[::-1]), "cat" if at % 2 else "dog"] for at, row in enumerate(rows))
    arguments = ["evaluate", bundle, "--data", "pets.csv", "--split", "all", "--label-column", "pet", "--samples", 3]
    done = vae_edge(*arguments, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    swapped = json.loads(vae_edge(*arguments, "--label", "cat", "--json").stdout)
    assert told["elbo"] != swapped["elbo"]
    assert vae_edge("encode", "pets.csv", "-b", bundle, "--label-column", "pet", "--out", "q.npz").exit_code == 0
    with np.load("q.npz") as arrays:
        expected = VAE.load(bundle).encode(rows, label=[1 - at % 2 for at in range(12)])
        assert np.array_equal(arrays["loc"], expected.loc)


def test_info_and_verify_speak_of_columns(vae_edge, table):
    text = vae_edge("info", table).stdout
    assert "table       5 columns: age, height, weight, income, yearly, dose, each standardised for the encoder" in text
    assert "likelihood  normal (loc = mean, scale = deviation)" in text
    assert "training    not by vae-edge" in text
    assert "multiply-adds a row" in text
    text = vae_edge("verify", table).stdout
    assert "mean: differs from what it was at export by" in text
    assert "0.0001 allowed of max(1, |value|)" in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["generate", "--out", "x.png"],
            "x.png: the rows of a table are no pictures: write FILE.csv, FILE.npy or FILE.npz",
        ),
        (["generate", "--out", "rows/"], "the rows of a table are no pictures"),
        (["encode", "lacking.csv"], "lacks 2 of the 5 columns that are expected: weight, dose; it has age, height, "),
        (["encode", "lacking.npz"], "lacks 2 of the bundle's 5 columns: weight, dose"),
        (["encode", "narrow.npy"], "3 columns, this bundle knows 5"),
        (["encode", "words.csv"], "line 2, column 'age': expected a number, it is 'old'"),
        (["encode", "image.png"], "this bundle knows the rows of a table: give .csv, .npy or .npz"),
        (["encode", "nan.npy"], "row 0, column 0"),
        (["encode", "empty.npz"], "expected one array of rows (n, d), found none"),
        (["encode", "narrow.npy", "--label-column", "x"], "--label-column is for a .csv"),
        (["interpolate", "good.npy", "seed:1"], "holds 2 rows; say which, from 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_one_line(vae_edge, table, folder, one_line, arguments, told):
    header = ["age", "height", "income, yearly"]
    with open("lacking.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, [1, 2, 3]])
    with open("words.csv", "w", newline="") as file:
        csv.writer(file).writerows([NAMES, ["old", 2, 3, 4, 5]])
    np.savez("lacking.npz", rows=np.zeros((2, 3)), columns=np.array(header))
    np.savez("empty.npz", x=np.zeros(3))
    np.save("narrow.npy", np.zeros((2, 3)))
    np.save("nan.npy", np.full((2, 5), np.nan))
    np.save("good.npy", np.zeros((2, 5)))
    before = sorted(path.name for path in folder.iterdir())
    verb, *rest = arguments
    done = vae_edge(verb, *rest, "-b", table)
    assert told in one_line(done.stderr)
    assert "unexpected" not in done.stderr
    assert done.exit_code == 1
    assert sorted(path.name for path in folder.iterdir()) == before
