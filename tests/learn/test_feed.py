"""Batches, shifts and draws of pixels depend on (seed, step) alone."""

import itertools

import numpy as np
import tensorflow as tf

from vae_edge.train.config import Config
from vae_edge.train.feed import Feed

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 8, 6, 1), dtype=np.uint8)


def orders(first: int, config: Config) -> list[list[int]]:
    feed = Feed(config, IMAGES)
    flat = [batch.tolist() for batch in feed.batches(first).as_numpy_iterator()]
    return [list(itertools.chain(*flat[k : k + feed.steps])) for k in range(0, len(flat), feed.steps)]


def test_each_epoch_has_every_image_once_in_an_order_of_its_own() -> None:
    found = orders(0, Config(epochs=3, batch=10))
    assert [sorted(order) for order in found] == [list(range(50))] * 3
    assert found[0] != found[1] != found[2]


def test_an_epochs_order_does_not_depend_on_where_the_run_began() -> None:
    config = Config(epochs=4, batch=10)
    assert orders(2, config) == orders(0, config)[2:]
    assert orders(0, config) != orders(0, Config(epochs=4, batch=10, seed=1))


def test_static_pixels_are_one_above_half() -> None:
    feed = Feed(Config(likelihood="bernoulli"), IMAGES)
    pixels = feed.events(tf.range(50), tf.constant(0, tf.int64))
    assert np.array_equal(pixels, IMAGES / 255 > 0.5)


def test_dynamic_pixels_are_draws_of_the_grey_value() -> None:
    feed = Feed(Config(likelihood="bernoulli", binarize="dynamic"), IMAGES)
    draws = np.mean([feed.events(tf.range(50), tf.constant(k, tf.int64)).numpy() for k in range(1000)], axis=0)
    # Standard error at most 0.016; 2,400 pixels, so 5 of them.
    assert np.abs(draws - IMAGES / 255).max() < 0.08


def test_a_shift_moves_each_image_whole_and_ends_with_the_last_tenth() -> None:
    config = Config(likelihood="bernoulli", shift=1, epochs=10, batch=50)
    feed = Feed(config, IMAGES)
    padded = np.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0))) / 255 > 0.5
    windows = {(dy, dx): padded[:, dy : dy + 8, dx : dx + 6] for dy in range(3) for dx in range(3)}
    moved = feed.events(tf.range(50), tf.constant(0, tf.int64)).numpy()
    matches = [{move for move, window in windows.items() if np.array_equal(window[k], moved[k])} for k in range(50)]
    assert all(matches)
    assert len(set.union(*matches)) == 9
    last = feed.events(tf.range(50), tf.constant(9, tf.int64)).numpy()
    assert np.array_equal(last, IMAGES / 255 > 0.5)


def test_a_grey_image_that_moves_shows_its_own_edge_and_not_black() -> None:
    config = Config(likelihood="discretized_logistic", shift=2, epochs=10, batch=50)
    images = np.maximum(IMAGES, 1)
    moved = Feed(config, images).events(tf.range(50), tf.constant(0, tf.int64)).numpy()
    assert moved.min() > 0
    assert all(set(np.unique(np.rint(255 * moved[k]))) <= set(np.unique(images[k])) for k in range(50))
    assert not np.array_equal(moved, (images / 255).astype(np.float32))


def test_a_small_set_makes_one_batch() -> None:
    feed = Feed(Config(batch=128, epochs=2), IMAGES)
    assert (feed.batch, feed.steps) == (50, 1)
