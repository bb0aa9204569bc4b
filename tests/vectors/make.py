"""Test vectors of the seed contract, for readers in any language: python tests/vectors/make.py writes noise.json.

Integers of 64 bits are strings in hexadecimal, since JavaScript's numbers hold 53 bits. A float32 or float64 is its
bits in hexadecimal, to be compared exactly. `docs/seed-contract.md` says how each is made.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from vae_edge.runtime import bundle, noise
from vae_edge.runtime.bundle.deviations import Posterior
from vae_edge.runtime.bundle.priors import parse
from vae_edge.runtime.distributions import (
    Bernoulli,
    Categorical,
    DiscretizedLogistic,
    Mixture,
    MultivariateNormalTriL,
    Normal,
)
from vae_edge.runtime.members import weights_of
from vae_edge.runtime.noise import Purpose

HERE = Path(__file__).with_name("noise.json")
# (seed, start, stream): small ones, a counter's second word, the largest of each
PLACES = [(0, 0, 0), (1, 1000, 0), (7, 2**31 - 3, 5), (2**63 + 5, 10**15, 123), (2**64 - 1, 2**63 - 5, 2**40)]
TIES = [(92191, 2), (190476, 14), (389751, 12), (405065, 27), (422687, 12), (559282, 5)]
WEIGHTS = np.array([0.5, 0.25, 0.125, 0.125], np.float32)


def bits(array: np.ndarray) -> list[Any]:
    """Each number's bits in hexadecimal."""
    unsigned = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
    width = 2 * array.dtype.itemsize
    return [f"{value:0{width}x}" for value in unsigned.ravel().tolist()]


def digest(array: np.ndarray) -> str:
    """SHA-256 of the numbers' bytes, little-endian."""
    return hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def parameters() -> dict[str, Any]:
    """What the families' draws are of: exact in float32, and few."""
    steps = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    tril = np.array([[1, 0, 0], [-0.5, 0.25, 0], [0.1, 3, 2]], np.float32)
    return {
        "loc": steps / 8 - np.float32(0.25),
        "scale": np.float32(0.0625),
        "logits": steps - 6,
        "levels": 16,
        "categorical": np.stack([steps - 6, 6 - steps, np.zeros_like(steps)], axis=-1),
        "vector": np.array([0.5, -1, 100], np.float32),
        "tril": tril,
        "mixture_tril": np.stack([tril * (k + 1) for k in range(4)]),
        "mixture_loc": np.arange(12, dtype=np.float32).reshape(4, 3) / 3,
    }


def draws(seed: int, start: int, stream: int) -> dict[str, Any]:
    """Noise and draws at one place."""
    at: dict[str, Any] = {"start": start, "n": 2, "stream": stream}
    given = parameters()

    def written(likelihood: Any) -> list[Any]:
        out = np.empty((2, 2, 3, 2), np.float32)
        likelihood._write_sample(out, seed, start, stream)
        return bits(out)

    logistic = DiscretizedLogistic(given["loc"], given["scale"], levels=given["levels"])
    normal = Normal(given["vector"], [0.5, 2, 1e-3])
    full = MultivariateNormalTriL(given["vector"], given["tril"])
    mixture = Mixture(WEIGHTS, given["mixture_loc"], given["mixture_tril"])
    uniform = noise.uniforms(seed, Purpose.COMPONENT, n=3, start=start, stream=stream)
    return {
        "seed": f"{seed:016x}", "start": f"{start:016x}", "stream": stream,
        "words of 5": bits(noise.words(seed, Purpose.PRIOR, size=5, **at)),
        "words16 of 6": bits(noise.words16(seed, Purpose.PIXEL, size=6, **at)),
        "words32 of 3": bits(noise.words32(seed, Purpose.PIXEL, size=3, **at)),
        "uniforms": bits(uniform),
        "components": np.searchsorted(np.cumsum(WEIGHTS.astype(np.float64))[:-1], uniform, side="right").tolist(),
        "normals of 5": bits(noise.normals(seed, Purpose.POSTERIOR, size=5, **at)),
        "bernoulli": written(Bernoulli(given["logits"])),
        "normal image": written(Normal(given["loc"], given["scale"])),
        "discretized_logistic": written(logistic),
        "categorical": written(Categorical(given["categorical"])),
        "normal": bits(normal.sample(2, seed=seed, start=start, stream=stream)),
        "multivariate_normal_tril": bits(full.sample(2, seed=seed, start=start, stream=stream)),
        "mixture": bits(mixture.sample(2, seed=seed, start=start, stream=stream)),
        "mixture at 0.9": bits(mixture.at_temperature(0.9).sample(2, seed=seed, start=start, stream=stream)),
        "normal prior of 3 at 0.9": bits(at_temperature(seed, start, stream)),
    }  # fmt: skip


