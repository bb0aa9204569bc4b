"""Every reader of foreign bytes keeps its word on what fuzzing begins with, what it kept, and random damage."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("PIL", reason="the cli extra is not installed")
sys.path.insert(0, str(Path(__file__).parent))  # these are programs' modules, no package

import fuzz
import mutators
import readers

LET_THROUGH = {"manifest": 3, "bundle": 5, "graph": 40, "probe": 1, "idx": 6, "npy": 15, "npz": 4, "picture": 30}


@pytest.fixture(autouse=True)
def small_graphs(monkeypatch, no_garbage_of_others) -> Iterator[None]:
    """As in fuzzing, but for time, which a busy machine stretches. What Pillow, zipfile and NumPy warn of is theirs."""
    monkeypatch.setattr(readers, "MAX_SECONDS", 60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_each_reader_has_its_place():
    assert set(fuzz.READERS) == set(readers.READERS) == set(LET_THROUGH)


@pytest.mark.parametrize("name", fuzz.READERS)
def test_seeds_are_let_through_or_refused_by_name(name):
    reader = readers.READERS[name]
    assert sum(readers.judge(reader.read, data) for data in reader.seeds()) >= LET_THROUGH[name]


@pytest.mark.parametrize("name", fuzz.READERS)
def test_what_fuzzing_kept_is_let_through_or_refused_by_name(name):
    kept = fuzz.corpus(name)
    assert kept
    for data in kept:
        readers.judge(readers.READERS[name].read, data)


@pytest.mark.parametrize("name", fuzz.READERS)
def test_damage_behind_the_seals_is_let_through_or_refused_by_name(name):
    reader, dice = readers.READERS[name], random.Random(0)
    inputs, through = reader.seeds(), 0
    for _ in range(200):
        data = reader.mutate(dice.choice(inputs), dice, lambda part: mutators.damage(part, dice))
        through += readers.judge(reader.read, data)
        inputs.append(data[: reader.max_bytes])
    assert through < 200  # some of it is refused


def test_another_error_a_long_time_and_a_broken_promise_are_findings(monkeypatch):
    def fail(data: bytes) -> None:
        raise KeyError(data)

    with pytest.raises(KeyError):
        readers.judge(fail, b"")
    monkeypatch.setattr(readers, "MAX_SECONDS", 0.01)
    with pytest.raises(readers.Finding, match=r"seconds of CPU"):
        readers.judge(lambda data: sum(range(10**7)), b"")
    monkeypatch.setattr(readers.manifest, "seal", lambda said: None)
    with pytest.raises(readers.Finding, match="not the one that is written"):
        readers.read_manifest(readers.ORIGINALS["manifest.json"])


def test_memory_is_a_finding(monkeypatch):
    held = iter([1 << 28, 1 << 30])
    monkeypatch.setattr(readers, "peak", lambda: next(held))
    with pytest.raises(readers.Finding, match="MiB"):
        readers.judge(lambda data: None, b"")
