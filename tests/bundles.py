"""Small sealed bundles of every family and condition, each assembled by hand from NumPy weights (needs onnx).

`Model.encode` and `Model.decode` are what its graphs should give, calculated in float64. No two axes are alike:
images of 6 x 4, a table of 5 columns, a latent of 3.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import probe
from vae_edge.runtime.bundle import deviations, guard, manifest, reading
from vae_edge.runtime.bundle.manifest import Condition, File, Graph, Image, Spec, Tensor, Vector

__all__ = ["DIGITS", "FLOWS", "KINDS", "NAMES", "Model", "build", "make", "uncertain"]

L = 3  # the size of z
OPSET = 18
FLOW = {"sample": "sample", "noise": "code_noise", "log_det": "code_log_det"}
NAMES = ("age", "height", "weight", "income, yearly", "dose")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Model:
    """Encoder and decoder, each an affine map of its inputs side by side, then what the parameters need.

    `code` (D + C, P) and `image` (L + C, Q) are weights of D numbers an event and C an encoded condition; `image` has a
    row of biases below it.
    """

    name: str
    event: Image | Vector
    likelihood: Spec
    posterior: Spec
    condition: Condition | None
    code: Array
    image: Array
    flow: Array | None = None  # (1 + C + 1, 4): the coupling of a flow prior, with a row of biases

    def to_noise(self, z: Array, condition: Array | None = None) -> tuple[Array, Array]:
        """The noise of z by the flow prior, and log |det d noise / d z|, in float64."""
        kept, log_scale, shift = self._coupled(z, condition)
        changed = np.asarray(z, np.float64)[:, 1:] * np.exp(log_scale) + shift
        return np.concatenate([kept, changed], axis=1), log_scale.sum(axis=1)

    def from_noise(self, noise: Array, condition: Array | None = None) -> Array:
        """z of noise by the flow prior, in float64."""
        kept, log_scale, shift = self._coupled(noise, condition)
        return np.concatenate([kept, (np.asarray(noise, np.float64)[:, 1:] - shift) * np.exp(-log_scale)], axis=1)

    def _coupled(self, z: Array, condition: Array | None) -> tuple[Array, Array, Array]:
        assert self.flow is not None
        kept = np.asarray(z, np.float64)[:, :1]
        raw = self._beside(kept, condition) @ self.flow[:-1].astype(np.float64) + self.flow[-1]
        return kept, np.tanh(raw[:, :2]), raw[:, 2:]

    def encode(self, x: Array, condition: Array | None = None) -> dict[str, Array]:
        """The parameters of q(z|x) of events in their own units."""
        standard = (np.asarray(x, np.float64) - np.float64(self.event.shift or 0)) / np.float64(self.event.scale or 1)
        code = self._beside(standard.reshape(len(x), -1), condition) @ self.code.astype(np.float64)
        if self.posterior.family == "normal":
            return {"loc": code[:, :L], "scale": _softplus(code[:, L:])}
        raw = code[:, L:].reshape(-1, L, L)
        return {"loc": code[:, :L], "scale_tril": np.tril(raw, -1) + _softplus(raw) * np.eye(L)}

    def decode(self, z: Array, condition: Array | None = None) -> dict[str, Array]:
        """What the decoder gives: the parameters of p(x|z), of a standardised x."""
        inputs = self._beside(np.asarray(z, np.float64), condition)
        flat = inputs @ self.image[:-1].astype(np.float64) + self.image[-1]
        found, at = {}, 0
        for name, shape in self._decoded().items():
            size = int(np.prod(shape))
            value = flat[:, at : at + size].reshape(-1, *shape)
            found[name], at = (_softplus(value) + 0.125 if name == "scale" else value), at + size
        return found

    def encoded(self, labels: Any) -> Array | None:
        """What the graphs read for labels (n,) by number, or vectors (n, size)."""
        if self.condition is None:
            return None
        if self.condition.kind == "vector":
            return np.asarray(labels, np.float32)
        indices = np.asarray(labels, np.int64)
        return indices if self.condition.kind == "index" else np.eye(self.condition.size, dtype=np.float32)[indices]

    def write(self, folder: Path) -> Path:
        """The bundle, sealed, in `folder`."""
        x, z, given = self._examples()
        arrays = {"x": x, "z": z, "given": given} | self.encode(x, given)
        arrays |= {self._output(name): value for name, value in self.decode(z, given).items()}
        data = {"encoder.onnx": self._encoder(), "decoder.onnx": self._decoder()}
        if self.flow is not None:
            noise = weights(8, 4, L)
            arrays |= {"noise": noise, "sample": self.from_noise(noise, given), "code": z}
            arrays |= zip(("code_noise", "code_log_det"), self.to_noise(z, given), strict=True)
            data |= {"prior.onnx": self._prior(), "prior_inverse.onnx": self._prior_inverse()}
        files = {name: File.of(name, content) for name, content in data.items()}
        decoder = {self._output(name): shape for name, shape in self._decoded().items()}
        flow = {}
        if self.flow is not None:
            inverse = {"code_noise": (L,), "code_log_det": ()}
            flow = {
                "prior": self._graph(files["prior.onnx"], data, "noise", (L,), "noise", {"sample": (L,)}),
                "prior_inverse": self._graph(files["prior_inverse.onnx"], data, "code", (L,), "latent", inverse),
            }
        said = manifest.Manifest(
            schema=manifest.SCHEMA,
            name=self.name,
            producer="tests/bundles.py",
            versions={},
            event=self.event,
            condition=self.condition,
            latent_size=L,
            graphs={
                "encoder": self._graph(files["encoder.onnx"], data, "x", self.event.shape, "event", self._encoded()),
                "decoder": self._graph(files["decoder.onnx"], data, "z", (L,), "latent", decoder),
            }
            | flow,
            posterior=self.posterior,
            likelihood=self.likelihood,
            prior=Spec("flow", (L,), FLOW) if self.flow is not None else Spec("normal", (L,)),
            deviations=None,
            precision="fp32",
            probe=File("probe.npz", 1, "0" * 64),
            training=None,
            scores=None,
            metrics={},
            parity={},
            digest="",
        )
        data["probe.npz"] = probe.render({key: value for key, value in arrays.items() if value is not None}, said)
        said = dataclasses.replace(said, probe=File.of("probe.npz", data["probe.npz"]))
        folder.mkdir(parents=True)
        for name, content in (data | {"manifest.json": manifest.render(manifest.seal(said))}).items():
            (folder / name).write_bytes(content)
        return folder

    def _beside(self, values: Array, condition: Array | None) -> Array:
        if self.condition is None:
            return values
        assert condition is not None
        given = np.eye(self.condition.size)[condition] if self.condition.kind == "index" else condition
        return np.concatenate([values, given], axis=1)

    def _encoded(self) -> dict[str, tuple[int, ...]]:
        return (
            {"loc": (L,), "scale": (L,)} if self.posterior.family == "normal" else {"loc": (L,), "scale_tril": (L, L)}
        )

    def _decoded(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter that the decoder gives; a grey image's scale is the same for all pixels."""
        shape, constants = self.event.shape, self.likelihood.constants
        if self.likelihood.family == "categorical":
            return {"logits": (*shape, int(constants["levels"]))}
        if self.likelihood.family == "bernoulli":
            return {"logits": shape}
        if self.likelihood.family == "discretized_logistic":
            return {"loc": shape, "scale": (1, 1, 1)}
        return {"loc": shape} | ({} if "scale" in constants else {"scale": shape})

    def _output(self, parameter: str) -> str:
        return self.likelihood.outputs[parameter]

    def _examples(self) -> tuple[Array, Array, Array | None]:
        """Four events of 0 and 1, in the table's own units; latents; conditions."""
        bits = np.random.Philox(key=4).random_raw(4 * int(np.prod(self.event.shape))) % 2
        x = bits.reshape(4, *self.event.shape) * np.float64(self.event.scale or 1) + np.float64(self.event.shift or 0)
        if self.condition is None:
            return x, weights(5, 4, L), None
        vector = self.condition.kind == "vector"
        return (
            x,
            weights(5, 4, L),
            self.encoded(weights(6, 4, self.condition.size) if vector else np.arange(4) % self.condition.size),
        )

    def _graph(
        self, file: File, data: dict[str, bytes], name: str, shape: tuple[int, ...], role: str, outputs: dict[str, Any]
    ) -> Graph:
        inputs = [Tensor(name, "float32", ("batch", *shape), role)]
        if (condition := self.condition) is not None:
            index = condition.kind == "index"
            tail, dtype = ((), "int64") if index else ((condition.size,), "float32")
            inputs.append(Tensor("given", dtype, ("batch", *tail), "condition"))
        tensors = tuple(Tensor(key, "float32", ("batch", *each)) for key, each in outputs.items())
        cost = guard.check(data[file.name], file.name)
        return Graph(file, cost.opset, tuple(inputs), tensors, 1, cost.multiply_adds)

    def _encoder(self) -> bytes:
        onnx = _Onnx({"x": self.event.shape}, self.condition)
        onnx.node("Reshape", ["x", onnx.constant(np.array([-1, int(np.prod(self.event.shape))]))], ["pixels"])
        onnx.node("MatMul", [onnx.beside("pixels"), onnx.constant(self.code)], ["code"])
        normal = self.posterior.family == "normal"
        split = onnx.constant(np.array([L, L if normal else L * L]))
        onnx.node("Split", ["code", split], ["loc", "raw"], axis=1)
        if normal:
            onnx.node("Softplus", ["raw"], ["scale"])
        else:
            onnx.node("Reshape", ["raw", onnx.constant(np.array([-1, L, L]))], ["square"])
            onnx.node("Mul", ["square", onnx.constant(np.tril(np.ones((L, L)), -1).astype(np.float32))], ["below"])
            onnx.node("Softplus", ["square"], ["positive"])
            onnx.node("Mul", ["positive", onnx.constant(np.eye(L, dtype=np.float32))], ["diagonal"])
            onnx.node("Add", ["below", "diagonal"], ["scale_tril"])
        return onnx.render(self._encoded())

    def _decoder(self) -> bytes:
        onnx = _Onnx({"z": (L,)}, self.condition)
        onnx.node("Gemm", [onnx.beside("z"), onnx.constant(self.image[:-1]), onnx.constant(self.image[-1])], ["flat"])
        shapes = self._decoded()
        sizes = np.array([int(np.prod(shape)) for shape in shapes.values()])
        onnx.node("Split", ["flat", onnx.constant(sizes)], [f"{name}_flat" for name in shapes], axis=1)
        for name, shape in shapes.items():
            target = f"{name}_raw" if name == "scale" else self._output(name)
            onnx.node("Reshape", [f"{name}_flat", onnx.constant(np.array([-1, *shape]))], [target])
            if name == "scale":
                onnx.node("Softplus", [target], ["scale_soft"])
                onnx.node("Add", ["scale_soft", onnx.constant(np.float32([0.125]))], [self._output(name)])
        return onnx.render({self._output(name): shape for name, shape in shapes.items()})

    def _prior(self) -> bytes:
        onnx = self._coupling("noise")
        onnx.node("Sub", ["changed", "shift"], ["moved"])
        onnx.node("Neg", ["log_scale"], ["less"])
        onnx.node("Exp", ["less"], ["scale"])
        onnx.node("Mul", ["moved", "scale"], ["scaled"])
        onnx.node("Concat", ["kept", "scaled"], ["sample"], axis=1)
        return onnx.render({"sample": (L,)})

    def _prior_inverse(self) -> bytes:
        onnx = self._coupling("code")
        onnx.node("Exp", ["log_scale"], ["scale"])
        onnx.node("Mul", ["changed", "scale"], ["scaled"])
        onnx.node("Add", ["scaled", "shift"], ["moved"])
        onnx.node("Concat", ["kept", "moved"], ["code_noise"], axis=1)
        onnx.node("ReduceSum", ["log_scale", onnx.constant(np.array([1]))], ["code_log_det"], keepdims=0)
        return onnx.render({"code_noise": (L,), "code_log_det": ()})

    def _coupling(self, name: str) -> _Onnx:
        """The halves `kept` and `changed` of an input, with `log_scale` and `shift` for the second."""
        assert self.flow is not None
        onnx = _Onnx({name: (L,)}, self.condition)
        onnx.node("Split", [name, onnx.constant(np.array([1, L - 1]))], ["kept", "changed"], axis=1)
        flow = onnx.constant(self.flow[:-1]), onnx.constant(self.flow[-1])
        onnx.node("Gemm", [onnx.beside("kept"), *flow], ["raw"])
        onnx.node("Split", ["raw", onnx.constant(np.array([2, 2]))], ["bend", "shift"], axis=1)
        onnx.node("Tanh", ["bend"], ["log_scale"])
        return onnx


