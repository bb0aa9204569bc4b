"""Training learns, goes on exactly where it was cut off, and loses nothing."""

import csv
import dataclasses
import io
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from vae_edge.runtime.errors import RunError
from vae_edge.train import fit as fit_module
from vae_edge.train import report as report_module
from vae_edge.train.config import Config
from vae_edge.train.fit import Keeper, fit, load
from vae_edge.train.provenance import commit
from vae_edge.train.report import Report
from vae_edge.train.run import Run

# Each part of a run's state at work: shifts, drawn pixels, a mixture prior, moving averages, clipping.
RICH = Config(
    data="digits", latent=3, width=8, depth=1, epochs=3, batch=64, prior="mixture", components=4, ema=0.9, shift=1,
    binarize="dynamic", clip=10.0,
)  # fmt: skip


class Cut(Exception):
    """Stands for whatever ends a process."""


def cut_at(monkeypatch: pytest.MonkeyPatch, epoch: int, where: str) -> None:
    def raise_cut(self: Keeper, *_: object, **__: object) -> None:
        if self.epoch == epoch:
            raise Cut

    monkeypatch.setattr(Keeper, where, raise_cut, raising=False)


def assert_same(one: Path, two: Path) -> None:
    for name in ("best", "checkpoint"):
        arrays, notes = zip(*(found for path in (one, two) if (found := Run(path).load(name))), strict=True)
        assert notes[0] == notes[1]
        assert len(arrays[0]) == len(arrays[1]) > 0
        assert all(np.array_equal(a, b) for a, b in zip(*arrays, strict=True)), name
    assert (one / "history.csv").read_bytes() == (two / "history.csv").read_bytes()


def history(path: Path) -> list[dict[str, str]]:
    with (path / "history.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_the_elbo_rises(run: Path) -> None:
    rows = history(run)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["val_elbo"]) > float(rows[0]["val_elbo"])
    for row in rows:
        for prefix in ("", "val_"):
            elbo, reconstruction, kl = (float(row[prefix + key]) for key in ("elbo", "reconstruction", "kl"))
            assert elbo == pytest.approx(reconstruction - kl, rel=1e-4)
            assert kl > 0


def test_a_run_records_what_was_asked_for(run: Path, small: Config) -> None:
    record = Run(run).record()
    assert record.config == dataclasses.replace(small, encoder_pixels="unit")
    assert record.command == "vae-edge train --data digits"
    assert record.dataset == "digits"
    assert len(record.dataset_sha256) == 64
    assert list((run / "tensorboard").iterdir())


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(RICH, tmp_path_factory.mktemp("runs") / "whole", verbose=0)


@pytest.mark.parametrize(
    ("epoch", "where"),
    [(0, "on_train_batch_end"), (1, "on_train_batch_end"), (2, "on_epoch_begin"), (0, "on_epoch_end")],
)
def test_a_run_that_was_cut_off_ends_as_if_it_had_not(
    uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int, where: str
) -> None:
    with monkeypatch.context() as patch:
        cut_at(patch, epoch, where)
        with pytest.raises(Cut):
            fit(RICH, tmp_path, verbose=0)
    fit(RICH, tmp_path, resume=True, verbose=0)
    assert_same(uninterrupted, tmp_path)


def test_dying_between_best_and_checkpoint_changes_nothing(
    uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Run.save

    def dying(self: Run, name: str, arrays: fit_module.Any, note: dict[str, object]) -> None:
        if name == "checkpoint" and len(note["rows"]) == 2:  # type: ignore[arg-type]
            raise Cut
        save(self, name, arrays, note)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "save", dying)
        with pytest.raises(Cut):
            fit(RICH, tmp_path, verbose=0)
    fit(RICH, tmp_path, resume=True, verbose=0)
    assert_same(uninterrupted, tmp_path)


def test_the_last_epochs_raise_the_bound_and_those_before_the_elbo(tmp_path: Path) -> None:
    few = dataclasses.replace(RICH, objective="elbo", samples=5, beta=1.0, epochs=3)
    rows = {}
    for finish in (0, 1):
        fit(dataclasses.replace(few, finish=finish), tmp_path / str(finish), verbose=0)
        rows[finish] = history(tmp_path / str(finish))
    for plain, finished in zip(rows[0][:2], rows[1][:2], strict=True):
        assert float(finished["elbo"]) == pytest.approx(float(plain["elbo"]), abs=1e-3)
        assert finished["bound"] == finished["elbo"]  # L_1
        assert finished["val_bound"] == finished["val_elbo"]
        assert float(finished["val_elbo"]) == pytest.approx(float(plain["val_elbo"]), abs=1e-3)
    for prefix in ("", "val_"):
        assert float(rows[1][2][f"{prefix}bound"]) > float(rows[1][2][f"{prefix}elbo"])
    assert rows[1][2]["elbo"] != rows[0][2]["elbo"]


