"""The manifest as a file: written, sealed with a digest, read and checked.

`vae_edge.train` drafts the `Training` part, `vae_edge.export` seals the whole, `vae_edge.runtime` reads it. On disk it
is JSON. Its digest is the SHA-256 of the file's own bytes without the digest's value: it shows a flipped bit, a cut end
or an edit by hand, and a reader in another language need not write numbers as Python does. The digest guards against
damage; it is no signature. `docs/bundle-format.md` specifies all of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import types
import typing
from typing import Any

from vae_edge.runtime.bundle import migration, validation
from vae_edge.runtime.bundle.schema import (
    Condition,
    Deviations,
    File,
    Graph,
    Image,
    Manifest,
    Scores,
    Spec,
    Tensor,
    Training,
    Vector,
)
from vae_edge.runtime.bundle.validation import FILE_NAME, FP32, MAX_SIZE, PRECISIONS, SCHEMA
from vae_edge.runtime.errors import ManifestError

__all__ = [
    "FILE_NAME",
    "FP32",
    "MAX_BYTES",
    "MAX_SIZE",
    "PRECISIONS",
    "SCHEMA",
    "Condition",
    "Deviations",
    "File",
    "Graph",
    "Image",
    "Manifest",
    "Scores",
    "Spec",
    "Tensor",
    "Training",
    "Vector",
    "parse",
    "read_as",
    "render",
    "seal",
]

MAX_BYTES = 1 << 20  # 4,096 columns with a name, a shift and a scale each take 600 KB

_DIGEST_LINE = re.compile(rb'(?<=\n  "digest": ")[0-9a-f]{64}(?=")')


def seal(manifest: Manifest) -> Manifest:
    """The same manifest, of this schema, with its digest; raises ManifestError where the content makes no sense."""
    blank = dataclasses.replace(manifest, schema=SCHEMA, digest="")
    validation.check(blank)
    return dataclasses.replace(blank, digest=hashlib.sha256(render(blank)).hexdigest())


def render(manifest: Manifest) -> bytes:
    """The bytes of a manifest: JSON, keys sorted, two spaces, ASCII, one newline at the end; raises ManifestError."""
    try:
        text = json.dumps(dataclasses.asdict(manifest), indent=2, sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise ManifestError(f"a manifest holds finite numbers only: {error}") from error
    return text.encode("ascii") + b"\n"


def parse(data: bytes) -> Manifest:
    """The manifest in `data`, of this schema or an earlier one; raises ManifestError where it is damaged or malformed.

    A manifest of an earlier schema keeps its digest.
    """
    if len(data) > MAX_BYTES:
        raise ManifestError(f"the manifest has {len(data):,} bytes, at most {MAX_BYTES:,} are read")
    try:
        tree = json.loads(data.decode("ascii"), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"the manifest is not JSON ({error}); export the bundle again") from error
    if not isinstance(tree, dict):
        raise ManifestError(f"the manifest is a JSON {type(tree).__name__}, an object was expected")
    schema = tree.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise ManifestError(
            f"the manifest has schema {schema}, this release reads up to {SCHEMA}: upgrade vae-edge, or export with it"
        )
    if schema == 1:
        migration.check_digest_1(data, tree)
    else:
        _check_digest(data, tree)
    tree = migration.migrate(tree)
    manifest: Manifest = read_as(Manifest, tree, "manifest")
    validation.check(manifest)
    return manifest


def _check_digest(data: bytes, tree: dict[str, Any]) -> None:
    """The digest stands on a line of its own, and is the SHA-256 of all bytes but its own 64."""
    parts = _DIGEST_LINE.split(data)
    if len(parts) != 2 or tree.get("digest") not in (match.decode() for match in _DIGEST_LINE.findall(data)):
        raise ManifestError('the manifest should have one line `  "digest": "..."` of 64 hexadecimal digits')
    if hashlib.sha256(parts[0] + parts[1]).hexdigest() != tree["digest"]:
        raise ManifestError("the manifest's digest is not that of its bytes (damaged or edited?); export it again")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return tree


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that a manifest may hold")


def read_as(kind: Any, value: Any, where: str) -> Any:
    """`value`, a JSON tree, as an instance of the annotation `kind`; raises ManifestError that names the place."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _read_object(kind, value, where)
    if origin is types.UnionType:
        if value is None and types.NoneType in arguments:
            return None
        for option in arguments:
            if _is(option, value) or (dataclasses.is_dataclass(option) and _is_tagged(option, value)):
                return read_as(option, value, where)
        raise _mismatch(where, " or ".join(option.__name__ for option in arguments), value)
    if origin is tuple:
        if not isinstance(value, list):
            raise _mismatch(where, "a list", value)
        return tuple(read_as(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _mismatch(where, "an object", value)
        return {key: read_as(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if not _is(kind, value):
        raise _mismatch(where, kind.__name__, value)
    return value


def _read_object(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _mismatch(where, "an object", value)
    hints = typing.get_type_hints(kind)
    if missing := hints.keys() - value.keys():
        raise ManifestError(f"{where} lacks {', '.join(sorted(missing))}; export the bundle again")
    if extra := value.keys() - hints.keys():
        raise ManifestError(f"{where} has unknown {', '.join(sorted(extra))!r:.60}; schema {SCHEMA} has no such field")
    return typing.cast(Any, kind)(**{key: read_as(hints[key], value[key], f"{where}.{key}") for key in hints})


def _is(kind: type, value: Any) -> bool:
    return type(value) is kind  # a bool is no int here, and 1 is no float


def _is_tagged(option: Any, value: Any) -> bool:
    """Whether an object is of this dataclass: by its `kind`, where the dataclass has a fixed one."""
    fixed = next((spec.default for spec in dataclasses.fields(option) if spec.name == "kind"), dataclasses.MISSING)
    return isinstance(value, dict) and (fixed is dataclasses.MISSING or value.get("kind") == fixed)


def _mismatch(where: str, expected: str, value: Any) -> ManifestError:
    return ManifestError(f"{where} should be {expected}, it is {type(value).__name__} {str(value)[:40]!r}")