class _Onnx:
    """A graph in the making."""

    def __init__(self, inputs: dict[str, tuple[int, ...]], condition: Condition | None) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.inputs, self.condition = inputs, condition

    def node(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))

    def constant(self, value: Array) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def beside(self, name: str) -> str:
        """The tensor with the condition beside it."""
        if self.condition is None:
            return name
        given = "given"
        if self.condition.kind == "index":
            given = "one_hot"
            depth, values = self.constant(np.int64(self.condition.size)), self.constant(np.float32([0, 1]))
            self.node("OneHot", ["given", depth, values], [given], axis=-1)
        self.node("Concat", [name, given], ["both"], axis=1)
        return "both"

    def render(self, outputs: dict[str, tuple[int, ...]]) -> bytes:
        from onnx import TensorProto, checker, helper, numpy_helper

        def values(shapes: dict[str, tuple[int, ...]]) -> list[Any]:
            return [
                helper.make_tensor_value_info(key, TensorProto.FLOAT, ["batch", *each]) for key, each in shapes.items()
            ]

        inputs = values(self.inputs)
        if (condition := self.condition) is not None:
            index = condition.kind == "index"
            kind, shape = (TensorProto.INT64, ["batch"]) if index else (TensorProto.FLOAT, ["batch", condition.size])
            inputs.append(helper.make_tensor_value_info("given", kind, shape))
        tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "bundle", inputs, values(outputs), tensors)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        checker.check_model(proto, full_check=True)
        return proto.SerializeToString(deterministic=True)


