"""A distribution spec is one distribution of a family, or it is refused in words."""

from __future__ import annotations

import pytest

from vae_edge.runtime.distributions import registry

IMAGE = (6, 4, 3)
GOOD = {
    "logits": ("likelihood", "bernoulli", IMAGE, {"logits": IMAGE}, {}),
    "a scale for each channel": ("likelihood", "normal", IMAGE, {"loc": IMAGE, "scale": (1, 1, 3)}, {}),
    "a fixed scale": ("likelihood", "normal", IMAGE, {"loc": IMAGE}, {"scale": 0.5}),
    "levels": ("likelihood", "discretized_logistic", IMAGE, {"loc": IMAGE}, {"scale": 0.1, "levels": 256.0}),
    "two levels": ("likelihood", "categorical", IMAGE, {"logits": (*IMAGE, 2)}, {"levels": 2.0}),
    "as many levels as there may be": (
        "likelihood",
        "discretized_logistic",
        IMAGE,
        {"loc": IMAGE},
        {"scale": 0.1, "levels": 65536.0},
    ),
    "a class a level": ("likelihood", "categorical", IMAGE, {"logits": (*IMAGE, 16)}, {"levels": 16.0}),
    "full covariance": ("posterior", "multivariate_normal_tril", (5,), {"loc": (5,), "scale_tril": (5, 5)}, {}),
}
BAD = {
    "no parameter of a graph": ("likelihood", "normal", IMAGE, {}, {"loc": 0.0, "scale": 1.0}),
    "a constant matrix": ("posterior", "multivariate_normal_tril", (5,), {"loc": (5,)}, {"scale_tril": 1.0}),
    "a diagonal for a matrix": ("posterior", "multivariate_normal_tril", (5,), {"loc": (5,), "scale_tril": (5,)}, {}),
    "no levels": ("likelihood", "discretized_logistic", IMAGE, {"loc": IMAGE, "scale": IMAGE}, {}),
    "one level": ("likelihood", "categorical", IMAGE, {"logits": (*IMAGE, 1)}, {"levels": 1.0}),
    "too many levels": ("likelihood", "discretized_logistic", IMAGE, {"loc": IMAGE}, {"scale": 0.1, "levels": 65537.0}),
    "half a level": ("likelihood", "categorical", IMAGE, {"logits": (*IMAGE, 2)}, {"levels": 2.5}),
    "other levels": ("likelihood", "categorical", IMAGE, {"logits": (*IMAGE, 16)}, {"levels": 15.0}),
    "a scale of 0": ("likelihood", "discretized_logistic", IMAGE, {"loc": IMAGE}, {"scale": 0.0, "levels": 4.0}),
    "a likelihood for a posterior": ("posterior", "categorical", (5,), {"logits": (5, 2)}, {"levels": 2.0}),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_spec_of_one_distribution_is_one(case):
    registry.check(*GOOD[case])


@pytest.mark.parametrize("case", BAD)
def test_any_other_spec_is_refused(case):
    with pytest.raises(registry.SpecError, match=r"should"):
        registry.check(*BAD[case])


@pytest.mark.parametrize(
    ("role", "known"),
    [
        ("posterior", "normal, multivariate_normal_tril, deterministic"),
        ("likelihood", "bernoulli, normal, discretized_logistic, categorical"),
        ("prior", "flow, mixture, normal"),
    ],
)
@pytest.mark.parametrize("name", ["gamma", "", "Normal"])
def test_an_unknown_family_is_answered_with_those_of_its_role(role, known, name):
    with pytest.raises(registry.SpecError) as raised:
        registry.family(name, role)
    listed = str(raised.value).removeprefix("family should be one of ").partition(", it is ")[0]
    assert sorted(listed.split(", ")) == sorted(known.split(", "))


def test_a_family_is_discrete_where_its_log_prob_is_of_a_mass():
    discrete = {name for name, kind in registry.FAMILIES.items() if kind.is_discrete}
    assert discrete == {"bernoulli", "categorical", "discretized_logistic"}
