"""What an export would do, without writing anything: what was inferred, what it costs, and the problems."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field

from vae_edge.export import graphs
from vae_edge.export.request import Findings, Request
from vae_edge.runtime.bundle import manifest
from vae_edge.runtime.errors import UnsafeBundle

__all__ = ["GraphPlan", "Plan", "of"]


@dataclass(frozen=True)
class GraphPlan:
    """A graph that would be written: its operators with their numbers, and its cost for one event."""

    operators: dict[str, int]
    opset: int
    multiply_adds: int
    parameters: int
    bytes: int


@dataclass(frozen=True)
class Plan:
    """What `export` with the same arguments would do; `problems` is empty where it would go on to the parity check.

    `found` maps what was inferred to one line each, `graphs` 'encoder' and 'decoder' to what they consist of. `notes`
    and `warnings` are for whoever reads the plan; each problem says what to do about it.
    """

    found: dict[str, str]
    graphs: dict[str, GraphPlan]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{name:11s}{text}" for name, text in self.found.items()]
        for name, graph in self.graphs.items():
            operators = ", ".join(f"{operator} {count}" for operator, count in graph.operators.items())
            lines.append(
                f"{name:11s}{graph.multiply_adds:,} multiply-adds an event, {graph.parameters:,} weights, "
                f"{graph.bytes:,} bytes, opset {graph.opset}: {operators}"
            )
        for title, texts in (("note", self.notes), ("warning", self.warnings), ("refused", self.problems)):
            lines += [f"{title:11s}{text}" for text in texts]
        return "\n".join(lines)


@dataclass
class _Lines:
    """Collects what is known."""

    lines: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, text: str | None) -> None:
        if text is not None:
            self.lines[name] = text


def of(request: Request, found: Findings) -> Plan:
    """The plan that follows from the findings of the inspection."""
    lines = _Lines()
    lines.add("event", None if found.events is None else f"{event_line(found.events.event)} ({found.events.how})")
    lines.add("condition", None if found.condition is None else condition_line(found.condition))
    lines.add("posterior", None if found.posterior is None else found.posterior.described())
    lines.add("latent", None if found.latent_size is None else f"{found.latent_size} numbers")
    lines.add("prior", None if found.prior is None else found.prior.described())
    lines.add("likelihood", None if found.likelihood is None else found.likelihood.described())
    problems, described = list(found.problems), {}
    for name, model in (found.graphs or {}).items():
        try:
            _, graph = graphs.describe(model, f"{name}.onnx", max_elements=request.max_elements)
        except UnsafeBundle as error:
            problems.append(f"the runtime would refuse the {name}: {error}")
            continue
        operators = collections.Counter(node.op_type for node in model.graph.node)
        counted = dict(sorted(operators.items()))
        described[name] = GraphPlan(counted, graph.opset, graph.multiply_adds, graph.parameters, graph.file.bytes)
    return Plan(lines.lines, described, tuple(found.notes), tuple(found.warnings), tuple(problems))


def event_line(event: manifest.Image | manifest.Vector) -> str:
    """One line on an event."""
    if isinstance(event, manifest.Vector):
        named = f", {', '.join(event.names[:4])}{', ...' if len(event.names) > 4 else ''}" if event.names else ""
        return f"vector of {event.size} numbers{named}"
    height, width, channels = event.shape
    pixels = "pixels in [0, 1]" if event.threshold is None else f"pixels 0 or 1 (1 where above {event.threshold:g})"
    reads = "" if (event.shift, event.scale) == (0.0, 1.0) else (
        f"; the model reads (pixel - {event.shift:g}) / {event.scale:g}"
    )  # fmt: skip
    return f"image {height} x {width} x {channels}, {pixels}{reads}"


def condition_line(condition: manifest.Condition) -> str:
    """One line on a condition."""
    if not condition.is_label:
        return f"{condition.size} numbers"
    names = ", ".join(condition.names[:10]) + (", ..." if condition.size > 10 else "")
    how = "one-hot" if condition.kind == "one_hot" else "as a whole number"
    return f"one of {condition.size} labels, {how}: {names}"
