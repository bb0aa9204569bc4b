"""What the command line says of someone's model, as the arguments of `vae_edge.export.export`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vae_edge.runtime.errors import InputError

if TYPE_CHECKING:
    from vae_edge.export.statements import Image, OneHot, Statement, Vector

__all__ = ["array", "built", "condition", "event", "posterior_and_likelihood", "splits"]

_FAMILIES = {
    "normal": "Normal",
    "tril": "MultivariateNormalTriL",
    "multivariate_normal_tril": "MultivariateNormalTriL",
    "deterministic": "Deterministic",
    "bernoulli": "Bernoulli",
    "discretized_logistic": "DiscretizedLogistic",
    "categorical": "Categorical",
}
_SPELLINGS = {
    "mean": "loc",
    "mu": "loc",
    "logvar": "log_var",
    "std": "scale",
    "stddev": "scale",
    "log_std": "log_scale",
}


def splits(source: str) -> tuple[Path, str] | None:
    """The file and the function of 'module.py:build', or None where the source is a run's folder."""
    path, colon, name = source.rpartition(":")
    return (Path(path), name) if colon and path.endswith(".py") else None


def built(path: Path, name: str) -> dict[str, Any]:
    """export's keyword arguments: the dict that function `name` of the file at `path` gives. Raises InputError."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; expected MODULE.py:FUNCTION")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # a class that is defined in it is looked up there
    sys.path.insert(0, str(path.parent.resolve()))  # it may import what lies beside it
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError(f"{path} has no function {name!r} that gives the arguments of export()")
    arguments = function()
    if not isinstance(arguments, dict):
        raise InputError(f"{path}:{name} should return a dict of export()'s arguments, it returns a "
                         f"{type(arguments).__name__}")  # fmt: skip
    return arguments


def posterior_and_likelihood(posterior: str | None, likelihood: str | None) -> dict[str, Statement]:
    """The statements of `--posterior mean,log_var` and `--likelihood bernoulli:probs`."""
    found = {}
    if posterior is not None:
        found["posterior"] = _statement("--posterior", posterior if ":" in posterior else f"normal:{posterior}")
    if likelihood is not None:
        found["likelihood"] = _statement("--likelihood", likelihood)
    return found


def _statement(option: str, text: str) -> Statement:
    from vae_edge.export import statements

    family, _, parameters = text.partition(":")
    if family not in _FAMILIES:
        raise typer.BadParameter(
            f"expected FAMILY:PARAMETERS, of {', '.join(_FAMILIES)}; got {text!r}", param_hint=option
        )
    values: dict[str, Any] = {}
    for place, part in enumerate(filter(None, parameters.split(","))):
        name, equals, value = part.strip().partition("=")
        values[_SPELLINGS.get(name, name)] = _value(value) if equals else place
    try:
        statement: Statement = getattr(statements, _FAMILIES[family])(**values)
    except (TypeError, InputError) as error:
        raise typer.BadParameter(f"{text!r}: {error}", param_hint=option) from error
    return statement


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def event(text: str | None, threshold: float | None) -> Image | Vector | None:
    """The event of `--event 28x28x1` or `--event 30`, with a threshold."""
    if text is None:
        if threshold is not None:
            raise typer.BadParameter("a threshold belongs to images: give --event HxWxC too", param_hint="--threshold")
        return None
    from vae_edge.export.statements import NOT_SAID, Image, Vector

    try:
        sizes = [int(part) for part in text.lower().split("x")]
    except ValueError:
        sizes = []
    if len(sizes) == 1 and threshold is None:
        return Vector(sizes[0])
    if len(sizes) not in (2, 3):
        raise typer.BadParameter(f"expected HxW, HxWxC or a vector's size, got {text!r}", param_hint="--event")
    height, width, channels = (*sizes, 1)[:3]
    return Image(height, width, channels, NOT_SAID if threshold is None else threshold)


def condition(labels: str | None, index: bool) -> OneHot | Any:
    """The condition of `--labels a,b,c` or `--labels 10`."""
    if labels is None:
        return None
    from vae_edge.export.statements import Index, OneHot

    names: int | list[str] = int(labels) if labels.isdecimal() else [part.strip() for part in labels.split(",")]
    return Index(names) if index else OneHot(names)


def array(path: Path) -> Any:
    """The array in a `.npy` file, or the one in a `.npz`. Raises InputError."""
    import numpy as np

    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} should be a .npy or .npz file of numbers: {error}") from error
    if isinstance(found, np.ndarray):
        return found
    if len(found.files) != 1:
        raise InputError(f"{path} should hold one array, it holds {', '.join(found.files)}: save that one as .npy")
    return found[found.files[0]]
