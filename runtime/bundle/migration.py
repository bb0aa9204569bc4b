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

__all__ = ["check_digest_1", "from_1", "from_2", "migrate"]

Tree = dict[str, Any]

SCHEMA = 3  # what the last step gives

_KEPT_1 = {"name", "producer", "versions", "latent_size", "precision", "probe", "metrics", "parity", "digest"}
_FIELDS_2 = _KEPT_1 | {"schema", "event", "condition", "graphs", "posterior", "likelihood", "prior", "training"}
_FIELDS_1 = _KEPT_1 | {"schema", "image", "prior", "likelihood", "binarize", "encoder", "decoder", "training"}


def migrate(tree: Tree) -> Tree:
    """The tree of this release's schema for a tree of any schema, once its digest is checked; raises ManifestError."""
    if type(tree.get("schema")) is not int or not 1 <= tree["schema"] <= SCHEMA:
        raise ManifestError(f"manifest: schema should be 1 to {SCHEMA}, it is {tree.get('schema')!r:.60}")
    for schema, fields, step in ((1, _FIELDS_1, from_1), (2, _FIELDS_2, from_2)):
        if tree["schema"] != schema:
            continue
        if odd := tree.keys() ^ fields:
            raise ManifestError(f"manifest: schema {schema} has other fields: {', '.join(sorted(odd))!r:.80}")
        try:
            tree = step(tree)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ManifestError(
                f"the manifest is not one of schema {schema} ({error!r}); export the bundle again"
            ) from error
    return tree


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


def from_2(tree: Tree) -> Tree:
    """Schema 3 for schema 2: how pictures were read and weights differ is told, and there is a place for scores."""
    new = copy.deepcopy(tree) | {"schema": 3, "deviations": None, "scores": None}
    if new["training"] is not None:
        new["training"] |= {"pictures": {}}
    return new


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


def check_digest_1(data: bytes, tree: Tree) -> None:
    """Raises ManifestError unless `data` is the tree as Python writes it, and its digest that with an empty digest."""
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
