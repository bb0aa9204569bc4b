"""AUROC and false positives are scikit-learn's, ties included, and intervals hold what they say."""

from __future__ import annotations

import numpy as np
import pytest

from vae_edge.runtime import InputError
from vae_edge.runtime.evaluation.detection import auroc, detection, false_positives, oriented


@pytest.mark.parametrize("levels", [3, 40, None])
def test_auroc_and_false_positives_are_scikit_learns(levels):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for shift in (-1.0, 0.0, 2.0, 9.0):
        ordinary, strange = rng.normal(size=311), rng.normal(size=97) + shift
        if levels:  # with ties
            ordinary, strange = (np.round(np.clip(each, -4, 9) * levels / 8) for each in (ordinary, strange))
        truth = np.repeat([0, 1], [len(ordinary), len(strange)])
        scores = np.concatenate([ordinary, strange])
        assert auroc(ordinary, strange) == pytest.approx(metrics.roc_auc_score(truth, scores), abs=1e-12)
        rates, hits, _ = metrics.roc_curve(truth, scores, drop_intermediate=False)
        assert false_positives(ordinary, strange) == pytest.approx(rates[np.argmax(hits >= 0.95)], abs=1e-12)


@pytest.mark.parametrize(("ordinary", "strange", "area", "share"), [
    ([0.0], [1.0], 1.0, 0.0),
    ([1.0], [0.0], 0.0, 1.0),
    ([1.0, 1.0], [1.0], 0.5, 1.0),
    ([-np.inf, 0.0], [np.inf, np.inf], 1.0, 0.0),
])  # fmt: skip
def test_the_smallest_cases_are_as_counted(ordinary, strange, area, share):
    found = detection(np.array(ordinary), np.array(strange))
    assert (found.auroc, found.fpr95) == (area, share)


def test_an_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    truth, hits = 0.7602499, 0  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt 2)
    for repeat in range(100):
        found = detection(rng.normal(size=150), rng.normal(size=150) + 1, seed=repeat, repeats=100)
        hits += found.auroc_interval[0] <= truth <= found.auroc_interval[1]
        assert found.fpr95_interval[0] <= found.fpr95 <= found.fpr95_interval[1] + 0.05
    assert 87 <= hits <= 100  # 95 % of 100, 4 standard errors


def test_the_same_seed_gives_the_same_interval():
    a, b = np.arange(50.0), np.arange(30.0) + 20
    assert detection(a, b, seed=3) == detection(a, b, seed=3)
    assert detection(a, b, seed=3).auroc_interval != detection(a, b, seed=4).auroc_interval


@pytest.mark.parametrize("scores", [np.array([]), np.array([np.nan]), np.zeros((2, 2))])
def test_scores_that_are_none_are_refused(scores):
    with pytest.raises(InputError, match="strange scores"):
        detection(np.zeros(3), scores)


def test_statistics_are_turned_towards_the_strange():
    found = oriented({"log_evidence": np.array([-3.0]), "misfit": np.array([2.0]), "bias": np.array([-4.0])})
    assert {name: float(value[0]) for name, value in found.items()} == {"log_evidence": 3, "misfit": 2, "bias": 4}
