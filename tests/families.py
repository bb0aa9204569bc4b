"""A distribution of each family, small, for tests of what holds of all of them."""

from __future__ import annotations

import numpy as np

from vae_edge.runtime import (
    Bernoulli,
    Categorical,
    Deterministic,
    DiscretizedLogistic,
    Distribution,
    Mixture,
    MultivariateNormalTriL,
    Normal,
)

__all__ = ["GREY", "TRIL", "mixture", "one_of_each"]

TRIL = [[0.25, 0], [-0.2, 0.1]]
GREY = np.linspace(-0.1, 1.1, 24).reshape(6, 4, 1)


def one_of_each(batch: tuple[int, ...] = ()) -> dict[str, Distribution]:
    """A distribution of every family that there is."""

    def spread(array: object) -> np.ndarray:
        return np.broadcast_to(array, (*batch, *np.shape(array)))

    return {
        "bernoulli": Bernoulli(spread(GREY)),
        "categorical": Categorical(spread(np.stack([GREY, -GREY, GREY * GREY], axis=-1))),
        "deterministic": Deterministic(spread([1, 2])),
        "discretized_logistic": DiscretizedLogistic(spread(GREY), 0.1, levels=4),
        "multivariate_normal_tril": MultivariateNormalTriL(spread([1, 2]), spread(TRIL)),
        "normal": Normal(spread([1, 2]), spread([3, 4])),
        "normal of images": Normal(spread(GREY), 0.2),
    } | ({} if batch else {"mixture": mixture()})


def mixture() -> Mixture:
    return Mixture([0.2, 0.5, 0.3], [[0, 0], [3, -1], [-2, 4]], [[[1, 0], [0, 1]], [[0.5, 0], [1, 2]], TRIL])
