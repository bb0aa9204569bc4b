"""What an event is called: an image, or a row of a table."""

from __future__ import annotations

__all__ = ["counted", "plural", "singular"]


def singular(event_shape: tuple[int, ...]) -> str:
    """'image' for (H, W, C), 'row' for (size,)."""
    return "row" if len(event_shape) == 1 else "image"


def plural(event_shape: tuple[int, ...]) -> str:
    """'images' or 'rows'."""
    return f"{singular(event_shape)}s"


def counted(n: int, event_shape: tuple[int, ...]) -> str:
    """'1 image', '1,000 rows'."""
    return f"{n:,} {singular(event_shape) if n == 1 else plural(event_shape)}"
