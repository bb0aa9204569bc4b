"""Changes a bundle that is there: its manifest sealed again, with files and a card to it, in place at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from vae_edge.export import folder
from vae_edge.runtime import bundle
from vae_edge.runtime.bundle import manifest
from vae_edge.runtime.bundle.manifest import Manifest
from vae_edge.runtime.errors import IntegrityError

__all__ = ["CARD", "reseal"]

CARD = "CARD.md"


def reseal(
    path: str | Path,
    digest: str,
    change: Callable[[Manifest], Manifest],
    files: Mapping[str, bytes],
    describe: Callable[[Manifest, str], str],
) -> Manifest:
    """The new manifest of the bundle at `path`, which `change` makes of the old one, and with it `files` in place.

    `describe` makes the new card of the new manifest and the old card, where there is one. `digest` is that of the
    manifest that `change` counts on: a bundle that is another by now is left alone (IntegrityError). All that is there
    before is whole until the new bundle takes its place (OutputError).
    """
    found = bundle.read(path)
    if found.manifest.digest != digest:
        raise IntegrityError(f"{found.folder}: another bundle than the one that was measured; measure it again")
    said = manifest.seal(change(found.manifest))
    with folder.staged(found.folder) as staging:
        for file in found.folder.iterdir():
            if file.is_dir() and not file.is_symlink():
                shutil.copytree(file, staging / file.name, symlinks=True)
            elif file.name not in found.files:
                shutil.copy2(file, staging / file.name, follow_symlinks=False)
        contents = {name: data for name, data in found.files.items() if name in {each.name for each in said.files}}
        for name, data in (contents | dict(files) | {bundle.MANIFEST: manifest.render(said)}).items():
            (staging / name).write_bytes(data)
        text = staging / CARD
        if text.is_file() and not text.is_symlink():
            text.write_text(describe(said, text.read_text(encoding="utf-8")), encoding="utf-8")
    return said
