"""The data type of each tensor, by ONNX's numbers: how many bytes an element takes, and whether it is an integer."""

from __future__ import annotations

from collections.abc import Sequence

from vae_edge.runtime.bundle.guard.terms import Node, RefusedError, Tensor, whole

__all__ = ["DOUBLE", "FLOAT", "INT32", "INT64", "ITEM_BYTES", "WIDE", "check_division", "kinds_of"]

FLOAT, _UINT8, INT32, INT64, _BOOL, _FLOAT16, DOUBLE = 1, 2, 6, 7, 9, 10, 11
# Bytes an element of each data type: float, uint8, int8, int32, int64, bool, float16, double. No strings.
ITEM_BYTES = {FLOAT: 4, _UINT8: 1, 3: 1, INT32: 4, INT64: 8, _BOOL: 1, _FLOAT16: 2, DOUBLE: 8}
WIDE = (INT64, DOUBLE)  # of twice the bytes of a float

_BOOLEAN = "And Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Not Or Xor"
_ALWAYS = {
    **dict.fromkeys(_BOOLEAN.split(), (_BOOL,)),
    **dict.fromkeys(("ArgMax", "ArgMin", "Shape", "Size"), (INT64,)),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), (INT32,)),
    "DynamicQuantizeLinear": (_UINT8, FLOAT, _UINT8),
}
_AS_INPUT = {"DequantizeLinear": 1, "OneHot": 2, "QLinearConv": 7, "QLinearMatMul": 7, "QuantizeLinear": 2, "Where": 1}


def kinds_of(node: Node, kinds: Sequence[int]) -> tuple[int, ...]:
    """The data types of a node's outputs, given those of its inputs; 0 where it is not known."""
    operator = node.operator
    if operator in _ALWAYS:
        return _ALWAYS[operator]
    if operator == "Cast":
        return (node.int("to", 0),)
    if operator in ("Constant", "ConstantOfShape"):
        if "value" in node.tensors:
            return (node.tensors["value"].kind,)
        return (INT64 if node.ints else FLOAT,)
    at = _AS_INPUT.get(operator, 0)
    kind = kinds[at] if at < len(kinds) else 0
    if operator == "MaxPool":
        return kind, INT64
    return (kind,) * len(node.outputs)


def check_division(inputs: Sequence[Tensor | None], kind: int) -> None:
    """Raises RefusedError where integers may be divided by 0, or the least by -1: it would end the process."""
    if kind in (FLOAT, _FLOAT16, DOUBLE):
        return
    divisor = inputs[1].numbers if len(inputs) == 2 and inputs[1] is not None else None
    if divisor is None or not whole(divisor) or min(divisor, default=1) < 1:
        raise RefusedError("divides integers by what may be 0")
