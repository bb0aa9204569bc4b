"""`--ray` on the command line."""

from __future__ import annotations

from pathlib import Path

import pyarrow.dataset
import pytest

from vae_edge.cli.app import app

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


@pytest.mark.usefixtures("cluster_of_two")
@pytest.mark.timeout(600)  # Ray begins three times, 15 seconds each on an idle machine
def test_verbs_run_on_ray(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    drawn, codes = tmp_path / "drawn", tmp_path / "codes"
    assert app(["generate", "--n", "300", "--out", str(drawn), "--ray", "local"], standalone_mode=False) == 0
    assert f"wrote {drawn}: 300 images, in 1 files" in capfd.readouterr().err
    assert app(["encode", str(drawn), "--out", str(codes), "--ray", "local", "--json"], standalone_mode=False) == 0
    table = pyarrow.dataset.dataset(codes).to_table()
    assert sorted(table["id"].to_pylist()) == list(range(300))
    again = ["generate", "--n", "300", "--out", str(drawn), "--ray", "local", "--resume"]
    assert app(again, standalone_mode=False) == 0
    assert "300 images, 0 of them now, in 1 files" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", "--ray", "local"], "--out"),
        (["generate", "--ray", "local", "--out", "x", "--format", "npz"], "--format"),
        (["generate", "--ray", "local", "--out", "x", "--threads", "2"], "--threads"),
        (["encode", "a", "b", "--ray", "local", "--out", "x"], "IMAGES"),
        (["encode", "a", "--ray", "local", "--out", "x", "--limit", "2"], "--limit"),
    ],
)
def test_what_a_job_does_not_take_is_wrong_usage(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert app(arguments, standalone_mode=False) == 2
    assert said in capfd.readouterr().err
