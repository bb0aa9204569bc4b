"""The arrays of a fit of scores: how statistics become features, and a mixture of K normals over D features.

`shift` and `scale` (D,), `weights` (K,), `loc` (K, D), and `lower` (K, D (D + 1) / 2): the rows of each lower triangle
of a component's T, of which T T' is the covariance. All are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle import npz
from vae_edge.runtime.distributions.mixture import Mixture
from vae_edge.runtime.errors import InputError, IntegrityError

__all__ = ["Arrays", "parse", "render"]

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Arrays:
    """A feature is (value - shift) / scale, `shift` and `scale` > 0 float32 (D,); `density` is of features (D,)."""

    shift: Float32
    scale: Float32
    density: Mixture


def render(arrays: Arrays) -> bytes:
    """The bytes of scores.npz."""
    density = arrays.density
    rows, columns = np.tril_indices(len(arrays.shift))
    stored: dict[str, npt.NDArray[Any]] = {
        "shift": arrays.shift,
        "scale": arrays.scale,
        "weights": density.weights,
        "loc": density.loc,
        "lower": density.scale_tril[:, rows, columns],
    }
    return npz.render({name: np.asarray(array, np.float32) for name, array in stored.items()})


def parse(data: bytes, name: str, components: int, size: int) -> Arrays:
    """The arrays in `data` of K = `components` normals over D = `size` features; raises IntegrityError.

    `name` is the file's, for the message.
    """
    shapes = {"shift": (size,), "scale": (size,), "weights": (components,), "loc": (components, size),
              "lower": (components, size * (size + 1) // 2)}  # fmt: skip
    found = npz.parse(data, name, {key: ("<f4", shape) for key, shape in shapes.items()})
    if not (np.isfinite(found["shift"]).all() and (found["scale"] > 0).all() and np.isfinite(found["scale"]).all()):
        raise IntegrityError(f"{name} should have a finite shift and a scale above 0; fit the scores again")
    scale_tril = np.zeros((components, size, size), np.float32)
    scale_tril[:, *np.tril_indices(size)] = found["lower"]
    try:
        density = Mixture(found["weights"], found["loc"], scale_tril)
    except InputError as error:
        raise IntegrityError(f"{name} is no mixture ({error}); fit the scores again") from error
    return Arrays(found["shift"], found["scale"], density)
