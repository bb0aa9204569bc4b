"""Jobs over Ray write the rows of one process: each once, to the bit, whoever made them and however often.

All that starts Ray is in this file, since a cluster of its own for each takes ten seconds, and each job about five.
`test_tasks.py` has what needs no scheduling.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from tests.docs.snippets import of_page
from vae_edge import cluster
from vae_edge.cli.app import app
from vae_edge.cluster.output import RECORD
from vae_edge.cluster.tasks import PART
from vae_edge.runtime import VAE, InputError, OutputError, RunError

pytestmark = [
    pytest.mark.usefixtures("cluster_of_two"),
    pytest.mark.timeout(600),  # two workers on two CPUs that left none for reading and writing would wait for ever
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
]

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"
N = 2 * PART + 88  # a last part that is not full


def rows(out: Path) -> pa.Table:
    return pyarrow.dataset.dataset(out).to_table().sort_by("id")


def images(table: pa.Table) -> npt.NDArray[np.float32]:
    return np.concatenate([chunk.to_numpy_ndarray() for chunk in table["image"].chunks])


def streamed(vae: VAE, n: int, **options: object) -> npt.NDArray[np.float32]:
    return np.concatenate(list(vae.stream(n, **options)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def page(cluster_of_two: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The Python of docs/cluster.md that needs no cluster but this machine, run with fewer images in `folder`."""
    folder = tmp_path_factory.mktemp("page")
    namespace: dict[str, Any] = {"folder": folder}
    blocks = [snippet.text for snippet in of_page(PAGE) if snippet.language == "python"]
    ours = [text for text in blocks if "vae_edge import cluster" in text or "pyarrow.dataset" in text]
    assert len(ours) == 2
    with contextlib.chdir(folder):
        for text in ours:
            exec(text.replace("20_000", str(N)), namespace)
    return namespace


@pytest.fixture(scope="module")
def alone() -> VAE:
    return VAE.load("mnist", threads=1)


def test_each_row_is_that_of_one_process(page: dict[str, Any], alone: VAE) -> None:
    done, folder = page["done"], page["folder"]
    assert (done.out, done.rows, done.made, done.files) == ("digits", N, N, 1)
    assert page["images"].shape == (N, 28, 28, 1)
    table = rows(folder / "digits")
    assert table["id"].to_pylist() == list(range(N))
    assert table["part"].to_pylist() == [i // PART for i in range(N)]
    assert np.array_equal(images(table), streamed(alone, N, head="sample", seed=0))
    assert not list(folder.glob("*.checkpoint"))


def test_a_finished_job_is_not_done_again(page: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    out = page["folder"] / "digits"
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    done = cluster.generate("mnist", n=N, head="sample", seed=0, out=out, resume=True)
    assert (done.rows, done.made, done.files) == (N, 0, 1)
    again = ["generate", "--n", str(N), "--head", "sample", "--out", str(out), "--ray", "local", "--resume"]
    assert app(again, standalone_mode=False) == 0
    assert f"{N} images, 0 of them now, in 1 files" in capfd.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    with pytest.raises(OutputError, match="holds files already: go on with resume"):
        cluster.generate("mnist", n=N, head="sample", seed=0, out=out)
    with pytest.raises(RunError, match=r"another job \(seed: 0, 4; recorded, asked for\)"):
        cluster.generate("mnist", n=N, head="sample", seed=4, out=out, resume=True)


def test_what_was_generated_is_encoded_reconstructed_and_scored(page: dict[str, Any], alone: VAE) -> None:
    folder = page["folder"]
    x = images(pyarrow.dataset.dataset(folder / "digits").to_table())  # in the order of the files
    parts = [x[at : at + PART] for at in range(0, N, PART)]
    codes = rows(folder / "codes")
    assert codes.column_names == ["id", "name", "part", "loc", "scale"]
    for name in ("loc", "scale"):
        expected = np.concatenate([getattr(alone.encode(part), name) for part in parts])
        assert np.array_equal(np.array(codes[name].to_pylist(), np.float32), expected)

    expected = np.concatenate([alone.reconstruct(part, head="mean") for part in parts])
    assert np.array_equal(images(rows(folder / "again")), expected)

    scores = rows(folder / "scores")
    statistics = alone.score(parts[0], draws=4).statistics
    assert scores.column_names == ["id", "name", "part", *statistics]
    for name, values in statistics.items():
        assert np.array_equal(scores[name].to_numpy()[:PART], values), name


def test_a_verb_runs_on_ray(
    page: dict[str, Any], alone: VAE, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    digits, out = page["folder"] / "digits", tmp_path / "scores"
    assert app(["score", str(digits), "--out", str(out), "--ray", "local", "--json"], standalone_mode=False) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["verb"], told["n"], told["written"], told["files"]) == ("score", N, N, 1)
    scores = rows(out)
    assert scores["id"].to_pylist() == list(range(N))
    expected = alone.score(images(pyarrow.dataset.dataset(digits).to_table())[:PART])
    assert np.array_equal(scores["value"].to_numpy()[:PART], expected.value)
    assert scores["is_unusual"].to_pylist()[:PART] == expected.is_unusual.tolist()


def test_what_a_worker_raises_on_purpose_arrives(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 5, 5, 1), np.uint8))
    with pytest.raises(InputError, match=r"images of 5x5 pixels, 1 channel, this VAE knows 28x28"):
        cluster.encode("mnist-tiny", tmp_path / "x.npy", out=tmp_path / "never", concurrency=1)


