"""Turn a model into a bundle: ONNX graphs, proven to compute what the model computes, and sealed.

from vae_edge.export import export, Normal, Bernoulli

export("out", encoder=enc, decoder=dec, examples=x[:64], posterior=Normal(loc=0, log_var=1),
       likelihood=Bernoulli(probs=0))
"""

from __future__ import annotations

from typing import Any

from vae_edge.export.statements import (
    Bernoulli,
    Categorical,
    Deterministic,
    DiscretizedLogistic,
    Image,
    Index,
    MultivariateNormalTriL,
    Normal,
    OneHot,
    Part,
    Vector,
)

__all__ = [
    "Bernoulli",
    "Categorical",
    "Deterministic",
    "DiscretizedLogistic",
    "Image",
    "Index",
    "MultivariateNormalTriL",
    "Normal",
    "OneHot",
    "Part",
    "Plan",
    "Vector",
    "export",
    "plan",
]


def __getattr__(name: str) -> Any:
    # These need TensorFlow or onnx; what a user says of a model does not.
    if name in ("export", "plan"):
        from vae_edge.export import api

        return getattr(api, name)
    if name == "Plan":
        from vae_edge.export.planning import Plan

        return Plan
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
