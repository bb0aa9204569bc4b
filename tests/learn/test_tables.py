"""Tables are read as they are written, and a cell that is no number is named."""

from pathlib import Path

import numpy as np
import pytest

from vae_edge.runtime.bundle.manifest import Vector
from vae_edge.runtime.errors import DataError
from vae_edge.train import data, events
from vae_edge.train.config import Config
from vae_edge.train.tables import read_csv


def write(folder: Path, text: str, name: str = "t.csv") -> Path:
    (folder / name).write_bytes(text.encode())
    return folder / name


@pytest.mark.parametrize(
    "text",
    ["a,b\n1,2.5\n-3,4e2\n", "1,2.5\n-3,4e2", '\ufeffa,"b"\r\n"1",2.5\r\n\r\n-3, 400 \r\n'],
    ids=["header", "no header", "a spreadsheet's"],
)
def test_numbers_are_read_with_or_without_a_header(tmp_path: Path, text: str) -> None:
    table = read_csv(write(tmp_path, text))
    assert table.rows.tolist() == [[1, 2.5], [-3, 400]]
    assert table.columns == (("a", "b") if "a" in text else ())
    assert table.labels is None


def test_a_column_of_labels_is_no_column_of_the_table(tmp_path: Path) -> None:
    path = write(tmp_path, "a,kind,b\n1,dog,2\n3,cat,4\n5,dog,6\n")
    table = read_csv(path, "kind")
    assert table.rows.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert table.columns == ("a", "b")
    assert table.labels is not None
    assert table.labels.tolist() == ["dog", "cat", "dog"]
    everything = data.load(path, "all", label_column="kind")
    assert everything.label_names == ("cat", "dog")
    by_row = {
        tuple(row): everything.label_names[k]
        for row, k in zip(everything.events.tolist(), everything.labels, strict=True)
    }  # type: ignore[arg-type]
    assert by_row == {(1, 2): "dog", (3, 4): "cat", (5, 6): "dog"}


def test_labels_that_are_numbers_stand_in_their_order(tmp_path: Path) -> None:
    rows = "".join(f"{k},{k % 12}\n" for k in range(24))
    assert data.load(write(tmp_path, f"a,kind\n{rows}"), "all", label_column="kind").label_names == tuple(
        str(k) for k in range(12)
    )


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        ("a,b\n1,2\n3,x\n", "", r"line 3, column 'b': expected a number, it is 'x'"),
        ("a,b\n1,\n", "", r"line 2, column 'b': expected a number, it is missing"),
        ("a,b\n1,nan\n", "", r"line 2, column 'b': expected a number, it is 'nan'"),
        ("1,2\n3,inf\n", "", r"line 2, column 2: expected a number, it is 'inf'"),
        ("a,b\n1,1_000\n", "", r"line 2, column 'b': expected a number, it is '1_000'"),
        ("a,2\n1,2\n", "", r"line 1, column 1: expected a number, it is 'a'"),
        ("a,b\n1,2,3\n", "", r"line 2 has 3 cells, 2 are expected"),
        ("a,a\n1,2\n", "", r"should name each column, each differently: 'a, a'"),
        ("a,b\n", "", r"a header and no rows"),
        ("", "", r"an empty file"),
        ("a,b\n1,2\n", "c", r"no column 'c' for the label; its columns are a, b"),
        ("1,2\n", "c", r"no column 'c' for the label; it has no header"),
        ("a,b\n1,\n", "b", r"line 2, column 'b': the label is missing"),
        ("a\n1\n", "a", r"no column is left beside the label"),
        ('a\n"1\n', "", r"not a \.csv in UTF-8"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(tmp_path: Path, text: str, label: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_csv(write(tmp_path, text), label)


def test_an_array_of_rows_is_a_table_and_what_is_missing_is_named(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(70, 3))
    np.save(tmp_path / "t.npy", rows)
    parts = [data.load(tmp_path / "t.npy", split) for split in ("train", "validation", "test")]  # type: ignore[arg-type]
    assert [len(part) for part in parts] == [55, 5, 10]
    assert all(part.is_table and part.events.dtype == np.float64 for part in parts)
    found = np.concatenate([part.events for part in parts])
    assert sorted(map(tuple, found)) == sorted(map(tuple, rows))
    with pytest.raises(DataError, match="a table of 3 columns, images were expected"):
        _ = parts[0].images
    rows[4, 2] = np.nan
    np.save(tmp_path / "t.npy", rows)
    with pytest.raises(DataError, match=r"row 4, column 2 \(from 0\): expected a number, it is nan"):
        data.load(tmp_path / "t.npy")


def test_a_label_column_of_what_is_no_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a label column belongs to a \\.csv"):
        data.load("digits", label_column="kind")
    assert Config(label_column="kind").label_column == "kind"


def test_a_table_is_standardised_by_its_training_rows(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal([1e6, -2, 7], [10, 0.01, 0], (240, 3))
    np.savetxt(tmp_path / "t.csv", rows, "%.17g", ",", header="big,small,same", comments="")
    training = data.load(tmp_path / "t.csv")
    event = events.describe(training, "normal")
    assert isinstance(event, Vector)
    assert (event.size, event.names, event.scale[2]) == (3, ("big", "small", "same"), 1.0)
    x = events.as_input(event, training.events)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(0), [1, 1, 0], atol=1e-5)
    assert events.log_scale(event) == pytest.approx(np.log(rows[:, :2].std(0)).sum(), abs=0.3)
