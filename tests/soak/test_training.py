"""Training goes on exactly: cut off after random steps, a run ends with the bytes of one that was not."""

from __future__ import annotations

import random

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the train extra is not installed")

from vae_edge.train.config import Config
from vae_edge.train.fit import Keeper, fit
from vae_edge.train.run import Run

# Each part of the state at work: shifts, drawn pixels, a mixture, moving averages, a schedule, clipping, patience.
CONFIG = Config(
    data="digits", latent=3, width=8, depth=1, epochs=3, batch=64, prior="mixture", components=4, ema=0.9, shift=1,
    binarize="dynamic", clip=10.0, patience=3, warmup=2.0,
)  # fmt: skip


class Cut(BaseException):
    """Stands for whatever ends a process; no handler of errors catches it."""


def state(path) -> dict[str, object]:
    """Weights, averages, optimizer and its step, best so far, figures; the next batches are a function of these."""
    saved = {name: Run(path).load(name) for name in ("best", "checkpoint")}
    arrays = {name: [array.tobytes() for array in found[0]] for name, found in saved.items()}
    return arrays | {f"{name} note": found[1] for name, found in saved.items()} | {
        "history": (path / "history.csv").read_bytes()
    }  # fmt: skip


def test_a_run_that_is_cut_off_again_and_again_ends_as_if_it_had_not(tmp_path, monkeypatch, soak):
    if not soak(0, 1):
        pytest.skip("takes minutes: make soak (tests/learn/test_fit.py cuts a run off at five moments)")
    fit(CONFIG, tmp_path / "whole", verbose=0)
    expected = state(tmp_path / "whole")
    assert np.isfinite(expected["checkpoint note"]["best"])
    dice, cuts, runs, left = random.Random(0), 0, 0, 0

    def step(*_: object, **__: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Cut

    def save(self: Run, name: str, *rest: object) -> None:
        step()  # before the file,
        kept_save(self, name, *rest)
        step()  # and between it and the next

    kept_save = Run.save
    while cuts < 50:
        path, resume = tmp_path / f"cut {runs}", False
        runs += 1
        while True:
            left = dice.randrange(1, 30)
            with monkeypatch.context() as patch:
                patch.setattr(Keeper, "on_train_batch_end", step)
                patch.setattr(Run, "save", save)
                try:
                    fit(CONFIG, path, resume=resume, verbose=0)
                    break
                except Cut:
                    cuts += 1
            resume = (path / "run.json").exists()
            if dice.random() < 0.3:  # sometimes it is left to end
                fit(CONFIG, path, resume=resume, verbose=0)
                break
        assert state(path) == expected, f"run {runs}"
