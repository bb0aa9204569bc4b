"""One graph's session in ONNX Runtime, on the provider that was asked for and no other.

ONNX Runtime is imported when the first session is made. Left alone it falls back to another provider, and says
so on stdout; here a provider that cannot run is a ProviderError.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import cpus
from vae_edge.runtime.bundle.manifest import Graph, Tensor
from vae_edge.runtime.errors import BundleError, InputError, MissingExtra, ProviderError

__all__ = ["AUTO", "PROVIDERS", "Session", "check_threads", "onnxruntime", "provider_name"]

Float32 = npt.NDArray[np.float32]

# Our names for ONNX Runtime's execution providers; its own names pass through.
PROVIDERS = {
    "acl": "ACLExecutionProvider",
    "cann": "CANNExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "dnnl": "DnnlExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "vitisai": "VitisAIExecutionProvider",
    "webgpu": "WebGpuExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
}
# What `auto` tries, the best first. The others compile for minutes or calculate in 16 bits: by name only.
AUTO = ("CUDAExecutionProvider", "DmlExecutionProvider", "CPUExecutionProvider")

_CPU = "CPUExecutionProvider"
_TYPES = {"float32": "tensor(float)", "int32": "tensor(int32)", "int64": "tensor(int64)"}  # ONNX Runtime's names
_REMEDIES = {
    "CUDAExecutionProvider": "pip install 'vae-edge[cuda]' where onnxruntime is not installed, with an NVIDIA driver",
    "TensorrtExecutionProvider": "pip install 'vae-edge[cuda]' tensorrt, with an NVIDIA driver",
    "OpenVINOExecutionProvider": "pip install onnxruntime-openvino in place of onnxruntime",
    "DmlExecutionProvider": "pip install onnxruntime-directml in place of onnxruntime, on Windows",
    "CoreMLExecutionProvider": "use onnxruntime's wheel for macOS",
}
_DEFAULTS = {
    # An exhaustive search for convolutions takes seconds; TF32 keeps 10 bits, beyond the parity that export promises.
    "CUDAExecutionProvider": {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"},
}


def onnxruntime() -> Any:
    """The module `onnxruntime`; raises MissingExtra where it is not installed."""
    # Since 1.29 its wheels report processes and models to Microsoft, from a thread for which a forked child hangs when
    # it exits. This switch of its own is read at import; who set it already, or imported ONNX Runtime, has decided.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(
            f"ONNX Runtime cannot be imported ({error}): pip install 'vae-edge[cpu]', or 'vae-edge[cuda]' for a GPU"
        ) from error
    return onnxruntime


def provider_name(name: str) -> str:
    """ONNX Runtime's name of a provider; raises ProviderError for one that is unknown."""
    full = PROVIDERS.get(name.lower(), name) if isinstance(name, str) else ""
    if not full.endswith("ExecutionProvider"):
        known = ", ".join(PROVIDERS)
        raise ProviderError(f"provider should be auto, {known}, or one of ONNX Runtime's own names; it is {name!r:.60}")
    return full


