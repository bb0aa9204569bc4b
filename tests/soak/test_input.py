"""Bad input is named: two hundred of them, one typed error each, with what was expected, what came and what to do."""

# ruff: noqa: E501 - one case a line
from __future__ import annotations

import numpy as np
import pytest

from vae_edge.runtime import Bernoulli, InputError, Mixture, Normal

SHAPE = (2, 6, 4, 1)


def images() -> dict[str, object]:
    """What is no batch of images of 6 x 4 x 1."""
    good = np.full(SHAPE, 0.25, np.float32)
    cases: dict[str, object] = {
        "None": None,
        "text": "abc",
        "a number": 3,
        "a set": {1},
        "a dict": {},
        "a list": [[1], [1, 2]],
    }
    for name, bad in {
        "NaN": np.nan,
        "inf": np.inf,
        "-inf": -np.inf,
        "2": 2.0,
        "-1": -1.0,
        "256": 256.0,
        "1e30": 1e30,
    }.items():
        for where in ((0, 0, 0, 0), (1, 5, 3, 0)):
            array = good.copy()
            array[where] = bad
            cases[f"{name} at {where}"] = array
            cases[f"{name} at {where} in float64"] = array.astype(np.float64)
            cases[f"{name} at {where} transposed in memory"] = np.asfortranarray(array)
            wide = np.repeat(array, 2, axis=2)
            cases[f"{name} at {where} in strides"] = wide[:, :, ::2]
    for dtype in ("complex64", "U3", "S3", "M8[s]", "m8[s]", "O", "V4"):
        cases[f"dtype {dtype}"] = np.zeros(SHAPE, dtype)
    for shape in ((), (0,), (24,), (6,), (2, 24), (4, 6), (0, 6, 4, 1), (2, 4, 6, 1), (2, 1, 6, 4), (2, 6, 4, 3), (2, 6, 4, 0),
                  (1, 2, 6, 4, 1), (2, 6, 5, 1), (6, 4, 2), (2, 0, 4, 1), (1,) * 9):  # fmt: skip
        for dtype in (np.float32, np.uint8, bool):
            cases[f"shape {shape} of {np.dtype(dtype)}"] = np.zeros(shape, dtype)
    for dtype in (np.int8, np.int16, np.int64, np.float16):
        cases[f"-1 of {np.dtype(dtype)}"] = np.full(SHAPE, -1, dtype)
        cases[f"77 of {np.dtype(dtype)}"] = np.full(SHAPE, 77, dtype)
    return cases


def latents() -> dict[str, object]:
    cases: dict[str, object] = {"None": None, "text": "abc", "a list": [[1, 2, 3], [1]], "a number": 0.5}
    for bad in (np.nan, np.inf, -np.inf, 1e300):
        cases[f"{bad}"] = np.array([[0, 0, bad]])
    for dtype in ("complex64", "U3", "M8[s]", "O", "?", "V4"):
        cases[f"dtype {dtype}"] = np.zeros((2, 3), dtype)
    for shape in ((), (3,), (0, 3), (2, 4), (2, 2), (2, 3, 1), (1, 2, 3), (3, 0)):
        cases[f"shape {shape}"] = np.zeros(shape)
    return cases


OTHERS = {
    **{f"n = {n!r}": lambda vae, n=n: vae.generate(n) for n in (0, -1, 1.5, "3", None, True, 10**30, [1], np.float32(2))},
    **{f"seed = {s!r}": lambda vae, s=s: vae.generate(1, seed=s) for s in (-1, 2**64, 0.5, "x", None, True, np.nan)},
    **{f"start = {s!r}": lambda vae, s=s: vae.generate(1, start=s) for s in (-1, 2**63, 0.5, "x", None, True)},
    **{f"head = {h!r}": lambda vae, h=h: vae.generate(1, head=h) for h in ("median", "", None, 1, ["mean"], "MEAN")},
    **{f"batch_size = {b!r}": lambda vae, b=b: vae.stream(9, batch_size=b) for b in (0, -1, 1.5, None, "x")},
    **{f"steps = {s!r}": lambda vae, s=s: vae.interpolate(np.zeros((6, 4)), np.zeros((6, 4)), s) for s in (0, -1, 1.5, "x")},
    **{f"latent = {k!r}": lambda vae, k=k: vae.reconstruct(np.zeros(SHAPE), latent=k) for k in ("mode", "", None, 0)},
    **{f"scale = {s!r}": lambda vae, s=s: Normal(np.zeros(3), s) for s in (-np.ones(3), np.full(3, np.nan), np.full(3, np.inf), np.ones(2), "x", np.ones((1, 1, 3)))},
    **{f"loc = {s!r}": lambda vae, s=s: Normal(s, np.ones(3)) for s in (np.full(3, np.nan), np.full(3, np.inf), np.zeros(2), None)},
    **{f"logits = {s!r:.60}": lambda vae, s=s: Bernoulli(s) for s in (np.full((6, 4, 1), np.nan), np.zeros(4), np.zeros((1, 1, 6, 4, 1)), "x", None)},
    **{f"weights = {w!r}": lambda vae, w=w: Mixture(w, np.zeros((2, 3)), np.tile(np.eye(3), (2, 1, 1))) for w in ([0.5, 0.6], [-1, 2], [np.nan, 1], [1.0], "x", [[[0.5, 0.5]]])},
    **{f"value of {s}": lambda vae, s=s: vae.decode(np.zeros((2, 3))).log_prob(np.zeros(s)) for s in ((3,), (5, 6, 4, 1), (2, 6, 5, 1))},
    "a value of NaN": lambda vae: vae.decode(np.zeros((1, 3))).log_prob(np.full((6, 4, 1), np.nan)),
    "a value of 2": lambda vae: vae.decode(np.zeros((1, 3))).log_prob(np.full((6, 4, 1), 2.0)),
    "uint8 of at most 1": lambda vae: vae.encode(np.ones(SHAPE, np.uint8)),
}  # fmt: skip


def calls() -> dict[str, object]:
    encode = {f"images: {name}": lambda vae, case=case: vae.encode(case) for name, case in images().items()}
    decode = {f"z: {name}": lambda vae, case=case: vae.decode(case) for name, case in latents().items()}
    return encode | decode | OTHERS


CALLS = calls()


@pytest.mark.parametrize("case", CALLS)
def test_bad_input_is_named(vae, case):
    with pytest.raises(InputError) as caught:
        CALLS[case](vae)
    text = str(caught.value)
    assert 20 < len(text) < 500, text
    assert "\n" not in text, text


def test_there_are_two_hundred(record_property):
    assert len(CALLS) >= 200
    record_property("result", f"{len(CALLS)} inputs named")
