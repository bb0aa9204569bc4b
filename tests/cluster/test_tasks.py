"""What a job's rows are, whatever Ray does: the parts of each task, by a worker that travelled as Ray sends it."""

from __future__ import annotations

import pickle
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import typer
from PIL import Image

from tests import bundles
from tests.docs import shell
from tests.docs.snippets import of_help
from vae_edge import cluster
from vae_edge.batch.inputs import Held
from vae_edge.cli.app import VERBS, app
from vae_edge.cluster import Outcome, Worker, jobs
from vae_edge.cluster.tasks import PART, PART_COLUMN, Encode, Given, Task
from vae_edge.runtime import VAE, InputError


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that run here, by one worker, into one file."""

    def run(vae: VAE, task: Task, out: str, *rest: Any) -> Outcome:
        worker = Worker(*pickle.loads(pickle.dumps((vae, task))))
        numbers = pa.table({PART_COLUMN: np.arange(-(-task.count // PART))})
        Path(out).mkdir()
        pq.write_table(pa.concat_tables(list(worker(numbers))), Path(out) / "0.parquet")
        return Outcome(out, task.count, task.count, 1, 0.0)

    monkeypatch.setattr(jobs, "run", run)
    monkeypatch.setattr(jobs, "connect", lambda address: None)


@pytest.fixture(scope="module")
def alone() -> VAE:
    return VAE.load("mnist", threads=1)


@pytest.fixture
def folder(alone: VAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: `parquet/` of 300 images, and twenty of them in `my-pictures/`."""
    grey = np.rint(alone.generate(300, seed=1) * 255).astype(np.uint8)
    (tmp_path / "parquet").mkdir()
    pq.write_table(
        pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(grey)}), tmp_path / "parquet/a.parquet"
    )
    (tmp_path / "my-pictures").mkdir()
    for number, image in enumerate(grey[:20]):
        Image.fromarray(image[..., 0]).save(tmp_path / "my-pictures" / f"{number:02}.png")
    np.save(tmp_path / "grey.npy", grey)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def examples() -> dict[str, list[str]]:
    """The examples of help texts that need a cluster, by their verbs."""
    group: Any = typer.main.get_command(app)
    texts = [of_help(verb, group.commands[verb].help or "").text for verb in VERBS]
    found = [shlex.split(command)[1:] for text in texts for command in shell.commands(text) if "--ray" in command]
    return {arguments[0]: shell.shortened(arguments) for arguments in found}


def rows(out: str | Path) -> pa.Table:
    return pyarrow.dataset.dataset(out).to_table()


def images(table: pa.Table) -> Any:
    return table["image"].combine_chunks().to_numpy_ndarray()


def as_array(table: pa.Table, name: str) -> Any:
    return np.array(table[name].to_pylist(), np.float32)


def test_each_verb_with_jobs_has_an_example() -> None:
    assert sorted(examples()) == ["encode", "generate", "reconstruct", "score"]


@pytest.mark.usefixtures("in_this_process")
def test_the_examples_of_help_texts_write_the_rows_of_one_process(folder: Path, alone: VAE) -> None:
    for arguments in examples().values():
        assert app(arguments, standalone_mode=False) == 0
    x = np.load("grey.npy")
    parts = [(at, x[at : at + PART]) for at in range(0, len(x), PART)]

    drawn = np.concatenate(list(alone.stream(1000, head="sample", seed=0)))
    assert np.array_equal(images(rows("rows")), drawn)

    back = rows("back")
    expected = [alone.reconstruct(part, head="sample", start=at) for at, part in parts]  # event i takes draw i
    assert back["name"].to_pylist() == [f"a.parquet:{place}" for place in range(300)]
    assert np.array_equal(images(back), np.concatenate(expected))

    codes = rows("codes")
    assert codes["name"].to_pylist() == [f"{place:02}.png" for place in range(20)]
    assert np.array_equal(as_array(codes, "loc"), alone.encode(x[:20]).loc)

    scores, (first, second) = rows("scores"), [alone.score(part) for _, part in parts]
    assert scores.column_names == ["id", "name", "part", "value", "is_unusual", *first.statistics]
    assert np.array_equal(scores["value"].to_numpy(), np.concatenate([first.value, second.value]))
    assert scores["is_unusual"].to_pylist() == [*first.is_unusual.tolist(), *second.is_unusual.tolist()]