class Session:
    """One graph on one provider. May be used from many threads; a forked child gets a session of its own."""

    def __init__(
        self,
        name: str,
        data: bytes,
        graph: Graph,
        outputs: tuple[str, ...],
        *,
        provider: str = "auto",
        provider_options: Mapping[str, object] | None = None,
        threads: int | None = None,
        spin: bool = False,
        lazy: bool = False,
    ) -> None:
        """`outputs` are those that a run gives, in their order; the graph may have others.

        `lazy` leaves the session to the first run; the provider must then be one that another session runs on."""
        self._name, self._data, self._graph = name, data, graph
        self._threads, self._spin = check_threads(threads), spin
        tensors = {output.name: output for output in graph.outputs}
        self._outputs, self._tensors = list(outputs), [tensors[name] for name in outputs]
        self.output_shapes = [tuple(map(int, tensor.shape[1:])) for tensor in self._tensors]
        self._input = next(tensor.name for tensor in graph.inputs if tensor.role != "condition")
        self._condition = graph.input("condition")
        self._options = {key: str(value) for key, value in (provider_options or {}).items()}
        if provider == "auto" and self._options:
            raise InputError("provider_options belong to a named provider, the provider is 'auto': name it")
        self._session: Any = None
        if lazy:
            self.provider = provider_name(provider)
        else:
            self.provider, self._session = self._choose(provider)
        _sessions.add(self)

    def run(self, batch: npt.NDArray[np.float32], condition: npt.NDArray[Any] | None = None) -> list[Float32]:
        """The outputs for one batch, in the order of `outputs`; `condition` is left out where the graph takes none."""
        session = self._session
        if session is None:  # lazy, or in a forked child; two threads may both build one, and the last stays
            session = self._session = self._build(self.provider)
        try:
            feeds = {self._input: batch}
            if self._condition is not None and condition is not None:
                feeds[self._condition.name] = np.ascontiguousarray(condition, self._condition.dtype)
            outputs: list[Float32] = session.run(self._outputs, feeds)
        except Exception as error:
            raise BundleError(f"the {self._name} failed on a batch of {len(batch)}: {_line(error)}") from error
        for tensor, output in zip(self._tensors, outputs, strict=True):
            if output.shape != (len(batch), *tensor.shape[1:]):
                raise BundleError(
                    f"{self._name} output {tensor.name!r} is {output.shape}, the manifest says "
                    f"{_shape(tensor)}; export the bundle again"
                )
        return outputs

    def _choose(self, provider: str) -> tuple[str, Any]:
        """The provider's full name and a session on it; for `auto` the best that works."""
        available = onnxruntime().get_available_providers()
        if provider != "auto":
            name = provider_name(provider)
            if name not in available:
                remedy = _REMEDIES.get(name, "install a build of ONNX Runtime that has it")
                here = f"ONNX Runtime {onnxruntime().__version__} has {', '.join(available)}"
                raise ProviderError(f"{name} is not in this installation, {here}: {remedy}")
            return name, self._build(name)
        for name in AUTO[:-1]:
            if name in available:
                try:
                    return name, self._build(name)
                except ProviderError:
                    continue  # installed but unusable: `auto` is asked to find another, and `provider` says which
        return _CPU, self._build(_CPU)

    def _build(self, provider: str) -> Any:
        ort = onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong comes as an exception
        spin = "1" if self._spin else "0"
        options.add_session_config_entry("session.intra_op.allow_spinning", spin)
        options.add_session_config_entry("session.inter_op.allow_spinning", spin)
        options.add_session_config_entry("session.load_model_format", "ONNX")  # never guessed from the bytes
        # Without VNNI, x86 adds pairs of int8 products in 16 bits, which overflows: there, and only there, this takes a
        # slower kernel that is exact. Weights of 7 bits would not overflow, and cost 0.6 nats on MNIST.
        options.add_session_config_entry("session.x64quantprecision", "1")
        chosen = [(provider, _DEFAULTS.get(provider, {}) | self._options)]
        try:
            # Fallback would print and try another provider; a model may not bring options of its own.
            session = ort.InferenceSession(
                self._data, options, providers=chosen, enable_fallback=0, read_config_from_model=0
            )
            session.disable_fallback()
        except Exception as error:
            if provider == _CPU and not self._options:
                raise BundleError(
                    f"ONNX Runtime refuses the {self._name}: {_line(error)}; export the bundle again"
                ) from error
            raise _cannot_run(provider, _line(error)) from error
        if (runs_on := session.get_providers())[0] != provider:
            raise _cannot_run(provider, f"ONNX Runtime took {', '.join(runs_on)} instead")
        self._check_signature(session)
        return session

    def _check_signature(self, session: Any) -> None:
        sides = (
            ("input", self._graph.inputs, session.get_inputs()),
            ("output", self._graph.outputs, session.get_outputs()),
        )
        for side, wanted, found in sides:
            if sorted(tensor.name for tensor in wanted) != sorted(node.name for node in found):
                names = ", ".join(node.name for node in found)
                raise BundleError(
                    f"{self._name} {side}s are {names}, not what the manifest says: export the bundle again"
                )
            nodes = {node.name: node for node in found}
            for tensor in wanted:
                node = nodes[tensor.name]
                if node.type != _TYPES.get(tensor.dtype) or list(node.shape[1:]) != list(tensor.shape[1:]):
                    raise BundleError(
                        f"{self._name} {side} {node.name!r} is {node.type} {node.shape}, the manifest says "
                        f"{_shape(tensor)}: export the bundle again"
                    )


def check_threads(threads: int | None) -> int:
    """`threads`, or as many as the CPUs that this process may use; raises InputError."""
    if threads is None:
        return cpus.available()
    if not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= 1024:
        raise InputError(
            f"threads should be 1 to 1024, or None for all CPUs that are there to use; it is {threads!r:.60}"
        )
    return threads


def _cannot_run(provider: str, reason: str) -> ProviderError:
    remedy = _REMEDIES.get(provider, "see `vae-edge doctor`")
    return ProviderError(f"{provider} cannot run here ({reason}): {remedy}, or use provider 'cpu'")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _shape(tensor: Tensor) -> str:
    return "(" + ", ".join(map(str, tensor.shape)) + ")"


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def _forget_after_fork() -> None:
    """In the child no session of the parent's is used, nor destroyed: its threads are not here, and would be joined."""
    import ctypes

    for session in _sessions:
        if session._session is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session._session))
            session._session = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
