"""`export`: the bundle of anyone's model; `plan`: what it would do."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from vae_edge.export import bundle
from vae_edge.export import planning as plans
from vae_edge.export.bundle import Events, Options, Progress, Sets
from vae_edge.export.convert import DEFAULT_OPSET
from vae_edge.export.inspection import inspect, prepared
from vae_edge.export.request import Findings, Request
from vae_edge.export.sources.resolve import resolve
from vae_edge.export.statements import Image, Index, OneHot, Statement, Vector
from vae_edge.export.variant import CALIBRATION, IMAGES, MAX_NATS
from vae_edge.runtime.bundle import guard
from vae_edge.runtime.bundle.manifest import FP32, Manifest, Training
from vae_edge.train.provenance import producer, versions

__all__ = ["export", "plan"]


def export(
    out: str | Path,
    *,
    examples: npt.ArrayLike,
    encoder: Any = None,
    decoder: Any = None,
    model: Any = None,
    posterior: Statement | None = None,
    likelihood: Statement | None = None,
    prior: Any = "normal",
    condition: OneHot | Index | Vector | None = None,
    conditions: npt.ArrayLike | None = None,
    event: Image | Vector | None = None,
    name: str | None = None,
    opset: int = DEFAULT_OPSET,
    precision: str = FP32,
    max_nats: float = MAX_NATS,
    force: bool = False,
    training: Training | None = None,
    metrics: Mapping[str, float] | None = None,
    max_elements: int = guard.MAX_ELEMENTS_ALIVE,
    progress: Progress = lambda step, draws: lambda done: None,
) -> Manifest:
    """Writes a model's bundle into the folder `out`, and returns its manifest.

    `encoder` and `decoder` are Keras 3 or tf_keras models, functions of tensors, or paths: `.keras`, `.h5`, a
    SavedModel, or two `.onnx` files. They return tensors or TFP distributions. `model` may be given in their place, an
    object with methods `encode` and `decode`. `examples` (N, ...) are events that the model knows; with more of them
    more is proven, and 64 are usual. A conditional model also takes `conditions`, the label or numbers of each example.

    TFP's distributions are read. Of tensors, `posterior` and `likelihood` have to say what they are: Normal(loc=0,
    log_var=1), Bernoulli(probs=0); see `vae_edge.export.statements`. `prior` is 'normal', 'none', or a TFP normal or
    mixture of normals. `condition` is OneHot(n), Index(n) or Vector(n); `event` Image(h, w, c) or Vector(size), where
    the examples do not say it. `opset` is the ONNX operator set, 13 to 18; a model of ONNX files keeps its own.

    The bundle appears whole, and only where the runtime gives what the model itself gives, within 1e-4 * max(1,
    |value|), for the examples, their posteriors' means and 2,048 draws of the prior (CheckFailed otherwise). An earlier
    bundle of the same name is replaced, another only with `force`, a folder that is no bundle never (OutputError).
    Raises InputError with all that has to be said or mended. `name` is the bundle's, by default that of its folder.
    `precision` 'fp16' or 'int8' may cost `max_nats` nats of the examples. `training` and `metrics` are what you want
    the manifest and the card to tell: how the model was learned, and figures that you have measured. `max_elements`
    bounds the numbers that a run of a graph may hold at once. `progress` is called with the name of each step and how
    many draws it takes (0: it does not count), and returns what is called with how many are done.
    """
    request = _request(encoder, decoder, model, examples, posterior, likelihood, prior, condition, conditions, event,
                       opset, max_elements)  # fmt: skip
    figures = {key: float(value) for key, value in (metrics or {}).items()}
    options = Options(name, precision, max_nats, force, training, lambda vae, advance: figures, {}, progress)
    bundle.expect(Path(out), options)
    progress("convert", 0)
    found = inspect(request)
    for text in found.warnings:
        warnings.warn(text, stacklevel=2)
    bundle.check(found)
    return bundle.make(Path(out), request, found, _examples(found), options, _versions())


def plan(
    *,
    examples: npt.ArrayLike,
    encoder: Any = None,
    decoder: Any = None,
    model: Any = None,
    posterior: Statement | None = None,
    likelihood: Statement | None = None,
    prior: Any = "normal",
    condition: OneHot | Index | Vector | None = None,
    conditions: npt.ArrayLike | None = None,
    event: Image | Vector | None = None,
    opset: int = DEFAULT_OPSET,
    max_elements: int = guard.MAX_ELEMENTS_ALIVE,
) -> plans.Plan:
    """What `export` would do with the same arguments: print it. Nothing is written, and parity is not measured.

    `examples`, `encoder`, `decoder`, `model`, `posterior`, `likelihood`, `prior`, `condition`, `conditions`, `event`,
    `opset` and `max_elements` are those of `export`. What would be refused stands in the plan's `problems`; InputError
    where nothing can be said at all.
    """
    request = _request(encoder, decoder, model, examples, posterior, likelihood, prior, condition, conditions, event,
                       opset, max_elements)  # fmt: skip
    return plans.of(request, inspect(request))


def _request(encoder: Any, decoder: Any, model: Any, *rest: Any) -> Request:
    return Request(*resolve(encoder, decoder, model), *rest)


def _examples(found: Findings) -> Sets:
    """The examples stand for training and validation events."""
    assert found.events is not None
    events, conditions = prepared(found.events, found.likelihood), found.conditions

    def first(n: int) -> Events:
        return events[:n], None if conditions is None else conditions[:n]

    return Sets(lambda: first(CALIBRATION), lambda: first(IMAGES))


def _versions() -> tuple[str, dict[str, str]]:
    """The producer, and the versions of the packages that took part."""
    packages = ("keras", "onnx", "onnxruntime", "tensorflow", "tensorflow-probability", "tf-keras", "tf2onnx")
    loaded = [name for name in packages if name.replace("tf-", "tf_").replace("-p", "_p") in sys.modules]
    return producer(), versions("vae-edge", *loaded)
