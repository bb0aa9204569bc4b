"""A run is used from any folder, goes on as it says, is written by one training at a time, and outlives its data."""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from vae_edge.cli.app import app
from vae_edge.runtime import VAE
from vae_edge.runtime.errors import DataError, RunError
from vae_edge.train import fit as fit_module
from vae_edge.train.commands import without_folders
from vae_edge.train.config import Config
from vae_edge.train.fit import fit
from vae_edge.train.keeper import Keeper
from vae_edge.train.run import Run

QUICK = ["--epochs", "1", "--latent", "2", "--width", "4", "--depth", "1", "--batch", "16"]


def vae_edge(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_printed(line: str) -> Result:
    """Runs the command that stands at the end of a line."""
    words = shlex.split(line[line.index("vae-edge train ") :])
    return vae_edge(*words[1:])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures in `pics/`, and an empty one beside; the first is the current one."""
    (tmp_path / "else").mkdir()
    draw_pictures(tmp_path / "home" / "pics")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def draw_pictures(folder: Path) -> None:
    dice = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for k in range(90):
        pixels = dice.integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(pixels).save(folder / f"{k:03}.png")


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `pics/` and a run of them in `run/`, learned once for all tests."""
    home = tmp_path_factory.mktemp("once")
    draw_pictures(home / "pics")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        done = vae_edge("train", "--data", "pics", *QUICK, "--out", "run")
    assert done.exit_code == 0, done.output
    return home


@pytest.fixture
def trained(once: Path, home: Path) -> Path:
    """A copy of that run, of the pictures in the current folder."""
    shutil.copytree(once / "run", home / "run")
    record = (home / "run" / "run.json").read_text()
    assert str(once / "pics") in record
    (home / "run" / "run.json").write_text(record.replace(str(once / "pics"), str(home / "pics")))
    return home / "run"


def assert_names_no_folder(bundle: Path, home: Path) -> None:
    for path in bundle.iterdir():
        assert str(home.parent).encode() not in path.read_bytes(), path


def test_a_folder_that_holds_other_files_is_refused(small: Config, tmp_path: Path) -> None:
    (tmp_path / "samples.png").write_bytes(b"of the user")
    with pytest.raises(RunError, match=r"holds files that are not of a run \(samples.png\); name a new folder"):
        fit(small, tmp_path, verbose=0)
    assert [path.name for path in tmp_path.iterdir()] == ["samples.png"]


def test_a_run_is_resumed_and_exported_from_another_folder(
    trained: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.parent / "else")
    assert json.loads((trained / "run.json").read_text())["config"]["data"] == str(home / "pics")
    assert vae_edge("train", "--out", trained, "--resume", "--epochs", 2).exit_code == 0
    done = vae_edge("export", trained, "--out", "bundle")
    assert done.exit_code == 0, done.output
    manifest = VAE.load(Path("bundle")).manifest
    assert manifest.training is not None
    assert manifest.training.dataset == "pics"
    assert manifest.training.command.startswith("vae-edge train --epochs 1 --data pics ")
    assert "elbo" in manifest.metrics
    assert_names_no_folder(Path("bundle"), home)


def test_moved_images_do_not_block_finished_weights(trained: Path, home: Path) -> None:
    shutil.move(home / "pics", home.parent / "else" / "pics")
    done = vae_edge("export", trained, "--out", "kept")
    assert done.exit_code == 0, done.output
    assert "by the events that the run kept; no test figures" in done.stderr
    kept = VAE.load(Path("kept")).manifest
    assert kept.metrics == {}
    assert_names_no_folder(Path("kept"), home)
    done = vae_edge("export", trained, "--data", "../else/pics", "--out", "found")
    assert done.exit_code == 0, done.output
    found = VAE.load(Path("found")).manifest
    assert "elbo" in found.metrics
    assert found.training == kept.training
    assert [graph.file.sha256 for graph in found.graphs.values()] == [g.file.sha256 for g in kept.graphs.values()]
    assert_names_no_folder(Path("found"), home)
    done = vae_edge("export", trained, "--out", "small", "--precision", "int8", "--max-nats", 99)
    assert done.exit_code == 0, done.stderr
    done = vae_edge("train", "--out", trained, "--resume", "--data", "../else/pics", "--epochs", 2)
    assert done.exit_code == 0, done.output
    assert Run(trained).record().config.data == str(home.parent / "else" / "pics")


def test_a_folder_of_pictures_is_read_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = Image.open

    def noted(file: Any, *arguments: Any, **options: Any) -> Any:
        opened.append(str(file))
        return real(file, *arguments, **options)

    monkeypatch.setattr(Image, "open", noted)
    assert vae_edge("train", "--data", "pics", *QUICK, "--out", "run").exit_code == 0
    assert len(opened) == 90
    opened.clear()
    options = ["--precision", "int8", "--max-nats", 99]
    assert vae_edge("export", "run", "--out", "bundle", *options).exit_code == 0
    assert len(opened) == 90


def test_pictures_of_a_run_that_kept_nothing_are_of_its_data(trained: Path, home: Path) -> None:
    from vae_edge.train.pictures import draw

    before = (trained / "reconstructions.png").read_bytes()
    (trained / "kept.npz").unlink()
    (trained / "reconstructions.png").unlink()
    draw(trained)
    assert (trained / "reconstructions.png").read_bytes() == before
    shutil.rmtree(home / "pics")
    with pytest.raises(DataError, match="no such data set"):
        draw(trained)


def test_a_named_place_must_hold_what_the_run_has_learned_from(trained: Path, home: Path) -> None:
    shutil.copytree(home / "pics", home / "others")
    (home / "others" / "000.png").unlink()
    done = vae_edge("export", trained, "--data", "others", "--out", "bundle")
    assert done.exit_code == 1
    assert "the run has learned from other images" in done.stderr
    assert vae_edge("export", trained, "--data", "nowhere", "--out", "bundle").exit_code == 1
    assert not (home / "bundle").exists()


def test_a_run_that_kept_nothing_says_what_to_do(trained: Path, home: Path) -> None:
    (trained / "kept.npz").unlink()
    shutil.rmtree(home / "pics")
    done = vae_edge("export", trained, "--out", "bundle")
    assert done.exit_code == 1
    assert "give the place of its data by --data" in done.stderr


def test_the_command_of_data_in_the_current_folder_is_whole(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home / "pics")
    done = vae_edge("train", "--data", ".", *QUICK, "--learning-rate", "0.004", "--out", "../run")
    assert done.exit_code == 0, done.output
    assert vae_edge("export", "../run", "--out", "../bundle").exit_code == 0
    training = VAE.load(home / "bundle").manifest.training
    assert training is not None
    expected = f"vae-edge train --data pics {' '.join(QUICK)} --learning-rate 0.004"
    assert sorted(training.command.split()) == sorted(expected.split())
    assert "--data pics" in training.command


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("vae-edge train --data . --learning-rate 0.004", None),
        ("vae-edge train --data 'my pics/x y.npz'", "vae-edge train --data 'x y.npz'"),
        ("vae-edge train --data=/a/b.npz --latent 2", "vae-edge train --data=b.npz --latent 2"),
        ("vae-edge train --data mnist --data-dir /secret", "vae-edge train --data mnist --data-dir secret"),
        (
            "vae-edge train --data a/b --out START1 && vae-edge train --data a/b --start START1",
            "vae-edge train --data b --out START1 && vae-edge train --data b --start START1",
        ),
    ],
)
def test_arguments_are_replaced_as_arguments(
    command: str, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert without_folders(command) == (expected or f"vae-edge train --data {tmp_path.name} --learning-rate 0.004")


def test_a_run_is_extended(tmp_path: Path, small: Config) -> None:
    """With a constant step size, to the very weights of a run that was begun so."""
    short = dataclasses.replace(small, schedule="constant", epochs=1)
    long = dataclasses.replace(short, epochs=2)
    fit(short, tmp_path / "a", command="vae-edge train --epochs 1", verbose=0)
    fit(long, tmp_path / "a", resume=True, verbose=0)
    fit(long, tmp_path / "b", verbose=0)
    for name in ("best", "checkpoint"):
        one, two = Run(tmp_path / "a").load(name), Run(tmp_path / "b").load(name)
        assert one is not None
        assert two is not None
        assert all(np.array_equal(a, b) for a, b in zip(one[0], two[0], strict=True))
    record = Run(tmp_path / "a").record()
    assert record.config.epochs == 2
    again = "vae-edge train --out RUN --resume --epochs"
    assert record.command == f"vae-edge train --epochs 1 --out RUN && {again} 2"
    fit(dataclasses.replace(long, epochs=3), tmp_path / "a", resume=True, verbose=0)
    assert Run(tmp_path / "a").record().command == f"vae-edge train --epochs 1 --out RUN && {again} 2 && {again} 3"
    with pytest.raises(RunError, match="epoch 3 is done already; resume with --epochs 3 or more"):
        fit(short, tmp_path / "a", resume=True, verbose=0)


def test_a_run_that_patience_ended_says_how_it_is_extended(
    tmp_path: Path, small: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([-5.0, -6.0, -4.0])
    monkeypatch.setattr(fit_module.Learner, "validate", lambda self, *_: {"val_elbo": next(figures)})
    config = dataclasses.replace(small, epochs=2, patience=1)
    fit(config, tmp_path, verbose=0)
    with pytest.raises(RunError, match="give --patience 0"):
        fit(dataclasses.replace(config, epochs=3), tmp_path, resume=True, verbose=0)
    fit(dataclasses.replace(config, epochs=3, patience=0), tmp_path, resume=True, verbose=0)
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + 3


def test_one_training_writes_a_run_at_a_time(run: Path, tmp_path: Path, small: Config) -> None:
    config = dataclasses.replace(small, epochs=1)
    with Run(tmp_path / "new").locked(), pytest.raises(RunError, match="another training writes into it"):
        fit(config, tmp_path / "new", verbose=0)
    assert list((tmp_path / "new").iterdir()) == []
    with Run(run).locked(), pytest.raises(RunError, match="another training writes into it"):
        fit(small, run, resume=True, verbose=0)
    assert fit(config, tmp_path / "new", verbose=0).is_dir()  # the lock is free again


@pytest.mark.parametrize("options", [[], ["--learning-rate", "1e30", "--ramp", "0"]], ids=["default", "far too high"])
def test_the_command_that_a_diverged_run_prints_works(
    home: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    validate = fit_module.Learner.validate
    with monkeypatch.context() as patch:
        patch.setattr(fit_module.Learner, "validate", lambda self, *a: validate(self, *a) | {"val_elbo": float("nan")})
        done = vae_edge("train", "--data", "pics", *QUICK, *options, "--out", "run")
    assert done.exit_code == 1
    line = done.stderr.splitlines()[-1]
    assert "val_elbo is nan" in line
    again = run_printed(line)
    assert again.exit_code == 0, again.output
    config = Run(home / "run-2").record().config
    assert (config.learning_rate, config.clip, config.latent) == (0.001, 1.0, 2)


def interrupt(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    def stop(self: Keeper, *_: Any, **__: Any) -> None:
        if self.epoch == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(Keeper, "on_epoch_begin", stop, raising=False)


@pytest.mark.parametrize("epoch", [0, 1])
def test_the_command_that_an_interrupted_run_prints_works(
    home: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    with monkeypatch.context() as patch:
        interrupt(patch, epoch)
        done = vae_edge("train", "--data", "pics", *QUICK, "--epochs", 2, "--out", "a run")
    assert done.exit_code == 130
    pictures = {"curves.png", "reconstructions.png", "samples.png"}
    assert (pictures <= {path.name for path in Path("a run").iterdir()}) == bool(epoch)
    [line] = [line for line in done.stderr.splitlines() if "go on with" in line]
    again = run_printed(line)
    assert again.exit_code == 0, again.output
    assert len((home / "a run" / "history.csv").read_text().splitlines()) == 1 + 2


def test_an_interruption_while_the_data_is_read_says_that_no_run_lies_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vae_edge.train.data.read_for", stop)
    done = vae_edge("train", "--data", "pics", "--out", "run")
    assert done.exit_code == 130
    assert "nothing was written" in done.stderr
    assert "--resume" not in done.stderr
    assert not (home / "run").exists()


def test_where_mnist_was_found_is_recorded(tmp_path: Path, small: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    read: Callable[..., Any] = fit_module.data.read_for

    def noted(config: Config, data_dir: object = None, *rest: Any) -> Any:
        asked.append(data_dir)
        return read(config, None, *rest)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fit_module.data, "read_for", noted)
    fit(dataclasses.replace(small, epochs=1), tmp_path / "run", data_dir="sets", verbose=0)
    assert Run(tmp_path / "run").record().data_dir == str(tmp_path / "sets")
    asked.clear()
    fit(dataclasses.replace(small, epochs=1), tmp_path / "run", resume=True, verbose=0)
    assert set(asked) == {str(tmp_path / "sets")}


def test_kept_events_are_the_first_of_their_splits(trained: Path, home: Path) -> None:
    from vae_edge.train import data, kept

    record = Run(trained).record()
    for split in ("train", "validation"):
        own = data.load_for(record.config, split)  # type: ignore[arg-type]
        found = kept.load(trained, record, split)  # type: ignore[arg-type]
        assert np.array_equal(found.events, own.events[: len(found)])
        assert len(found) == min(len(own), 1000)
    (trained / "kept.npz").write_bytes(b"")
    with pytest.raises(RunError, match="damaged"):
        kept.load(trained, record, "train")
    (trained / "kept.npz").unlink()
    with pytest.raises(DataError, match="keeps no events"):
        kept.load(trained, record, "train")
