"""The probe: a few images and what TensorFlow made of them, by which a bundle is checked where it runs."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import npz
from vae_edge.runtime.errors import CheckFailed, InputError, IntegrityError
from vae_edge.runtime.vae import VAE

__all__ = ["TOLERANCE", "check", "render"]

TOLERANCE = 1e-4

_Arrays = dict[str, npt.NDArray[np.float32]]


def render(
    image: npt.ArrayLike, loc: npt.ArrayLike, scale: npt.ArrayLike, z: npt.ArrayLike, logits: npt.ArrayLike
) -> bytes:
    """The bytes of a probe: image (P, H, W, C) of 0 and 1, its loc, scale (P, L); z (P, L), its logits."""
    arrays = {"loc": loc, "scale": scale, "z": z, "logits": logits}
    return npz.render(
        {"image": np.asarray(image, np.uint8), **{key: np.asarray(value, np.float32) for key, value in arrays.items()}}
    )


def check(vae: VAE, tolerance: float = TOLERANCE) -> dict[str, float]:
    """max |difference| of loc, scale and logits to what TensorFlow gave; raises CheckFailed beyond the tolerance."""
    if not tolerance > 0:
        raise InputError(f"tolerance should be positive, it is {tolerance}")
    file, image, latent = vae.manifest.probe, (-1, *vae.image_shape), (-1, vae.latent_size)
    arrays = npz.parse(
        vae.bundle[file],
        file.name,
        {
            "image": ("|u1", image),
            "loc": ("<f4", latent),
            "scale": ("<f4", latent),
            "z": ("<f4", latent),
            "logits": ("<f4", image),
        },
    )
    if len({len(array) for array in arrays.values()}) != 1 or len(arrays["z"]) == 0:
        raise IntegrityError(f"{file.name} should hold as many of each, at least one; export the bundle again")
    q, p = vae.encode(arrays["image"].astype(np.float32)), vae.decode(arrays["z"])
    found = {"loc": q.loc, "scale": q.scale, "logits": p.logits}
    differences = {key: float(np.abs(value - arrays[key]).max()) for key, value in found.items()}
    if beyond := [key for key, value in differences.items() if not value <= tolerance]:
        worst = max(beyond, key=lambda key: math.inf if math.isnan(differences[key]) else differences[key])
        raise CheckFailed(
            f"{vae.manifest.name!r} on {vae.provider}: {worst} differs from TensorFlow's by {differences[worst]:.2g}, "
            f"at most {tolerance:.2g} was expected; try provider 'cpu', or export the bundle again"
        )
    return differences
