"""A VAE goes to other processes, threads and machines: as a path and a digest, or with its bytes; never with a session.

Functions here run in other processes, so each takes all it needs.
"""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import pickle
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from vae_edge.runtime import VAE, BundleNotFound, IntegrityError, ProviderError
from vae_edge.runtime.bundle import read

METHODS = [
    pytest.param(method, marks=pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"))
    for method in multiprocessing.get_all_start_methods()
]


@pytest.fixture
def folder(tiny, tmp_path):
    return Path(shutil.copytree(tiny, tmp_path / "sent"))


def share(vae, start):
    return vae.generate(3, head="sample", seed=5, start=start)


def told(vae):
    return repr(vae)


@pytest.fixture
def expected(vae):
    return vae.generate(12, head="sample", seed=5)


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_of_processes_makes_what_one_process_makes(method, vae, expected):
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        parts = pool.map(partial(share, VAE.load(vae.bundle.folder, threads=1)), range(0, 12, 3))
        assert (np.concatenate(list(parts)) == expected).all()
        assert (pool.submit(vae.generate, 12, head="sample", seed=5).result() == expected).all()  # a bound method
    with context.Pool(1) as pool:
        assert (pool.apply(share, (vae, 0)) == expected[:3]).all()


def test_joblib_takes_it_to_its_processes_and_threads(vae, expected):
    joblib = pytest.importorskip("joblib")
    for backend in ("loky", "multiprocessing", "threading"):
        parts = joblib.Parallel(2, backend=backend)(joblib.delayed(share)(vae, at) for at in range(0, 12, 3))
        assert (np.concatenate(parts) == expected).all()


def test_many_tasks_of_asyncio_and_of_threads_share_one(vae, expected):
    arrived = pickle.loads(pickle.dumps(vae))  # it is opened by whoever comes first

    async def work():
        return await asyncio.gather(*(asyncio.to_thread(share, arrived, at) for at in range(0, 12, 3)))

    assert (np.concatenate(asyncio.run(work())) == expected).all()
    arrived = pickle.loads(pickle.dumps(VAE(vae.bundle)))
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(partial(share, arrived), list(range(0, 12, 3)) * 8))
    assert (np.concatenate(parts[-4:]) == expected).all()


def test_a_path_is_some_hundred_bytes_and_a_bundle_brings_its_own(vae, folder, expected):
    sent = pickle.dumps(VAE.load(folder))
    assert len(sent) < 1000
    whole = pickle.dumps(VAE(read(folder)))
    shutil.rmtree(folder)
    arrived = pickle.loads(whole)
    assert (arrived.generate(12, head="sample", seed=5) == expected).all()
    assert arrived.bundle.files == vae.bundle.files


def test_options_travel_as_they_were_given(tiny):
    sent = VAE.load(tiny, provider="cpu", threads=3, spin=True, max_elements=1 << 20, max_file_bytes=1 << 20)
    arrived = pickle.loads(pickle.dumps(sent))
    assert arrived._opened.origin.options == {
        "provider": "cpu", "provider_options": None, "threads": 3, "spin": True, "max_elements": 1 << 20
    }  # fmt: skip
    assert (arrived.threads, arrived.provider, arrived._opened.origin.max_file_bytes) == (
        3,
        "CPUExecutionProvider",
        1 << 20,
    )
    assert (
        pickle.loads(pickle.dumps(VAE.load(tiny)))._opened.origin.options["threads"] is None
    )  # as many as there are there
    given = VAE.load(tiny, provider="cpu", provider_options={"arena_extend_strategy": "kSameAsRequested"})
    assert pickle.loads(pickle.dumps(given))._opened.origin.options["provider_options"] == {
        "arena_extend_strategy": "kSameAsRequested"
    }


def test_a_relative_path_means_the_senders_folder(folder, expected, monkeypatch, tmp_path):
    monkeypatch.chdir(folder.parent)
    vae = VAE.load("./sent")
    monkeypatch.chdir(tmp_path.parent)
    assert (pickle.loads(pickle.dumps(vae)).generate(12, head="sample", seed=5) == expected).all()


def test_a_built_in_bundle_goes_by_its_name(monkeypatch):
    assert b"artifacts" not in pickle.dumps(VAE.load("mnist"))
    assert repr(pickle.loads(pickle.dumps(VAE.load("mnist")))).startswith("<VAE of the bundle 'mnist', which is built")


