"""Where a VAE comes from: what goes along when it is pickled, in place of its sessions.

A VAE of `VAE.load` travels as a path and a digest, 400 bytes; one made of a `Bundle` brings the bundle's bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from vae_edge.runtime import bundle as bundles
from vae_edge.runtime.bundle import Bundle, manifest
from vae_edge.runtime.bundle.manifest import File
from vae_edge.runtime.errors import BundleNotFound, IntegrityError

__all__ = ["Origin"]

_WITH_BYTES = "to send the bundle's bytes along, pickle VAE(vae.bundle) in place of vae"


@dataclass(frozen=True)
class Origin:
    """A place to read a bundle from, or the bundle itself; its digest; and the options of `VAE`.

    `place` is the name of a built-in bundle, or a Path. Two origins are equal where the same VAE comes of both.
    """

    place: str | Path
    digest: str
    settings: tuple[tuple[str, Any], ...]  # the options, in a form that can be hashed
    max_file_bytes: int = bundles.MAX_FILE_BYTES
    bundle: Bundle | None = field(default=None, compare=False)

    @classmethod
    def of(cls, bundle: Bundle, options: Mapping[str, Any]) -> Self:
        """The origin of `VAE(bundle, **options)`: it brings the bundle itself."""
        keys = dict(options)
        if given := keys.get("provider_options"):
            keys["provider_options"] = tuple(sorted((key, str(value)) for key, value in given.items()))
        return cls(bundle.folder, _digest(bundle), tuple(sorted(keys.items())), bundle=bundle)

    def at_its_folder(self, max_file_bytes: int) -> Self:
        """The same, to be read again where it was read: by its name where it is built in, else by its absolute path."""
        assert self.bundle is not None
        folder = self.bundle.folder
        name = folder.name if bundles.built_in().get(folder.name) == folder else None
        place = name or Path(os.path.abspath(folder))  # noqa: PTH100 - a link stays one, as it may be moved on
        return type(self)(place, self.digest, self.settings, max_file_bytes)

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of `VAE`."""
        options = dict(self.settings)
        if given := options.get("provider_options"):
            options["provider_options"] = dict(given)
        return options

    def read(self) -> Bundle:
        """The bundle, once its files have the hashes of the one that was sent; raises BundleError."""
        if self.bundle is not None:
            return _verified(self.bundle)
        try:
            found = bundles.read(
                self.place, max_elements=self.options["max_elements"], max_file_bytes=self.max_file_bytes
            )
        except BundleNotFound as error:
            raise BundleNotFound(
                f"a VAE arrived that was loaded from {self._place}, where no bundle lies here ({error}): copy the "
                f"folder to the same path, or {_WITH_BYTES}"
            ) from error
        if _digest(found) != self.digest:
            raise IntegrityError(
                f"a VAE arrived that was loaded from {self._place} with the digest {self.digest[:12]}..., here the "
                f"bundle has {_digest(found)[:12]}...: it was changed since, or is of another release; load it again, "
                f"or {_WITH_BYTES}"
            )
        return found

    def __str__(self) -> str:
        return f"{self._place}, digest {self.digest[:12]}..."

    @property
    def _place(self) -> str:
        return f"the bundle {self.place!r}, which is built in" if isinstance(self.place, str) else str(self.place)


def _digest(bundle: Bundle) -> str:
    """The digest of the manifest, which covers each file's hash; a draft has none yet."""
    found = bundle.manifest
    return found.digest or hashlib.sha256(manifest.render(found)).hexdigest()


def _verified(bundle: Bundle) -> Bundle:
    for file in bundle.manifest.files:
        if (arrived := File.of(file.name, bundle[file])) != file:
            raise IntegrityError(
                f"a VAE arrived whose {file.name} should have SHA-256 {file.sha256[:12]}..., it has "
                f"{arrived.sha256[:12]}...: it was changed on its way; send it again"
            )
    return bundle
