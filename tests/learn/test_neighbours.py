"""What independent pixels cost: corrections begin at 0, and a pixel sees only pixels that come before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import neighbours
from vae_edge.runtime import VAE

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), dtype=np.uint8)


@pytest.mark.parametrize("sees_image", [False, True])
def test_the_corrections_begin_at_what_the_bundle_says(sees_image: bool) -> None:
    vae = VAE.load(ARTIFACTS / "fashion")
    image, given, kl = neighbours.coded(vae, IMAGES, seed=3)
    found = neighbours.mean_log_prob(neighbours.corrector(1, sees_image), image, given)
    q = vae.encode(IMAGES)
    z = q.sample(seed=3)
    assert found == pytest.approx(vae.decode(z).log_prob(vae.prepare(IMAGES)).mean(), rel=1e-5)
    np.testing.assert_allclose(kl, q.log_prob(z) - vae.prior.log_prob(z), rtol=1e-5)


@pytest.mark.parametrize("sees_image", [False, True])
def test_a_pixel_sees_only_pixels_that_come_before_it(sees_image: bool) -> None:
    model = neighbours.corrector(1, sees_image)
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape))
    image = rng.random((1, 28, 28, 1), np.float32)
    given = rng.random((1, 28, 28, 2), np.float32)
    changed = image.copy()
    changed[0, 10, 12] += 1.0
    differ = np.argwhere(np.any(model([image, given])[0] != model([changed, given])[0], -1))
    seen_by = [(10, column) for column in (13, 14, 15)] + [(row, c) for row in (11, 12, 13) for c in range(9, 16)]
    assert [tuple(place) for place in differ] == (seen_by if sees_image else [])


def test_neighbours_help_where_a_pixel_repeats_the_one_above() -> None:
    rng = np.random.default_rng(2)
    image = np.repeat(rng.random((64, 4, 8, 1), np.float32).round(2), 2, 1)
    given = np.broadcast_to(np.array([0.5, np.log(0.2)], np.float32), (64, 8, 8, 2)).copy()
    alone, with_them = (
        neighbours.mean_log_prob(neighbours.learned(neighbours.corrector(1, sees), image, given, 60, 16), image, given)
        for sees in (False, True)
    )
    assert with_them > alone + 32  # at least a nat for each of the 32 pixels that repeat one
