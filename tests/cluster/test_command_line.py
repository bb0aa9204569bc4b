"""`--ray` on the command line refuses what a job of a cluster does not take."""

from __future__ import annotations

import pytest

from vae_edge.cli.app import app


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", "--ray", "local"], "--out"),
        (["generate", "--ray", "local", "--out", "x", "--format", "npz"], "--format"),
        (["generate", "--ray", "local", "--out", "x", "--threads", "2"], "--threads"),
        (["encode", "a", "b", "--ray", "local", "--out", "x"], "IMAGES"),
        (["encode", "a", "--ray", "local", "--out", "x", "--limit", "2"], "--limit"),
        (["score", "a", "--ray", "local"], "--out"),
        (["score", "a", "--ray", "local", "--out", "x", "--out", "y"], "--out"),
        (["score", "--ray", "local", "--out", "x"], "IMAGES"),
        (["score", "--fit", "--ray", "local", "--out", "x"], "--fit"),
        (["score", "a", "--ray", "local", "--out", "x", "--members", "2"], "--members"),
    ],
)
def test_what_a_job_does_not_take_is_wrong_usage(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert app(arguments, standalone_mode=False) == 2
    assert said in capfd.readouterr().err
