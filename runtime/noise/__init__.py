"""Noise by the seed contract: it depends on (seed, purpose, stream, draw) alone, on every machine."""

from vae_edge.runtime.noise.bits import MAX_DRAW, Purpose, check_draws, check_seed, uniforms, words, words16
from vae_edge.runtime.noise.gaussian import normals

__all__ = ["MAX_DRAW", "Purpose", "check_draws", "check_seed", "normals", "uniforms", "words", "words16"]
