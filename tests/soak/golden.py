"""Hashes of noise, the same on every version of NumPy and Python: python tests/soak/golden.py [FILE to write].

Needs NumPy and vae_edge.runtime alone; `matrix.py` runs it over many versions of both.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from vae_edge.runtime import noise
from vae_edge.runtime.noise import Purpose, philox

HASHES = Path(__file__).with_name("golden.json")


def digest(array: np.ndarray) -> str:
    little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<")))
    return hashlib.sha256(little.tobytes()).hexdigest()


def check_philox() -> None:
    """What few draws are made of, without np.random, is np.random's; counters reach their second word at 2**64."""
    for counter in (0, 2**64 - 3, 2**126 + 2**64 - 1):
        theirs = np.random.Philox(key=np.array([5, 2**64 - 1], np.uint64))
        theirs.state = theirs.state | {
            "state": {"counter": (counter & (2**64 - 1), counter >> 64, 0, 0), "key": (5, 2**64 - 1)},
            "buffer_pos": 4,
        }
        if not np.array_equal(philox.words((5, 2**64 - 1), counter, 50), theirs.random_raw(200)):
            raise SystemExit(f"Philox's words after counter {counter} are not NumPy's")


def factor(size: int, k: int) -> np.ndarray:
    """A full lower triangular matrix (L, L), of divisions alone, which every machine rounds alike."""
    rows, columns = np.indices((size, size))
    signs = 1 - 2 * ((rows + columns + k) % 2)
    return np.tril(signs / (1.0 + np.abs(rows - columns)) + (rows == columns) * (k + rows / 3.0 + 1))


def hashes() -> dict[str, str]:
    """Sixteen kinds of draw at five places of the streams, and two tables: what was drawn -> its SHA-256."""
    from vae_edge.runtime.distributions import (
        Bernoulli,
        Categorical,
        DiscretizedLogistic,
        Mixture,
        MultivariateNormalTriL,
        Normal,
    )

    ramp = np.linspace(-12, 12, 784, dtype=np.float32).reshape(28, 28, 1)
    prior = Normal(np.zeros(32), np.ones(32), purpose=Purpose.PRIOR)
    scale = np.linspace(0.5, 3.0, 6).reshape(3, 2)
    mixture = Mixture(np.array([0.5, 0.25, 0.25]), np.arange(6.0).reshape(3, 2), scale[:, None] * np.eye(2))
    loc = np.linspace(-0.2, 1.2, 784, dtype=np.float32).reshape(28, 28, 1)
    logits = np.stack([ramp, -ramp, ramp * ramp / 12, np.ones_like(ramp), -np.abs(ramp)], axis=-1)
    trils = np.stack([factor(12, k) for k in range(3)])
    full = Mixture(np.array([0.5, 0.25, 0.25]), np.arange(36.0).reshape(3, 12) / 7, trils)
    posterior = MultivariateNormalTriL(np.arange(36.0).reshape(3, 12) / 7, trils)
    found = {
        "the logistic table": digest(noise.logistic_quantiles()),
        "the normal table": digest(noise.normal_quantiles()),
    }
    places = [(0, 0, 0), (1, 1000, 0), (7, 2**31 - 10, 1), (2**63 + 5, 10**15, 123), (2**64 - 1, 2**62, 2**40)]
    for seed, start, stream in places:
        for name, array in {
            "words": noise.words(seed, Purpose.PRIOR, start, 500, 13, stream),
            "words16": noise.words16(seed, Purpose.PIXEL, start, 50, 784, stream),
            "uniforms": noise.uniforms(seed, Purpose.COMPONENT, start, 5000, stream),
            "normals of the prior": noise.normals(seed, Purpose.PRIOR, start, 3000, 32, stream),
            "normals of a posterior": noise.normals(seed, Purpose.POSTERIOR, start, 1001, 7, stream),
            "one normal": noise.normals(seed, Purpose.POSTERIOR, start, 20_000, 1, stream),
            "a prior": prior.sample(2000, seed=seed, start=start),
            "pixels": Bernoulli(ramp).sample(200, seed=seed, start=start),
            "samples of a batch": Bernoulli(np.stack([ramp, -ramp])).sample(3, seed=seed, start=start),
            "a mixture": mixture.sample(4000, seed=seed, start=start),
            "words32": noise.words32(seed, Purpose.PIXEL, start, 50, 785, stream),
            "a mixture of full covariance": full.sample(2000, seed=seed, start=start),
            "a posterior of full covariance": posterior.sample(700, seed=seed, start=start, stream=stream),
            "normal pixels": Normal(loc, 0.22).sample(200, seed=seed, start=start, stream=stream),
            "discretized logistic pixels": DiscretizedLogistic(loc, 0.05).sample(200, seed=seed, start=start),
            "categorical pixels": Categorical(logits).sample(200, seed=seed, start=start, stream=stream),
        }.items():
            found[f"{name}, seed {seed}, start {start}, stream {stream}"] = digest(array)
    return found


if __name__ == "__main__":
    check_philox()
    made = hashes()
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(made, indent=1) + "\n")
    wrong = [name for name, value in json.loads(HASHES.read_text()).items() if made[name] != value]
    here = f"NumPy {np.__version__}, Python {sys.version.split()[0]}"
    print(f"{here}: {len(made) - len(wrong)} of {len(made)} hashes hold")  # noqa: T201
    sys.exit("\n".join(wrong) or None)
