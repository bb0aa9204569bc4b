"""Jobs over Ray write the rows of one process: each once, to the bit, whoever made them and however often."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vae_edge import cluster
from vae_edge.cluster.output import RECORD
from vae_edge.cluster.tasks import PART
from vae_edge.runtime import VAE, InputError, OutputError, RunError

pytestmark = [
    pytest.mark.usefixtures("cluster_of_two"),
    pytest.mark.timeout(600),  # two workers on two CPUs that left none for reading and writing would wait for ever
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
]

N = 3 * PART + 100  # a last part that is not full


def rows(out: Path) -> pa.Table:
    return pyarrow.dataset.dataset(out).to_table().sort_by("id")


def images(table: pa.Table) -> npt.NDArray[np.float32]:
    return np.concatenate([chunk.to_numpy_ndarray() for chunk in table["image"].chunks])


def streamed(vae: VAE, n: int, **options: object) -> npt.NDArray[np.float32]:
    return np.concatenate(list(vae.stream(n, **options)))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def generated(cluster_of_two: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`N` draws of mnist-tiny by two workers."""
    out = tmp_path_factory.mktemp("jobs") / "drawn"
    done = cluster.generate("mnist-tiny", n=N, head="sample", seed=3, out=out, concurrency=2)
    assert (done.out, done.rows, done.made, done.files) == (str(out), N, N, 1)
    return out


@pytest.fixture(scope="session")
def alone() -> VAE:
    return VAE.load("mnist-tiny", threads=1)


