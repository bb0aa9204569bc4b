"""Which of a model's outputs is which parameter of a distribution, and how it becomes the one that a bundle holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vae_edge.export import layouts, suggestions
from vae_edge.export.layouts import Layout
from vae_edge.export.sources.members import Found, Members
from vae_edge.export.statements import Part, Statement
from vae_edge.export.transforms import PARAMETERS
from vae_edge.runtime.bundle.manifest import Spec
from vae_edge.runtime.distributions import registry
from vae_edge.runtime.distributions.base import Distribution
from vae_edge.runtime.errors import InputError

__all__ = ["LOSSY", "Parameter", "Reading", "read"]

Array = npt.NDArray[np.float32]
LOSSY = ("logit", "log")  # a float32 probability does not tell its logit

Given = int | str | float | Part


@dataclass(frozen=True)
class Parameter:
    """One parameter: `spelling` is what the model gives (log_var), `name` what the bundle holds of it (scale).

    `tensor` is the name of the graph's output, `key` the model's own.
    """

    name: str
    spelling: str
    how: str
    key: str
    part: Part | None
    layout: Layout
    tensor: str

    def theirs(self, members: Members, n: int) -> Array:
        """What the model gives for it, (n, *shape) in the bundle's layout."""
        array = members.tensors[self.key]
        if array.ndim == 0 or len(array) != n:  # the same for all events
            row = array if array.ndim and len(array) == 1 else array[None]
            array = np.broadcast_to(row, (n, *row.shape[1:]))
        return self.layout.to_ours(_part(array, self.part))

    def ours(self, theirs: Array) -> Array:
        """What the bundle holds for what the model gives."""
        with np.errstate(all="ignore"):  # NaN and infinity are refused later, by name
            return PARAMETERS[self.how].forward(theirs.astype(np.float64)).astype(np.float32)

    def back(self, ours: Array) -> npt.NDArray[np.float64]:
        """What the model would give for what the bundle holds, in float64."""
        with np.errstate(all="ignore"):
            return np.asarray(PARAMETERS[self.how].inverse(ours.astype(np.float64)))


@dataclass(frozen=True)
class Reading:
    """A distribution of the model: its family, where each parameter comes from, and what is constant."""

    family: str
    parameters: tuple[Parameter, ...]
    constants: dict[str, float]
    event_shape: tuple[int, ...]
    how: str
    spelled: dict[str, str] = field(default_factory=dict)  # constants as the model gives them

    def spec(self) -> Spec:
        """What a manifest says of it."""
        outputs = {parameter.name: parameter.tensor for parameter in self.parameters}
        order = [name for name in registry.FAMILIES[self.family].parameters if name in outputs]
        return Spec(self.family, self.event_shape, {name: outputs[name] for name in order}, dict(self.constants))

    def described(self) -> str:
        """One line: normal, loc from '0', scale = exp(x / 2) of '1'."""
        parts = [
            f"{each.name} = {'' if each.how == 'identity' else PARAMETERS[each.how].meaning.split(':')[0] + ' of '}"
            f"output {each.key!r}{f' part {each.part.index} of {each.part.count}' if each.part else ''}"
            for each in self.parameters
        ]
        parts += [f"{name} = {value:g}" for name, value in self.constants.items()]
        return f"{self.family}: {', '.join(parts)} ({self.how})"


def read(role: str, said: Statement | None, members: Members, n: int, event_shape: tuple[int, ...] | None, *,
         channels_first: bool, taken: frozenset[str] = frozenset()) -> Reading:  # fmt: skip
    """The `role`, 'posterior' or 'likelihood', of what the model gave for n events.

    `event_shape` is None where the size of the latent is to be found. Names of `taken` are not given to tensors again.
    Raises InputError where nothing was said that is needed, or what was said does not fit.
    """
    given, family, settings, how = _stated(role, said, members) if said else _found(role, members)
    kind = registry.FAMILIES[family]
    ways = _ways(kind, given)
    given = _halves(given, members)
    constants: dict[str, float] = {}
    arrays: dict[str, tuple[str, Part | None, Array]] = {}
    for spelling, value in given.items():
        name, transform = ways[spelling]
        if isinstance(value, float):
            constants[name] = _constant(transform, value)
            continue
        part = value if isinstance(value, Part) else None
        key = members.key(value.output if isinstance(value, Part) else value)
        array = members.tensors[key]
        is_fixed = array.ndim == 0 or len(array) != n
        if is_fixed and array.size == 1:
            constants[name] = _constant(transform, float(array.reshape(())))
            continue
        shape = array.shape[1:] if array.ndim and (not is_fixed or len(array) == 1) else array.shape
        arrays[spelling] = (key, part, _part(np.broadcast_to(array.reshape((-1, *shape))[:1], (1, *shape)), part))
    settings = _settings(kind, settings, arrays, event_shape)
    constants |= settings
    if event_shape is None:
        if (loc := next((each for each in arrays if ways[each][0] == "loc"), None)) is None:
            raise InputError(f"the {role}'s loc should be one of the model's outputs, it is a number")
        event_shape = (math.prod(arrays[loc][2].shape[1:]),)
    try:
        shapes = kind.parameter_shapes(event_shape, settings)
    except (KeyError, ValueError) as error:
        raise InputError(f"{family} cannot be of events {event_shape}: {error}") from error
    found = []
    for spelling, (key, part, array) in arrays.items():
        name, transform = ways[spelling]
        layout = layouts.find(array.shape[1:], shapes[name], f"{role} {spelling} (output {key!r})",
                              channels_first=channels_first, event_axes=len(event_shape))  # fmt: skip
        tensor = name if name not in taken else f"x_{name}"
        found.append(Parameter(name, spelling, transform, key, part, layout, tensor))
    order = list(kind.parameters)
    found.sort(key=lambda each: order.index(each.name))
    return Reading(family, tuple(found), constants, event_shape, how)


