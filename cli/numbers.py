"""Numbers on the command line: an option's range, and a message that says what was expected and what came."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import typer

__all__ = ["Number", "with_numbers"]


@dataclass(frozen=True)
class Number:
    """Converts a value of the command line to `kind`, int or float, in [low, high] where they are given."""

    kind: type
    low: float | None = None
    high: float | None = None

    def __call__(self, value: Any) -> Any:
        """`value` as a number; raises BadParameter."""
        try:
            converted = self.kind(value)
            within = (self.low is None or converted >= self.low) and (self.high is None or converted <= self.high)
        except ValueError:
            within = False
        if not within:
            raise typer.BadParameter(f"expected {self._expected()}, got {str(value)!r}")
        return converted

    def _expected(self) -> str:
        name = "a whole number" if self.kind is int else "a number"
        if self.low is not None and self.high is not None:
            return f"{name} from {self.low:,} to {self.high:,}"
        if self.low is not None:
            return f"{name}, {self.low:,} or more"
        return name if self.high is None else f"{name}, {self.high:,} or less"


def with_numbers(function: Callable[..., None]) -> Callable[..., None]:
    """The verb, with a `Number` as the parser of each int and float option, in the range that the option states."""
    signature = inspect.signature(function, eval_str=True)
    parameters = [
        parameter.replace(annotation=_annotation(parameter.annotation)) for parameter in signature.parameters.values()
    ]

    def verb(**options: Any) -> None:
        function(**options)

    verb.__doc__, verb.__name__ = function.__doc__, function.__name__
    vars(verb)["__signature__"] = signature.replace(parameters=parameters)
    verb.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return verb


def _annotation(annotation: Any) -> Any:
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, info = get_args(annotation)[:2]
    number = next((each for each in (int, float) if kind is each or each in get_args(kind)), None)
    if number is None or info.parser is not None:
        return annotation
    info = copy.copy(info)
    info.parser = Number(number, info.min, info.max)
    info.metavar = info.metavar or {int: "INTEGER", float: "NUMBER"}[number]
    info.min = info.max = None
    return Annotated[kind, info]
