"""Noise by the seed contract: it depends on (seed, purpose, stream, draw) alone, on every machine.

`docs/seed-contract.md` specifies all of it for another language.
"""

from vae_edge.runtime.noise.bits import MAX_DRAW, Purpose, check_draws, check_seed, uniforms, words, words16, words32
from vae_edge.runtime.noise.gaussian import normals
from vae_edge.runtime.noise.products import error_bounds, products, row_norms
from vae_edge.runtime.noise.tables import logistic_quantiles, normal_quantiles

__all__ = [
    "MAX_DRAW",
    "Purpose",
    "check_draws",
    "check_seed",
    "error_bounds",
    "logistic_quantiles",
    "normal_quantiles",
    "normals",
    "products",
    "row_norms",
    "uniforms",
    "words",
    "words16",
    "words32",
]
