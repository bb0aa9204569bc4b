"""The figures that a bundle can have: what each is called, in which unit, and with how many digits it is written.

Tables, cards and manifests go by these names. Nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = [
    "ERROR",
    "FLOOR",
    "LIKELIHOOD",
    "MEMBERS",
    "METRICS",
    "MODE",
    "NLL_SAMPLES",
    "RECONSTRUCTION",
    "SAMPLES",
    "Metric",
]

# Behind a figure's name, the name of the one that goes with it: its standard error, that of the head `mode`, and what
# real events in the place of samples get.
ERROR, MODE, FLOOR = "_standard_error", "_mode", "_floor"

NLL_SAMPLES = "nll_samples"  # how many draws of z the NLL took
MEMBERS = "members"  # how many members the NLL of members is of


@dataclass(frozen=True)
class Metric:
    """One figure: its label heads a column, its title stands in a card; it is written as `factor` times its value."""

    label: str
    title: str
    form: str = ".3f"
    unit: str = ""
    factor: float = 1

    def number(self, value: float) -> str:
        """The value without its unit, for a column."""
        return format(self.factor * value, self.form)

    def text(self, value: float) -> str:
        """The value with its unit."""
        return f"{self.number(value)} {self.unit}".rstrip()


# Of the test events' likelihood, an event.
LIKELIHOOD: Mapping[str, Metric] = MappingProxyType(
    {
        "nll": Metric("nll", "NLL, the importance-weighted bound", unit="nats"),
        "members_nll": Metric("nll of members", "NLL of the mean over members of the ensemble", unit="nats"),
        "elbo": Metric("elbo", "ELBO, one draw of z an event", unit="nats"),
        "reconstruction": Metric("reconstruction", "reconstruction term, E_q[log p(x given z)]", unit="nats"),
        "kl": Metric("kl", "KL of q(z given x) from p(z)", unit="nats"),
        "bits_per_dimension": Metric("bits/dim", "bits a number of the event, of the NLL or the ELBO", ".4f"),
        "active_units": Metric("active units", "active units, Var(E[z given x]) > 0.01", ".0f"),
    }
)
# Of test events that come back from z, the posterior's mean.
RECONSTRUCTION: Mapping[str, Metric] = MappingProxyType(
    {
        "cross_entropy": Metric(
            "cross-entropy", "cross-entropy of the reconstruction, z the posterior's mean", unit="nats"
        ),
        "wrong_pixels": Metric(
            "wrong %", "wrong pixels of the mode, z the posterior's mean", ".3f", unit="%", factor=100
        ),
        "squared_error": Metric("sq. error", "mean squared error of the mean, z the posterior's mean", ".5g"),
    }
)
# Of samples, in a classifier's features.
SAMPLES: Mapping[str, Metric] = MappingProxyType(
    {
        "frechet": Metric("frechet", "Frechet distance of samples"),
        "precision": Metric("precision", "precision"),
        "recall": Metric("recall", "recall"),
        "density": Metric("density", "density"),
        "coverage": Metric("coverage", "coverage"),
        "confidence": Metric("confidence", "the classifier's mean confidence"),
        "obeyed": Metric("obeyed %", "samples taken for the label that was asked for", ".2f", unit="%", factor=100),
        "class_distance": Metric("class TV", "total variation of the classes from uniform"),
    }
)
_OF_EXPORT = {
    "nats_lost": Metric(
        "nats lost", "NLL lost by the precision, on validation events, against fp32 with the same noise", unit="nats"
    ),
    "generated_samples": Metric("samples", "generated samples", ",.0f"),
}
METRICS: Mapping[str, Metric] = MappingProxyType({**LIKELIHOOD, **RECONSTRUCTION, **SAMPLES, **_OF_EXPORT})