def at_temperature(seed: int, start: int, stream: int) -> np.ndarray:
    """z of a standard normal prior, which is a flow's noise too, at temperature 0.9."""
    prior = Normal(np.zeros(3), np.full(3, 0.9), purpose=Purpose.PRIOR)
    return prior.sample(2, seed=seed, start=start, stream=stream)


def vectors() -> dict[str, Any]:
    """All of noise.json."""
    plain = {
        name: value if isinstance(value, int) else np.asarray(value).tolist() for name, value in parameters().items()
    }
    return {
        "purposes": {purpose.name: int(purpose) for purpose in Purpose},
        "parameters": plain | {"weights": WEIGHTS.tolist(), "normal_scale": [0.5, 2, 1e-3]},
        "tables": {
            "logistic": {"sha256": digest(noise.logistic_quantiles()), "first": bits(noise.logistic_quantiles()[:4])},
            "normal": {"sha256": digest(noise.normal_quantiles()), "first": bits(noise.normal_quantiles()[:4])},
        },
        "normals beside a tie": ties(),
        "draws": [draws(*place) for place in PLACES],
        "many": many(),
        "priors": priors(),
        "members": members(),
    }


def members() -> dict[str, Any]:
    """Weights of a few members of an ensemble of five weights."""
    loc, scale = np.array([0.5, -1, 100, 0, 3], np.float32), np.array([0.25, 1, 1e-3, 0.1, 0], np.float32)
    posterior = Posterior(b"", (), (), loc, scale)
    return {
        "loc": bits(loc),
        "scale": bits(scale),
        "weights": [{"member": f"{k:016x}", "of": bits(weights_of(posterior, k))} for k in (0, 1, 3, 2**63 - 1)],
    }


def many() -> list[dict[str, Any]]:
    """Hashes of 131,072 numbers each: a normal or a uniform that is off by one bit shows."""
    found = []
    for seed, start, size in [(0, 0, 32), (2**64 - 1, 2**40, 7), (12345, 2**62, 4096)]:
        n = 131_072 // size
        normals = noise.normals(seed, Purpose.PRIOR, start, n, size)
        uniforms = noise.uniforms(seed, Purpose.COMPONENT, start, n)
        found.append({
            "seed": f"{seed:016x}", "start": f"{start:016x}", "n": n, "size": size,
            "normals": digest(normals), "uniforms": digest(uniforms),
        })  # fmt: skip
    return found


def priors() -> list[dict[str, Any]]:
    """Hashes of latents that the priors of the bundles that ship draw."""
    return [
        {"bundle": name, "seed": f"{seed:016x}", "start": f"{start:016x}", "n": n, "temperature": temperature,
         "sha256": digest(bundle_prior(folder).at_temperature(temperature).sample(n, seed=seed, start=start))}
        for name, folder in bundle.built_in().items()
        if bundle.read(folder).manifest.condition is None  # a row has no label
        for seed, start, n, temperature in [(0, 0, 2000, 1), (2**64 - 1, 2**63 - 500, 500, 1), (0, 0, 500, 0.85)]
    ]  # fmt: skip


def bundle_prior(folder: Path) -> Mixture:
    """p(z) of a bundle that ships; the graphs are not opened."""
    found = bundle.read(folder)
    spec = found.manifest.prior
    assert spec.file is not None
    components, (size,) = int(spec.constants["components"]), spec.event_shape
    return parse(found[spec.file], spec.file.name, components, size, found.manifest.precision)


def ties() -> list[dict[str, Any]]:
    """Normals of which float64 alone does not say how to round them, among the first 2 x 10^7 of seed 0's prior."""
    return [
        {"draw": draw, "index": index, "value": bits(noise.normals(0, Purpose.PRIOR, draw, 1, 32)[:, index])[0]}
        for draw, index in TIES
    ]


def render() -> str:
    """noise.json's text: a line a list."""
    text = json.dumps(vectors(), indent=1)
    return re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: f"[{re.sub(chr(10) + ' *', ' ', found[1])}]", text) + "\n"


if __name__ == "__main__":
    HERE.write_text(render())
