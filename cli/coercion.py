"""Typed option values without pydantic.

Recent Typers turn each value into its type with a pydantic adapter, built when the value is read. Importing
pydantic takes 53 ms, a third of `import numpy, onnxruntime`, to turn '64' into 64. Where a Typer has that hook,
`lighten` puts plain converters in its place; where it has not (Typer on click), nothing changes, since nothing costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import typer

__all__ = ["lighten"]


@dataclass(frozen=True)
class Plain:
    """Converts a value that came from the command line to `kind`, in [low, high] where they are given."""

    kind: type
    many: bool
    low: float | None
    high: float | None

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """`value` as `kind`, or a list of it; raises BadParameter."""
        if self.many:
            return [self._one(item, param, ctx) for item in value or ()]
        return None if value is None else self._one(value, param, ctx)

    def _one(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            converted = self.kind(value)
            within = (self.low is None or converted >= self.low) and (self.high is None or converted <= self.high)
        except ValueError:
            within = False
        if not within:
            raise typer.BadParameter(f"expected {self._expected()}, got {str(value)!r}", ctx=ctx, param=param)
        return converted

    def _expected(self) -> str:
        name = {int: "a whole number", float: "a number"}.get(self.kind, self.kind.__name__)
        if self.low is not None and self.high is not None:
            return f"{name} from {self.low:,} to {self.high:,}"
        if self.low is not None:
            return f"{name}, {self.low:,} or more"
        return name if self.high is None else f"{name}, {self.high:,} or less"


def lighten(params: list[Any]) -> list[Any]:
    """`params` with a plain converter each, where their Typer would import pydantic for one."""
    for param in params:
        if getattr(param, "_runtime_param", param) is not None:
            continue  # no such hook, or one that is in use
        annotation, info = param.type_descriptor.annotation, param.type_descriptor.parameter_info
        many = get_origin(annotation) is list
        kind = get_args(annotation)[0] if many else annotation
        if kind in (str, int, float, bool, Path) and info.parser is None and not (info.exists or info.resolve_path):
            param._runtime_param = Plain(kind, many, info.min, info.max)
    return params
