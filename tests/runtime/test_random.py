from __future__ import annotations

import decimal
import hashlib
import importlib
import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_edge.runtime import InputError, noise
from vae_edge.runtime.noise import (
    Purpose,
    error_bounds,
    gaussian,
    logistic_quantiles,
    normal_quantiles,
    normals,
    philox,
    products,
    row_norms,
    tables,
    uniforms,
    words,
    words16,
    words32,
)

products_module = importlib.import_module("vae_edge.runtime.noise.products")  # whose name is also the function's

SEEDS = st.integers(0, 2**64 - 1)
STARTS = st.integers(0, 2**63 - 100)
PURPOSES = st.sampled_from(Purpose)
COUNTERS = st.integers(0, 2**127) | st.integers(2**64 - 20, 2**64 + 20)  # a counter's second word begins at 2**64


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        (lambda: words(0, Purpose.PRIOR, 0, 1000, 16), "8e93a89ee30262b9"),
        (lambda: words(2**64 - 1, Purpose.PIXEL, 2**63 - 1000, 1000, 5, stream=7), "12fc26f451aa34d6"),
        (lambda: words16(1, Purpose.PIXEL, 5, 100, 784), "9ff0552e1dbcb510"),
        (lambda: uniforms(2, Purpose.COMPONENT, 12345, 10_000), "2890904d3310837f"),
        (lambda: normals(0, Purpose.PRIOR, 0, 4096, 32), "91c50c02dc9bb56a"),
        (lambda: normals(3, Purpose.POSTERIOR, 10**12, 999, 7, stream=4999), "ee82b6ac525454b3"),
        (lambda: words32(4, Purpose.PIXEL, 2**40, 100, 785, stream=3), "22744ac3055ab7e5"),
        (logistic_quantiles, "511da82a8b3dd920"),
        (normal_quantiles, "1cfbba1e07e34386"),
    ],
)
def test_noise_is_the_same_to_the_bit_on_every_platform(noise, expected):
    assert digest(noise()) == expected


@given(seed=SEEDS, start=STARTS, size=st.integers(1, 40), purpose=PURPOSES, stream=st.integers(0, 2**40))
def test_a_draw_depends_on_its_index_alone(seed, start, size, purpose, stream):
    for draw in (words, words16, words32, normals):
        together = draw(seed, purpose, start, 9, size, stream)
        apart = [draw(seed, purpose, start + i, n, size, stream) for i, n in ((0, 1), (1, 3), (4, 5))]
        assert np.array_equal(together[:, :size], np.concatenate(apart)[:, :size])
    together = uniforms(seed, purpose, start, 9, stream)
    assert np.array_equal(together[4:], uniforms(seed, purpose, start + 4, 5, stream))


@given(seed=SEEDS, start=STARTS, stream=st.integers(0, 2**40))
def test_words_are_philox_s(seed, start, stream):
    counter = start * 2
    philox = np.random.Philox(
        key=np.array([seed, Purpose.PIXEL | stream << 8], np.uint64),
        counter=np.array([counter & (2**64 - 1), counter >> 64, 0, 0], np.uint64),
    )
    assert np.array_equal(words(seed, Purpose.PIXEL, start, 3, 5, stream).ravel(), philox.random_raw(24))


@given(key=st.tuples(SEEDS, SEEDS), counter=COUNTERS, blocks=st.integers(1, 40))
def test_philox_without_numpys_own_gives_the_same_words(key, counter, blocks):
    low, high = counter & (2**64 - 1), counter >> 64
    theirs = np.random.Philox(key=np.array(key, np.uint64), counter=np.array([low, high, 0, 0], np.uint64))
    assert np.array_equal(philox.words(key, counter, blocks), theirs.random_raw(4 * blocks))


@pytest.mark.parametrize("counter", [2**64 - 3, 2**64 - 2, 2**64 - 1, 2**64, 2**65 - 2, 2**126])
def test_philox_carries_into_the_second_word_of_its_counter(counter):
    low, high = counter & (2**64 - 1), counter >> 64
    theirs = np.random.Philox(key=np.array([1, 2], np.uint64), counter=np.array([low, high, 0, 0], np.uint64))
    assert np.array_equal(philox.words((1, 2), counter, 4), theirs.random_raw(16))


def test_philox_gives_the_published_words():
    """The first vector of Random123's kat_vectors for philox4x64 with 10 rounds: counter 0, key 0."""
    published = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert philox.words((0, 0), -1, 1).tolist() == published


