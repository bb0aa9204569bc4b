"""What each distribution should give, for readers in other languages: python -m tests.vectors.make_distributions.

distributions.json has a list of cases: the parameters of a distribution and the results of its methods. `logits` and
the like are ordinary values and the edges: probabilities of 0 and 1, the narrowest and the widest scales, one level.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.vectors.arrays import dump, load
from vae_edge.runtime import InputError, distributions

HERE = Path(__file__).with_name("distributions.json")
CLASSES = {
    "normal": "Normal",
    "multivariate_normal_tril": "MultivariateNormalTriL",
    "deterministic": "Deterministic",
    "bernoulli": "Bernoulli",
    "discretized_logistic": "DiscretizedLogistic",
    "categorical": "Categorical",
    "mixture": "Mixture",
}
MOMENTS = ("mean", "mode", "variance", "stddev", "entropy")
SEED, START, STREAM, DRAWS = 7, 2**40 + 3, 2, 3

F32 = np.float32
INF = np.inf


def given() -> dict[str, dict[str, Any]]:
    """Each case: its family, parameters and settings; `other` names the case that a divergence is taken from."""
    dice = np.random.Generator(np.random.Philox(key=11))

    def spread(*shape: int, scale: float = 1.0) -> np.ndarray:
        return (dice.standard_normal(shape) * scale).astype(F32)

    def positive(*shape: int) -> np.ndarray:
        return np.exp(dice.standard_normal(shape)).astype(F32)

    def tril(*shape: int) -> np.ndarray:
        lower = np.tril(spread(*shape, shape[-1]), -1)
        return (lower + positive(*shape)[..., None] * np.eye(shape[-1])).astype(F32)

    shape = (2, 2, 3, 1)
    edges = np.array([0, -0.0, INF, -INF, 88, -104, 1e-7, -1e-7, 11.78, -11.79, 3e38, -3e38], F32).reshape(shape)
    scales = np.array([1e-6, 1e-3, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 30, 1e4, 1e30], F32)
    middles = np.array([-1e30, -2, -0.01, 0, 0.001, 0.0049, 0.25, 0.5, 0.9951, 1, 1.7, 1e9], F32)
    grid = [each.reshape(12, 12, 1) for each in np.meshgrid(middles, scales)]
    levels = spread(2, 2, 2, 1, 5, scale=3)
    levels[0, 0, 0, 0] = [-INF, 0, -INF, -INF, -INF]
    weights = np.array([0.5, 0.25, 0.125, 0.125], F32)
    cases: dict[str, dict[str, Any]] = {
        "vector": {"family": "normal", "loc": spread(3, 4), "scale": positive(3, 4), "other": "other vector"},
        "other vector": {"family": "normal", "loc": spread(3, 4), "scale": positive(3, 4), "other": "full"},
        "one vector": {"family": "normal", "loc": spread(4), "scale": positive(4), "other": "vector"},
        "narrow and wide": {"family": "normal", "loc": F32([[1e6, 1e-30, 0]]), "scale": F32([[1e-10, 1e30, 1e-45]])},
        "image": {"family": "normal", "loc": spread(*shape), "scale": positive(1), "other": "image"},
        "full": {
            "family": "multivariate_normal_tril", "loc": spread(3, 4), "scale_tril": tril(3, 4), "other": "vector",
        },
        "one full": {"family": "multivariate_normal_tril", "loc": spread(4), "scale_tril": tril(4), "other": "full"},
        "point": {"family": "deterministic", "loc": spread(3, 4)},
        "pixels": {"family": "bernoulli", "logits": spread(*shape, scale=4), "other": "edges"},
        "edges": {"family": "bernoulli", "logits": edges, "other": "pixels"},
        "bytes": {"family": "discretized_logistic", "loc": grid[0], "scale": grid[1], "levels": 256},
        "two levels": {"family": "discretized_logistic", "loc": grid[0], "scale": grid[1], "levels": 2},
        "sixteen levels": {"family": "discretized_logistic", "loc": grid[0], "scale": grid[1], "levels": 16},
        "channels": {"family": "discretized_logistic", "loc": spread(2, 2, 2, 3), "scale": positive(3), "levels": 18},
        "softmax": {"family": "categorical", "logits": spread(2, 2, 2, 1, 5, scale=2), "other": "softmax edges"},
        "softmax edges": {"family": "categorical", "logits": levels},
        "mixture": {"family": "mixture", "weights": weights, "loc": spread(4, 3, scale=3), "scale_tril": tril(4, 3)},
        "one component": {"family": "mixture", "weights": F32([1]), "loc": spread(1, 3), "scale_tril": tril(1, 3)},
        "weight 0": {"family": "mixture", "weights": F32([0, 1, 0]), "loc": spread(3, 2), "scale_tril": tril(3, 2)},
    }  # fmt: skip
    for case in cases.values():
        for name in case.keys() - {"family", "other", "levels"}:
            case[name] = dump(case[name])
    return cases


def make(case: dict[str, Any]) -> Any:
    """The distribution of a case."""
    parameters = {name: load(value) for name, value in case.items() if isinstance(value, dict) and "dims" in value}
    settings = {"levels": case["levels"]} if "levels" in case and case["family"] == "discretized_logistic" else {}
    return getattr(distributions, CLASSES[case["family"]])(**parameters, **settings)


def results(name: str, cases: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the methods of a case give; a method that has no closed form gives null."""
    p = make(cases[name])
    draws = p.sample(DRAWS, seed=SEED, start=START, stream=STREAM)
    found = {"sample": dump(draws)}
    calls = {method: getattr(p, method) for method in MOMENTS}
    calls["log_prob"] = lambda: p.log_prob(draws)
    if "other" in cases[name]:
        calls["kl_divergence"] = lambda: p.kl_divergence(make(cases[cases[name]["other"]]))
    for method, call in calls.items():
        try:
            found[method] = dump(call())
        except InputError:
            found[method] = None
    return found


def vectors() -> dict[str, Any]:
    """All of distributions.json."""
    cases = given()
    return {
        "seed": SEED, "start": START, "stream": STREAM, "draws": DRAWS,
        "cases": {name: {"given": case, "results": results(name, cases)} for name, case in cases.items()},
    }  # fmt: skip


if __name__ == "__main__":
    HERE.write_text(json.dumps(vectors(), indent=1) + "\n")
