"""The digit classifier that judges samples: one graph, verified like a bundle's, and its record."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle import guard, manifest, reading
from vae_edge.runtime.bundle.manifest import Graph, Image, Tensor, Training
from vae_edge.runtime.errors import BundleNotFound, InputError, ManifestError
from vae_edge.runtime.session import Session

__all__ = ["FOLDER", "RECORD", "SCHEMA", "Classifier", "Record", "parse", "render"]

SCHEMA = 3
RECORD = "classifier.json"
FOLDER = Path(__file__).parents[2] / "artifacts" / "classifier"  # rooms lie side by side, installed or not
BATCH_SIZE = 256

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Record:
    """What classifier.json says: the graph with its SHA-256, what it was learned from, and how well it does."""

    schema: int
    producer: str
    versions: dict[str, str]
    image: Image
    graph: Graph
    training: Training
    metrics: dict[str, float]  # validation_accuracy, test_accuracy
    parity: dict[str, float]  # max |difference| from TensorFlow


def render(record: Record) -> bytes:
    """The bytes of classifier.json."""
    return json.dumps(dataclasses.asdict(record), indent=2, sort_keys=True, allow_nan=False).encode("ascii") + b"\n"


def parse(data: bytes) -> Record:
    """The record in `data`; raises ManifestError where it is not one that `render` wrote."""
    try:
        tree: Any = json.loads(data.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{RECORD} is not JSON ({error}); install vae-edge again") from error
    record: Record = manifest.read_as(Record, tree, RECORD)
    image = record.image
    wanted = Tensor("image", "float32", ("batch", *image.shape), "event")
    outputs = [(tensor.name, tensor.dtype, len(tensor.shape)) for tensor in record.graph.outputs]
    expected = [("features", "float32", 2), ("logits", "float32", 2)]
    plain = manifest.FILE_NAME.fullmatch(record.graph.file.name)
    if record.schema != SCHEMA or record.graph.inputs != (wanted,) or outputs != expected or not plain:
        raise ManifestError(f"{RECORD} describes another kind of graph; install vae-edge again")
    return record


class Classifier:
    """image -> features and logits of classes, on one provider."""

    def __init__(
        self,
        data: bytes,
        record: Record,
        *,
        provider: str = "auto",
        provider_options: Mapping[str, object] | None = None,
        threads: int | None = None,
    ) -> None:
        self.record = record
        guard.check(data, record.graph.file.name)
        self._session = Session(
            "classifier",
            data,
            record.graph,
            ("features", "logits"),
            provider=provider,
            provider_options=provider_options,
            threads=threads,
        )

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str] = FOLDER,
        *,
        provider: str = "auto",
        provider_options: Mapping[str, object] | None = None,
        threads: int | None = None,
    ) -> Classifier:
        """The classifier that ships, or that of a folder, with options as of `VAE.load`.

        Raises BundleError or ProviderError.
        """
        folder = Path(folder)
        try:
            record = parse(reading.read_file(folder / RECORD, manifest.MAX_BYTES))
        except FileNotFoundError as error:
            raise BundleNotFound(f"{folder} holds no classifier: it has no {RECORD}") from error
        data = reading.read_verified(folder, record.graph.file)
        return cls(data, record, provider=provider, provider_options=provider_options, threads=threads)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.record.image.shape

    def run(self, images: Float32, *, progress: Callable[[int], None] | None = None) -> tuple[Float32, Float32]:
        """Features (n, F) and logits (n, classes), float32, of images (n, H, W, C) with pixels 0 or 1.

        `progress` is called with the size of each batch done. Raises InputError for images of another shape.
        """
        if images.shape[1:] != self.image_shape or len(images) == 0:
            raise InputError(f"images should have shape (n, {str(self.image_shape)[1:]}, they have {images.shape}")
        batches = []
        for at in range(0, len(images), BATCH_SIZE):
            batches.append(self._session.run(images[at : at + BATCH_SIZE]))
            if progress is not None:
                progress(len(batches[-1][0]))
        features, logits = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        return features, logits