def test_each_row_is_that_of_one_process(generated: Path, alone: VAE) -> None:
    table = rows(generated)
    assert table["id"].to_pylist() == list(range(N))
    assert table["part"].to_pylist() == [i // PART for i in range(N)]
    assert np.array_equal(images(table), streamed(alone, N, head="sample", seed=3))
    assert not list(generated.parent.glob("*.checkpoint"))


def test_a_finished_job_is_not_done_again(generated: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in generated.iterdir()}
    done = cluster.generate("mnist-tiny", n=N, head="sample", seed=3, out=generated, resume=True)
    assert (done.rows, done.made, done.files) == (N, 0, 1)
    assert {path: path.stat().st_mtime_ns for path in generated.iterdir()} == before
    with pytest.raises(OutputError, match="holds files already: go on with resume"):
        cluster.generate("mnist-tiny", n=N, head="sample", seed=3, out=generated)
    with pytest.raises(RunError, match=r"another job \(seed: 3, 4; recorded, asked for\)"):
        cluster.generate("mnist-tiny", n=N, head="sample", seed=4, out=generated, resume=True)


def test_what_was_generated_is_encoded_reconstructed_and_scored(generated: Path, alone: VAE, tmp_path: Path) -> None:
    x = images(pyarrow.dataset.dataset(generated).to_table())  # in the order of the files
    parts = [x[at : at + PART] for at in range(0, N, PART)]
    cluster.encode("mnist-tiny", generated, out=tmp_path / "codes", concurrency=1)
    codes = rows(tmp_path / "codes")
    assert codes.column_names == ["id", "name", "part", "loc", "scale"]
    for name in ("loc", "scale"):
        expected = np.concatenate([getattr(alone.encode(part), name) for part in parts])
        assert np.array_equal(np.array(codes[name].to_pylist(), np.float32), expected)

    cluster.score("mnist-tiny", generated, out=tmp_path / "scores", draws=2, concurrency=1)
    scores = rows(tmp_path / "scores")
    statistics = alone.score(parts[0], draws=2).statistics
    assert scores.column_names == ["id", "name", "part", *statistics]
    for name, values in statistics.items():
        assert np.array_equal(scores[name].to_numpy()[:PART], values), name

    options = {"head": "sample", "latent": "sample", "seed": 7}
    cluster.reconstruct("mnist-tiny", generated, out=tmp_path / "back", concurrency=1, **options)  # type: ignore[arg-type]
    back = images(rows(tmp_path / "back"))
    starts = range(0, N, PART)
    expected = np.concatenate(
        [alone.reconstruct(part, start=at, **options) for at, part in zip(starts, parts, strict=True)]  # type: ignore[arg-type]
    )
    assert np.array_equal(back, expected)


def test_arrays_and_pictures_are_inputs_too(alone: VAE, tmp_path: Path) -> None:
    x = alone.generate(12, seed=1)
    grey = np.rint(x * 255).astype(np.uint8)
    arrays, folder = tmp_path / "arrays", tmp_path / "pictures"
    arrays.mkdir()
    folder.mkdir()
    np.savez(arrays / "a.npz", images=grey[:5])
    np.save(arrays / "b.npy", grey[5:])
    for number, image in enumerate(grey):
        Image.fromarray(image[..., 0]).save(folder / f"{number:02}.png")
    names = [[f"a.npz:{k}" for k in range(5)] + [f"b.npy:{k}" for k in range(7)], [f"{k:02}.png" for k in range(12)]]
    for inputs, expected in zip((arrays, folder), names, strict=True):
        out = tmp_path / f"codes of {inputs.name}"
        cluster.encode("mnist-tiny", inputs, out=out, concurrency=1)
        codes = rows(out)
        assert codes["name"].to_pylist() == expected
        assert np.array_equal(np.array(codes["loc"].to_pylist(), np.float32), alone.encode(grey).loc)
    np.save(arrays / "c.npy", np.zeros((3, 5, 5, 1), np.uint8))
    with pytest.raises(InputError, match=r"images of 5x5 pixels, 1 channel, this VAE knows 28x28"):
        cluster.encode("mnist-tiny", arrays, out=tmp_path / "never", concurrency=1)


def test_a_job_goes_on_where_it_was_cut_off(alone: VAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vae_edge.cluster import running

    monkeypatch.setattr(running, "FILE_BYTES", 1)  # a part a file
    out, n = tmp_path / "drawn", 14 * PART

    def kill(done: threading.Event) -> None:
        while not done.is_set():
            time.sleep(0.05)
            if len(list(out.glob("*.parquet"))) >= 3:
                victims = [process for process in psutil.Process().children(recursive=True) if is_worker(process)]
                for process in victims:
                    os.kill(process.pid, signal.SIGKILL)
                killed.append(len(victims))
                return

    killed: list[int] = []
    finished = threading.Event()
    thread = threading.Thread(target=kill, args=(finished,))
    thread.start()
    cluster.generate("mnist-tiny", n=n, head="mean", seed=1, start=10, out=out, concurrency=2)
    finished.set()
    thread.join()
    assert sum(killed) >= 1  # Ray has begun them anew
    table = rows(out)
    assert table["id"].to_pylist() == list(range(10, 10 + n))
    assert np.array_equal(images(table), streamed(alone, n, head="mean", seed=1, start=10))

    # As if the driver had died: some parts are not written, one was while it died, and the job is not done.
    checkpoint = tmp_path / "drawn.checkpoint"
    checkpoint.mkdir()
    written = sorted(out.glob("*.parquet"))
    for path in written[:9]:
        stem = path.stem.removesuffix("-0")
        pq.write_table(pq.read_table(path, columns=["part"]), checkpoint / f"{stem}.parquet")
    half = written[9]
    pq.write_table(
        pq.read_table(half, columns=["part"]), checkpoint / f"{half.stem.removesuffix('-0')}.pending.parquet"
    )
    half.write_bytes(half.read_bytes()[:1000])
    for path in written[10:]:
        path.unlink()
    record = json.loads((out / RECORD).read_text())
    (out / RECORD).write_text(json.dumps({key: value for key, value in record.items() if key != "rows"}))
    done = cluster.generate("mnist-tiny", n=n, head="mean", seed=1, start=10, out=out, concurrency=2, resume=True)
    assert (done.rows, done.made) == (n, 5 * PART)
    assert rows(out).equals(table)
    assert not half.exists()
    assert not checkpoint.exists()


def is_worker(process: psutil.Process) -> bool:
    try:
        return "MapWorker(MapBatches(Worker))" in " ".join(process.cmdline())
    except psutil.Error:
        return False
