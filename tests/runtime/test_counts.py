"""What a call costs, in counts that no busy machine changes: session runs, and arrays of the images' size."""

from __future__ import annotations

import numpy as np
import pytest

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
