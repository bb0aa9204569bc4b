"""The probe: a few images and what should come out for them, by which a bundle is checked where it runs.

Of a bundle in fp32 that is what TensorFlow gave, and TOLERANCE is allowed. One in fp16 or int8 is further from
TensorFlow than any useful tolerance: its probe holds what its own graphs gave when it was exported, and how far from
that another machine's kernels may come, as export measured it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle import npz
from vae_edge.runtime.bundle.manifest import FP32
from vae_edge.runtime.errors import CheckFailed, InputError, IntegrityError
from vae_edge.runtime.vae import VAE

__all__ = ["OUTPUTS", "TOLERANCE", "allowed", "check", "parse", "render"]

TOLERANCE = 1e-4
OUTPUTS = ("loc", "scale", "logits")

_Arrays = dict[str, npt.NDArray[np.float32]]


def render(
    image: npt.ArrayLike,
    loc: npt.ArrayLike,
    scale: npt.ArrayLike,
    z: npt.ArrayLike,
    logits: npt.ArrayLike,
    tolerance: npt.ArrayLike | None = None,
) -> bytes:
    """The bytes of a probe: image (P, H, W, C) of 0 and 1, its loc, scale (P, L); z (P, L), its logits.

    `tolerance` (3,), of loc, scale and logits, belongs to a bundle in fp16 or int8.
    """
    arrays = {"loc": loc, "scale": scale, "z": z, "logits": logits}
    arrays |= {} if tolerance is None else {"tolerance": tolerance}
    return npz.render(
        {"image": np.asarray(image, np.uint8), **{key: np.asarray(value, np.float32) for key, value in arrays.items()}}
    )


def parse(vae: VAE) -> _Arrays:
    """The arrays of a bundle's probe, by `render`'s names; raises IntegrityError where they do not fit the bundle."""
    file, image, latent = vae.manifest.probe, (-1, *vae.image_shape), (-1, vae.latent_size)
    expected: dict[str, tuple[str, tuple[int, ...]]] = {
        "image": ("|u1", image),
        "loc": ("<f4", latent),
        "scale": ("<f4", latent),
        "z": ("<f4", latent),
        "logits": ("<f4", image),
    }
    if vae.manifest.precision != FP32:
        expected["tolerance"] = ("<f4", (len(OUTPUTS),))
    arrays = npz.parse(vae.bundle[file], file.name, expected)
    if len({len(arrays[key]) for key in ("image", "z", *OUTPUTS)}) != 1 or len(arrays["z"]) == 0:
        raise IntegrityError(f"{file.name} should hold as many of each, at least one; export the bundle again")
    return arrays


def allowed(vae: VAE) -> dict[str, float]:
    """How far loc, scale and logits may be from what the probe says."""
    tolerance = parse(vae).get("tolerance", np.full(len(OUTPUTS), TOLERANCE))
    return dict(zip(OUTPUTS, map(float, tolerance), strict=True))


def check(vae: VAE, tolerance: float | None = None) -> dict[str, float]:
    """max |difference| of loc, scale and logits from the probe's; raises CheckFailed beyond what is `allowed`.

    `tolerance`, where it is given, is allowed for all three.
    """
    if tolerance is not None and not tolerance > 0:
        raise InputError(f"tolerance should be positive, it is {tolerance}")
    arrays = parse(vae)
    limits = allowed(vae) if tolerance is None else dict.fromkeys(OUTPUTS, tolerance)
    q, p = vae.encode(arrays["image"].astype(np.float32)), vae.decode(arrays["z"])
    found = {"loc": q.loc, "scale": q.scale, "logits": p.logits}
    differences = {key: float(np.abs(value - arrays[key]).max()) for key, value in found.items()}
    if beyond := [key for key, value in differences.items() if not value <= limits[key]]:
        worst = max(beyond, key=lambda key: math.inf if math.isnan(differences[key]) else differences[key])
        theirs = "TensorFlow's" if vae.manifest.precision == FP32 else "what it was at export"
        raise CheckFailed(
            f"{vae.manifest.name!r} on {vae.provider}: {worst} differs from {theirs} by {differences[worst]:.2g}, "
            f"at most {limits[worst]:.2g} was expected; try provider 'cpu', or export the bundle again"
        )
    return differences
