"""A frozen TensorFlow graph, cut down to what its results need; random numbers and captured tables in it refused."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import tensorflow as tf
from tensorflow.python.grappler import tf_optimizer

from vae_edge.runtime.errors import InputError

__all__ = ["PREFIX", "GraphDef", "ancestors", "layer_of", "prune", "refuse_captures", "refuse_random"]

GraphDef: TypeAlias = Any  # tf.compat.v1.GraphDef; TensorFlow ships no types

PREFIX = "vae_edge"
_RANDOM = re.compile("Random|Multinomial|TruncatedNormal|^Rng|^Stateful(Standard|Uniform)|SampleDistorted")


def prune(graph: GraphDef, results: Sequence[str], inputs: int) -> GraphDef:
    """The nodes whose values the results depend on, and all inputs; the results get our names."""
    for node in (*graph.node, *graph.library.function):
        _forget(node)
    for index, result in enumerate(results):
        node = graph.node.add(name=f"{PREFIX}_output_{index}", op="Identity", input=[result])
        node.attr["T"].type = tf.float32.as_datatype_enum
    graph = _inlined(graph, len(results))
    for node in graph.node:  # control inputs (assertions, a generator's state) carry no value
        node.input[:] = [name for name in node.input if not name.startswith("^")]
    nodes = {node.name: node for node in graph.node}
    kept = {f"{PREFIX}_input_{index}" for index in range(inputs)}
    for index, _ in enumerate(results):
        kept.update(node.name for node in ancestors(nodes, f"{PREFIX}_output_{index}"))
    pruned = tf.compat.v1.GraphDef(node=[node for node in graph.node if node.name in kept])
    pruned.library.CopyFrom(graph.library)
    pruned.versions.CopyFrom(graph.versions)
    return pruned


def ancestors(nodes: Mapping[str, Any], name: str) -> Iterator[Any]:
    """The node `name` and all that it depends on; `nodes` maps names to nodes."""
    waiting, seen = [name], set[str]()
    while waiting:
        name = waiting.pop().split(":")[0]
        if name not in seen:
            seen.add(name)
            yield nodes[name]
            waiting += nodes[name].input


def refuse_random(output: str, nodes: Iterable[Any], graph: GraphDef) -> None:
    """Raises InputError where one of the `nodes` that `output` depends on draws random numbers."""
    found = sorted((node.name, node.op) for node in _with_bodies(nodes, graph) if _RANDOM.search(node.op))
    if found:
        name, op = found[0]
        raise InputError(
            f"output {output!r} should follow from the inputs, but layer {layer_of(name)!r} draws random numbers for "
            f"it ({op}): name the outputs that give the distribution's parameters, as loc and scale, and leave the "
            "sample out"
        )


def refuse_captures(graph: GraphDef, inputs: int) -> None:
    """Raises InputError where the graph reads a resource that freezing could not make a constant of."""
    own = {f"{PREFIX}_input_{index}" for index in range(inputs)}
    for node in graph.node:
        if node.op == "Placeholder" and node.name not in own:
            raise InputError(
                f"the function reads {node.name!r}, which is neither a tensor nor a variable (a lookup table?): "
                "map strings to numbers before the model"
            )


def layer_of(node_name: str) -> str:
    """The layer that a TensorFlow node belongs to: its name scope, without the calls of functions around it."""
    scopes = node_name.split("/")
    kept = [scope for scope in scopes if not re.match("(Stateful)?PartitionedCall(_[0-9]+)?$", scope)]
    return "/".join(kept[:-1]) or node_name


def _inlined(graph: GraphDef, results: int) -> GraphDef:
    """The graph with each function call replaced by the function's body; freezing leaves calls that XLA compiles."""
    if not any(node.op in ("PartitionedCall", "StatefulPartitionedCall") for node in graph.node):
        return graph
    config = tf.compat.v1.ConfigProto()
    options = config.graph_options.rewrite_options
    options.optimizers[:] = ["function"]
    options.min_graph_nodes = -1  # small ones too
    options.function_optimization = options.AGGRESSIVE
    with tf.Graph().as_default():
        meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=graph)
    fetched = [f"{PREFIX}_output_{index}" for index in range(results)]
    meta_graph.collection_def["train_op"].node_list.value.extend(fetched)
    return tf_optimizer.OptimizeGraph(config, meta_graph)


def _forget(node: Any) -> None:
    """Drops a node's device and its XLA mark, which would keep a function from being inlined."""
    for attribute in ("_class", "_XlaMustCompile"):
        if attribute in node.attr:
            del node.attr[attribute]


def _with_bodies(nodes: Iterable[Any], graph: GraphDef) -> Iterator[Any]:
    """The nodes, and those of the functions that they call: branches of an If, the body of a While."""
    library = {function.signature.name: function for function in graph.library.function}
    waiting, seen = list(nodes), set[str]()
    while waiting:
        node = waiting.pop()
        yield node
        called = itertools.chain.from_iterable(
            [attribute.func, *attribute.list.func] for attribute in node.attr.values()
        )
        for name in {function.name for function in called} - seen:
            seen.add(name)
            waiting += library[name].node_def if name in library else []