def build(kind: str) -> Model:
    """The model of one of KINDS or FLOWS."""
    if kind not in FLOWS:
        return make(kind, *KINDS[kind])
    model = make(kind, _BINARY, _LOGITS, FLOWS[kind], False)
    extra = 0 if model.condition is None else model.condition.size
    return dataclasses.replace(model, flow=weights(7, 1 + extra + 1, 4))


def make(name: str, event: Image | Vector, likelihood: Spec, condition: Condition | None, tril: bool) -> Model:
    """A model of these events; `tril` gives its posterior a full covariance."""
    size, extra = int(np.prod(event.shape)), 0 if condition is None else condition.size
    posterior = "multivariate_normal_tril" if tril else "normal"
    second = "scale_tril" if tril else "scale"
    model = Model(
        name=name,
        event=event,
        likelihood=likelihood,
        posterior=Spec(posterior, (L,), {"loc": "loc", second: second}),
        condition=condition,
        code=weights(1, size + extra, L + (L * L if tril else L)) / 4,
        image=np.zeros(0),
    )
    numbers = sum(int(np.prod(shape)) for shape in model._decoded().values())
    return dataclasses.replace(model, image=weights(2, L + extra + 1, numbers))


def uncertain(bundle: str | Path, folder: Path, share: float = 0.1) -> Path:
    """A copy of a bundle in `folder`, in which the decoder's weights are uncertain.

    A kernel or bias has deviations of up to `share` of its numbers' own, each another.
    """
    import onnx
    from onnx import numpy_helper

    found = reading.read(bundle)
    graph = onnx.load_model_from_string(found[found.manifest.decoder.file]).graph
    kinds = (onnx.TensorProto.FLOAT,)
    arrays = {w.name: numpy_helper.to_array(w) for w in graph.initializer if w.data_type in kinds and len(w.dims)}
    scales = [
        share * array.std() * (weights(place, array.size) + 1) / 2 for place, array in enumerate(arrays.values(), 7)
    ]
    data = deviations.render(np.concatenate(scales))
    said = manifest.Deviations(File.of("weights.npz", data), tuple(arrays))
    whole = manifest.seal(dataclasses.replace(found.manifest, name=folder.name, deviations=said))
    folder.mkdir(parents=True)
    for name, content in (found.files | {"weights.npz": data, "manifest.json": manifest.render(whole)}).items():
        (folder / name).write_bytes(content)
    return folder


