"""The same seed gives the same noise on other processors, and bundles the same digits: by qemu, where it is here."""

from __future__ import annotations

import numpy as np
import pytest

from tests.machines import answers, roots
from tests.machines.__main__ import bundles, noise
from tests.machines.machines import MACHINES


@pytest.mark.parametrize("name", MACHINES)
def test_noise_is_the_same_on_other_processors(name):
    if reason := roots.missing(MACHINES[name]):
        pytest.skip(reason)
    assert "82 of 82 hashes hold" in noise(MACHINES[name])


@pytest.mark.parametrize("name", [name for name, machine in MACHINES.items() if machine.wheels])
def test_the_bundles_that_ship_draw_the_same_digits_on_other_processors(name):
    if reason := roots.missing(MACHINES[name]):
        pytest.skip(reason)
    differ, worst = bundles(MACHINES[name], 8)
    assert differ == 0
    assert worst <= answers.TOLERANCE


def test_a_pixel_or_a_logit_that_differs_is_counted():
    here = {"b/sample": np.array([0.0, 1.0, 1.0]), "b/logits": np.array([0.5, -200.0])}
    there = {"b/sample": np.array([0.0, 0.0, 1.0]), "b/logits": np.array([0.5, -200.02])}
    differ, worst = answers.compare(here, there)
    assert differ == 1
    assert worst == pytest.approx(1e-4)
