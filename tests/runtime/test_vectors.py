"""The test vectors that other languages read are what Python draws, and their few formulas are the specification's."""

from __future__ import annotations

import base64
import json
import math
import runpy
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.vectors import make_bundles, make_distributions
from tests.vectors.arrays import load
from vae_edge.runtime.noise import Purpose, gaussian, philox

FOLDER = Path(__file__).parents[1] / "vectors"
VECTORS = json.loads((FOLDER / "noise.json").read_text())
DISTRIBUTIONS = json.loads((FOLDER / "distributions.json").read_text())["cases"]
BUNDLES = json.loads((FOLDER / "bundles.json").read_text())


def number(bits: str) -> float:
    return struct.unpack(">f" if len(bits) == 8 else ">d", bytes.fromhex(bits))[0]


def test_python_draws_the_vectors():
    assert runpy.run_path(str(FOLDER / "make.py"))["render"]() == (FOLDER / "noise.json").read_text()


@pytest.mark.parametrize("case", VECTORS["draws"], ids=lambda case: f"seed {case['seed']}")
def test_the_vectors_are_those_of_the_specification(case):
    """From `docs/seed-contract.md` alone: the counters, the parts of words, uniforms, and what is made of them."""
    seed, start, stream = int(case["seed"], 16), int(case["start"], 16), case["stream"]

    def words(purpose: str, size: int) -> list[list[int]]:
        blocks = -(-size // 4)
        key = (seed, VECTORS["purposes"][purpose] | stream << 8)
        return [philox.words(key, (start + i) * blocks, blocks).tolist() for i in range(3)]

    prior = words("PRIOR", 5)[:2]
    assert case["words of 5"] == [f"{word:016x}" for draw in prior for word in draw]
    pixels = [draw[:2] for draw in words("PIXEL", 2)[:2]]
    parts = [[word >> 16 * part & 0xFFFF for word in draw for part in range(4)][:6] for draw in pixels]
    assert case["words16 of 6"] == [f"{part:04x}" for draw in parts for part in draw]
    halves = [[word >> 32 * half & 0xFFFFFFFF for word in draw for half in range(2)][:3] for draw in pixels]
    assert case["words32 of 3"] == [f"{half:08x}" for draw in halves for half in draw]
    uniforms = [(draw[0] >> 11) * 2.0**-53 for draw in words("COMPONENT", 1)]
    assert list(map(number, case["uniforms"])) == uniforms
    edges = [0.5, 0.75, 0.875]
    assert case["components"] == [sum(u >= edge for edge in edges) for u in uniforms]
    normals = []
    for draw in words("POSTERIOR", 3)[:2]:
        for place in range(5):
            word = draw[place // 2]
            radius = math.sqrt(-2 * math.log(((word >> 32) + 1) / 2**32))
            angle = 2 * math.pi * (word & 0xFFFFFFFF) / 2**32
            normals.append(radius * (math.sin(angle) if place % 2 else math.cos(angle)))
    assert list(map(number, case["normals of 5"])) == pytest.approx(normals, rel=1e-7)


@pytest.mark.parametrize("case", VECTORS["members"]["weights"], ids=lambda case: f"member {case['member']}")
def test_the_weights_of_members_are_those_of_the_specification(case):
    loc, scale = ([np.float32(number(each)) for each in VECTORS["members"][name]] for name in ("loc", "scale"))
    blocks, found = 1, []
    key = (0, VECTORS["purposes"]["WEIGHT"])
    draw = philox.words(key, int(case["member"], 16) * blocks, blocks).tolist()
    for place in range(5):
        word = draw[place // 2]
        radius = math.sqrt(-2 * math.log(((word >> 32) + 1) / 2**32))
        angle = 2 * math.pi * (word & 0xFFFFFFFF) / 2**32
        eps = np.float32(radius * (math.sin(angle) if place % 2 else math.cos(angle)))
        found.append(np.float32(np.float32(eps * scale[place]) + loc[place]))
    assert [number(each) for each in case["of"]] == pytest.approx(found, rel=1e-6)


def test_the_vectors_hold_normals_that_float64_alone_does_not_round():
    for tie in VECTORS["normals beside a tie"]:
        blocks = 4
        word = philox.words((0, VECTORS["purposes"]["PRIOR"]), tie["draw"] * blocks, blocks).tolist()[tie["index"] // 2]
        radius = math.sqrt(-2 * math.log(((word >> 32) + 1) / 2**32))
        angle = (word & 0xFFFFFFFF) * (2 * math.pi * 2.0**-32)
        wide = radius * (math.sin(angle) if tie["index"] % 2 else math.cos(angle))
        below_float32 = struct.unpack(">Q", struct.pack(">d", wide))[0] & (1 << 29) - 1
        assert abs(below_float32 - (1 << 28)) < 80
        assert number(tie["value"]) == pytest.approx(wide, rel=1e-7)


def check(found: dict[str, Any], expected: dict[str, Any], exact: set[str]) -> None:
    """The same results under the same names: some to the bit, others to rounding."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if value is None:
            assert found[name] is None
        elif name in exact:
            np.testing.assert_array_equal(load(found[name]), load(value), err_msg=name)
        else:
            np.testing.assert_allclose(load(found[name]), load(value), rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_python_s_distributions_give_the_vectors(name):
    cases = {key: case["given"] for key, case in DISTRIBUTIONS.items()}
    exact = {"mode"} | (set() if cases[name]["family"] == "categorical" else {"sample"})
    check(make_distributions.results(name, cases), DISTRIBUTIONS[name]["results"], exact)


def test_the_vectors_have_every_family():
    assert {case["given"]["family"] for case in DISTRIBUTIONS.values()} == make_distributions.CLASSES.keys()


@pytest.mark.parametrize("name", BUNDLES["bundles"])
def test_python_s_vaes_give_the_vectors(name):
    case = BUNDLES["bundles"][name]
    files = {key: base64.b64decode(data) for key, data in case["files"].items()}
    vae = make_bundles.opened(files)
    check(make_bundles.results(vae, case["given"]), case["results"], {"prepare"})


@pytest.mark.parametrize("units", [-60, -7, 7, 60])
def test_a_normal_beside_a_tie_is_the_same_where_a_libm_is_off_by_some_units(units, monkeypatch):
    class Off:
        """NumPy with products that are off by `units` in the last place."""

        def __getattr__(self, name: str) -> object:
            return getattr(np, name)

        def multiply(self, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
            out[:] = (np.multiply(a, b).view(np.int64) + units).view(np.float64)

    monkeypatch.setattr(gaussian, "np", Off())
    for tie in VECTORS["normals beside a tie"]:
        drawn = gaussian.normals(0, Purpose.PRIOR, tie["draw"], 1, 32)
        assert drawn[0, tie["index"]] == np.float32(number(tie["value"]))