def test_a_few_draws_give_the_gradient_of_the_finish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = dataclasses.replace(RICH, objective="elbo", beta=1.0, epochs=2, finish=1, samples=6)
    rows = {}
    for few in (0, 2):
        fit(dataclasses.replace(config, gradient_samples=few), tmp_path / str(few), verbose=2)
        rows[few] = history(tmp_path / str(few))
    assert float(rows[0][0]["elbo"]) == pytest.approx(float(rows[2][0]["elbo"]), abs=1e-3)
    difference = abs(float(rows[0][1]["bound"]) - float(rows[2][1]["bound"]))
    assert 1e-3 < difference < 0.05 * abs(float(rows[0][1]["bound"]))
    assert "1 epoch left, those of the finish, which take longer" in capsys.readouterr().out


def test_a_run_resumes_within_its_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = dataclasses.replace(RICH, objective="elbo", beta=1.0, epochs=3, finish=2, samples=6, gradient_samples=2)
    fit(config, tmp_path / "whole", verbose=0)
    cut_at(monkeypatch, 2, "on_train_batch_end")
    with pytest.raises(Cut):
        fit(config, tmp_path / "cut", verbose=0)
    monkeypatch.undo()
    fit(config, tmp_path / "cut", resume=True, verbose=0)
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_a_finished_run_resumes_to_itself(uninterrupted: Path) -> None:
    before = (uninterrupted / "checkpoint.npz").read_bytes()
    fit(RICH, uninterrupted, resume=True, verbose=0)
    assert (uninterrupted / "checkpoint.npz").read_bytes() == before


def test_a_run_starts_from_anothers_best_weights_and_goes_on_so(
    uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(RICH, objective="iwae", samples=2, epochs=1, warmup=0.0)
    begun, best = Run(tmp_path / "cut"), Run(uninterrupted).load("best")
    assert best is not None
    cut_at(monkeypatch, 0, "on_train_batch_end")
    with pytest.raises(Cut):
        fit(config, begun.path, start=uninterrupted, command="vae-edge train --epochs 1", verbose=0)
    monkeypatch.undo()
    checkpoint = begun.load("checkpoint")
    assert checkpoint is not None
    assert all(np.array_equal(a, b) for a, b in zip(checkpoint[0], best[0], strict=False))
    fit(config, begun.path, resume=True, verbose=0)
    assert_same(fit(config, tmp_path / "whole", start=uninterrupted, verbose=0), begun.path)


def test_an_encoder_goes_on_seeing_pixels_as_it_has_learned(small: Config, tmp_path: Path) -> None:
    grey = dataclasses.replace(small, likelihood="discretized_logistic", encoder_pixels="unit", epochs=1)
    begun = fit(grey, tmp_path / "begun", verbose=0)
    free = dataclasses.replace(grey, encoder_pixels="auto")
    assert Run(fit(free, tmp_path / "on", start=begun, verbose=0)).record().config.encoder_pixels == "unit"
    assert Run(fit(free, tmp_path / "anew", verbose=0)).record().config.encoder_pixels == "centred"
    other = dataclasses.replace(grey, encoder_pixels="centred")
    with pytest.raises(RunError, match="sees pixels as --encoder-pixels unit says, this one as centred; give"):
        fit(other, tmp_path / "other", start=begun, verbose=0)


def test_a_flow_is_learned_beside_frozen_networks(run: Path, small: Config, tmp_path: Path) -> None:
    before, *_ = load(run)
    config = dataclasses.replace(
        small, prior="flow", flow_blocks=2, flow_width=8, freeze=True, warmup=0.0, epochs=3, learning_rate=1e-2
    )
    after, _, figures = load(fit(config, tmp_path / "frozen", start=run, verbose=0))
    for part in ("encoder", "decoder"):
        pairs = zip(getattr(before, part).variables, getattr(after, part).variables, strict=True)
        assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)
    rows = history(tmp_path / "frozen")
    assert float(rows[2]["val_kl"]) < float(rows[0]["val_kl"])
    assert figures["val_reconstruction"] == pytest.approx(float(rows[0]["val_reconstruction"]), abs=1e-3)
    cut, whole = tmp_path / "cut", tmp_path / "frozen"
    with pytest.MonkeyPatch.context() as patch:
        cut_at(patch, 1, "on_train_batch_end")
        with pytest.raises(Cut):
            fit(config, cut, start=run, verbose=0)
    fit(config, cut, resume=True, verbose=0)
    assert_same(whole, cut)


