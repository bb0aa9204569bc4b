"""What an event is called, an image or a row of a table, and how numbers are written."""

from __future__ import annotations

__all__ = ["counted", "number", "plural", "singular"]


def singular(event_shape: tuple[int, ...]) -> str:
    """'image' for (H, W, C), 'row' for (size,)."""
    return "row" if len(event_shape) == 1 else "image"


def plural(event_shape: tuple[int, ...]) -> str:
    """'images' or 'rows'."""
    return f"{singular(event_shape)}s"


def counted(n: int, event_shape: tuple[int, ...]) -> str:
    """'1 image', '1,000 rows'."""
    return f"{n:,} {singular(event_shape) if n == 1 else plural(event_shape)}"


def number(value: float) -> str:
    """A figure as people write it: '10,000', '-65.61', '0.008784'; an exponent only where there are many zeros."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    digits = f"{value:.4g}"
    return f"{value:,.0f}" if "e+" in digits and abs(value) < 1e15 else digits
