"""What a call costs, in counts that no busy machine changes: session runs, and arrays of the images' size."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vae_edge import runtime
from vae_edge.runtime import HEADS, VAE, parallel
from vae_edge.runtime.distributions import Bernoulli

BATCH = 256


@pytest.fixture
def spied(tiny):
    """A VAE, and what its sessions gave: (name, outputs) of each run."""
    vae, runs = VAE.load(tiny, threads=1), []
    for name, session in (("encoder", vae.model.encoder), ("decoder", vae.model.decoder)):

        def run(batch, condition=None, name=name, inner=session.run):
            runs.append((name, inner(batch, condition)))
            return runs[-1][1]

        session.run = run
    return vae, runs


def batches(n: int) -> list[int]:
    return [min(BATCH, n - at) for at in range(0, n, BATCH)]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("n", [1, 64, BATCH, BATCH + 1, 1000])
def test_a_batch_is_one_run_of_the_decoder_and_no_other(spied, n, head):
    vae, runs = spied
    vae.generate(n, head=head)
    assert [(name, len(outputs[0])) for name, outputs in runs] == [("decoder", size) for size in batches(n)]
    runs.clear()
    for _ in vae.stream(n, head=head):
        pass
    assert [(name, len(outputs[0])) for name, outputs in runs] == [("decoder", size) for size in batches(n)]


@pytest.mark.parametrize("n", [1, BATCH, 600])
def test_reconstruction_is_one_run_of_each_graph_a_batch(spied, n):
    vae, runs = spied
    vae.reconstruct(np.zeros((n, 6, 4)))
    sizes = batches(n)
    assert sorted((name, len(outputs[0])) for name, outputs in runs) == sorted(
        (name, size) for name in ("encoder", "decoder") for size in sizes
    )


@pytest.mark.parametrize("head", HEADS)
def test_a_batch_is_painted_on_the_array_that_the_session_gave(spied, head):
    vae, runs = spied
    images = vae.generate(BATCH, head=head)
    assert images is runs[-1][1][0]
    assert vae.reconstruct(np.zeros((7, 6, 4)), head=head) is runs[-1][1][0]


@pytest.mark.parametrize("head", HEADS)
def test_more_batches_are_painted_where_they_are_returned(spied, head, monkeypatch):
    vae, runs = spied
    painted, inner = [], Bernoulli.write

    def paint(self, head, out, **rest):
        painted.append((self.logits, out))
        inner(self, head, out, **rest)

    monkeypatch.setattr(Bernoulli, "write", paint)
    images = vae.generate(1000, head=head)
    assert all(logits is outputs[0] for (logits, _), (_, outputs) in zip(painted, runs, strict=True))
    starts = [out.__array_interface__["data"][0] - images.__array_interface__["data"][0] for _, out in painted]
    assert starts == [at * images.strides[0] for at in range(0, 1000, BATCH)]


def test_two_threads_share_what_is_worth_waking_one(tiny, monkeypatch):
    vae, runs = VAE.load(tiny, threads=2), []
    for session in (vae.model.encoder, vae.model.decoder):
        session.run = lambda batch, condition, inner=session.run: runs.append(len(batch)) or inner(batch, condition)
    costs = {"encoder": vae.manifest.encoder.multiply_adds, "decoder": vae.manifest.decoder.multiply_adds}
    monkeypatch.setattr(parallel, "_WORTH", 16 * min(costs.values()))
    shares = {
        name: [part.stop - part.start for part in parallel.parts(64, 2, cost, BATCH)] for name, cost in costs.items()
    }
    assert len(shares["encoder"]) > 1 < len(shares["decoder"])
    vae.generate(64)
    assert sorted(runs) == sorted(shares["decoder"])
    runs.clear()
    vae.reconstruct(np.zeros((64, 6, 4)))
    assert sorted(runs) == sorted(shares["encoder"] + shares["decoder"])


def test_a_graph_of_heavy_images_is_split_within_its_operators(tiny, monkeypatch):
    light = VAE.load(tiny, threads=2)
    assert (light.model.decoder._threads, light.model._workers) == (1, 2)
    monkeypatch.setattr(parallel, "HEAVY", 144)
    heavy = VAE.load(tiny, threads=2)
    assert (heavy.model.decoder._threads, heavy.model._workers) == (2, 1)


def test_threads_that_spin_split_operators(tiny):
    """The crew's threads sleep between calls, whatever `spin` says: those of ONNX Runtime have to do the work."""
    spinning = VAE.load(tiny, threads=2, spin=True)
    assert (spinning.model.decoder._threads, spinning.model._workers) == (2, 1)
    assert (
        spinning.model.decoder.inference_session.get_session_options().get_session_config_entry(
            "session.intra_op.allow_spinning"
        )
        == "1"
    )


def calls(work: Callable[[], object]) -> int:
    """How many functions the runtime's own code enters and calls; those within NumPy and ONNX Runtime do not count."""
    ours, count = str(Path(runtime.__file__).parent), 0

    def note(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call") and frame.f_code.co_filename.startswith(ours)

    work()  # the first call builds what later ones find
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_one_event_takes_few_calls_around_its_session():
    """What an interactive app waits for: each call here costs about as much as a multiplication of all its pixels."""
    vae = VAE.load("mnist", threads=1)
    z = vae.prior.sample(1, seed=0)
    assert calls(lambda: vae.decode(z)) <= 38
    assert calls(lambda: vae.decode(z).mean()) <= 42
    assert calls(lambda: vae.prior.sample(1, seed=0)) <= 54
    for head, most in (("mean", 99), ("mode", 99), ("sample", 114)):
        assert calls(lambda head=head: vae.generate(1, head=head)) <= most


def test_threads_draw_in_turn(tiny, monkeypatch):
    """NumPy's short steps on two threads at once make both wait for the interpreter's lock."""
    monkeypatch.setattr(parallel, "_WORTH", 1)
    vae = VAE.load(tiny, threads=4)
    drawing, most, inner = [], [], type(vae.prior).sample

    def sample(self, *arguments, **keywords):
        drawing.append(1)
        most.append(len(drawing))
        time.sleep(0.01)
        drawn = inner(self, *arguments, **keywords)
        drawing.pop()
        return drawn

    monkeypatch.setattr(type(vae.prior), "sample", sample)
    vae.generate(256)
    assert len(most) > 1
    assert max(most) == 1
