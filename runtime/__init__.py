"""Run a bundle with NumPy and ONNX Runtime alone.

    from vae_edge.runtime import VAE
    vae = VAE.load("mnist")
    vae.generate(64, head="mean", seed=0)

Names are imported when they are first used (PEP 562): importing this package costs nothing, not even NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vae_edge.runtime.bundle.manifest import Manifest
    from vae_edge.runtime.distributions import (
        Bernoulli,
        Categorical,
        Deterministic,
        DiscretizedLogistic,
        Distribution,
        Flow,
        Mixture,
        MultivariateNormalTriL,
        Normal,
    )
    from vae_edge.runtime.errors import (
        BundleError,
        BundleNotFound,
        CheckFailed,
        DataError,
        InputError,
        IntegrityError,
        ManifestError,
        MissingExtra,
        OutputError,
        ProviderError,
        RunError,
        UnsafeBundle,
        VaeEdgeError,
    )
    from vae_edge.runtime.heads import HEADS
    from vae_edge.runtime.scoring.scorer import Score
    from vae_edge.runtime.vae import VAE

__all__ = [
    "HEADS",
    "VAE",
    "Bernoulli",
    "BundleError",
    "BundleNotFound",
    "Categorical",
    "CheckFailed",
    "DataError",
    "Deterministic",
    "DiscretizedLogistic",
    "Distribution",
    "Flow",
    "InputError",
    "IntegrityError",
    "Manifest",
    "ManifestError",
    "MissingExtra",
    "Mixture",
    "MultivariateNormalTriL",
    "Normal",
    "OutputError",
    "ProviderError",
    "RunError",
    "Score",
    "UnsafeBundle",
    "VaeEdgeError",
]

_HOMES = {
    "HEADS": "heads",
    "VAE": "vae",
    "Bernoulli": "distributions",
    "Categorical": "distributions",
    "Deterministic": "distributions",
    "DiscretizedLogistic": "distributions",
    "Distribution": "distributions",
    "Flow": "distributions",
    "Manifest": "bundle.manifest",
    "Mixture": "distributions",
    "MultivariateNormalTriL": "distributions",
    "Normal": "distributions",
    "Score": "scoring.scorer",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
