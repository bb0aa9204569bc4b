"""One graph's session in ONNX Runtime, on the provider that was asked for and no other.

Left alone, ONNX Runtime gives the CPU each node that a provider does not have, and tries another provider where one
does not start. Here both are a ProviderError; "cuda+cpu" asks for a session that the CPU may help with.

ONNX Runtime is imported when the first session is made.
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
# What `auto` tries, the best first. The other providers compile for minutes or calculate in 16 bits: by name only.
AUTO = ("CUDAExecutionProvider", "DmlExecutionProvider", "CPUExecutionProvider")

_CPU = "CPUExecutionProvider"
_HELP = f"+{_CPU}"  # at the end of a provider's name: the CPU may run the nodes that the provider does not have
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
    # Since 1.29 its wheels report usage to Microsoft, from a thread that makes a forked child hang at its exit. ONNX
    # Runtime reads this variable when it is imported; a value that is set already is the user's decision.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(
            f"ONNX Runtime cannot be imported ({error}): pip install 'vae-edge[cpu]', or 'vae-edge[cuda]' for a GPU"
        ) from error
    return onnxruntime


def provider_name(name: str) -> str:
    """ONNX Runtime's name of a provider, with "+CPUExecutionProvider" behind it for "cuda+cpu" and its like.

    Raises ProviderError for a name that is unknown.
    """
    parts = name.split("+") if isinstance(name, str) else []
    full = [PROVIDERS.get(part.lower(), part) for part in parts]
    if not all(part.endswith("ExecutionProvider") for part in full) or full[1:] not in ([], [_CPU]) or not full:
        known = ", ".join(PROVIDERS)
        raise ProviderError(
            f"provider should be auto, {known}, one of ONNX Runtime's own names, or one of these with +cpu; "
            f"it is {name!r:.60}"
        )
    return full[0] if full[0] == _CPU else "+".join(full)


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

        `lazy` leaves the session to the first run; `provider` is then one that another session runs on already.
        """
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

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_session": None}  # built again where it arrives, at the first run

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        _sessions.add(self)

    @property
    def inference_session(self) -> Any:
        """ONNX Runtime's own `InferenceSession`; it is built here where there is none yet."""
        session = self._session
        if session is None:  # lazy, or in a forked child; where two threads build one at once, the last one stays
            session = self._session = self._build(self.provider)
        return session

    def run(self, batch: npt.NDArray[np.float32], condition: npt.NDArray[Any] | None = None) -> list[Float32]:
        """The outputs for one batch, float32, in the order of `outputs`.

        `batch` is float32 (B, *shape); `condition` is ignored where the graph takes none. Raises BundleError where the
        graph fails, or gives other shapes than its manifest says.
        """
        session = self._session or self.inference_session
        try:
            feeds = {self._input: batch}
            if self._condition is not None and condition is not None:
                feeds[self._condition.name] = np.ascontiguousarray(condition, self._condition.dtype)
            outputs: list[Float32] = session.run(self._outputs, feeds)
        except Exception as error:
            raise BundleError(f"the {self._name} failed on a batch of {len(batch)}: {_line(error)}") from error
        for k, output in enumerate(outputs):
            if output.shape[1:] != self.output_shapes[k] or len(output) != len(batch):
                tensor = self._tensors[k]
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
            first = name.removesuffix(_HELP)
            if first not in available:
                remedy = _REMEDIES.get(first, "install a build of ONNX Runtime that has it")
                here = f"ONNX Runtime {onnxruntime().__version__} has {', '.join(available)}"
                raise ProviderError(f"{first} is not in this installation, {here}: {remedy}")
            return name, self._build(name)
        for name in AUTO[:-1]:
            if name in available:
                try:
                    return name, self._build(name)
                except ProviderError:
                    continue  # installed but unusable: `auto` is asked to find another, and `provider` says which
        return _CPU, self._build(_CPU)

    def _build(self, name: str) -> Any:
        provider = name.removesuffix(_HELP)
        ort = onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 4  # what goes wrong comes as an exception
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if self._spin else "0")
        options.add_session_config_entry("session.load_model_format", "ONNX")  # never guessed from the bytes
        # x86 processors without VNNI add pairs of int8 products in 16 bits, which can overflow. There this takes a
        # slower kernel that is exact.
        options.add_session_config_entry("session.x64quantprecision", "1")
        if name not in (_CPU, provider + _HELP):
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
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
            if "assigned to the default CPU EP" in str(error):
                raise ProviderError(
                    f"{provider} does not have every operator of the {self._name}: use provider "
                    f"'{_short(provider)}+cpu', which lets the CPU run the others, or 'cpu'"
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


def _short(provider: str) -> str:
    return next((short for short, full in PROVIDERS.items() if full == provider), provider)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _shape(tensor: Tensor) -> str:
    return "(" + ", ".join(map(str, tensor.shape)) + ")"


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def _forget_after_fork() -> None:
    """Makes a forked child build sessions of its own.

    The parent's sessions are kept without being used: destroying one joins threads that the child does not have, and
    the child dies by SIGSEGV when it deletes a VAE or exits.
    """
    import ctypes

    for session in _sessions:
        if session._session is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session._session))
            session._session = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