def test_streams_purposes_and_seeds_have_nothing_in_common():
    keys = [(seed, purpose, stream) for seed in (0, 1) for purpose in Purpose for stream in (0, 1, 2)]
    drawn = np.concatenate([words(seed, purpose, 0, 10, 4, stream).ravel() for seed, purpose, stream in keys])
    assert len(np.unique(drawn)) == len(drawn)


def test_large_requests_are_made_in_blocks_of_the_same_noise():
    n = 3 * gaussian._NORMALS_AT_ONCE // 5 + 1
    assert np.array_equal(normals(0, Purpose.PRIOR, 3, n, 5)[-2:], normals(0, Purpose.PRIOR, 3 + n - 2, 2, 5))


@pytest.mark.parametrize("ulps", [-3, 2, 5])
def test_normals_do_not_depend_on_the_last_bits_of_libm(monkeypatch, ulps):
    """Ten million at full size; here 2^20, with a window so wide that the decimal path is taken hundreds of times."""
    expected = normals(0, Purpose.PRIOR, 0, 1 << 15, 32)

    def perturbed(function):
        def call(*arguments, **keywords):
            result = function(*arguments, **keywords)
            result *= 1.0 + ulps * 2.0**-52
            return result

        return call

    for name in ("log", "exp"):
        monkeypatch.setattr(gaussian.np, name, perturbed(getattr(np, name)))
    assert np.array_equal(normals(0, Purpose.PRIOR, 0, 1 << 15, 32), expected)


def test_the_decimal_path_gives_what_the_fast_one_gives(monkeypatch):
    expected = normals(0, Purpose.PRIOR, 0, 1 << 10, 32)
    calls = []
    exact = gaussian._exact_normal
    monkeypatch.setattr(gaussian, "_DOUBT", 2.0**-32)  # 1 in 256 is doubted, not 1 in 4 million
    monkeypatch.setattr(gaussian, "_exact_normal", lambda *arguments: calls.append(1) or exact(*arguments))
    assert np.array_equal(normals(0, Purpose.PRIOR, 0, 1 << 10, 32), expected)
    assert len(calls) > 50


@pytest.mark.parametrize("word", [0, 2**64 - 1, 2**63, 0xFFFFFFFF, 0x40000000, 0x80000000, 2**64 - 2**32 + 1])
def test_the_decimal_path_is_right_at_the_ends(word):
    u1, u2 = ((word >> 32) + 1) / 2**32, (word & 0xFFFFFFFF) / 2**32
    radius = math.sqrt(-2 * math.log(u1))
    for second, function in enumerate((math.cos, math.sin)):
        expected = radius * function(2 * math.pi * u2)
        assert gaussian._exact_normal(word, second) == pytest.approx(expected, rel=1e-14, abs=1e-300)


@pytest.mark.parametrize(
    ("lower", "expected"), [(0, (-0.0, -0.0)), (0x60000000, (0.0, -0.0)), (0xA0000000, (0.0, 0.0))]
)
def test_a_radius_of_zero_keeps_the_signs_of_cosine_and_sine(lower, expected):
    raw = np.array([[0xFFFFFFFF << 32 | lower]], np.uint64)  # u1 = 1: the radius is -0.0, as sqrt(-2 log 1) is
    found = gaussian._normals(raw)[0]
    assert found.tolist() == [0.0, 0.0]
    assert np.signbit(found).tolist() == np.signbit(expected).tolist()


def test_the_decimal_path_does_not_read_the_caller_s_context():
    with decimal.localcontext(decimal.Context(prec=2)):
        rough = gaussian._exact_normal(123456789 << 20, 0)
    assert rough == gaussian._exact_normal(123456789 << 20, 0)


def test_normals_are_normal():
    from_scipy = pytest.importorskip("scipy.stats")
    z = normals(1, Purpose.PRIOR, 0, 20_000, 10)
    assert from_scipy.kstest(z.ravel(), "norm").pvalue > 1e-4
    assert np.abs(np.corrcoef(z.T) - np.eye(10)).max() < 0.05
    assert np.isfinite(z).all()


@pytest.mark.parametrize("table", [tables.wide_logistic_quantiles, tables.wide_normal_quantiles])
def test_no_entry_of_a_table_can_round_two_ways(table):
    low = table().view(np.uint64) & np.uint64(2**29 - 1)
    assert np.abs(low.astype(np.int64) - 2**28).min() > 64


