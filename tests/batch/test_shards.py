"""A folder of shards: each row once, whatever happened meanwhile; refused where it would mix two jobs."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.batch.reading import INDEX, content, index, shards
from vae_edge.batch import files
from vae_edge.batch.columns import Column, rows_of
from vae_edge.batch.shards import Shards, rows_per_shard
from vae_edge.runtime.errors import InputError, MissingExtra, OutputError

FORMATS = ("parquet", "npz", "tar")
COLUMNS = (Column("id", "int64"), Column("image", "uint8", (3, 2, 1)), Column("label", "int64"), Column("name", "str"))


def make(here):
    """Batches of 7 rows, which can be told from each other."""
    for at in range(here.start, here.stop, 7):
        ids = np.arange(at, min(at + 7, here.stop))
        image = (ids[:, None] * 37 + np.arange(6)).astype(np.uint8).reshape(-1, 3, 2, 1)
        yield {"id": ids, "image": image, "label": ids % 10, "name": np.array([f"row {each}" for each in ids])}


def job(folder, kind="parquet", rows=100, **changes):
    options = {"columns": COLUMNS, "rows": rows, "per_shard": 30, "record": {"seed": 3}} | changes
    return Shards(folder, kind, **options)


class Stop(Exception):
    pass


def stopping_at(row):
    def some(here):
        for batch in make(here):
            if row in batch["id"]:
                raise Stop
            yield batch

    return some


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("rows", [1, 29, 30, 31, 100])
def test_every_row_is_there_once_and_in_order(tmp_path, kind, rows):
    told = []
    assert job(tmp_path / "out", kind, rows).write(make, told.append, told.append) == rows
    assert told[0] == sum(told[1:]) == rows
    found = shards(tmp_path / "out")
    (expected,) = [{k: np.concatenate([b[k] for b in make(range(rows))]) for k in ("id", "image", "label", "name")}]
    assert set(found) == set(expected)
    for name in expected:
        assert (found[name] == expected[name]).all()
    listed = index(tmp_path / "out")
    assert listed["complete"]
    assert (listed["rows"], listed["record"]) == (rows, {"seed": 3})
    assert sum(each["rows"] for each in listed["shards"]) == rows
    for each in listed["shards"]:
        data = (tmp_path / "out" / each["file"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (each["bytes"], each["sha256"])


@pytest.mark.parametrize("kind", FORMATS)
def test_resume_makes_exactly_what_is_missing_and_the_same_bytes(tmp_path, kind):
    job(tmp_path / "whole", kind).write(make)
    with pytest.raises(Stop):
        job(tmp_path / "cut", kind).write(stopping_at(65))
    assert not index(tmp_path / "cut")["complete"]
    made = []

    def watched(here):
        for batch in make(here):
            made.extend(batch["id"].tolist())
            yield batch

    told = []
    assert job(tmp_path / "cut", kind, resume=True).write(watched, told.append) == 40
    assert (made, told) == (list(range(60, 100)), [40])
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    assert index(tmp_path / "cut")["shards"] == index(tmp_path / "whole")["shards"]
    assert job(tmp_path / "cut", kind, resume=True).write(stopping_at(0)) == 0


@pytest.mark.parametrize("kind", FORMATS)
def test_a_shard_that_is_gone_or_cut_is_made_again(tmp_path, kind):
    job(tmp_path, kind).write(make)
    whole = content(tmp_path)
    (tmp_path / f"000001.{kind}").unlink()
    cut = tmp_path / f"000002.{kind}"
    cut.write_bytes(cut.read_bytes()[:-5])
    assert job(tmp_path, kind, resume=True).write(make) == 60
    assert content(tmp_path) == whole


@pytest.mark.parametrize("kind", FORMATS)
def test_a_shard_that_was_written_just_before_the_end_is_kept_and_a_damaged_one_is_not(tmp_path, kind):
    job(tmp_path, kind).write(make)
    whole, tree = content(tmp_path), index(tmp_path)
    del tree["shards"][1:]
    (tmp_path / INDEX).write_text(json.dumps(tree | {"complete": False}))
    (tmp_path / f"000002.{kind}").write_bytes(b"no shard at all")
    assert job(tmp_path, kind, resume=True).write(make) == 30
    assert content(tmp_path) == whole
    assert len(index(tmp_path)["shards"]) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"record": {"seed": 4}}, r"job \(seed 3, asked for: 4\)"),
        ({"record": {"seed": 3, "label": 7}}, r"job \(label None, asked for: 7\)"),
        ({"rows": 101}, r"job \(rows 100, asked for: 101\)"),
        ({"per_shard": 50}, r"job \(rows_per_shard"),
        ({"columns": COLUMNS[:2]}, r"job \(columns"),
        ({"kind": "npz"}, r"job \(format"),
    ],
)
def test_resume_refuses_another_job(tmp_path, changes, message):
    job(tmp_path).write(make)
    before = content(tmp_path)
    with pytest.raises(OutputError, match=message):
        job(tmp_path, resume=True, **changes).write(make)
    assert content(tmp_path) == before


def test_a_folder_that_holds_anything_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds files already \(mine\.txt, "):
        job(tmp_path).write(make)
    with pytest.raises(OutputError, match=r"holds files and no _index\.json: nothing tells what is missing"):
        job(tmp_path, resume=True).write(make)
    (tmp_path / INDEX).write_text("{")
    with pytest.raises(OutputError, match="expected the index of a folder of shards"):
        job(tmp_path, resume=True).write(make)


def test_force_leaves_shards_of_one_job_alone(tmp_path):
    job(tmp_path, rows=300).write(make)
    (tmp_path / "mine.txt").write_text("mine")
    job(tmp_path, "npz", 40, record={"seed": 9}, force=True).write(make)
    assert sorted(os.listdir(tmp_path)) == ["000000.npz", "000001.npz", INDEX, "mine.txt"]
    assert index(tmp_path)["record"] == {"seed": 9}


def test_resume_begins_where_nothing_is(tmp_path):
    assert job(tmp_path / "new", resume=True).write(make) == 100
    assert (shards(tmp_path / "new")["id"] == np.arange(100)).all()


def test_what_a_killed_process_left_is_removed(tmp_path):
    with pytest.raises(Stop):
        job(tmp_path).write(stopping_at(40))
    (tmp_path / ".000001.parquet.0123abcd.tmp").write_bytes(b"half")
    job(tmp_path, resume=True).write(make)
    assert sorted(os.listdir(tmp_path)) == [*(f"00000{k}.parquet" for k in range(4)), INDEX]


def test_a_second_process_is_refused_while_the_first_one_writes(tmp_path):
    code = (
        "import sys, time\nfrom tests.batch.test_shards import job, make\nfrom pathlib import Path\n"
        "def slow(here):\n    print('ready', flush=True)\n    time.sleep(60)\n    yield from make(here)\n"
        "job(Path(sys.argv[1])).write(slow)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"ready\n"
        with pytest.raises(OutputError, match="another process writes shards here"):
            job(tmp_path, resume=True).write(make)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert job(tmp_path, resume=True).write(make) == 100  # its lock went with it


def test_a_full_disk_says_what_is_missing_and_resume_goes_on(tmp_path, monkeypatch):
    fsync, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 6:  # the index, and two shards with the index behind each
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match=r"No space left.*; 40 of 100 rows are missing: --resume makes them"):
            job(tmp_path).write(make)
    assert job(tmp_path, resume=True).write(make) == 40


def test_the_index_grows_with_the_rows_not_with_their_square(tmp_path, monkeypatch):
    from vae_edge.batch.index import Index

    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # 20 ms each, on some disks
    sizes, render = [], Index.render
    monkeypatch.setattr(Index, "render", lambda self: sizes.append(len(render(self))) or render(self))
    columns = (Column("id", "int64"),)
    ids = lambda here: [{"id": np.arange(here.start, here.stop)}]  # noqa: E731
    totals = []
    for rows in (100, 400):
        sizes.clear()
        job(tmp_path / str(rows), "npz", rows, columns=columns, per_shard=1).write(ids)
        totals.append(sum(sizes))
    assert totals[1] < 8 * totals[0]  # 16 times, were it written behind each shard


def test_writing_a_shard_looks_at_the_folder_once_not_for_each_shard(tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    looked, iterdir = [], Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: looked.append(self) or iterdir(self))
    job(tmp_path, rows=300).write(make)
    few = len(looked)
    job(tmp_path, rows=3000, force=True).write(make)
    assert len(looked) - few <= few + 1


def test_a_shard_has_a_round_number_of_rows_and_about_64_mb():
    image = (Column("id", "int64"), Column("image", "uint8", (28, 28, 1)))
    assert rows_per_shard(image) == 50_000
    assert rows_per_shard((*image, Column("x", "float32", (512, 512, 3)))) == 20
    assert rows_per_shard((Column("x", "float32", (8192, 8192, 3)),)) == 1
    assert rows_per_shard((Column("id", "int64"),)) == 100_000


@pytest.mark.parametrize("kind", FORMATS)
def test_one_file_is_whole_or_absent_and_the_same_bytes_each_time(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    with pytest.raises(Stop):
        files.write(path, kind, COLUMNS, {}, stopping_at(50)(range(100)))
    assert os.listdir(tmp_path) == []
    told = []
    files.write(path, kind, COLUMNS, {"seed": 3}, make(range(100)), told.append)
    data = path.read_bytes()
    files.write(path, kind, COLUMNS, {"seed": 3}, make(range(100)))
    assert path.read_bytes() == data
    assert sum(told) == 100


def test_two_columns_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="id would be there twice"):
        job(tmp_path / "a", columns=(*COLUMNS, Column("id", "float32"))).write(make)


def test_without_pyarrow_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'vae-edge\[parquet\]'"):
        job(tmp_path / "a").write(make)
    job(tmp_path / "b", "npz").write(make)


def test_a_batch_has_rows():
    assert rows_of({"id": np.arange(5)}) == 5