def _stated(role: str, said: Statement, members: Members) -> tuple[dict[str, Given], str, dict[str, float], str]:
    kind = registry.FAMILIES.get(said.family)
    if kind is None or role not in kind.roles:
        known = [name for name, each in registry.FAMILIES.items() if role in each.roles]
        raise InputError(f"{role}= should be one of {', '.join(known)}, it is {type(said).__name__}")
    return said.values(), said.family, said.settings(), f"from {role}="


def _found(role: str, members: Members) -> tuple[dict[str, Given], str, dict[str, float], str]:
    """The one distribution that the model returns; raises InputError that shows what to say where there is none."""
    usable = [each for each in members.found if each.family and role in registry.FAMILIES[each.family].roles]
    if len(usable) == 1:
        found = usable[0]
        return dict(found.parameters), found.family, dict(found.settings), f"read off tfd.{found.kind}"
    if usable:
        listed = ", ".join(f"{each.kind} at {each.key!r}" for each in usable)
        raise InputError(f"the model gives several distributions, {listed}: say {role}={_example_of(usable[0])}")
    if members.found:
        kinds = ", ".join(sorted({each.kind for each in members.found}))
        known = [name for kind in registry.FAMILIES.values() if role in kind.roles for name in kind.tfp]
        raise InputError(
            f"the model gives a tfd.{kinds}, which no {role} of a bundle is: those are {', '.join(known)}; return one "
            f"of them, or tensors and say {role}="
        )
    raise InputError(suggestions.nothing_said(role, members))


def _example_of(found: Found) -> str:
    names = {each.family: each.__name__ for each in Statement.__subclasses__()}
    values = ", ".join(f"{name}={key!r}" for name, key in found.parameters.items())
    return f"{names.get(found.family, found.family)}({values})"


def _ways(kind: type[Distribution], given: Mapping[str, Given]) -> dict[str, tuple[str, str]]:
    """Spelling -> (parameter, transform)."""
    ways = {name: (name, "identity") for name in kind.parameters} | dict(kind.spellings)
    names = [ways[spelling][0] for spelling in given if spelling in ways]
    if len(names) != len(given) or sorted(names) != sorted(kind.parameters):
        raise InputError(
            f"a {kind.family} should have {', '.join(kind.parameters)}, one way each (of {', '.join(ways)}); given are "
            f"{', '.join(given) or 'none'}"
        )
    return ways


def _halves(given: dict[str, Given], members: Members) -> dict[str, Given]:
    """Equal parts along the last axis of the only output, where a statement counts several outputs."""
    counted = [value for value in given.values() if isinstance(value, int)]
    if len(members.tensors) != 1 or len(counted) < 2:
        return given
    count = len(counted)
    if sorted(counted) != list(range(count)):
        raise InputError(
            f"the model has one output; its {count} parts are counted 0 to {count - 1}, given are {counted}"
        )
    return {name: Part(0, value, count) if isinstance(value, int) else value for name, value in given.items()}


def _settings(
    kind: type[Distribution],
    settings: dict[str, float],
    arrays: Mapping[str, tuple[str, Part | None, Array]],
    event_shape: tuple[int, ...] | None,
) -> dict[str, float]:
    """The levels of a categorical that TFP gave are the size of its last axis."""
    missing = kind.settings.keys() - settings.keys()
    if missing == {"levels"} and event_shape is not None:
        (_, _, array), *_ = arrays.values()
        return settings | {"levels": float(array.shape[-1])}
    return settings


def _constant(transform: str, value: float) -> float:
    return float(PARAMETERS[transform].forward(np.asarray(value, np.float64)))


def _part(array: Array, part: Part | None) -> Array:
    if part is None:
        return array
    moved = np.moveaxis(array, part.axis, -1)
    if moved.shape[-1] % part.count:
        raise InputError(f"an output (B, {', '.join(map(str, array.shape[1:]))}) has no {part.count} equal parts along "
                         f"its axis {part.axis}")  # fmt: skip
    return np.split(moved, part.count, axis=-1)[part.index]