def test_the_normal_table_is_the_inverse_of_the_distribution_function():
    special = pytest.importorskip("scipy.special")
    p = (np.arange(1 << 16) + 0.5) / (1 << 16)
    np.testing.assert_allclose(tables.wide_normal_quantiles(), special.ndtri(p), rtol=1e-14)
    standard = statistics.NormalDist()
    for w in (0, 1, 4915, 32767, 32768, 65535):  # on both sides of where the approximation changes
        assert normal_quantiles()[w] == np.float32(standard.inv_cdf(p[w]))


def test_a_shared_table_cannot_be_written_to():
    for table in (logistic_quantiles(), normal_quantiles()):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 0


def test_halves_of_words_come_the_lower_first():
    raw = words(9, Purpose.PIXEL, 3, 2, 4)
    halves = words32(9, Purpose.PIXEL, 3, 2, 7)
    assert halves[0, :2].tolist() == [int(raw[0, 0]) & 0xFFFFFFFF, int(raw[0, 0]) >> 32]
    assert halves.shape == (2, 7)


def factors(n: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower triangular matrices (n, L, L), rows of very different sizes, and vectors (n, L), both of float32."""
    rng = np.random.default_rng(size)
    matrices = np.tril(rng.normal(size=(n, size, size))) * 10.0 ** rng.integers(-3, 4, size=(n, size, 1))
    return matrices.astype(np.float32).astype(np.float64), rng.normal(size=(n, size)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 2, 7, 32])
def test_products_are_the_rounded_sums_of_the_exact_products(size):
    matrices, vectors = factors(2000, size)
    found = products(matrices, error_bounds(row_norms(matrices)), vectors)
    exact = [
        [math.fsum(Fraction(a) * Fraction(b) for a, b in zip(row, vector, strict=True)) for row in matrix]
        for matrix, vector in zip(matrices[:100].tolist(), vectors[:100].tolist(), strict=True)
    ]
    assert np.array_equal(found[:100], np.array(exact).astype(np.float32))
    terms = (matrices * vectors[:, None]).tolist()
    assert np.array_equal(found, np.array([[math.fsum(row) for row in rows] for rows in terms]).astype(np.float32))


@pytest.mark.parametrize("order", ["backwards", "halves", "shuffled"])
def test_products_do_not_depend_on_the_order_of_the_sum(order, monkeypatch):
    """40,000 draws of 32 numbers: the BLAS's own sum and this one differ in most, the results in none."""
    matrices, vectors = factors(40_000, 32)
    expected = products(matrices, error_bounds(row_norms(matrices)), vectors)
    decided = []
    monkeypatch.setattr(products_module, "_sums", {
        "backwards": lambda m, v: np.cumsum((m * v[:, None])[..., ::-1], axis=-1)[..., -1],
        "halves": lambda m, v: (m * v[:, None])[..., :16].sum(axis=-1) + (m * v[:, None])[..., 16:].sum(axis=-1),
        "shuffled": lambda m, v: (m * v[:, None])[..., np.random.default_rng(0).permutation(32)].sum(axis=-1),
    }[order])  # fmt: skip
    fsum = math.fsum
    monkeypatch.setattr(products_module.math, "fsum", lambda terms: decided.append(1) or fsum(terms))
    assert np.array_equal(products(matrices, error_bounds(row_norms(matrices)), vectors), expected)
    assert 0 < len(decided) < 1e-3 * expected.size


def test_products_survive_a_sum_that_is_wrong_within_its_bound(monkeypatch):
    matrices, vectors = factors(5000, 32)
    norms = row_norms(matrices)
    expected, exact = products(matrices, error_bounds(norms), vectors), products_module._sums
    bound = norms * np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True) * 31 * 2.0**-53
    for sign in (-1, 1):
        monkeypatch.setattr(products_module, "_sums", lambda m, v, sign=sign: exact(m, v) + sign * bound)
        assert np.array_equal(products(matrices, error_bounds(norms), vectors), expected)


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, "0", None, True, np.array([1, 2])])
def test_a_seed_is_an_integer_of_64_bits(seed):
    with pytest.raises(InputError, match="seed should be an integer in"):
        noise.check_seed(seed)


def test_seeds_may_be_numpy_integers():
    assert noise.check_seed(np.uint64(2**64 - 1)) == 2**64 - 1


@pytest.mark.parametrize("start", [-1, 2**63, 1.0, "0"])
def test_a_start_is_an_integer_whose_draws_exist(start):
    with pytest.raises(InputError, match="start should be an integer in"):
        noise.check_draws(start, 1)
