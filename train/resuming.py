"""What a resumed run may change (its number of epochs, its patience, its data's place), and how that is recorded."""

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
    """The record of a run that is resumed as `asked`; raises RunError where that is another configuration.

    A new number of epochs is added to the recorded command, so that it still says how the weights were learned.
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
    """A recorded command with `folder` as its output; the command of a run that was extended has RUN in that place."""
    return command.replace("--out RUN", f"--out {folder}") if " --out RUN" in command else f"{command} --out {folder}"
