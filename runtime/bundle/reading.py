"""Reads a bundle: each file once, so that the bytes that were hashed are those that run."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from vae_edge.runtime.bundle import guard, manifest
from vae_edge.runtime.bundle.manifest import File, Manifest
from vae_edge.runtime.errors import BundleError, BundleNotFound, IntegrityError, ManifestError, UnsafeBundle

__all__ = [
    "MANIFEST",
    "MAX_FILE_BYTES",
    "Bundle",
    "assemble",
    "built_in",
    "locate",
    "read",
    "read_file",
    "read_verified",
]

MANIFEST = "manifest.json"
MAX_FILE_BYTES = 1 << 26


@dataclass(frozen=True)
class Bundle:
    """A manifest, the verified bytes of each file that it lists, and what each graph costs to run."""

    folder: Path
    manifest: Manifest
    files: dict[str, bytes]
    costs: dict[str, guard.Cost]

    def __getitem__(self, file: File) -> bytes:
        """The bytes of one of the manifest's files."""
        return self.files[file.name]


def built_in() -> dict[str, Path]:
    """The bundles that ship with the package: name -> folder."""
    import vae_edge.artifacts

    # importlib.resources takes 7 ms to import
    manifests = Path(vae_edge.artifacts.__path__[0]).glob(f"*/{MANIFEST}")
    return {path.parent.name: path.parent for path in sorted(manifests)}


def locate(name: str | os.PathLike[str]) -> Path:
    """The folder of a bundle: the name of one that is built in, or a path; raises BundleNotFound.

    A str that names a built-in bundle is that one, whatever lies in the current folder: './mnist' and Path('mnist') are
    the folder.
    """
    try:
        folder = Path(name)
        if isinstance(name, str) and (built := built_in().get(name)) is not None:
            return built
        if (folder / MANIFEST).exists():
            return folder
        is_folder = folder.is_dir()
    except (TypeError, ValueError) as error:
        raise BundleNotFound(f"a bundle is a folder or a name, this is {name!r:.60}") from error
    if is_folder:
        inside = f"; the built-in one is {folder.name!r} alone" if folder.name in built_in() else ""
        raise BundleNotFound(
            f"the folder {str(name)!r} is no bundle: it has no {MANIFEST}; make one with vae-edge export{inside}"
        )
    known = built_in()
    names = f"built in are: {', '.join(known)}" if known else "none is built in"
    raise BundleNotFound(f"there is no bundle {str(name)!r}: it is no folder, and {names}")


def read(
    name: str | os.PathLike[str],
    *,
    max_elements: int = guard.MAX_ELEMENTS_ALIVE,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> Bundle:
    """The bundle in a folder, or built in under `name`, once its hashes fit and its graphs hold nothing but a VAE.

    `max_elements` bounds what a session run may hold at once, `max_file_bytes` the size of a file.
    Raises BundleNotFound, ManifestError, IntegrityError (not the bytes that the manifest describes) or UnsafeBundle.
    """
    folder = locate(name)
    try:
        listed = manifest.parse(read_file(folder / MANIFEST, manifest.MAX_BYTES))
    except FileNotFoundError as error:
        raise BundleNotFound(f"{folder} is no bundle: it has no {MANIFEST}") from error
    except ManifestError as error:
        raise ManifestError(f"{folder}: {error}") from error
    files = {file.name: read_verified(folder, file, max_file_bytes) for file in listed.files}
    return assemble(folder, listed, files, max_elements=max_elements)


def assemble(
    folder: Path, listed: Manifest, files: dict[str, bytes], *, max_elements: int = guard.MAX_ELEMENTS_ALIVE
) -> Bundle:
    """The bundle of a manifest and its files' bytes, once the guard has looked at the graphs.

    Raises UnsafeBundle, or IntegrityError where a graph is of another opset or cost than the manifest says.
    """
    costs = {}
    for name, graph in listed.graphs.items():
        where = str(folder / graph.file.name)
        cost = costs[name] = guard.check(files[graph.file.name], where, max_elements=max_elements)
        if (cost.opset, cost.multiply_adds) != (graph.opset, graph.multiply_adds):
            raise IntegrityError(
                f"{where} should be of opset {graph.opset} and {graph.multiply_adds:,} multiply-adds as its manifest "
                f"says, it is of {cost.opset} and {cost.multiply_adds:,}: export the bundle again"
            )
    return Bundle(folder, listed, files, costs)


def read_verified(folder: Path, file: File, limit: int = MAX_FILE_BYTES) -> bytes:
    """The bytes of `file` in `folder`.

    Raises IntegrityError where they are not those that the manifest describes, UnsafeBundle above `limit` bytes.
    """
    if file.bytes > limit:
        raise UnsafeBundle(
            f"{folder / file.name} should be at most {limit:,} bytes, it claims {file.bytes:,}; where you trust it, "
            "raise max_file_bytes of VAE.load"
        )
    try:
        data = read_file(folder / file.name, file.bytes)
    except FileNotFoundError as error:
        raise IntegrityError(f"{folder} lacks {file.name}, which its manifest lists; export it again") from error
    found = File.of(file.name, data)
    if found != file:
        raise IntegrityError(
            f"{folder / file.name} should have {file.bytes:,} bytes of SHA-256 {file.sha256[:12]}..., it has "
            f"{found.bytes:,} of {found.sha256[:12]}...: it is damaged or of another bundle; export or copy it again"
        )
    return data


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes; never follows a link, never waits on a FIFO.

    Raises FileNotFoundError, UnsafeBundle for a link or a special file, IntegrityError for a larger file, or
    BundleError where it cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if path.is_symlink():  # O_NOFOLLOW says so too, but each system by an errno of its own
            raise UnsafeBundle(f"{path} is a symbolic link: a bundle holds its files itself")
        with open(os.open(path, flags), "rb", buffering=0) as file:  # noqa: PTH123 - Path.open takes no descriptor
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnsafeBundle(f"{path} is no regular file")
            if status.st_size > limit:
                raise IntegrityError(f"{path} has {status.st_size:,} bytes, {limit:,} were expected at most")
            data = bytearray()
            while part := file.read(limit + 1 - len(data)):
                data += part
            return bytes(data)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}") from error
