"""`generate --out FOLDER/`: names are the draws' indices, nothing is mixed unasked, and what is missing can be made."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from vae_edge.runtime import InputError
from vae_edge.runtime.prior import Prior


def pictures(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.png"))}


@pytest.fixture
def generate(vae_edge, folder, tiny):
    def run(*arguments: object, out: str = "c/"):
        return vae_edge("generate", "--bundle", tiny, "--head", "sample", "--out", out, *arguments)

    return run


def names(*indices: int) -> list[str]:
    return [f"{index:08}.png" for index in indices]


def test_pictures_are_named_by_their_draws_whatever_n_and_start(generate):
    assert generate("--n", 12).exit_code == 0
    assert generate("--n", 4, "--start", 9, out="d/").exit_code == 0
    assert list(pictures("c")) == names(*range(12))
    assert list(pictures("d")) == names(9, 10, 11, 12)
    assert all(pictures("c")[name] == pictures("d")[name] for name in names(9, 10, 11))


def test_a_folder_that_holds_anything_is_refused_and_left_alone(generate, one_line):
    Path("c").mkdir()
    Path("c", "00000000.png").write_bytes(b"mine")
    done = generate("--n", 2)
    assert done.exit_code == 1
    assert "c: holds files already (00000000.png, ...)" in one_line(done.stderr)
    assert pictures("c") == {"00000000.png": b"mine"}
    Path("d").mkdir()
    Path("d", "notes.txt").write_bytes(b"mine")
    assert generate("--n", 2, out="d/").exit_code == 1
    assert os.listdir("d") == ["notes.txt"]


def test_a_second_start_into_one_folder_is_refused_until_resumed(generate, one_line):
    first = generate("--n", 4), pictures("c")
    assert first[0].exit_code == 0
    done = generate("--n", 4, "--start", 4)
    assert done.exit_code == 1
    assert "--resume makes what is missing" in one_line(done.stderr)
    assert pictures("c") == first[1]
    assert generate("--n", 4, "--start", 4, "--resume").exit_code == 0
    assert generate("--n", 8, out="whole/").exit_code == 0
    assert pictures("c") == pictures("whole")


def test_force_writes_among_what_is_there(generate):
    Path("c").mkdir()
    for name in ("00000000.png", "notes.txt"):
        Path("c", name).write_bytes(b"mine")
    assert generate("--n", 2, "--force").exit_code == 0
    assert generate("--n", 2, out="d/").exit_code == 0
    assert pictures("c") == pictures("d")
    assert Path("c", "notes.txt").read_bytes() == b"mine"


def test_resume_makes_exactly_what_is_missing(generate):
    assert generate("--n", 600).exit_code == 0
    whole = pictures("c")
    for name in names(0, 7, 8, 599):
        Path("c", name).unlink()
    Path("c", "00000009.png").write_bytes(b"not looked at")
    done = generate("--n", 600, "--resume", "--json")
    assert json.loads(done.stdout)["written"] == 4
    assert "4 of 600 images, the others were there" in done.stderr
    assert pictures("c") == whole | {"00000009.png": b"not looked at"}
    assert json.loads(generate("--n", 600, "--resume", "--json").stdout)["written"] == 0


def test_resume_makes_what_is_missing_of_each_head(vae_edge, folder, tiny):
    arguments = ["generate", "--bundle", tiny, "--head", "all", "--n", 3, "--out", "c/"]
    assert vae_edge(*arguments).exit_code == 0
    whole = pictures("c")
    assert len(whole) == 9
    Path("c", "00000001-mode.png").unlink()
    Path("c", "00000001-mean.png").write_bytes(b"kept")
    assert vae_edge(*arguments, "--resume").exit_code == 0
    assert pictures("c") == whole | {"00000001-mean.png": b"kept"}


def test_resume_begins_an_empty_folder(generate):
    assert generate("--n", 2, "--resume").exit_code == 0
    assert list(pictures("c")) == names(0, 1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--seed", 1], "options (seed 0, asked for: 1)"), (["--head", "mean"], "options (heads")],
)
def test_resume_refuses_pictures_of_other_draws(generate, one_line, arguments, told):
    assert generate("--n", 2).exit_code == 0
    before = pictures("c")
    done = generate("--n", 4, "--resume", *arguments)
    assert done.exit_code == 1
    assert told in one_line(done.stderr)
    assert pictures("c") == before


def test_resume_refuses_a_folder_of_no_one_knows_what(generate, one_line):
    Path("c").mkdir()
    Path("c", "00000000.png").write_bytes(b"mine")
    assert "nothing tells what is missing" in one_line(generate("--n", 2, "--resume").stderr)
    assert generate("--n", 2, "--seed", 1, out="d/").exit_code == 0
    assert generate("--n", 1, "--force", out="d/").exit_code == 0  # of another seed
    assert "nothing tells what is missing" in one_line(generate("--n", 2, "--resume", out="d/").stderr)


def test_resume_is_for_folders(generate, one_line):
    done = generate("--resume", out="x.npy")
    assert done.exit_code == 2
    assert "expected --out FOLDER/" in one_line(done.stderr)


def test_labels_follow_the_draws_on_resuming(vae_edge, folder, bundle_of):
    labelled = bundle_of("labels")
    arguments = ["generate", "--bundle", labelled, "--label", "all", "--head", "sample", "--n", 7, "--out"]
    assert vae_edge(*arguments, "c/").exit_code == 0
    whole = pictures("c")
    for name in names(1, 4, 5):
        Path("c", name).unlink()
    assert vae_edge(*arguments, "c/", "--resume").exit_code == 0
    assert pictures("c") == whole
    done = vae_edge("generate", "--bundle", labelled, "--label", 1, "--head", "sample", "--out", "c/", "--resume")
    assert "holds pictures with other options (label" in done.stderr


def test_a_full_disk_says_how_many_are_written_and_resuming_makes_the_rest(generate, monkeypatch, one_line):
    fsync, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 5:  # the record: a file and its folder; then three pictures
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        done = generate("--n", 8)
    line = one_line(done.stderr)
    assert done.exit_code == 1
    assert "No space left on device" in line
    assert "3 of 8 events are written; --resume makes the rest" in line
    assert list(pictures("c")) == names(0, 1, 2)
    assert sorted(os.listdir("c")) == [".vae-edge.json", *names(0, 1, 2)]
    assert generate("--n", 8, "--resume").exit_code == 0
    assert generate("--n", 8, out="whole/").exit_code == 0
    assert pictures("c") == pictures("whole")


def test_a_full_disk_says_how_many_pictures_force_has_replaced(generate, monkeypatch, one_line):
    assert generate("--n", 8, "--seed", 1).exit_code == 0
    before, fsync, calls = pictures("c"), os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        done = generate("--n", 8, "--seed", 2, "--force")
    changed = [name for name, data in pictures("c").items() if data != before[name]]
    assert len(changed) > 1
    line = one_line(done.stderr)
    assert f"and {len(changed)} pictures of the same name are replaced" in line
    assert "of that name is as it was" in line


def test_no_record_is_left_where_nothing_can_be_drawn(vae_edge, folder, tmp_path, tiny, monkeypatch):
    def none(self: Prior) -> None:
        raise InputError("no prior")

    monkeypatch.setattr(Prior, "expect", none)
    assert vae_edge("generate", "--bundle", tiny, "--out", "c/").exit_code == 1
    assert os.listdir("c") == []


def test_a_folder_is_listed_a_fixed_number_of_times(generate, monkeypatch):
    """To list it for each picture is quadratic: 8,000 took 38 s of CPU."""
    listed = []
    for name in ("iterdir", "glob"):
        original = getattr(Path, name)

        def noted(path, *arguments, original=original):
            listed.append(path)
            return original(path, *arguments)

        monkeypatch.setattr(Path, name, noted)
    scandir, listdir = os.scandir, os.listdir
    monkeypatch.setattr(os, "scandir", lambda *a: (listed.append(a), scandir(*a))[1])
    monkeypatch.setattr(os, "listdir", lambda *a: (listed.append(a), listdir(*a))[1])
    counts = []
    for n, out in ((10, "few/"), (500, "many/")):
        listed.clear()
        assert generate("--n", n, out=out).exit_code == 0
        counts.append(len(listed))
    assert counts[0] == counts[1] < 20
