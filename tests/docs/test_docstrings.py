"""The public API explains itself: `help()` of each name says what comes back, of what shape, and names every parameter.

The rule, for each public function, and each public method and property of each public class:
- it has a docstring, an inherited one too, whose first line is a sentence;
- each parameter is named in it, or in the docstring of its class or of `load`; a field of a dataclass in its class's
  (a parameter that is named after its type needs no more);
- where an array comes back, its shape is given: as a tuple, or as "shape"; and its dtype;
- an exception that its body raises is named there, or in its class's docstring, or by a class above it.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import re
import textwrap
import types
from collections.abc import Iterator
from typing import Any

import pytest

from vae_edge import runtime
from vae_edge.runtime import VaeEdgeError, errors, probe

pytest.importorskip("tensorflow", reason="export and train import it")

# (B, L), (n,), (*event_shape), (); not any words in parentheses
SHAPE = re.compile(r"\((\)|\*?\w+, ?(\)|[\w*./]+))|\(\*\w+\)|shape|one number|scalar")
DTYPE = re.compile(r"float32|float64|uint8|int64|uint64|uint32|uint16|bool|as they are|as it is|the same dtype")
KINDS = (property, classmethod, staticmethod, types.FunctionType)
AFTER_THEIR_TYPE = ("vae", "manifest", "record", "config")  # a VAE, a Manifest, ...: nothing is left to say
FROM_PYTHON = {"Exception", "NotImplementedError", "AttributeError", "AssertionError"}


def public() -> Iterator[tuple[str, Any, type | None]]:
    """Each public function, class, method and property: its name, itself, and the class it is a part of."""
    from vae_edge import cluster, export, pictures
    from vae_edge.export.sources import run
    from vae_edge.train import config, data, fit
    from vae_edge.train import run as runs

    objects = {f"runtime.{name}": getattr(runtime, name) for name in runtime.__all__}
    objects |= {f"runtime.probe.{name}": getattr(probe, name) for name in probe.__all__}
    objects |= {f"export.{name}": getattr(export, name) for name in export.__all__}
    objects |= {"export.sources.run.export": run.export, "train.config.Config": config.Config}
    objects |= {"train.fit.fit": fit.fit, "train.fit.load": fit.load, "train.data.Dataset": data.Dataset}
    objects |= {"train.run.Run": runs.Run, "train.run.Record": runs.Record}
    objects |= {"train.data.load": data.load, "train.data.binarise": data.binarise}
    objects |= {f"pictures.{name}": getattr(pictures, name) for name in pictures.__all__}
    if importlib.util.find_spec("ray") is not None:
        objects |= {f"cluster.{name}": getattr(cluster, name) for name in cluster.__all__}
    for name, each in objects.items():
        if inspect.isclass(each):
            yield name, each, None
            for part, member in inspect.getmembers_static(each):
                if not part.startswith("_") and isinstance(member, KINDS):
                    yield f"{name}.{part}", member, each
        elif callable(each):
            yield name, each, None


def function(member: Any) -> Any:
    """What is called: the function behind a property or a class method."""
    if isinstance(member, property):
        return member.fget
    return getattr(member, "__func__", member)


def told(member: Any, owner: type | None) -> str:
    """What `help()` says of it, and of the class that it is a part of."""
    texts = [text_of(member, owner)]
    part_of = member if inspect.isclass(member) else owner
    texts += [inspect.getdoc(each) or "" for each in (part_of, getattr(part_of, "load", None)) if each is not None]
    return "\n".join(texts)


def text_of(member: Any, owner: type | None) -> str:
    name = getattr(function(member), "__name__", "")
    found = getattr(owner, name, member) if owner is not None else member
    return inspect.getdoc(found) or ""


def parameters(member: Any) -> list[str]:
    if inspect.isclass(member):
        if dataclasses.is_dataclass(member):
            return [field.name for field in dataclasses.fields(member) if is_told(field)]
        member = member.__init__
        if not inspect.isfunction(member):
            return []
    every = inspect.signature(function(member)).parameters.values()
    named = [each.name for each in every if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    return [name for name in named if name not in ("self", "cls", *AFTER_THEIR_TYPE)]


def is_told(field: dataclasses.Field[Any]) -> bool:
    """Whether a docstring has to name a field: an option of a run carries its help with it."""
    return "help" not in field.metadata and not field.name.startswith("_")


def raised(member: Any) -> set[str]:
    """The exceptions that its own body raises by name."""
    if inspect.isclass(member):
        return set()
    tree = ast.parse(textwrap.dedent(inspect.getsource(function(member))))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)} - FROM_PYTHON


def names_of(error: str) -> set[str]:
    """The exception's name and those of the classes above it, up to the library's own base."""
    found = getattr(errors, error, None)
    above = () if found is None else inspect.getmro(found)
    return {error, *(each.__name__ for each in above if issubclass(each, VaeEdgeError))}


def problems(name: str, member: Any, owner: type | None) -> Iterator[str]:
    text = text_of(member, owner)
    first = text.split("\n\n")[0].strip()
    if not first or not re.search(r"[.:;?]$", first):
        yield f"{name}: its docstring should begin with a sentence, it begins with {first[:60]!r}"
        return
    whole = told(member, owner)
    for parameter in parameters(member):
        if not re.search(rf"\b{re.escape(parameter)}\b", whole):
            yield f"{name}: its docstring does not name {parameter!r}"
    if inspect.isclass(member):
        return
    returns = str(getattr(function(member), "__annotations__", {}).get("return", ""))
    if re.search(r"NDArray|Float32|Float64", returns) and not SHAPE.search(text):
        yield f"{name}: its docstring gives no shape of the array that comes back"
    if re.search(r"NDArray|Float32|Float64", returns) and not DTYPE.search(text):
        yield f"{name}: its docstring gives no dtype of the array that comes back"
    for error in raised(member):
        if not any(each in whole for each in names_of(error)):
            yield f"{name}: its docstring does not say that it raises {error}"


def test_the_public_api_explains_itself():
    found = [problem for each in public() for problem in problems(*each)]
    assert found == [], "\n" + "\n".join(found)


def test_all_of_the_api_is_looked_at():
    names = {name for name, _, _ in public()}
    assert {"runtime.VAE.load", "runtime.Normal.kl_divergence", "export.export", "train.fit.fit"} <= names
    assert len(names) > 150


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def f(x): pass", "begin with a sentence"),
        ("def f(x):\n    'Its double.'", "does not name 'x'"),
        ("def f(x) -> 'Float32':\n    'The double of x, float32.'", "no shape"),
        ("def f(x) -> 'Float32':\n    'The double (of x), float32.'", "no shape"),
        ("def f(x) -> 'Float32':\n    'The double of x, (B, L).'", "no dtype"),
    ],
)
def test_what_is_missing_is_found(source, words):
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    f = namespace["f"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspect, "getsource", lambda member: source)
        (problem,) = problems("f", f, None)
    assert words in problem
