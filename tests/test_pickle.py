"""Every public object pickles, copies and deep-copies: what arrives is what was sent.

The names are those of each room's `__all__`, and the classes of the reference: a new one without an example here fails.
"""

from __future__ import annotations

import copy
import enum
import importlib
import inspect
import pickle
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vae_edge.runtime import VAE, Flow, VaeEdgeError

ROOT = Path(__file__).parents[1]
ROOMS = ("runtime", "pictures", "export", "cluster")
TINY = ROOT / "tests/runtime/tiny"


def documented() -> set[str]:
    """The classes of docs/reference, by their full names."""
    found = set()
    for page in sorted((ROOT / "docs/reference").glob("*.md")):
        module = ""
        for directive, name in re.findall(r"\.\. (currentmodule|autoclass):: (\S+)", page.read_text()):
            if directive == "currentmodule":
                module = name
            else:
                found.add(name if name.startswith("vae_edge.") else f"{module}.{name}")
    return found


def public() -> list[str]:
    rooms = [f"vae_edge.{room}" for room in ROOMS]
    names = {f"{room}.{name}" for room in rooms for name in importlib.import_module(room).__all__}
    # functions that import TensorFlow or Ray
    names -= {
        name for name in names if name.startswith(("vae_edge.export.", "vae_edge.cluster.")) and is_function(name)
    }
    return sorted(names | documented())


def is_function(name: str) -> bool:
    return name.rpartition(".")[2].islower()


def resolve(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def normal() -> Any:
    from vae_edge.runtime import Normal

    return Normal([[0.5, -1.0]], [[1.0, 2.0]])


def decoded() -> Any:
    """p(x|z), whose `log_prob` prepares what users have."""
    return VAE.load(TINY).decode([[0.5, -1.0, 2.0]])


def of(name: str, *arguments: Any, **options: Any) -> Callable[[], Any]:
    return lambda: resolve(name)(*arguments, **options)


def tril() -> Any:
    return resolve("vae_edge.runtime.MultivariateNormalTriL")([[0.5, 1.0]], [[[1.0, 0.0], [0.5, 2.0]]])


def mixture() -> Any:
    weights, loc = [0.1, 0.2, 0.7], [[0.5, 1.0], [2.0, 3.0], [4.0, 5.0]]
    return resolve("vae_edge.runtime.Mixture")(weights, loc, [[[1.0, 0.0], [0.5, 2.0]]] * 3)


def flow() -> Any:
    from tests import bundles

    with tempfile.TemporaryDirectory() as folder:
        return VAE.load(bundles.build("flow").write(Path(folder) / "b"), threads=1).prior


def worker() -> Any:
    from vae_edge.cluster.tasks import Generate, Given

    return resolve("vae_edge.cluster.Worker")(VAE.load(TINY, threads=1), Generate(10, "mean", 0, 0, Given()))


def notices() -> Any:
    found = resolve("vae_edge.pictures.Notices")()
    found.note("frames", "a.gif")
    return found


def held() -> Any:
    return resolve("vae_edge.batch.inputs.Held")(np.zeros((2, 4, 4, 1), np.uint8), ["a", "b"], None, "state")


def dataset() -> Any:
    images = np.zeros((2, 4, 4, 1), np.uint8)
    return resolve("vae_edge.train.data.Dataset")("mine", "train", images, np.array([0, 1]), ("a", "b"), "0" * 64)


# What a name's class is made with, where that is not an error's one message; None: it has no instances to send.
EXAMPLES: dict[str, Callable[[], Any] | None] = {
    "vae_edge.runtime.Bernoulli": of("vae_edge.runtime.Bernoulli", np.full((2, 3, 3, 1), 0.5)),
    "vae_edge.runtime.Categorical": of("vae_edge.runtime.Categorical", np.zeros((2, 3, 3, 1, 4))),
    "vae_edge.runtime.Deterministic": of("vae_edge.runtime.Deterministic", [[0.5, -1.0]]),
    "vae_edge.runtime.DiscretizedLogistic": of("vae_edge.runtime.DiscretizedLogistic", np.full((2, 3, 3, 1), 0.5), 0.1),
    "vae_edge.runtime.Distribution": decoded,
    "vae_edge.runtime.Flow": flow,
    "vae_edge.runtime.Manifest": lambda: VAE.load(TINY).manifest,
    "vae_edge.runtime.Mixture": mixture,
    "vae_edge.runtime.MultivariateNormalTriL": tril,
    "vae_edge.runtime.Normal": normal,
    "vae_edge.runtime.Score": lambda: VAE.load(TINY).score(np.zeros((2, 6, 4), bool)),
    "vae_edge.runtime.VAE": lambda: VAE.load(TINY, threads=1),
    "vae_edge.batch.inputs.Found": lambda: held().read(0, 2),
    "vae_edge.batch.inputs.Held": held,
    "vae_edge.batch.inputs.Reader": held,
    "vae_edge.batch.inputs.Several": lambda: resolve("vae_edge.batch.inputs.Several")((held(), held()), 1, 2),
    "vae_edge.batch.inputs.Source": held,
    "vae_edge.cluster.Outcome": of("vae_edge.cluster.Outcome", "out", 10, 10, 1, 0.5),
    "vae_edge.cluster.Worker": worker,
    "vae_edge.pictures.Notices": notices,
    "vae_edge.pictures.Picture": lambda: resolve("vae_edge.pictures.show")(np.full((2, 3, 3, 1), 0.5)),
    "vae_edge.pictures.Treatment": lambda: resolve("vae_edge.pictures.Treatment").parse(28, "fit", True),
    "vae_edge.export.Bernoulli": of("vae_edge.export.Bernoulli", logits=0),
    "vae_edge.export.Categorical": of("vae_edge.export.Categorical", logits="x"),
    "vae_edge.export.Deterministic": of("vae_edge.export.Deterministic", loc=0),
    "vae_edge.export.DiscretizedLogistic": of("vae_edge.export.DiscretizedLogistic", loc=0, log_scale=1),
    "vae_edge.export.Image": of("vae_edge.export.Image", 28, 28, 1, threshold=None),
    "vae_edge.export.Index": of("vae_edge.export.Index", 10),
    "vae_edge.export.MultivariateNormalTriL": of("vae_edge.export.MultivariateNormalTriL", loc=0, scale_tril=1),
    "vae_edge.export.Normal": of("vae_edge.export.Normal", loc=0, log_var=1),
    "vae_edge.export.OneHot": of("vae_edge.export.OneHot", 10),
    "vae_edge.export.Part": of("vae_edge.export.Part", 0, 1, 2),
    "vae_edge.export.Plan": None,  # holds the user's own functions
    "vae_edge.export.Vector": of("vae_edge.export.Vector", 3),
    "vae_edge.train.config.Config": of("vae_edge.train.config.Config", epochs=3),
    "vae_edge.train.data.Dataset": dataset,
}


def example(name: str) -> Any:
    found = resolve(name)
    if inspect.isclass(found) and issubclass(found, VaeEdgeError):
        error = found("it should be 3, it is 4: give 3")
        error.add_note("in the batch from 512")
        return error
    if inspect.isclass(found):
        assert name in EXAMPLES, f"{name} is public: say here how one is made, so that its round trip is tested"
        return EXAMPLES[name] and EXAMPLES[name]()
    return found  # a function, or a constant


def is_plain(value: Any) -> bool:
    """Functions and classes, and what has no attributes of Python's, compare by themselves."""
    return inspect.isroutine(value) or inspect.isclass(value) or not hasattr(value, "__dict__")


def content(value: Any) -> Any:
    """All that a value holds, in a form that `==` compares; a VAE by what it gives."""
    if isinstance(value, VAE):
        p = value.decode(value.prior.sample(2, seed=3), **({"label": 0} if value.labels else {}))
        return content(p), value.manifest, value.provider, value.threads, repr(value)
    if isinstance(value, Flow):  # its graphs run in sessions, which differ
        z = value.sample(2, seed=3)
        return content(z), content(value.log_prob(z)), repr(value)
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, (list, tuple)):
        return [content(each) for each in value]
    if isinstance(value, dict):
        return {key: content(each) for key, each in value.items()}
    if isinstance(value, (str, bytes, int, float, type(None), enum.Enum, Path)) or is_plain(value):
        return value
    state = {key: content(each) for key, each in vars(value).items()}
    return type(value), getattr(value, "args", ()), state


