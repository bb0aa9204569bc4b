"""Parts of a call run on several threads: each once, none after a failure, also in a forked child."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_edge.runtime import VAE, parallel
from vae_edge.runtime.bundle import guard
from vae_edge.runtime.session import Session

PARTS = [slice(at, at + 1) for at in range(40)]
BATCH = 256


def sizes(*arguments: int) -> list[int]:
    return [part.stop - part.start for part in parallel.parts(*arguments, BATCH)]


@settings(deadline=None)
@given(n=st.integers(1, 5000), threads=st.integers(1, 16), cost=st.integers(0, 10**8))
def test_parts_follow_each_other_and_are_worth_their_while(n, threads, cost):
    parts = parallel.parts(n, threads, cost, BATCH)
    assert [0, *(part.stop for part in parts)] == [*(part.start for part in parts), n]
    worth = min(BATCH, -(-parallel._WORTH // max(1, cost)))
    if threads == 1 or n < 2 * worth:
        assert all(size == BATCH for size in sizes(n, threads, cost)[:-1])
    else:
        assert len(parts) > 1
        assert all(worth <= size <= BATCH for size in sizes(n, threads, cost)[:-1])


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, [1]),
        (19, [19]),
        (20, [10, 10]),
        (64, [32, 32]),
        (128, [64, 64]),
        (300, [64, 64, 64, 64, 44]),
    ],
)
def test_two_threads_have_equal_parts(n, expected, monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH", 10)
    assert sizes(n, 2, 1) == expected


def test_a_call_that_one_thread_takes_is_in_batches():
    assert sizes(600, 1, 10**6) == [256, 256, 88]
    assert sizes(100, 4, 0) == [100]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_each_part_is_done_once(threads):
    done = []
    parallel.each(PARTS, threads, lambda part: done.append(part.start))
    assert sorted(done) == list(range(40))


def test_threads_work_beside_each_other():
    both = threading.Barrier(2, timeout=10)
    parallel.each(PARTS[:2], 2, lambda part: both.wait())  # one thread alone would wait for ever
    assert not both.broken


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_what_a_part_raises_is_raised_and_the_rest_is_left(where):
    caller, done, met = threading.current_thread(), [], threading.Barrier(2, timeout=10)

    def work(part):
        if part.start < 2:
            met.wait()  # so that both threads have a part
            if (threading.current_thread() is caller) == (where == "here"):
                raise KeyError(part.start)
            time.sleep(0.05)
        done.append(part.start)

    with pytest.raises(KeyError):
        parallel.each(PARTS, 2, work)
    time.sleep(0.1)
    assert len(done) == 1  # the one that was under way


def test_nothing_runs_after_it_has_returned():
    running = []

    def work(part):
        running.append(part)
        time.sleep(0.001)
        running.pop()

    for _ in range(20):
        parallel.each(PARTS[:5], 4, work)
        assert running == []


def test_calls_from_many_threads_share_the_crew():
    sums, calls = [], 50

    def call():
        for _ in range(calls):
            seen = []
            parallel.each(PARTS, 3, lambda part, seen=seen: seen.append(part.start))
            sums.append(sum(seen))

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sums == [sum(range(40))] * 8 * calls
    assert sum(thread.name == "vae-edge" for thread in threading.enumerate()) <= 8


def test_a_part_may_have_parts_of_its_own():
    done = []
    parallel.each(
        PARTS[:4], 3, lambda part: parallel.each(PARTS[:5], 3, lambda own: done.append((part.start, own.start)))
    )
    assert len(set(done)) == len(done) == 20


def test_where_no_thread_can_start_the_caller_does_it_all(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(parallel, "_crew", parallel._Crew())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    done = []
    parallel.each(PARTS, 4, lambda part: done.append(part.start))
    assert done == list(range(40))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_starts_threads_of_its_own():
    parallel.each(PARTS, 3, lambda part: None)
    child = os.fork()
    if child == 0:
        both = threading.Barrier(2, timeout=10)
        try:
            parallel.each(PARTS[:2], 2, lambda part: both.wait())
        finally:
            os._exit(1 if both.broken or sys.exc_info()[0] else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("share", [4, 2, 1, 0.5])
def test_threads_share_the_memory_that_a_call_may_take(tiny, monkeypatch, share):
    data = (tiny / "decoder.onnx").read_bytes()
    limit = int(share * guard.check(data, "decoder.onnx").elements)
    most = guard.check(data, "decoder.onnx", max_elements=limit // 2).batch
    assert most == 256 if share >= 2 else most < 256
    seen = []
    run = Session.run

    def watched(self, batch, condition=None):
        seen.append(len(batch))
        return run(self, batch, condition)

    monkeypatch.setattr(Session, "run", watched)
    VAE.load(tiny, threads=2, max_elements=limit).generate(1000)
    assert max(seen) == most
    assert sum(seen) == 1000
