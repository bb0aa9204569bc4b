"""What a manifest holds: frozen dataclasses of standard types. `docs/bundle-format.md` specifies each field."""

from __future__ import annotations

import builtins
import hashlib
from dataclasses import dataclass, field
from typing import Self

__all__ = [
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
]


@dataclass(frozen=True)
class File:
    """A file of the bundle: its name (no folder), size in bytes and SHA-256 in hexadecimal."""

    name: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, name: str, data: builtins.bytes) -> Self:
        """What a manifest says of a file of that name that holds `data`."""
        return cls(name, len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class Tensor:
    """A graph's input or output. The first axis is the batch; an axis of dynamic size is a string, its name.

    `role` says what an input takes: 'event', 'latent', 'noise' or 'condition'. An output's is ''.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    role: str = ""


@dataclass(frozen=True)
class Graph:
    """An ONNX graph and its signature; `multiply_adds` is the cost of one event (MatMul, Gemm and convolutions)."""

    file: File
    opset: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parameters: int
    multiply_adds: int

    def input(self, role: str) -> Tensor | None:
        """The input of that role, or None."""
        return next((tensor for tensor in self.inputs if tensor.role == role), None)


@dataclass(frozen=True)
class Image:
    """An event (height, width, channels) of pixels in [0, 1].

    With a threshold the pixels are made 0 and 1: 1 where > threshold. The encoder reads (pixel - shift) / scale. A
    likelihood with a location and a scale is of the same numbers; the runtime turns it back into pixels.
    """

    height: int
    width: int
    channels: int
    threshold: float | None
    shift: float = 0.0
    scale: float = 1.0
    kind: str = "image"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels


@dataclass(frozen=True)
class Vector:
    """An event of `size` numbers in their own units, a row of a table; `names` are its columns', or ().

    The encoder reads (x - shift) / scale, column by column; () stands for 0 and 1. `kind` is 'vector'.
    """

    size: int
    names: tuple[str, ...] = ()
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    kind: str = "vector"

    @property
    def shape(self) -> tuple[int]:
        """(size,)."""
        return (self.size,)


@dataclass(frozen=True)
class Condition:
    """What a conditional model is given beside x or z.

    `kind` is 'one_hot' (a label as a float32 vector with a single 1), 'index' (a label as a whole number), or 'vector'
    (`size` real numbers). `names` are the labels' names, one each, or those of the vector's numbers, or ().
    """

    kind: str
    size: int
    names: tuple[str, ...] = ()

    @property
    def is_label(self) -> bool:
        """Whether the condition is one of `size` labels."""
        return self.kind != "vector"


@dataclass(frozen=True)
class Spec:
    """A distribution: its family (see `vae_edge.runtime.distributions.registry`) and where its parameters come from.

    `outputs` maps a parameter to the graph's output that gives it; `constants` holds what is the same for every event:
    a fixed scale, the number of levels, the number of a mixture's components. `file` holds a mixture's arrays. A flow's
    outputs are those of its two graphs: `sample`, `noise` and `log_det`.
    """

    family: str
    event_shape: tuple[int, ...]
    outputs: dict[str, str] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)
    file: File | None = None


@dataclass(frozen=True)
class Deviations:
    """The decoder's weights as normal distributions: N(loc, scale^2), where loc is what its graph holds.

    `weights` names those initializers of the graph that are uncertain. `file` holds one array `scale`: the standard
    deviations of all of them, in that order.
    """

    file: File
    weights: tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """How the weights were learned; `command` and `commit` make them again. Drafted by the training run.

    `binarize` says how the images became 0 and 1: 'static', by the image's threshold, 'dynamic', drawn with their grey
    value, or 'none'. `pictures` says what was done to images between their files and the model, as options of the
    command line: {'resize': '64', 'grey': 'true'}; {} where nothing was.
    """

    dataset: str
    dataset_sha256: str
    images: int
    epochs: int
    seed: int
    objective: str
    command: str
    commit: str
    binarize: str = "static"
    pictures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """The fit that `vae.score` judges events by: a mixture of normals over their statistics; `file` holds its arrays.

    `statistics` are those that it is of, in its order, and behind them stand the posterior's means where `codes`; there
    are `components` normals. The statistics are of `draws` draws of z. `threshold` is the score above which an event
    is unusual: a share `false_positive_rate` of the `held_out` events had a higher one, which neither the fit nor the
    model had learned from. `threshold_without_label` is that of events whose label is not given, or None. `events` were
    fitted to, of the data set `dataset`. `command` is the command line that made the fit.
    """

    file: File
    statistics: tuple[str, ...]
    codes: bool
    components: int
    draws: int
    threshold: float
    threshold_without_label: float | None
    false_positive_rate: float
    events: int
    held_out: int
    dataset: str
    dataset_sha256: str
    command: str


@dataclass(frozen=True)
class Manifest:
    """All that a bundle says of itself.

    `schema` is the format's number, `name` the bundle's, `producer` the release that made it, and `versions` the
    packages that took part. `event` is what x is, `condition` what is given beside it, or None, `latent_size` is L.
    `graphs` holds 'encoder' and 'decoder', and for a flow 'prior' and 'prior_inverse'; `posterior`, `likelihood` and
    `prior` say which distributions their outputs parameterise. `deviations` says how uncertain the decoder's weights
    are, or None. `precision` is what the weights of graphs and prior are stored in. `probe` is the file of events to
    check the bundle by, `training` how it was learned, or None, `scores` what events are scored by, or None. `metrics`
    are test figures (nats per event), `parity` the largest difference from the model that was exported, by output.
    `digest` is the SHA-256 of the manifest.
    """

    schema: int
    name: str
    producer: str
    versions: dict[str, str]
    event: Image | Vector
    condition: Condition | None
    latent_size: int
    graphs: dict[str, Graph]
    posterior: Spec
    likelihood: Spec
    prior: Spec
    deviations: Deviations | None
    precision: str
    probe: File
    training: Training | None
    scores: Scores | None
    metrics: dict[str, float]
    parity: dict[str, float]
    digest: str

    @property
    def encoder(self) -> Graph:
        """The graph of q(z|x)."""
        return self.graphs["encoder"]

    @property
    def decoder(self) -> Graph:
        """The graph of p(x|z)."""
        return self.graphs["decoder"]

    @property
    def prior_follows_condition(self) -> bool:
        """Whether the prior is p(z|y), of the condition y, not p(z)."""
        graph = self.graphs.get("prior")
        return "labels" in self.prior.constants or (graph is not None and graph.input("condition") is not None)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of an image, (size,) of a vector."""
        return self.event.shape

    @property
    def files(self) -> tuple[File, ...]:
        """The files that the manifest lists."""
        prior = () if self.prior.file is None else (self.prior.file,)
        scores = () if self.scores is None else (self.scores.file,)
        deviations = () if self.deviations is None else (self.deviations.file,)
        return (*(graph.file for graph in self.graphs.values()), self.probe, *prior, *deviations, *scores)