def test_a_mixture_is_fitted_beside_frozen_networks(run: Path, small: Config, tmp_path: Path) -> None:
    before, *_ = load(run)
    config = dataclasses.replace(small, prior="mixture", components=6, freeze=True, warmup=0.0, epochs=3)
    after, *_ = load(fit(config, tmp_path / "six", start=run, verbose=0))
    more, *_ = load(
        fit(dataclasses.replace(config, components=9), tmp_path / "nine", start=tmp_path / "six", verbose=0)
    )
    for model, components in ((after, 6), (more, 9)):
        assert model.mixture.parts.loc.shape == (components, small.latent)
        for part in ("encoder", "decoder"):
            pairs = zip(getattr(before, part).variables, getattr(model, part).variables, strict=True)
            assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)
    rows = history(tmp_path / "six")
    assert len({row["val_kl"] for row in rows}) == 3  # two EM steps an epoch
    assert np.ptp([float(row["val_reconstruction"]) for row in rows]) < 1e-3
    cut = tmp_path / "cut"
    with pytest.MonkeyPatch.context() as patch:
        cut_at(patch, 1, "on_train_batch_end")
        with pytest.raises(Cut):
            fit(config, cut, start=run, verbose=0)
    fit(config, cut, resume=True, verbose=0)
    assert_same(tmp_path / "six", cut)


def test_frozen_networks_are_those_of_another_run(small: Config, tmp_path: Path) -> None:
    config = dataclasses.replace(small, prior="flow", freeze=True)
    with pytest.raises(
        RunError, match="freeze keeps the networks of a run that was trained before: name it by --start"
    ):
        fit(config, tmp_path / "run", verbose=0)


def test_the_command_of_a_tuned_run_can_be_run(run: Path, small: Config, tmp_path: Path) -> None:
    begin = Run(run).record().command
    tune, last = (f"vae-edge train --data digits --seed {seed}" for seed in (1, 2))
    once = fit(dataclasses.replace(small, epochs=1), tmp_path / "once", start=run, command=tune, verbose=0)
    twice = fit(dataclasses.replace(small, epochs=1), tmp_path / "twice", start=once, command=last, verbose=0)
    assert Run(once).record().command == f"{begin} --out START1 && {tune} --start START1"
    assert Run(twice).record().command == (
        f"{begin} --out START1 && {tune} --start START1 --out START2 && {last} --start START2"
    )