def test_what_arrives_says_that_it_is_not_opened_yet(folder):
    arrived = pickle.loads(pickle.dumps(VAE.load(folder)))
    assert repr(arrived).endswith("not opened yet>")
    assert str(folder) in repr(arrived)
    assert arrived.latent_size == 3
    arrived.generate(1)
    assert repr(arrived).startswith("<VAE 'tiny'")


def test_a_folder_that_is_absent_is_said_where_it_is_used_and_a_pool_survives_it(folder, vae):
    sent = VAE.load(folder)
    shutil.rmtree(folder)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(BundleNotFound, match=r"loaded from .*sent, where no bundle lies here .* VAE\(vae.bundle\)"):
            pool.submit(share, sent, 0).result()
        assert pool.submit(told, sent).result().endswith("not opened yet>")
        assert pool.submit(share, vae, 0).result().shape == (3, 6, 4, 1)


def test_a_folder_that_has_changed_is_said(folder, make_bundle, tmp_path):
    sent = pickle.dumps(VAE.load(folder))
    shutil.rmtree(folder)
    make_bundle(name="other").rename(folder)
    with pytest.raises(
        IntegrityError, match=r"loaded from .*sent with the digest [0-9a-f]{12}\.\.\., .* changed since"
    ):
        pickle.loads(sent).generate(1)


def test_bytes_that_were_changed_on_their_way_are_said(vae):
    sent = pickle.dumps(VAE(vae.bundle))
    weights = vae.bundle.files["decoder.onnx"]
    assert sent.count(weights) == 1
    changed = sent.replace(weights, weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=r"decoder\.onnx should have SHA-256 [0-9a-f]{12}\.\.\., it has"):
        pickle.loads(changed).generate(1)


def test_a_provider_that_is_not_there_is_said_where_it_is_used(tiny, monkeypatch):
    vae = VAE.load(tiny)
    vae._opened.origin = type(vae._opened.origin).of(vae.bundle, vae._opened.origin.options | {"provider": "coreml"})
    arrived = pickle.loads(pickle.dumps(vae))
    with pytest.raises(ProviderError, match="CoreML"):
        arrived.generate(1)


def test_a_worker_opens_a_bundle_once_however_often_it_arrives(folder, monkeypatch):
    from vae_edge.runtime import bundle

    sent, reads, original = pickle.dumps(VAE.load(folder)), [], bundle.read
    monkeypatch.setattr(bundle, "read", lambda *each, **options: reads.append(each) or original(*each, **options))
    for _ in range(20):
        pickle.loads(sent).generate(1)
    assert len(reads) == 1


def test_copies_share_sessions_and_deep_copies_have_their_own(folder, expected):
    vae = VAE.load(folder)
    shutil.rmtree(folder)  # neither reads it again
    shallow, deep = copy.copy(vae), copy.deepcopy(vae)
    assert shallow.model is vae.model
    assert deep.model is not vae.model
    assert deep.model.decoder.inference_session is not vae.model.decoder.inference_session
    for each in (shallow, deep, copy.deepcopy(deep)):
        assert (each.generate(12, head="sample", seed=5) == expected).all()


def test_a_class_of_ones_own_travels_with_what_it_holds(tiny, expected, monkeypatch):
    class Mine(VAE):
        note = ""

    monkeypatch.setattr(sys.modules[__name__], "Mine", Mine, raising=False)
    Mine.__qualname__ = "Mine"
    mine = Mine.load(tiny)
    mine.note = "kept"
    for arrived in (pickle.loads(pickle.dumps(mine)), copy.deepcopy(mine)):
        assert type(arrived) is Mine
        assert arrived.note == "kept"
        assert (arrived.generate(12, head="sample", seed=5) == expected).all()


def test_a_notebook_shows_it_in_one_line_and_its_pictures_as_pictures(tiny, monkeypatch, tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    cells = [
        f"from vae_edge import pictures\nfrom vae_edge.runtime import VAE\nvae = VAE.load({str(tiny)!r}); vae",
        "pictures.show(vae.generate(4))",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120).execute()
    line, picture = (cell.outputs[0].data for cell in notebook.cells)
    assert set(line) == {"text/plain"}
    assert line["text/plain"].startswith("<VAE 'tiny': 6x4x1 images")
    assert len(line["text/plain"].splitlines()) == 1
    assert {"text/plain", "image/png"} == set(picture)
    assert picture["text/plain"] == "<Picture of 60 x 44 pixels, grey>"
