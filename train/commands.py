"""The command line of a run in the form that a bundle holds: without the folders of the machine that it ran on."""

from __future__ import annotations

import shlex
from pathlib import Path

from vae_edge.train.config import Config

__all__ = ["without_folders"]

_OF_DATA = "--data"
_AND = "&&"  # between the commands of a run that began with the weights of another, or was extended


def without_folders(command: str) -> str:
    """The command with the data's name in place of its path, and of every absolute path only the last part."""
    return " ".join(word if word == _AND else shlex.quote(word) for word in _named(shlex.split(command)))


def _named(words: list[str]) -> list[str]:
    named = []
    for before, word in zip(["", *words], words, strict=False):
        flag, equals, value = word.partition("=")
        if before == _OF_DATA:
            named.append(Config(data=word).data_name)
        elif flag == _OF_DATA and equals:
            named.append(f"{flag}={Config(data=value).data_name}")
        elif flag.startswith("--") and equals and Path(value).is_absolute():
            named.append(f"{flag}={Path(value).name}")
        else:
            named.append(Path(word).name if Path(word).is_absolute() else word)
    return named
