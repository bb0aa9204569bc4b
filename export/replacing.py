"""Which folder `export` may replace: an empty one, a bundle of the same model, another bundle by force."""

from __future__ import annotations

from pathlib import Path

from vae_edge.runtime.bundle.manifest import Manifest, Training, parse
from vae_edge.runtime.errors import BundleError, OutputError

__all__ = ["FILES", "expect_ours"]

FILES = {
    "manifest.json",
    "encoder.onnx",
    "decoder.onnx",
    "prior.npz",
    "weights.npz",
    "probe.npz",
    "scores.npz",
    "CARD.md",
}  # all that a bundle has


def expect_ours(out: Path, name: str, training: Training | None, precision: str, force: bool) -> None:
    """Raises OutputError where `out` holds what may not be replaced.

    A bundle of the same training run and precision may be, or, of a model without a record, one of the same name.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        found = parse((out / "manifest.json").read_bytes())
    except (OSError, BundleError) as error:
        names = {path.name for path in out.iterdir()} if out.is_dir() else set()
        if force and "manifest.json" in names and names <= FILES:  # a damaged bundle; web apps have such a file too
            return
        raise OutputError(f"{out}: holds something that is not a bundle; name another folder") from error
    if force:
        return
    own = {"manifest.json", "CARD.md", *(file.name for file in found.files)}
    if foreign := sorted({path.name for path in out.iterdir()} - own):
        raise OutputError(f"{out}: holds {', '.join(foreign)} beside a bundle; move it, or replace all with --force")
    if not _is_same(found, name, training):
        what = "run" if training is not None else "model"
        raise OutputError(f"{out}: holds a bundle of another {what}; replace it with --force, or name another folder")
    if found.precision != precision:
        what = "run" if training is not None else "model"
        raise OutputError(
            f"{out}: holds this {what} in {found.precision}; replace it with --force, or name another folder"
        )


def _is_same(found: Manifest, name: str, training: Training | None) -> bool:
    if training is None:
        return found.training is None and found.name == name
    return found.training == training
