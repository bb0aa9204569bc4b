"""Manifests of earlier schemas: each step is a pure function from one JSON tree to the next schema's.

A step takes a tree of its schema and gives one of the schema after it. Fields of a wrong type are left to the reader of
the last schema, which refuses them.
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from vae_edge.runtime.errors import ManifestError

__all__ = ["from_1", "migrate"]

Tree = dict[str, Any]

_KEPT_1 = {"name", "producer", "versions", "latent_size", "precision", "probe", "metrics", "parity", "digest"}
_FIELDS_1 = _KEPT_1 | {"schema", "image", "prior", "likelihood", "binarize", "encoder", "decoder", "training"}


def migrate(data: bytes, tree: Tree) -> Tree:
    """The tree of this release's schema for `tree`, which `data` held; raises ManifestError where `data` is damaged."""
    if tree.get("schema") != 1:
        raise ManifestError(f"manifest: schema should be 1 or 2, it is {tree.get('schema')!r:.60}")
    _check_digest_1(data, tree)
    if tree.keys() != _FIELDS_1:
        raise ManifestError(f"manifest: schema 1 has other fields: {', '.join(sorted(tree.keys() ^ _FIELDS_1))!r:.80}")
    try:
        return from_1(tree)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ManifestError(f"the manifest is not one of schema 1 ({error!r}); export the bundle again") from error


def from_1(tree: Tree) -> Tree:
    """Schema 2 for schema 1: images in, a diagonal normal posterior, a Bernoulli; a prior of three kinds."""
    old = copy.deepcopy(tree)
    image, prior = old["image"], old["prior"]
    latent, shape = [old["latent_size"]], [image["height"], image["width"], image["channels"]]
    is_autoencoder = prior["kind"] == "none"
    # Schema 1 wrote an autoencoder's code as a normal of scale 0.
    posterior = (
        _spec("deterministic", latent, {"loc": "loc"})
        if is_autoencoder
        else _spec("normal", latent, {"loc": "loc", "scale": "scale"})
    )
    components = {"components": float(prior["components"])} if prior["kind"] == "mixture" else {}
    new = {key: old[key] for key in _KEPT_1}
    return new | {
        "schema": 2,
        "event": image | {"kind": "image", "shift": 0.0, "scale": 1.0},
        "condition": None,
        "graphs": {"encoder": _graph(old["encoder"], "event"), "decoder": _graph(old["decoder"], "latent")},
        "posterior": posterior,
        "likelihood": _spec(old["likelihood"], shape, {"logits": "logits"}),
        "prior": _spec(prior["kind"], latent, {}, components, prior["file"]),
        "training": old["training"] | {"binarize": old["binarize"]},
    }


def _graph(graph: Tree, role: str) -> Tree:
    (event,) = graph["inputs"]
    outputs = [tensor | {"role": ""} for tensor in graph["outputs"]]
    return graph | {"inputs": [event | {"role": role}], "outputs": outputs}


def _spec(
    family: str, event_shape: list[Any], outputs: Tree, constants: Tree | None = None, file: Tree | None = None
) -> Tree:
    return {
        "family": family,
        "event_shape": event_shape,
        "outputs": outputs,
        "constants": constants or {},
        "file": file,
    }


def _check_digest_1(data: bytes, tree: Tree) -> None:
    """Schema 1: the file is the tree as Python writes it, and the digest is of that with an empty digest."""
    try:
        blank, whole = (
            json.dumps(tree | {"digest": digest}, indent=2, sort_keys=True, allow_nan=False).encode("ascii") + b"\n"
            for digest in ("", tree.get("digest"))
        )
    except (TypeError, ValueError) as error:
        raise ManifestError(f"the manifest is not one of schema 1 ({error}); export the bundle again") from error
    if hashlib.sha256(blank).hexdigest() != tree.get("digest"):
        raise ManifestError("the manifest's digest is not that of its content (damaged?); export the bundle again")
    if whole != data:
        raise ManifestError("the manifest is not in its canonical form (edited by hand?); export the bundle again")
