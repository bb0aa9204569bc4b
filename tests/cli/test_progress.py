from __future__ import annotations

import io

import pytest

from vae_edge.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO, seconds: list[float]) -> str:
    times = iter([0.0, *seconds])
    with Progress("generate", 100 * len(seconds), stream=stream, clock=lambda: next(times)) as progress:
        for _ in seconds:
            progress.advance(100)
    return stream.getvalue()


def test_shows_nothing_where_no_terminal_is():
    assert run(io.StringIO(), [1.0, 2.0]) == ""


def test_shows_nothing_of_quick_work():
    assert run(Terminal(), [0.1, 0.2, 0.3]) == ""


def test_shows_rate_and_time_left_and_leaves_an_empty_line():
    shown = run(Terminal(), [1.0, 2.0, 3.0, 4.0])
    lines = [line for line in shown.split("\r") if line.strip()]
    assert [" 25%" in lines[0], "100/400 images" in lines[0], "100/s" in lines[0], "0:03 left" in lines[0]] == [
        True
    ] * 4
    assert "100%" in lines[-1]
    assert shown.endswith("\r")
    assert shown.split("\r")[-2].strip() == ""


@pytest.mark.parametrize(("seconds", "left"), [(1.0, "0:59"), (60.0, "59:00"), (7200.0, "118:00:00")])
def test_time_left_reads_as_a_clock(seconds, left):
    progress = Progress("x", 60)
    progress.done = 1
    assert f" {left} left" in progress.line(seconds)


def test_nothing_to_do_is_done():
    assert "100%" in Progress("x", 0).line(1.0)
