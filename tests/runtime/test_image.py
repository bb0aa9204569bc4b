from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vae_edge.runtime import InputError
from vae_edge.runtime.bundle.manifest import Image, Vector
from vae_edge.runtime.events import prepare, standardise

BINARY, GREY = Image(6, 4, 1, 0.5), Image(6, 4, 1, None)
COLOUR = Image(6, 4, 3, 0.5)
BYTES = hnp.arrays(np.uint8, (2, 6, 4), elements=st.integers(0, 255)).filter(lambda array: array.max() != 1)


@given(BYTES)
def test_bytes_are_divided_by_255_and_lit_above_the_threshold(images):
    expected = np.where(images / 255 > 0.5, 1, 0).astype(np.float32)[..., None]
    assert np.array_equal(prepare(images, BINARY), expected)
    np.testing.assert_array_equal(prepare(images, GREY), (images / 255).astype(np.float32)[..., None])


@given(BYTES, st.sampled_from([BINARY, GREY]))
def test_what_was_prepared_stays_as_it_is(images, image):
    once = prepare(images, image)
    assert np.array_equal(prepare(once, image), once)
    assert once.dtype == np.float32
    assert once.flags.c_contiguous


def test_the_threshold_itself_is_dark():
    pixels = np.full((6, 4), 0.5)
    pixels[0, 0] = np.nextafter(0.5, 1)
    assert prepare(pixels, BINARY).sum() == 1


@pytest.mark.parametrize("dtype", [bool, np.float16, np.float32, np.float64, np.longdouble])
def test_black_and_white_comes_in_any_dtype(dtype):
    images = (np.arange(48).reshape(2, 6, 4) % 3 == 0).astype(dtype)
    assert np.array_equal(prepare(images, BINARY)[..., 0], images.astype(np.float32))


def test_one_image_is_a_batch_of_one():
    for shape in ((6, 4), (6, 4, 1), (1, 6, 4), (1, 6, 4, 1)):
        assert prepare(np.zeros(shape), BINARY).shape == (1, 6, 4, 1)
    assert prepare(np.zeros((6, 4, 3)), COLOUR).shape == (1, 6, 4, 3)


def test_any_layout_of_memory_will_do():
    images = np.random.default_rng(0).random((8, 6, 4))
    expected = prepare(images[::2], BINARY)
    for same in (np.asfortranarray(images)[::2], images[::-1][::-2][::-1], images.tolist()[::2]):
        found = prepare(same, BINARY)
        assert found.flags.c_contiguous
        assert found.shape == (4, 6, 4, 1)
    assert np.array_equal(prepare(np.asfortranarray(images[::2]), BINARY), expected)


def test_input_is_never_written_to():
    images = np.random.default_rng(0).random((2, 6, 4, 1)).astype(np.float32)
    before = images.copy()
    images.flags.writeable = False
    prepare(images, BINARY)
    prepare(images, GREY)
    assert np.array_equal(images, before)


BAD = {
    "uint8 of 0 and 1": (np.ones((2, 6, 4), np.uint8), "of 1 or of 255"),
    "NaN": (np.full((2, 6, 4), np.nan), "NaN"),
    "one NaN": (np.where(np.arange(24).reshape(1, 6, 4) == 7, np.nan, 0), "NaN"),
    "infinity": (np.full((2, 6, 4), np.inf), "should lie in"),
    "0 to 255 as floats": (np.full((2, 6, 4), 255.0), "should lie in"),
    "-1 to 1": (np.linspace(-1, 1, 24).reshape(1, 6, 4), "should lie in"),
    "int64": (np.zeros((2, 6, 4), int), "they are int64"),
    "int8": (np.zeros((2, 6, 4), np.int8), "they are int8"),
    "complex": (np.zeros((2, 6, 4), complex), "they are complex128"),
    "object": (np.zeros((2, 6, 4), object), "they are object"),
    "text": (np.full((2, 6, 4), "x"), "they are <U1"),
    "dates": (np.zeros((2, 6, 4), "M8[s]"), "they are datetime64"),
    "records": (np.zeros((2, 6, 4), [("a", "u1")]), "convert with"),
    "none": (np.zeros((0, 6, 4)), "there are none"),
    "none of four axes": (np.zeros((0, 6, 4, 1)), "there are none"),
    "turned": (np.zeros((2, 4, 6)), r"\(B, 6, 4, 1\)"),
    "channels first": (np.zeros((2, 1, 6, 4)), r"use x\.transpose\(0, 2, 3, 1\)"),
    "colour": (np.zeros((2, 6, 4, 3)), "resize or reshape"),
    "flat": (np.zeros((2, 24)), "resize or reshape"),
    "five axes": (np.zeros((1, 2, 6, 4, 1)), "resize or reshape"),
    "a number": (0.5, "resize or reshape"),
    "nothing": (None, "resize or reshape"),
    "ragged": ([[[0.0]], [[0.0], [1.0]]], "stack images of one size"),
}


@pytest.mark.parametrize("shape", [(6, 4), (2, 6, 4), (2, 6, 4, 1), (2, 6, 4, 2), (3, 6, 4)])
def test_images_of_several_channels_need_them(shape):
    """(B, H, W) is a batch of images of one channel, never the planes of one image."""
    colour = Image(6, 4, 3, None)
    assert prepare(np.zeros((2, 6, 4, 3)), colour).shape == (2, 6, 4, 3)
    assert prepare(np.zeros((6, 4, 3)), colour).shape == (1, 6, 4, 3)
    with pytest.raises(InputError, match=r"should have shape \(B, 6, 4, 3\), they have"):
        prepare(np.zeros(shape), colour)


@pytest.mark.parametrize("case", BAD)
def test_bad_images_are_named(case):
    images, message = BAD[case]
    with pytest.raises(InputError, match=message):
        prepare(images, BINARY)


@pytest.mark.parametrize(
    ("shift", "scale", "expected"),
    [
        ((), (), [[3, 8]]),
        ((1.0, 2.0), (), [[2, 6]]),
        ((), (2.0, 4.0), [[1.5, 2]]),
        ((1.0, 2.0), (2.0, 4.0), [[1, 1.5]]),
        ((0.0, 0.0), (1.0, 1.0), [[3, 8]]),
    ],
)
def test_a_vector_is_standardised_by_the_shift_and_scale_that_there_are(shift, scale, expected):
    x = np.array([[3, 8]], np.float32)
    assert standardise(x, Vector(2, (), shift, scale)).tolist() == expected
