"""The arrays of a mixture prior: weights (K,), loc (K, L), and the rows of each lower triangle of scale_tril.

Where each of Y labels has weights of its own, they are (Y, K): p(z|y), mixtures of the same normals.

In fp16 `loc` and `lower` are float16; in int8 they are int8 with a step for each column, `loc_step` and `lower_step`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle import npz
from vae_edge.runtime.distributions.mixture import Mixture
from vae_edge.runtime.errors import InputError, IntegrityError

__all__ = ["arrays", "parse", "render"]

_STORED = {"fp32": "<f4", "fp16": "<f2", "int8": "|i1"}


def arrays(
    weights: npt.NDArray[Any], loc: npt.NDArray[Any], scale_tril: npt.NDArray[Any]
) -> dict[str, npt.NDArray[np.float32]]:
    """The arrays of a mixture of weights (K,) or (Y, K), loc (K, L) and scale_tril (K, L, L), in float32."""
    rows, columns = np.tril_indices(loc.shape[1])
    stored = {"weights": weights, "loc": loc, "lower": scale_tril[:, rows, columns]}
    return {name: np.asarray(array, np.float32) for name, array in stored.items()}


def render(stored: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The bytes of prior.npz."""
    return npz.render(dict(stored))


def parse(data: bytes, name: str, components: int, size: int, precision: str, labels: int = 0) -> Mixture:
    """The mixture of K = `components` normals over L = `size` numbers in `data`; raises IntegrityError.

    With `labels` it is a batch of as many, one a label. `name` is the file's, for the message.
    """
    stored, wide = _STORED[precision], {"loc": size, "lower": size * (size + 1) // 2}
    weights = (labels, components) if labels else (components,)
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {"weights": ("<f4", weights)}
    shapes |= {key: (stored, (components, width)) for key, width in wide.items()}
    if precision == "int8":
        shapes |= {f"{key}_step": ("<f4", (width,)) for key, width in wide.items()}
    found = npz.parse(data, name, shapes)
    with np.errstate(all="ignore"):  # Mixture refuses what is not finite
        loc, lower = (found[key] * found.get(f"{key}_step", np.float32(1)) for key in wide)
    scale_tril = np.zeros((components, size, size), np.float32)
    scale_tril[:, *np.tril_indices(size)] = lower
    try:
        return Mixture(found["weights"], loc, scale_tril)
    except InputError as error:
        raise IntegrityError(f"{name} is no mixture ({error}); export the bundle again") from error