def test_a_run_of_another_network_is_no_start(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds the weights of another network"):
        fit(RICH, tmp_path / "new", start=run, verbose=0)
    with pytest.raises(RunError, match="no run lies here"):
        fit(RICH, tmp_path / "new", start=tmp_path, verbose=0)
    assert not (tmp_path / "new").exists()


def test_a_run_is_not_overwritten(run: Path, small: Config) -> None:
    with pytest.raises(RunError, match="holds a run already; go on with --resume"):
        fit(small, run, verbose=0)


def test_a_run_of_another_configuration_is_not_resumed(run: Path, small: Config) -> None:
    with pytest.raises(RunError, match="seed: 0, 7"):
        fit(dataclasses.replace(small, seed=7), run, resume=True, verbose=0)


def test_a_run_is_resumed_on_its_own_images_alone(tmp_path: Path, small: Config) -> None:
    images = np.random.default_rng(0).integers(0, 256, (70, 8, 8), np.uint8)
    np.savez(tmp_path / "set.npz", images=images)
    config = dataclasses.replace(small, data=str(tmp_path / "set.npz"), epochs=1)
    fit(config, tmp_path / "run", verbose=0)
    np.savez(tmp_path / "set.npz", images=images[::-1])
    with pytest.raises(
        RunError, match=r"set\.npz: the run has learned from other images .*; restore those, name their place"
    ):
        fit(config, tmp_path / "run", resume=True, verbose=0)
    np.savez(tmp_path / "set.npz", images=images)
    fit(config, tmp_path / "run", resume=True, verbose=0)


def test_a_run_tells_how_long_the_rest_will_take(
    tmp_path: Path, small: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(dataclasses.replace(small, epochs=3), tmp_path, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    figures = r"ELBO -\d+\.\d\d nats, validation -\d+\.\d\d, KL \d+\.\d\d; [\d.]+ (s|minutes?)"
    lefts = ["; 2 epochs left, about .+", "; 1 epoch left, about .+", ""]
    assert len(lines) == 3
    for number, (line, left) in enumerate(zip(lines, lefts, strict=True), 1):
        assert re.fullmatch(f"epoch {number}/3: {figures}{left}", line), line


def test_what_is_left_counts_the_finish_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0, 10, 10, 20, 20, 80, 80, 140, 140, 200])  # two epochs of 10 s, three of the finish of a minute
    monkeypatch.setattr(report_module.time, "monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    report = Report(5, 100, 2, finish=3, stream=stream)
    report.set_model(keras.Model())
    report.model.stop_training = False
    report.on_train_begin()
    for epoch in range(5):
        report.on_epoch_begin(epoch)
        report.on_epoch_end(epoch, {"elbo": -90.0, "val_elbo": -91.0})
    lefts = [line.split(" s; ", 1)[1] if " s; " in line else "" for line in stream.getvalue().splitlines()]
    assert lefts == [
        "4 epochs left: about 10 s to the finish, whose 3 take longer",
        "3 epochs left, those of the finish, which take longer",
        "2 epochs left, about 2 minutes",
        "1 epoch left, about 60 s",
        "",
    ]


def test_resume_without_a_run_says_so(tmp_path: Path, small: Config) -> None:
    with pytest.raises(RunError, match="no run lies here"):
        fit(small, tmp_path, resume=True, verbose=0)


@pytest.mark.parametrize("name", ["best", "checkpoint"])
def test_a_damaged_file_of_a_run_is_named(run: Path, tmp_path: Path, small: Config, name: str) -> None:
    for path in run.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    whole = (tmp_path / f"{name}.npz").read_bytes()
    (tmp_path / f"{name}.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match=rf"{name}\.npz: damaged"):
        _ = load(tmp_path) if name == "best" else fit(small, tmp_path, resume=True, verbose=0)


def test_the_best_weights_are_the_ones_loaded(uninterrupted: Path) -> None:
    model, _, best = load(uninterrupted)
    rows = history(uninterrupted)
    assert best["val_elbo"] == max(float(row["val_elbo"]) for row in rows)
    saved = Run(uninterrupted).load("best")
    assert saved is not None
    assert all(np.array_equal(v.numpy(), a) for v, a in zip(model.variables, saved[0], strict=True))


def test_a_run_without_a_finished_epoch_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_at(monkeypatch, 0, "on_train_batch_end")
    with pytest.raises(Cut):
        fit(RICH, tmp_path, verbose=0)
    with pytest.raises(RunError, match="no epoch has been finished yet"):
        load(tmp_path)


def test_patience_ends_a_run_and_resume_leaves_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter([-5.0, -6.0, -7.0])
    monkeypatch.setattr(fit_module.Learner, "validate", lambda self, *_: {"val_elbo": next(figures)})
    config = dataclasses.replace(RICH, epochs=9, patience=2)
    fit(config, tmp_path, verbose=0)
    fit(config, tmp_path, resume=True, verbose=0)
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + 3
    assert load(tmp_path)[2]["epoch"] == 1


def test_an_elbo_that_is_not_a_number_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_module.Learner, "validate", lambda self, *_: {"val_elbo": float("nan")})
    with pytest.raises(RunError, match=r"epoch 1: val_elbo is nan; .* lower learning rate"):
        fit(RICH, tmp_path, verbose=0)


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "ae"},
        {"objective": "beta", "beta": 4.0},
        {"objective": "iwae", "samples": 3},
        {"finish": 1, "samples": 3},
        {"finish": 1, "samples": 8, "gradient_samples": 2},
        {"binarize": "dynamic"},
        {"free_bits": 0.1},
        {"jit": True},
    ],
)
def test_every_objective_learns(tmp_path: Path, small: Config, options: dict[str, object]) -> None:
    fit(dataclasses.replace(small, **options), tmp_path, verbose=0)  # type: ignore[arg-type]
    rows = history(tmp_path)
    assert float(rows[1]["val_reconstruction"]) > float(rows[0]["val_reconstruction"])


def test_the_commit_is_a_hash_or_unknown() -> None:
    found = commit().removesuffix("-dirty")
    assert found == "unknown" or (len(found) == 40 and int(found, 16) >= 0)