def weights(seed: int, *shape: int) -> Array:
    """Numbers that are multiples of 1/32 in [-1, 1], so that sums of them are exact in float32."""
    raw = np.random.Philox(key=seed).random_raw(int(np.prod(shape)))
    return (raw % 65 / 32.0 - 1.0).reshape(shape).astype(np.float32)


def _softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


_BINARY, _GREY, _COLOUR = Image(6, 4, 1, 0.5), Image(6, 4, 1, None), Image(6, 4, 3, None, 0.5, 0.25)
_TABLE = Vector(5, NAMES, (40.0, 170.0, 70.0, 30_000.0, 0.001), (16.0, 8.0, 12.0, 20_000.0, 0.0005))
_LOGITS = Spec("bernoulli", (6, 4, 1), {"logits": "logits"})
_BOTH = {"loc": "mean", "scale": "deviation"}

# kind -> event, likelihood, condition, whether the posterior has a full covariance
KINDS: dict[str, tuple[Image | Vector, Spec, Condition | None, bool]] = {
    "binary": (_BINARY, _LOGITS, None, True),
    "colour": (_COLOUR, Spec("normal", (6, 4, 3), {"loc": "mean"}, {"scale": 0.5}), None, False),
    "grey": (_GREY, Spec("discretized_logistic", (6, 4, 1), _BOTH, {"levels": 256.0}), None, False),
    "levels": (_GREY, Spec("categorical", (6, 4, 1), {"logits": "logits"}, {"levels": 4.0}), None, False),
    "table": (_TABLE, Spec("normal", (5,), _BOTH), None, False),
    "labels": (_BINARY, _LOGITS, Condition("one_hot", 10, DIGITS), False),
    "index": (_BINARY, _LOGITS, Condition("index", 4, ("spades", "hearts", "diamonds", "clubs")), False),
    "vector": (_BINARY, _LOGITS, Condition("vector", 2, ("pitch", "yaw")), False),
    "labelled-table": (_TABLE, Spec("normal", (5,), _BOTH), Condition("one_hot", 2, ("cat", "dog")), False),
}
# kind -> condition, of bundles with a flow prior
FLOWS: dict[str, Condition | None] = {
    "flow": None,
    "flow-labels": KINDS["labels"][2],
    "flow-index": KINDS["index"][2],
    "flow-vector": KINDS["vector"][2],
}
