"""A flow prior as its user has it, a tfd.TransformedDistribution of standard normal noise, as two graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import tensorflow as tf

from vae_edge.export import convert
from vae_edge.export.sources import tfp
from vae_edge.export.tracing import TensorSpec
from vae_edge.runtime import conditions as runtime_conditions
from vae_edge.runtime.bundle.manifest import Condition
from vae_edge.runtime.errors import InputError

__all__ = ["INPUTS", "OUTPUTS", "FlowSource", "is_flow", "read"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

INPUTS = {"prior": ("noise", "noise"), "prior_inverse": ("code", "latent")}  # of each graph: its name, and its role
# The parameter of the spec -> the graph that gives it, and the name of its output there.
OUTPUTS = {
    "sample": ("prior", "sample"),
    "noise": ("prior_inverse", "code_noise"),
    "log_det": ("prior_inverse", "code_log_det"),
}


@dataclass(frozen=True)
class FlowSource:
    """A flow prior of L = `size`. `distribution` gives it for a condition, a tensor, or None."""

    distribution: Callable[[Any], Any]
    size: int
    condition: Condition | None  # None where the prior follows none

    def graphs(self, opset: int) -> Iterator[tuple[str, onnx.ModelProto]]:
        """The two graphs by name; raises InputError where one cannot be converted."""
        for graph, (name, _) in INPUTS.items():
            specs = [TensorSpec(name, "float32", (self.size,)), *self._condition_specs()]
            function = self._forward if graph == "prior" else self._inverse
            outputs = [output for at, output in OUTPUTS.values() if at == graph]
            try:
                yield graph, convert.convert(function, specs, outputs, opset)
            except InputError as error:
                raise InputError(f"the flow prior, {'from' if graph == 'prior' else 'to'} noise: {error}") from error

    def example(self) -> Any:
        """The distribution, for two events of the first condition where it follows one."""
        given = runtime_conditions.example(self.condition, 2)
        return self.distribution(None if given is None else self._given(given)[0])

    def roles(self, graph: str) -> dict[str, str]:
        """The role of each input of a graph."""
        name, role = INPUTS[graph]
        return {name: role} | {spec.name: "condition" for spec in self._condition_specs()}

    @property
    def label(self) -> str:
        """The name of the condition's input, '' where there is none."""
        return next((spec.name for spec in self._condition_specs()), "")

    def sample(self, noise: Float32, condition: Array | None) -> Float32:
        """What the user's own prior makes of noise (n, L)."""
        return np.asarray(self._forward(tf.constant(noise), *self._given(condition)), np.float32)

    def inverse(self, z: Float32, condition: Array | None) -> tuple[Float32, Float32]:
        """The noise (n, L) of z (n, L) by the user's own prior, and log |det d noise / d z| (n,)."""
        noise, log_det = self._inverse(tf.constant(z), *self._given(condition))
        return np.asarray(noise, np.float32), np.asarray(log_det, np.float32)

    def _forward(self, noise: Any, *condition: Any) -> Any:
        return self.distribution(condition[0] if condition else None).bijector.forward(noise)

    def _inverse(self, z: Any, *condition: Any) -> tuple[Any, Any]:
        flow = self.distribution(condition[0] if condition else None)
        noise = flow.bijector.inverse(z)
        log_det = flow.bijector.inverse_log_det_jacobian(z, event_ndims=1)
        return noise, log_det if log_det.shape.rank else log_det + tf.zeros_like(noise[:, 0])  # of a linear flow

    def _condition_specs(self) -> list[TensorSpec]:
        condition = self.condition
        if condition is None:
            return []
        if condition.kind == "index":
            return [TensorSpec("label", "int64", ())]
        return [TensorSpec("label" if condition.is_label else "condition", "float32", (condition.size,))]

    def _given(self, condition: Array | None) -> list[Any]:
        specs = self._condition_specs()
        return [tf.constant(np.asarray(condition, spec.dtype)) for spec in specs]


def is_flow(prior: Any) -> bool:
    """Whether a TFP distribution is a TransformedDistribution of no family of ours; TFP's normals are those too."""
    inner = tfp.unwrapped(prior)
    return hasattr(inner, "bijector") and not tfp.read(inner).family


def read(prior: Any, size: int, condition: Condition | None) -> tuple[FlowSource, Any]:
    """The flow of a TransformedDistribution, or of a function from a condition to one; and its base distribution.

    `size` is L. Raises InputError.
    """
    if tfp.is_distribution(prior):
        inner = tfp.unwrapped(prior)
        source = FlowSource(lambda _: inner, size, None)
    elif condition is None:
        raise InputError("prior is a function of the condition, and the model takes none: give a TFP distribution")
    else:
        source = FlowSource(prior, size, condition)
    found = source.example()
    if not hasattr(found, "bijector") or tuple(found.event_shape) != (size,):
        raise InputError(
            f"a prior of a condition should be a TransformedDistribution of event_shape ({size},), it is a "
            f"{tfp.class_name(found)} of {tuple(found.event_shape)}"
        )
    base = tfp.unwrapped(found.distribution)
    return source, base.distribution if tfp.class_name(base) == "Sample" else base
