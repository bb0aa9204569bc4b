from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vae_edge.pictures.sheet import GAP, SHADE, Sheet, png, to_bytes
from vae_edge.runtime.errors import InputError


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("shape", [(1, 1, 1), (28, 28, 1), (3, 7, 3), (5, 2, 4), (300, 200, 1)])
def test_a_png_holds_exactly_the_pixels_it_was_given(shape):
    pixels = noise(*shape)
    with Image.open(io.BytesIO(png(pixels))) as picture:
        picture.verify()
    with Image.open(io.BytesIO(png(pixels))) as picture:
        assert picture.mode == {1: "L", 3: "RGB", 4: "RGBA"}[shape[2]]
        assert np.array_equal(np.asarray(picture).reshape(shape), pixels)


def test_pixels_are_rounded_to_the_nearest_of_256():
    assert to_bytes(np.array([0.0, 0.5 / 255 + 1e-6, 0.5, 1.0])).tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (2, 2), (64, 8), (65, 9), (10_000, 100)])
def test_a_sheet_of_one_row_is_near_square(n, columns):
    assert Sheet.plan(n, (28, 28, 1), ("images",)).columns == columns


def test_each_image_stands_in_its_place():
    images = noise(5, 4, 6, 1)
    sheet = Sheet.plan(5, (4, 6, 1), ("images",), columns=3, scale=1)
    drawn = sheet.draw([images])
    assert drawn.shape == (GAP + 2 * 5, GAP + 3 * 7, 1)
    for index, image in enumerate(images):
        top, left = GAP + index // 3 * 5, GAP + index % 3 * 7
        assert np.array_equal(drawn[top : top + 4, left : left + 6], image)
    assert (drawn[GAP + 5 :, GAP + 14 :] == SHADE).all()  # the sixth place is empty


def test_scaling_repeats_pixels():
    images = noise(2, 3, 3, 1)
    small, large = (Sheet.plan(2, (3, 3, 1), ("images",), scale=scale).draw([images]) for scale in (1, 3))
    assert np.array_equal(large, small.repeat(3, axis=0).repeat(3, axis=1))


def test_rows_that_belong_together_stand_above_each_other_with_their_labels():
    rows = [np.full((20, 28, 28, 1), value, np.uint8) for value in (10, 200)]
    drawn = Sheet.plan(20, (28, 28, 1), ("original", "mode"), columns=16, scale=1).draw(rows)
    sheet = drawn[:, -(GAP + 16 * 29) :]
    margin = drawn[:, : -(GAP + 16 * 29)]
    assert [sheet[top, GAP, 0] for top in (GAP, GAP + 29)] == [10, 200]
    assert (margin > SHADE).any()  # there is text
    assert (margin[29:] > SHADE).any()


@pytest.mark.parametrize("channels", [3, 4])
def test_labels_go_with_colours(channels):
    rows = [noise(2, 28, 28, channels)] * 2
    drawn = Sheet.plan(2, (28, 28, channels), ("original", "mode")).draw(rows)
    assert drawn.shape[2] == channels
    assert channels == 3 or (drawn[:, 0, 3] == 255).all()


def test_what_no_picture_could_hold_is_refused_before_it_is_made():
    with pytest.raises(InputError, match="write a folder or"):
        Sheet.plan(10**9, (28, 28, 1), ("images",))
    with pytest.raises(InputError, match="have 2: write"):
        Sheet.plan(1, (28, 28, 2), ("images",))
