"""How many buffers ONNX Runtime may hold at once, in whichever order it runs a graph's nodes.

ONNX Runtime reuses the buffer of a tensor that will not be read again for a later tensor of the same size. A tensor of
another size gets a new buffer, since the arena seldom joins what was freed. ONNX Runtime also chooses the order of the
nodes. So a buffer counts as free for a node only where all readers of its last tensor run before that node in every
order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

__all__ = ["Buffers", "Order"]

_LOOK = 32  # buffers of one size that are looked through for a free one: more would take time with the square


class Order:
    """Which nodes have to run before which: sets of nodes as bits of an integer."""

    def __init__(self, nodes: Iterable[tuple[tuple[str, ...], tuple[str, ...]]], outputs: Iterable[str]) -> None:
        """`nodes` are (inputs, outputs), each after those that it reads; `outputs` are the graph's."""
        made: dict[str, int] = {}
        self.before: list[int] = []
        self.readers: dict[str, int] = defaultdict(int)
        for index, (inputs, results) in enumerate(nodes):
            before = 0
            for name in inputs:
                self.readers[name] |= 1 << index
                if name in made:
                    before |= self.before[made[name]] | 1 << made[name]
            self.before.append(before)
            made |= dict.fromkeys(results, index)
        self.kept = set(outputs)


class Buffers:
    """The elements in all buffers of one run, node by node."""

    def __init__(self, order: Order) -> None:
        self.elements = 0
        self._order = order
        self._last: dict[int, list[int]] = defaultdict(list)  # size -> readers of the last tensor in each buffer

    def keep(self, size: int) -> None:
        """Counts a tensor that stays."""
        self.elements += size

    def make(self, index: int, name: str, size: int) -> None:
        """Counts a tensor that node `index` makes: in a buffer that is free by then, or a new one."""
        if name in self._order.kept:
            self.elements += size
            return
        readers = self._order.readers.get(name, 0) or 1 << index  # a tensor without readers is free after its own node
        before, last = self._order.before[index], self._last[size]
        for at in range(len(last) - 1, max(-1, len(last) - 1 - _LOOK), -1):
            if not last[at] & ~before:
                del last[at]
                break
        else:
            self.elements += size
        last.append(readers)
