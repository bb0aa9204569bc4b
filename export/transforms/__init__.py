"""Changes of a graph's inputs and outputs: what turns a user's tensors into the parameters that a bundle holds.

Each takes an ONNX model and returns another; names of inputs and outputs stay. Beside it stands its NumPy twin: a value
of PARAMETERS, or the expression in its docstring.
"""

from vae_edge.export.transforms.parameters import PARAMETERS, Parameter, apply
from vae_edge.export.transforms.structure import (
    affine_input,
    affine_output,
    cast_input,
    channels_last_input,
    channels_last_output,
    pick,
    reshape_input,
    reshape_output,
    split_output,
    transpose_input,
    transpose_output,
)

__all__ = [
    "PARAMETERS",
    "Parameter",
    "affine_input",
    "affine_output",
    "apply",
    "cast_input",
    "channels_last_input",
    "channels_last_output",
    "pick",
    "reshape_input",
    "reshape_output",
    "split_output",
    "transpose_input",
    "transpose_output",
]
