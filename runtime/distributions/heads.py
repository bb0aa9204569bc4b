"""The heads, which make an event of a likelihood: one draw, the mean, or the likeliest value."""

from __future__ import annotations

from collections.abc import Iterator

from vae_edge.runtime.errors import InputError

__all__ = ["HEADS", "blocks", "check"]

HEADS = ("sample", "mean", "mode")

# Pixels a step of a head, 32 of MNIST's images: its temporaries, 14 bytes a pixel, stay in the L2 cache.
_AT_ONCE = 25_088


def check(name: str) -> str:
    """`name` where a head has it; raises InputError that lists them."""
    if not isinstance(name, str) or name not in HEADS:
        raise InputError(f"head should be one of {', '.join(HEADS)}; it is {name!r:.60}")
    return name


def blocks(n: int, size: int, at_once: int = _AT_ONCE) -> Iterator[slice]:
    """Slices that part n events of `size` numbers each into blocks that fit into the cache."""
    rows = max(1, at_once // size)
    return (slice(at, min(n, at + rows)) for at in range(0, n, rows))