@pytest.mark.usefixtures("in_this_process")
def test_a_folder_of_arrays_is_read_in_the_order_of_its_files(folder: Path, alone: VAE) -> None:
    x, arrays = np.load("grey.npy"), folder / "arrays"
    arrays.mkdir()
    np.savez(arrays / "a.npz", images=x[:5])
    np.save(arrays / "b.npy", x[5:12])
    cluster.encode("mnist", arrays, out="of-arrays")
    codes = rows("of-arrays")
    assert codes["name"].to_pylist() == [f"a.npz:{k}" for k in range(5)] + [f"b.npy:{k}" for k in range(7)]
    assert np.array_equal(as_array(codes, "loc"), alone.encode(x[:12]).loc)
    with pytest.raises(InputError, match="column and label_column are for Parquet"):
        cluster.encode("mnist", arrays, out="never", column="image")


@pytest.mark.usefixtures("in_this_process")
def test_generated_rows_say_the_label_that_they_were_made_of(bundle_of: Any, folder: Path) -> None:
    vae = VAE.load(bundle_of("index"), threads=1)
    labels = np.arange(300) % len(vae.labels)
    cluster.generate(vae.bundle, n=300, seed=2, label=list(range(len(vae.labels))), out="made")
    found = rows("made")
    assert found["label"].to_pylist() == labels.tolist()
    images = found["image"].combine_chunks().to_numpy_ndarray()
    assert np.array_equal(images[:PART], vae.generate(PART, seed=2, label=labels[:PART]))


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("by_command", [False, True])
def test_rows_are_drawn_at_the_temperature(alone: VAE, folder: Path, by_command: bool) -> None:
    if by_command:
        words = ["generate", "--n", "20", "--temperature", "0.7", "--out", "cold", "--ray", "local"]
        assert app(words, standalone_mode=False) == 0
    else:
        cluster.generate("mnist", n=20, temperature=0.7, out="cold")
    images = rows("cold")["image"].combine_chunks().to_numpy_ndarray()
    assert np.array_equal(images, alone.generate(20, temperature=0.7))
    with pytest.raises(InputError, match="temperature should be"):
        cluster.generate("mnist", n=20, temperature=0, out="none")


@pytest.mark.usefixtures("in_this_process")
def test_labels_come_along_or_are_given_in_turn(bundle_of: Any, folder: Path) -> None:
    """The column `label` of Parquet is taken by itself, as on the command line."""
    vae = VAE.load(bundle_of("index"), threads=1)
    labels = np.arange(300) % len(vae.labels)
    x = vae.generate(300, head="sample", seed=1, label=labels)
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(x)
    pq.write_table(pa.table({"image": tensors, "label": labels}), "labelled.parquet")
    for name, options in {"by column": {}, "in turn": {"label": list(range(len(vae.labels)))}}.items():
        cluster.score(vae.bundle, "labelled.parquet", out=name, draws=2, **options)  # type: ignore[arg-type]
        found, expected = rows(name), vae.score(x[:PART], draws=2, label=labels[:PART])
        assert found["label"].to_pylist() == labels.tolist()
        for statistic, values in expected.statistics.items():
            assert np.array_equal(found[statistic].to_numpy()[:PART], values), (name, statistic)


@pytest.mark.usefixtures("in_this_process")
def test_a_tables_scores_have_the_surprise_of_each_column(bundle_of: Any, folder: Path) -> None:
    vae = VAE.load(bundle_of("table"), threads=1)
    x = vae.generate(9, head="sample", seed=1)
    np.save("rows.npy", x)
    cluster.score(vae.bundle, "rows.npy", out="surprises", draws=2)
    found, expected = rows("surprises"), vae.score(x, draws=2)
    columns = [f"surprise_{name}" for name in bundles.NAMES]
    assert found.column_names == ["id", "name", "part", *expected.statistics, *columns]
    assert np.array_equal(np.stack([as_array(found, name) for name in columns], axis=1), expected.surprise)


def test_parts_do_not_depend_on_those_that_came_before(alone: VAE) -> None:
    x = alone.generate(2 * PART, seed=2)
    task = Encode(Held(x, [str(place) for place in range(2 * PART)], None, None), Given())
    worker = Worker(alone, task)
    (first, second), (again,) = (list(worker(pa.table({PART_COLUMN: parts}))) for parts in ([0, 1], [1]))
    assert second.equals(again)
    assert first["id"].to_pylist() == list(range(PART))
