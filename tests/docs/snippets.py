"""Code blocks of a Markdown page, and examples of a help text, each with the line where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PROSE", "Snippet", "of_help", "of_page"]

PROSE = ("text", "json")  # what is shown, and is no code
FENCE = re.compile(r"^(\s*)(`{3,})(.*)$")
NOT_RUN = re.compile(r"<!--\s*not run:\s*(.+?)\s*-->", re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """One block: `language` is its fence's word, 'indented' without one; `not_run` says why it is not run, or ''."""

    where: str
    line: int
    language: str
    text: str
    not_run: str = ""


def of_page(path: Path) -> list[Snippet]:
    """The blocks of a page in their order; what stands in a MyST directive is none."""
    lines, found, at = path.read_text(encoding="utf-8").splitlines(), list[Snippet](), 0
    while at < len(lines):
        if opening := FENCE.match(lines[at]):
            indent, ticks, language = opening.groups()
            end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == ticks)
            text = "\n".join(line.removeprefix(indent) for line in lines[at + 1 : end])
            if not language.startswith("{"):
                found.append(Snippet(path.name, at + 2, language.strip(), text, _reason(lines[:at])))
            at = end
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()) and not _in_list(lines[:at]):
            found.append(Snippet(path.name, at + 1, "indented", lines[at]))
        at += 1
    return found


def of_help(verb: str, text: str) -> Snippet:
    """The examples of a verb's help."""
    _, _, examples = text.replace("\b", "").partition("Examples:")
    return Snippet(f"vae-edge {verb} --help", 1, "sh", examples)


def _reason(before: list[str]) -> str:
    """What a comment right above a fence says of why the block is not run."""
    above = "\n".join(before).rstrip()
    marks = list(NOT_RUN.finditer(above))
    return " ".join(marks[-1][1].split()) if marks and marks[-1].end() == len(above) else ""


def _in_list(before: list[str]) -> bool:
    """Whether an indented line goes on with an item of a list."""
    last = next((line for line in reversed(before) if line.strip() and not line.startswith(" ")), "")
    return bool(re.match(r"([-*]|\d+\.) ", last))