def test_a_job_goes_on_where_it_was_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vae_edge.cluster import running

    monkeypatch.setattr(running, "FILE_BYTES", 1)  # a part a file
    out, n, alone = tmp_path / "drawn", 10 * PART, VAE.load("mnist-tiny", threads=1)

    def kill(done: threading.Event) -> None:
        while not done.is_set():
            time.sleep(0.02)
            if written := len(list(out.glob("*.parquet"))):
                victims = [process for process in psutil.Process().children(recursive=True) if is_worker(process)]
                for process in victims:
                    os.kill(process.pid, signal.SIGKILL)
                killed.append((len(victims), written))
                return

    killed: list[tuple[int, int]] = []
    finished = threading.Event()
    thread = threading.Thread(target=kill, args=(finished,))
    thread.start()
    cluster.generate("mnist-tiny", n=n, head="mean", seed=1, start=10, out=out, concurrency=2)
    finished.set()
    thread.join()
    ((victims, written_before),) = killed
    assert victims >= 1  # Ray has begun them anew
    assert written_before < 10  # in the middle of the job
    table = rows(out)
    assert table["id"].to_pylist() == list(range(10, 10 + n))
    assert np.array_equal(images(table), streamed(alone, n, head="mean", seed=1, start=10))

    # As if the driver had died: some parts are not written, one was while it died, and the job is not done.
    checkpoint = tmp_path / "drawn.checkpoint"
    checkpoint.mkdir()
    written = sorted(out.glob("*.parquet"))
    for path in written[:6]:
        stem = path.stem.removesuffix("-0")
        pq.write_table(pq.read_table(path, columns=["part"]), checkpoint / f"{stem}.parquet")
    half = written[6]
    pq.write_table(
        pq.read_table(half, columns=["part"]), checkpoint / f"{half.stem.removesuffix('-0')}.pending.parquet"
    )
    half.write_bytes(half.read_bytes()[:1000])
    for path in written[7:]:
        path.unlink()
    record = json.loads((out / RECORD).read_text())
    (out / RECORD).write_text(json.dumps({key: value for key, value in record.items() if key != "rows"}))
    done = cluster.generate("mnist-tiny", n=n, head="mean", seed=1, start=10, out=out, concurrency=2, resume=True)
    assert (done.rows, done.made) == (n, 4 * PART)
    assert rows(out).equals(table)
    assert not half.exists()
    assert not checkpoint.exists()


def is_worker(process: psutil.Process) -> bool:
    try:
        return "MapWorker(MapBatches(Worker))" in " ".join(process.cmdline())
    except psutil.Error:
        return False
