"""The command line's reference as Markdown, read off the parsers that Typer builds."""

from __future__ import annotations

import inspect
import re
from typing import Any

import typer

from vae_edge.cli.app import VERBS, app

GENERAL = ("json", "debug", "help")  # of every verb, so told once


def page() -> str:
    """A section for the global options, and one for each verb: what it does, its examples, its options."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group, info_name="vae-edge")
    parts = ["## Options of every verb\n", table(context, group.get_params(context))]
    for name in VERBS:
        verb = group.commands[name]
        context = typer.Context(verb, info_name=name, parent=typer.Context(group, info_name="vae-edge"))
        parts.append(section(name, verb, context))
    return "\n".join(parts)


def section(name: str, verb: Any, context: Any) -> str:
    """A verb's section."""
    prose, examples = split(inspect.cleandoc(verb.help or ""))
    pieces = " ".join(verb.collect_usage_pieces(context))
    parameters = [each for each in verb.get_params(context) if each.name not in GENERAL]
    parts = [f"## {name}\n", f"```text\nvae-edge {name} {pieces}\n```\n", prose, ""]
    panels: dict[str, list[Any]] = {}
    for each in parameters:
        panels.setdefault(getattr(each, "rich_help_panel", None) or "", []).append(each)
    for title, members in panels.items():
        parts += [f"**{title}**\n" if title else "", table(context, members)]
    if examples:
        parts += ["Examples:\n", f"```sh\n{examples}\n```\n"]
    return "\n".join(parts)


def split(help_text: str) -> tuple[str, str]:
    """The prose of a help text, and its examples."""
    text = help_text.replace("\b", "")
    prose, _, examples = text.partition("Examples:")
    return prose.strip(), inspect.cleandoc(examples)


def table(context: Any, parameters: list[Any]) -> str:
    """A table of parameters: how each is given, and what it does with its default."""
    rows = ["| given as | meaning |", "|---|---|"]
    for each in parameters:
        record = each.get_help_record(context)
        if record is None:  # an argument has none in some releases
            record = (each.make_metavar(context), getattr(each, "help", "") or "")
        given, text = (re.sub(r"\s+", " ", part) for part in record)
        rows.append(f"| {code(given)} | {plain(text)} |")
    return "\n".join(rows) + "\n"


def code(text: str) -> str:
    """`text` as code in a cell of a table."""
    return "`" + text.replace("|", "\\|") + "`"


def plain(text: str) -> str:
    """`text` in a cell of a table, where no sign of it is Markdown."""
    return re.sub(r"([|*_<>\[\]$])", r"\\\1", text)
