"""Small changes of source text, each of which a test should notice: comparisons, constants, arithmetic, and/or, raises.

A mutant replaces a span of the text, so that everything else stays byte for byte. Left out is what no test could notice
or should: annotations, `__all__`, assertions (our own invariants), and what only mypy reads.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass

__all__ = ["Mutant", "apply", "find", "fingerprint", "lines"]

# What stands between two operands -> what takes its place.
_SWAPS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.LShift: ("<<", ">>"), ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"), ast.BitXor: ("^", "&"), ast.MatMult: ("@", "*"),
    ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the span [start, end) of its UTF-8 bytes becomes `after`."""

    kind: str  # comparison, constant, arithmetic, and/or or raise
    first: int  # the lines of the statement's part that is changed, from 1; contexts of coverage are by line
    last: int
    start: int
    end: int
    after: str


def apply(source: bytes, mutant: Mutant) -> bytes:
    """The changed source."""
    return source[: mutant.start] + mutant.after.encode() + source[mutant.end :]


def find(source: bytes) -> list[Mutant]:
    """All mutants of a file, in the order of their places in it."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return sorted(finder.found, key=lambda mutant: (mutant.start, mutant.end, mutant.after))


class _Finder(ast.NodeVisitor):
    def __init__(self, source: bytes) -> None:
        self.found: list[Mutant] = []
        self._source = source
        self._lines = [0]  # where each line begins
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    # What is left out

    def visit_Assert(self, node: ast.Assert) -> None:
        pass

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pass  # the words of a message, and how its numbers are written

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        pass

    def visit_Assign(self, node: ast.Assign) -> None:
        is_type = isinstance(node.value, ast.Subscript) or "__all__" in ast.unparse(node.targets[0])
        if not (is_type and node.col_offset == 0):
            self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for part in (*node.decorator_list, node.args, *node.body):
            self.visit(part)

    # What is changed

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for left, operator, right in zip(operands, node.ops, node.comparators, strict=False):
            self._swap("comparison", left, operator, right)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        sides = (node.left, node.right)
        if not any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides):
            self._swap("arithmetic", node.left, node.op, node.right)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._swap("arithmetic", node.target, node.op, node.value)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._swap("and/or", left, node.op, right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        operator = {ast.Not: "not ", ast.USub: "-", ast.Invert: "~"}.get(type(node.op))
        if operator is not None and not isinstance(node.operand, ast.Constant):
            kind = "and/or" if operator == "not " else "arithmetic"
            self._replace(kind, node, self._at(node), self._at(node) + len(operator), "")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._replace("constant", node, self._at(node), self._until(node), str(not value))
        elif isinstance(value, int | float):
            self._replace("constant", node, self._at(node), self._until(node), repr(value + 1))

    def visit_Raise(self, node: ast.Raise) -> None:
        self._replace("raise", node, self._at(node), self._until(node), "pass")
        # its message is for people: nothing in it is changed

    def _swap(self, kind: str, left: ast.expr, operator: ast.AST, right: ast.expr) -> None:
        """Finds the operator between two operands: no brackets or comments hold such a sign or word there."""
        before, after = _SWAPS[type(operator)]
        between = self._source[self._until(left) : self._at(right)].decode()
        at = self._until(left) + len(between[: between.index(before)].encode())
        found = Mutant(kind, left.lineno, right.end_lineno or right.lineno, at, at + len(before), after)
        self.found.append(found)

    def _replace(self, kind: str, node: ast.expr | ast.stmt, start: int, end: int, after: str) -> None:
        self.found.append(Mutant(kind, node.lineno, node.end_lineno or node.lineno, start, end, after))

    def _at(self, node: ast.expr | ast.stmt) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def _until(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._lines[node.end_lineno - 1] + node.end_col_offset


def lines(source: bytes, mutant: Mutant) -> tuple[str, str]:
    """The line or lines that are changed, before and after, without their indent."""
    begin, end = source.rfind(b"\n", 0, mutant.start) + 1, source.index(b"\n", mutant.end)
    changed = source[begin : mutant.start] + mutant.after.encode() + source[mutant.end : end]
    return _on_one_line(source[begin:end]), _on_one_line(changed)


def _on_one_line(text: bytes) -> str:
    return " ".join(text.decode().split())


def fingerprint(source: bytes) -> str:
    """Eight digits of a file's SHA-256."""
    return hashlib.sha256(source).hexdigest()[:8]
