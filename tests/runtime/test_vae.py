from __future__ import annotations

import inspect
import itertools
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_edge.runtime import HEADS, VAE, Bernoulli, BundleNotFound, InputError, Mixture, Normal
from vae_edge.runtime import vae as vae_module


def test_it_says_what_it_is(vae):
    assert (vae.latent_size, vae.event_shape, vae.provider) == (3, (6, 4, 1), "CPUExecutionProvider")
    assert vae.manifest.name == "tiny"
    assert (vae.prior.batch_shape, vae.prior.event_shape) == ((), (3,))


def test_encode_and_decode_give_distributions(vae, images):
    q = vae.encode(images)
    p = vae.decode(q.sample(seed=0))
    assert isinstance(q, Normal)
    assert isinstance(p, Bernoulli)
    assert (q.loc.shape, q.scale.shape, p.logits.shape) == ((7, 3), (7, 3), (7, 6, 4, 1))
    assert p.log_prob(vae.reconstruct(images)).shape == (7,)


@pytest.mark.parametrize(
    ("method", "head"), [("generate", "mean"), ("stream", "mean"), ("reconstruct", "mode"), ("interpolate", "mean")]
)
def test_what_is_not_said_is_seed_0_from_draw_0_on(method, head):
    defaults = {name: each.default for name, each in inspect.signature(getattr(VAE, method)).parameters.items()}
    assert (defaults["seed"], defaults.get("start", 0), defaults["head"]) == (0, 0, head)
    assert defaults.get("batch_size", 256) == 256


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_a_code_that_is_no_number_is_named_before_the_decoder_sees_it(vae, bad):
    with pytest.raises(InputError, match=r"^z should be finite in float32"):
        vae.decode(np.array([[0, 1, 2], [0, bad, 2]], np.float64))


