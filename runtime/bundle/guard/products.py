"""How large matrix products are, and how many multiply-adds they and convolutions take."""

from __future__ import annotations

from collections.abc import Sequence

from vae_edge.runtime.bundle.guard.shapes import together
from vae_edge.runtime.bundle.guard.terms import Known, Node, RefusedError, Tensor, joined, product, whole
from vae_edge.runtime.bundle.guard.windows import weights_at

__all__ = ["CONVOLUTIONS", "COUNTED", "einsum", "gemm", "matmul", "multiply_adds"]

CONVOLUTIONS = ("Conv", "ConvInteger", "ConvTranspose", "FusedConv", "QLinearConv")
_MATMULS = ("MatMul", "MatMulInteger", "QLinearMatMul")
COUNTED = {*CONVOLUTIONS, *_MATMULS, "Einsum", "FusedGemm", "Gemm"}


def matmul(node: Node, a: Tensor, *others: Tensor) -> Tensor:
    """A (..., M, K) by (..., K, N)."""
    b = others[weights_at(node) - 1]
    rows, (_, columns) = a.shape[-2], b.shape[-2:]  # vectors, which lose an axis, are refused
    return Tensor((*together((), a.shape[:-2], b.shape[:-2]), rows, columns))


def gemm(node: Node, a: Tensor, b: Tensor, *bias: Tensor) -> Tensor:
    """A (M, K) by (K, N), each transposed where it says so."""
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise ValueError
    rows, columns = a.shape[bool(node.int("transA", 0))], b.shape[not node.int("transB", 0)]
    return Tensor((rows, columns))


def einsum(node: Node, *inputs: Tensor) -> Tensor:
    """Einsum of one or two tensors, each axis by a letter of its own."""
    if any(not whole(x.shape) or 0 in x.shape for x in inputs):
        raise RefusedError("has an Einsum of what may be empty")  # which ends the process
    sizes, output = _letters(node, inputs)
    return Tensor(tuple(sizes[letter] for letter in output))


def _letters(node: Node, inputs: Sequence[Tensor]) -> tuple[dict[str, int], str]:
    """The size of each letter in an equation, and the letters of the output."""
    equation = node.texts["equation"].replace(" ", "")
    left, arrow, output = equation.partition("->")
    terms = left.split(",")
    if not arrow:
        output = "".join(sorted(letter for letter in set(left) - {","} if left.count(letter) == 1))
    if len(terms) != len(inputs) or len(inputs) > 2 or len(equation) > 32:
        raise RefusedError("has an Einsum of more than two tensors")
    if any(not term.isalpha() or len(set(term)) != len(term) for term in terms) or len(set(output)) != len(output):
        raise RefusedError("has an Einsum that is not simple")
    found: dict[str, list[int]] = {}
    for term, x in zip(terms, inputs, strict=True):
        for letter, size in zip(term, x.shape, strict=True):
            found.setdefault(letter, []).append(size)
    return {letter: joined(sizes) for letter, sizes in found.items()}, output


def multiply_adds(node: Node, inputs: Sequence[Tensor | None], made: Tensor) -> int:
    """The multiply-adds of one of COUNTED, known where the sizes are; biases and activations are not counted."""
    operator = node.operator
    if operator in CONVOLUTIONS:
        # Each output (or each input of a ConvTranspose) element meets one kernel: weights (M, C / group, kernel ...).
        element, weights = made if operator != "ConvTranspose" else inputs[0], inputs[weights_at(node)]
        return product((*_shape(element), *_shape(weights)[1:]))
    if operator in _MATMULS:
        return product((*made.shape, _shape(inputs[0])[-1]))
    if operator in ("Gemm", "FusedGemm"):
        return product((*made.shape, _shape(inputs[0])[0 if node.int("transA", 0) else 1]))
    return product(_letters(node, [x for x in inputs if x is not None])[0].values()) if len(inputs) == 2 else Known(0)


def _shape(tensor: Tensor | None) -> tuple[int, ...]:
    if tensor is None:
        raise ValueError
    return tensor.shape
