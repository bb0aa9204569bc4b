from __future__ import annotations

import numpy as np
import pytest

from vae_edge.runtime import VAE, CheckFailed, InputError, IntegrityError, probe
from vae_edge.runtime.bundle import npz
from vae_edge.runtime.bundle.manifest import Spec


def arrays(vae) -> dict[str, np.ndarray]:
    image, latent = (-1, 6, 4, 1), (-1, 3)
    shapes = {"image": ("|u1", image), "loc": ("<f4", latent), "scale": ("<f4", latent), "z": ("<f4", latent)}
    return npz.parse(vae.bundle.files["probe.npz"], "probe.npz", shapes | {"logits": ("<f4", image)})


def test_a_good_bundle_passes_and_says_by_how_much(vae):
    differences = probe.check(vae)
    assert list(differences) == ["loc", "scale", "logits"]
    assert max(differences.values()) < 1e-6


@pytest.mark.parametrize("name", ["loc", "scale", "logits"])
@pytest.mark.parametrize("off", [2e-4, np.nan, np.inf])
def test_a_difference_fails_the_check_and_is_named(vae, make_bundle, name, off):
    changed = arrays(vae)
    changed[name].flat[5] += off * max(1, abs(changed[name].flat[5]))
    other = VAE.load(make_bundle({"probe.npz": probe.render(changed, vae.manifest)}))
    with pytest.raises(CheckFailed, match=f"'tiny' on CPUExecutionProvider: {name} differs"):
        probe.check(other)
    if np.isfinite(off):
        assert probe.check(other, tolerance=1e-3)[name] == pytest.approx(off, rel=0.01)


def test_differences_are_relative_to_large_values_unless_they_are_asked_for_as_they_are():
    value, expected = np.array([0.5, 202.0], np.float32), np.array([0.25, 200.0], np.float32)
    assert probe.compare(value, expected) == 0.25  # 0.25 / max(1, 0.25), and 2 / 200
    assert probe.compare(value, expected, relative=False) == 2
    assert np.isnan(probe.compare(np.array([np.inf]), np.array([np.inf])))


def test_a_probe_that_does_not_fit_is_an_integrity_error(vae, make_bundle):
    whole = arrays(vae)
    for i, changed in enumerate(({"z": whole["z"][:3]}, {key: value[:0] for key, value in whole.items()})):
        with pytest.raises(IntegrityError, match="as many of each"):
            probe.check(VAE.load(make_bundle({"probe.npz": probe.render(whole | changed, vae.manifest)}, f"bundle{i}")))


def test_a_tolerance_is_positive(vae):
    for tolerance in (0, -1, np.nan):
        with pytest.raises(InputError, match="tolerance should be positive"):
            probe.check(vae, tolerance)


def test_an_autoencoder_is_checked_too(make_bundle):
    points = Spec("deterministic", (3,), {"loc": "loc"})
    found = probe.check(VAE.load(make_bundle(posterior=points, prior=Spec("none", (3,)))))
    assert list(found) == ["loc", "logits"]
    assert max(found.values()) < 1e-6


def test_a_bundle_of_another_precision_brings_its_own_tolerance(vae, make_bundle):
    changed = arrays(vae)
    changed["scale"].flat[0] += 0.02
    for i, (scale, fails) in enumerate(((0.03, False), (0.01, True))):
        data = probe.render(changed, vae.manifest, tolerance=[1e-4, scale, 1e-4])
        other = VAE.load(make_bundle({"probe.npz": data}, f"bundle{i}", precision="int8"))
        assert probe.allowed(other) == pytest.approx({"loc": 1e-4, "scale": scale, "logits": 1e-4})
        if fails:
            with pytest.raises(CheckFailed, match=r"scale differs from what it was at export by 0\.02"):
                probe.check(other)
        else:
            assert probe.check(other)["scale"] == pytest.approx(0.02, rel=0.01)


def test_a_tolerance_belongs_to_another_precision_alone(vae, make_bundle):
    with_one = probe.render(arrays(vae), vae.manifest, tolerance=[1, 1, 1])
    for i, (data, precision) in enumerate(((with_one, "fp32"), (probe.render(arrays(vae), vae.manifest), "fp16"))):
        with pytest.raises(IntegrityError, match="should hold"):
            probe.check(VAE.load(make_bundle({"probe.npz": data}, f"bundle{i}", precision=precision)))
