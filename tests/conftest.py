"""What many tests read: the tiny bundle (tests/runtime/make_tiny.py made it), and others made of it."""

from __future__ import annotations

import dataclasses
import gc
import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from vae_edge.runtime import VAE, UnsafeBundle
from vae_edge.runtime.bundle import guard, manifest, read

Make = Callable[..., Path]
AtOnce = Callable[[], AbstractContextManager[None]]

A_SECOND = 50  # times counting to a million: about a second of CPU, on a machine as fast as it is just then

settings.register_profile("suite", deadline=None)  # a busy machine is no failure
settings.load_profile("suite")


def pytest_report_header() -> str:
    """What cannot be tested here, said first."""
    if importlib.util.find_spec("tensorflow") is None:
        return "TensorFlow is not installed: tests/learn is left out, and what compares with it is skipped"
    return "TensorFlow is installed: everything is tested"


@pytest.fixture(scope="session")
def tiny() -> Path:
    """A bundle of two hand-made graphs: images of 6 x 4 x 1, a latent of 3, a normal prior."""
    return Path(__file__).parent / "runtime" / "tiny"


@pytest.fixture(scope="session")
def vae(tiny: Path) -> VAE:
    return VAE.load(tiny)


@pytest.fixture
def make_bundle(tiny: Path, tmp_path: Path) -> Make:
    """Writes the tiny bundle with other bytes for some files, and other fields in its manifest, sealed again."""

    def make(files: dict[str, bytes] | None = None, folder: str = "bundle", **changes: object) -> Path:
        source = read(tiny)
        contents = source.files | (files or {})
        said = dataclasses.replace(source.manifest, **changes)

        def described(file: manifest.File) -> manifest.File:
            data = contents[file.name]
            return manifest.File.of(file.name, data)

        if said.prior.file is not None:
            said = dataclasses.replace(said, prior=dataclasses.replace(said.prior, file=described(said.prior.file)))

        def priced(graph: manifest.Graph) -> manifest.Graph:
            """A changed graph costs something else; one that the guard refuses keeps what the manifest says."""
            changed = dataclasses.replace(graph, file=described(graph.file))
            if graph.file.name not in (files or {}):
                return changed
            try:
                cost = guard.check(contents[graph.file.name], graph.file.name)
            except UnsafeBundle:
                return changed
            return dataclasses.replace(changed, opset=cost.opset, multiply_adds=cost.multiply_adds)

        graphs = {name: priced(graph) for name, graph in said.graphs.items()}
        said = dataclasses.replace(said, graphs=graphs, probe=described(said.probe))
        target = tmp_path / folder
        target.mkdir()
        for name, data in contents.items():
            (target / name).write_bytes(data)
        (target / "manifest.json").write_bytes(manifest.render(manifest.seal(said)))
        return target

    return make


@pytest.fixture(scope="session")
def bundle_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the bundle of one of `tests.bundles.KINDS`, written once."""
    pytest.importorskip("onnx")
    from tests import bundles

    folder, written = tmp_path_factory.mktemp("bundles"), dict[str, Path]()

    def find(kind: str) -> Path:
        if kind not in written:
            written[kind] = bundles.build(kind).write(folder / kind)
        return written[kind]

    return find


@pytest.fixture
def no_garbage_of_others() -> Iterator[None]:
    """A collection walks through all that is there: in a process that holds TensorFlow it takes a second."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def at_once(no_garbage_of_others: None) -> AtOnce:
    """A block that takes this thread no more CPU than counting to 50 million would, just before."""

    @contextmanager
    def limit() -> Iterator[None]:
        before = time.thread_time()
        for _ in range(1_000_000):
            pass
        counted = time.thread_time()
        yield
        assert time.thread_time() - counted < A_SECOND * (counted - before)

    return limit