TRIPS = {
    f"pickle {protocol}": (lambda value, protocol=protocol: pickle.loads(pickle.dumps(value, protocol)))
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
} | {"copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("name", public())
def test_a_public_object_arrives_as_it_was_sent(name):
    sent = example(name)
    if sent is None:
        return
    before = content(sent)
    for way, trip in TRIPS.items():
        arrived = trip(sent)
        assert type(arrived) is type(sent), way
        assert content(arrived) == before, way
    assert content(sent) == before


@pytest.mark.parametrize(
    "name", [name for name in EXAMPLES if name.startswith("vae_edge.runtime") and EXAMPLES[name] is not None]
)
def test_a_distribution_that_arrives_draws_the_same_and_stays_unchanged(name):
    sent = example(name)
    if not hasattr(sent, "sample"):
        return
    arrived = pickle.loads(pickle.dumps(sent))
    assert repr(arrived) == repr(sent)
    assert (arrived.sample(4, seed=1, start=3) == sent.sample(4, seed=1, start=3)).all()
    for value in vars(arrived).values():
        assert not (isinstance(value, np.ndarray) and value.flags.writeable)


def test_what_a_users_events_become_travels_with_a_likelihood():
    p = decoded()
    pixels = np.full((1, 6, 4), 200, np.uint8)
    assert pickle.loads(pickle.dumps(p)).log_prob(pixels) == p.log_prob(pixels)


def test_each_example_is_of_a_public_name():
    assert set(EXAMPLES) - set(public()) == set()


def test_a_new_public_class_is_not_forgotten(monkeypatch):
    import vae_edge.runtime as room

    class New:
        pass

    monkeypatch.setattr(room, "New", New, raising=False)
    monkeypatch.setattr(room, "__all__", [*room.__all__, "New"])
    assert "vae_edge.runtime.New" in public()
    with pytest.raises(AssertionError, match="New is public"):
        example("vae_edge.runtime.New")
