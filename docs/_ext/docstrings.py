"""Docstrings here are plain English with Markdown's backticks; Sphinx expects reStructuredText. This translates."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

CODE = re.compile(r"`([^`]+)`")
SPECIAL = re.compile(r"([\\*_|])")
ALIAS = re.compile(r"TypeAliasForwardRef\('(?:npt\.)?(\w+)'\)")


def setup(app: Any) -> dict[str, Any]:
    """Connects the translation; Sphinx calls this."""
    app.connect("autodoc-process-docstring", translate)
    app.connect("autodoc-process-signature", shorten)
    return {"parallel_read_safe": True}


def translate(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Rewrites the lines of one docstring in place: `x` becomes code, an indented block a literal block."""
    lines[:] = as_rst([*lines, *options_of(obj)])


def options_of(obj: Any) -> list[str]:
    """A list of a dataclass's fields that carry their own help, as the options of a run do."""
    if not (isinstance(obj, type) and dataclasses.is_dataclass(obj)):
        return []
    told = [each for each in dataclasses.fields(obj) if "help" in each.metadata]
    return ["", *(f"- `{each.name}`: {each.metadata['help']}" for each in told), ""]


def shorten(app: Any, what: str, name: str, obj: Any, options: Any, signature: Any, returns: Any) -> tuple[Any, Any]:
    """The signature with the names of types alone where Sphinx writes how it refers to them."""
    return signature and ALIAS.sub(r"\1", signature), returns and ALIAS.sub(r"\1", returns)


def as_rst(lines: list[str]) -> list[str]:
    """The docstring in reStructuredText: nothing in it but code and literal blocks means anything special."""
    out: list[str] = []
    literal = False
    for line in lines:
        indented = line.startswith("    ")
        if indented and not literal and (not out or not out[-1].strip()):
            out += ["::", ""]
            literal = True
        elif line.strip() and not indented:
            if literal:
                out.append("")
            literal = False
        out.append(line if literal else _inline(line))
    return out


def _inline(line: str) -> str:
    parts = CODE.split(line)  # text, code, text, ...
    return "".join(f"\\ ``{part}``\\ " if place % 2 else SPECIAL.sub(r"\\\1", part) for place, part in enumerate(parts))
