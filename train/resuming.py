"""What a resumed run may change (how long it goes on, where its data lies now), and the command that tells it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from vae_edge.runtime.errors import RunError
from vae_edge.train.config import Config
from vae_edge.train.run import Record

__all__ = ["MAY_DIFFER", "differences", "into", "resumed"]

MAY_DIFFER = ("data", "epochs", "patience")


def differences(recorded: Config, asked: Config) -> list[str]:
    """'name: recorded, asked for' for each field that a resumed run may not change."""
    same = {name: getattr(recorded, name) for name in MAY_DIFFER}
    return recorded.differences(dataclasses.replace(asked.settled(recorded), **same))


def resumed(record: Record, asked: Config, run: Path) -> Record:
    """The record of a run that goes on as `asked`; raises RunError where that is another configuration.

    Other epochs go into the recorded command, so that it still says how the weights were learned.
    """
    if found := differences(record.config, asked):
        raise RunError(
            f"{run}: the run was begun with another configuration ({'; '.join(found)}; recorded, asked for); "
            "resume with the recorded one, or train into another folder"
        )
    asked = asked.absolute()
    changes = {name: getattr(asked, name) for name in MAY_DIFFER}
    config = dataclasses.replace(record.config, **changes)
    command = record.command
    if command and config.epochs != record.config.epochs:
        begun = command if " --out RUN" in command else f"{command} --out RUN"
        command = f"{begun} && vae-edge train --out RUN --resume --epochs {config.epochs}"
    return dataclasses.replace(record, config=config, command=command)


def into(command: str, folder: str) -> str:
    """A recorded command that writes into `folder`: one that was extended names its own as RUN."""
    return command.replace("--out RUN", f"--out {folder}") if " --out RUN" in command else f"{command} --out {folder}"