@pytest.mark.parametrize("head", HEADS)
def test_generate_is_the_prior_the_decoder_and_a_head(vae, head):
    p = vae.decode(vae.prior.sample(5, seed=3))
    expected = p.sample(seed=3) if head == "sample" else getattr(p, head)()
    generated = vae.generate(5, head=head, seed=3)
    assert generated.dtype == np.float32
    np.testing.assert_allclose(generated, expected, rtol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_reconstruct_is_the_encoder_the_decoder_and_a_head(vae, images, head):
    q = vae.encode(images)
    for latent, z in (("mean", q.mean()), ("sample", q.sample(seed=3))):
        p = vae.decode(z)
        expected = p.sample(seed=3) if head == "sample" else getattr(p, head)()
        np.testing.assert_allclose(vae.reconstruct(images, head=head, latent=latent, seed=3), expected, rtol=1e-6)


@given(head=st.sampled_from(HEADS), n=st.integers(1, 20), start=st.integers(0, 2**62), size=st.integers(1, 25))
def test_image_i_is_the_same_in_any_request(vae, head, n, start, size):
    series = vae.generate(n, head=head, seed=1, start=start)
    batches = list(vae.stream(n, head=head, seed=1, start=start, batch_size=size))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    # the noise is identical; ONNX Runtime's arithmetic may differ in the last bits between batch sizes
    np.testing.assert_allclose(np.concatenate(batches), series, atol=0 if head != "mean" else 1e-6)
    np.testing.assert_allclose(vae.generate(1, head=head, seed=1, start=start + n - 1), series[-1:], atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_large_requests_are_made_in_chunks_of_the_same_images(vae, images, monkeypatch, head):
    many = np.concatenate([images] * 3)
    whole = vae.generate(20, head=head), vae.reconstruct(many, head=head), vae.encode(many).loc
    monkeypatch.setattr(vae_module, "BATCH_SIZE", 6)
    chunked = vae.generate(20, head=head), vae.reconstruct(many, head=head), vae.encode(many).loc
    for one, other in zip(whole, chunked, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_threads_of_onnx_runtime_change_nothing(tiny, vae):
    two = VAE.load(tiny, threads=2, spin=True)
    for head in HEADS:
        np.testing.assert_allclose(two.generate(64, head=head), vae.generate(64, head=head), atol=1e-6)


def test_many_threads_may_use_one_vae(vae, images):
    calls = [
        *(lambda head=head: vae.generate(4, head=head, seed=5) for head in HEADS),
        lambda: vae.reconstruct(images, latent="sample", head="sample"),
    ]
    expected = [call() for call in calls]
    differences = []

    def work():
        for call, wanted in itertools.islice(itertools.cycle(zip(calls, expected, strict=True)), 200):
            if not np.array_equal(call(), wanted):
                differences.append(call)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert differences == []


def test_a_stream_has_no_end_in_sight_and_no_weight(vae):
    stream = vae.stream(10**12, head="sample", batch_size=100)
    next(stream)
    tracemalloc.start()
    for _ in range(200):
        next(stream)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert len(next(vae.stream(10**12, start=10**15))) == vae_module.BATCH_SIZE


def test_a_stream_says_what_is_wrong_before_its_first_batch(vae, autoencoder):
    for bad in (
        {"n": 0},
        {"n": 3, "head": "median"},
        {"n": 3, "seed": -1},
        {"n": 3, "start": -1},
        {"n": 3, "batch_size": 0},
    ):
        with pytest.raises(InputError):
            vae.stream(**bad)
    with pytest.raises(InputError, match="autoencoder"):
        autoencoder.stream(3)


def test_interpolation_begins_and_ends_at_the_two_images(vae, images):
    a, b = images[:2]
    path = vae.interpolate(a, b, 5)
    assert path.shape == (5, 6, 4, 1)
    np.testing.assert_allclose(path[[0, -1]], vae.reconstruct(images[:2], head="mean"), atol=1e-6)
    middle = vae.decode(vae.encode(images[:2]).loc.mean(axis=0, keepdims=True)).mean()
    np.testing.assert_allclose(path[2:3], middle, atol=1e-6)
    with pytest.raises(InputError, match="one event each"):
        vae.interpolate(images, b, 5)


def test_a_mixture_prior_is_drawn_from(mixture_vae):
    prior = mixture_vae.prior
    assert isinstance(prior, Mixture)
    assert prior.scale_tril[0].tolist() == [[1, 0, 0], [0.5, 2, 0], [-1, 0.25, 1]]
    expected = mixture_vae.decode(prior.sample(600, seed=2)).mean()
    np.testing.assert_allclose(mixture_vae.generate(600, seed=2), expected, atol=1e-6)


def test_an_autoencoder_reconstructs_and_has_no_prior(autoencoder, vae, images):
    assert np.array_equal(autoencoder.reconstruct(images), vae.reconstruct(images))
    for generating in (lambda: autoencoder.prior, lambda: autoencoder.generate(1)):
        with pytest.raises(InputError, match="it has no prior to generate from"):
            generating()


@pytest.mark.parametrize(
    "call",
    [
        *(lambda vae, n=n: vae.generate(n) for n in (0, -1, 1.5, "3", None, True, 10**30, [1])),
        *(lambda vae, h=h: vae.generate(1, head=h) for h in ("median", "", None, 1, ["mean"])),
        *(lambda vae, s=s: vae.generate(1, seed=s) for s in (-1, 2**64, 0.5, "x", None)),
        lambda vae: vae.generate(1, start=-1),
        lambda vae: vae.generate(2, start=2**63 - 1),
        lambda vae: vae.generate(10**15),
        lambda vae: vae.reconstruct(np.zeros((1, 6, 4, 1)), latent="mode"),
        lambda vae: vae.reconstruct(np.zeros((1, 6, 4, 1)), head="x"),
        lambda vae: vae.interpolate(np.zeros((6, 4)), np.zeros((6, 4)), 0),
        *(
            lambda vae, z=z: vae.decode(z)
            for z in (
                np.zeros((1, 4)),
                np.zeros(3),
                np.zeros((0, 3)),
                np.zeros((2, 1, 3)),
                np.full((1, 3), np.nan),
                np.full((1, 3), np.inf),
                np.full((1, 3), 1e300),
                np.zeros((1, 3), bool),
                np.zeros((1, 3), complex),
                np.zeros((1, 3), object),
                [["a", "b", "c"]],
                [[1, 2, 3], [1]],
                None,
            )
        ),
    ],
)
def test_bad_input_is_named(vae, call):
    with pytest.raises(InputError, match=r"should|do not fit in memory"):
        call(vae)


def test_an_unknown_head_is_answered_with_all_heads(vae):
    with pytest.raises(InputError, match="one of sample, mean, mode; it is 'median'"):
        vae.generate(1, head="median")


def test_latents_may_be_of_any_real_dtype_and_layout(vae):
    z = np.arange(12).reshape(4, 3) - 5
    expected = vae.decode(z.astype(np.float32)).logits
    for same in (z, z.astype(np.float64), z.astype(np.int8), np.asfortranarray(z), z.tolist(), z.repeat(2, 0)[::2]):
        assert np.array_equal(vae.decode(same).logits, expected)


def test_a_missing_bundle_is_answered_with_those_that_are_there():
    with pytest.raises(BundleNotFound, match=r"no bundle 'nonesuch'.*built in"):
        VAE.load("nonesuch")
