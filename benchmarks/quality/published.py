"""What papers and repositories report for MNIST binarised dynamically: NLL on the test images, nats, K = 5000 or so."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PUBLISHED", "Published"]


@dataclass(frozen=True)
class Published:
    """A model's NLL as its source reports it."""

    model: str
    nll: float
    source: str


_IWAE = "Burda, Grosse & Salakhutdinov 2016, table 1"
_TF2 = "a reproduction in TensorFlow 2, github.com/nbip/IWAE"

PUBLISHED = (
    Published("VAE, one stochastic layer", 86.76, _IWAE),
    Published("the same (IWAE at k = 1)", 86.35, _TF2),
    Published("IWAE, one stochastic layer, k = 50", 84.78, _IWAE),
    Published("the same", 84.59, _TF2),
    Published("the same, gradients of DReG (Tucker et al. 2019)", 84.32, _TF2),
    Published("Exemplar VAE", 82.1, "Norouzi, Fleet & Norouzi 2020"),
    Published("hierarchical VAE with a VampPrior", 79.75, "Tomczak & Welling 2018"),
    Published("NVAE, hierarchical", 78.01, "Vahdat & Kautz 2020"),
    Published("NVAE with consistency regularisation (CR-NVAE)", 76.93, "Sinha & Dieng 2021"),
)
