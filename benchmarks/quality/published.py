"""What papers and repositories report for images binarised dynamically: NLL on the test images, nats.

By K = 1,000 to 5,000 importance samples. The figures of Xu et al., and of Norouzi et al. for Fashion-MNIST, were read
where others quote them.
"""

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
_TF2 = "in TensorFlow 2, github.com/nbip/IWAE"
_EXEMPLAR = "Norouzi, Fleet & Norouzi 2020"
_XU = "Xu et al. 2019, arXiv 1905.13452"

# By the data set's name. One stochastic layer, unless the row says hierarchical.
PUBLISHED = {
    "mnist": (
        Published("VAE", 86.76, _IWAE),
        Published("VAE (IWAE at k = 1), reproduced", 86.35, _TF2),
        Published("IWAE, k = 50", 84.78, _IWAE),
        Published("IWAE, k = 50, reproduced", 84.59, _TF2),
        Published("IWAE, k = 50, gradients of DReG (Tucker et al. 2019), reproduced", 84.32, _TF2),
        Published("VAE with a VampPrior", 82.43, _EXEMPLAR),
        Published("Exemplar VAE", 82.09, _EXEMPLAR),
        Published("hierarchical VAE with a VampPrior", 79.75, "Tomczak & Welling 2018"),
        Published("convolutional VAE with a RealNVP prior", 78.61, _XU),
        Published("residual VAE with a RealNVP prior", 78.49, _XU),
        Published("BIVA, hierarchical", 78.41, "Maaløe et al. 2019"),
        Published("NVAE, hierarchical", 78.01, "Vahdat & Kautz 2020"),
        Published("NVAE with consistency regularisation (CR-NVAE), hierarchical", 76.93, "Sinha & Dieng 2021"),
    ),
    "fashion-mnist": (
        Published("VAE", 228.70, _EXEMPLAR),
        Published("VAE with a VampPrior", 227.35, _EXEMPLAR),
        Published("Exemplar VAE", 226.75, _EXEMPLAR),
    ),
}
