"""A decoder with uncertain weights is an ensemble: each member is the same network everywhere, by the seed contract."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests import bundles
from vae_edge.runtime import VAE, InputError, IntegrityError, ManifestError, UnsafeBundle
from vae_edge.runtime import members as ensembles
from vae_edge.runtime.bundle import deviations, manifest, npz, reading
from vae_edge.runtime.evaluation import likelihood
from vae_edge.runtime.members import weights_of
from vae_edge.runtime.noise import Purpose, normals

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.uncertain("mnist-tiny", tmp_path_factory.mktemp("members") / "ensemble")


@pytest.fixture
def vae(folder: Path) -> VAE:
    return VAE.load(folder, threads=2)


def by_hand(vae: VAE, z: np.ndarray, member: int) -> np.ndarray:
    """Logits of a graph into which `onnx` has put the weights that the page of the seed contract says."""
    said = vae.manifest.deviations
    assert said is not None
    scale = npz.parse(vae.bundle[said.file], "weights.npz", {"scale": ("<f4", (-1,))})["scale"]
    eps = normals(0, Purpose.WEIGHT, member, 1, len(scale))[0]
    model = onnx.load_model_from_string(vae.bundle[vae.manifest.decoder.file])
    at = 0
    for name in said.weights:
        weight = next(each for each in model.graph.initializer if each.name == name)
        loc = onnx.numpy_helper.to_array(weight)
        here = slice(at, at + loc.size)
        new = (eps[here] * scale[here]).reshape(loc.shape) + loc
        weight.CopyFrom(onnx.numpy_helper.from_array(new.astype(np.float32), name))
        at += loc.size
    assert at == len(scale)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"z": z})[0]


@pytest.mark.parametrize("member", [0, 3, 2**63 - 1])
def test_a_member_has_the_weights_that_the_contract_says(vae: VAE, member: int) -> None:
    z = vae.prior.sample(8, seed=0)
    found = vae.decode(z, member=member).logits
    assert (found == by_hand(vae, z, member)).all()
    assert np.abs(found - vae.decode(z).logits).max() > 0.1


def test_members_differ_and_without_one_the_means_decode(vae: VAE, folder: Path) -> None:
    z = vae.prior.sample(4, seed=1)
    assert np.abs(vae.decode(z, member=0).logits - vae.decode(z, member=1).logits).max() > 0.1
    assert (vae.decode(z).logits == VAE.load("mnist-tiny", threads=2).decode(z).logits).all()


@pytest.mark.parametrize(("members", "start"), [(1, 0), (3, 0), (16, 5), (64, 2)])
def test_image_i_is_decoded_by_member_i_mod_members(vae: VAE, members: int, start: int) -> None:
    n = 21
    z = vae.prior.sample(n, seed=7, start=start)
    expected = np.concatenate([vae.decode(z[i : i + 1], member=(start + i) % members).mean() for i in range(n)])
    found = vae.generate(n, seed=7, start=start, members=members)
    assert np.abs(found - expected).max() < 1e-5
    streamed = np.concatenate(list(vae.stream(n, seed=7, start=start, members=members, batch_size=4)))
    assert np.abs(streamed - expected).max() < 1e-5


def test_pixels_keep_their_noise_whoever_decodes(vae: VAE) -> None:
    z = vae.prior.sample(6, seed=2)
    found = vae.generate(6, head="sample", seed=2, members=2)
    for i in range(6):
        p = vae.decode(z[i : i + 1], member=i % 2)
        assert (found[i] == p.sample(seed=2, start=i)[0]).mean() > 0.999


def test_more_events_than_a_part_holds_are_decoded_alike(vae: VAE) -> None:
    found = vae.generate(600, seed=3, members=5)
    assert np.abs(found[590:] - vae.generate(10, seed=3, start=590, members=5)).max() < 1e-5


def test_a_conditional_ensemble_keeps_labels_beside_their_latents(bundle_of, tmp_path: Path) -> None:
    vae = VAE.load(bundles.uncertain(bundle_of("labels"), tmp_path / "labelled", share=1.0))
    z, labels = vae.prior.sample(9, seed=0), [i % 7 for i in range(9)]
    found = vae.generate(9, seed=0, label=labels, members=2)
    for i in range(9):
        expected = vae.decode(z[i : i + 1], label=labels[i], member=i % 2).mean()
        assert np.abs(found[i] - expected[0]).max() < 1e-5


def test_reconstruct_takes_a_member(vae: VAE) -> None:
    x = vae.generate(3, head="mode", seed=0)
    z = vae.encode(x).mean()
    assert (vae.reconstruct(x, head="mean", member=2) == vae.decode(z, member=2).mean()).all()
    assert not (vae.reconstruct(x, head="mean", member=2) == vae.reconstruct(x, head="mean")).all()


def test_few_sessions_are_kept_and_those_used_last(vae: VAE, monkeypatch: pytest.MonkeyPatch) -> None:
    found = vae.model.members
    monkeypatch.setattr(found, "most", 3)
    z = vae.prior.sample(1, seed=0)
    for member in (0, 1, 2):
        vae.decode(z, member=member)
    first, second = found.session(1), found.session(0)
    found.session(3)  # in the place of 2, which was used before 1 and 0 were
    assert len(found) == 3
    assert found.session(0) is second
    assert found.session(1) is first


def test_the_bound_on_sessions_is_in_numbers_too() -> None:
    small, large = (deviations.Posterior(b"", (), (), np.zeros(n, "f"), np.zeros(n, "f")) for n in (10, 1 << 25))
    assert ensembles.Members(small, lambda data: None).most == ensembles.MOST
    assert ensembles.Members(large, lambda data: None).most == 2


def test_the_bound_on_sessions_is_that_on_a_call_too(folder: Path) -> None:
    """A session keeps the memory of its largest run."""
    of_a_run = VAE.load(folder, threads=1).bundle.costs["decoder"].elements
    assert VAE.load(folder, threads=1, max_elements=3 * of_a_run + 5).model.members.most == 3


def test_threads_share_an_ensemble(vae: VAE, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vae.model.members, "most", 2)  # so that sessions come and go meanwhile
    z = vae.prior.sample(4, seed=0)
    expected = [vae.decode(z, member=member).logits for member in range(6)]
    with ThreadPoolExecutor(4) as pool:
        for member, found in enumerate(pool.map(lambda k: vae.decode(z, member=k % 6).logits, range(60))):
            assert (found == expected[member % 6]).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_builds_its_own(vae: VAE) -> None:
    z = vae.prior.sample(2, seed=0)
    expected = vae.decode(z, member=4).logits
    with vae.model.members._lock:  # as another thread may hold it when the process forks
        child = os.fork()
        if child == 0:
            os._exit(0 if (vae.decode(z, member=4).logits == expected).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_ensemble_pickles_without_its_sessions(vae: VAE) -> None:
    z = vae.prior.sample(2, seed=0)
    vae.decode(z, member=1)
    data = pickle.dumps(vae)
    assert len(data) < 4096
    for again in (pickle.loads(data), copy.deepcopy(vae)):
        assert (again.decode(z, member=1).logits == vae.decode(z, member=1).logits).all()


def test_a_bundle_whose_weights_are_points_has_no_members() -> None:
    vae = VAE.load("mnist-tiny")
    assert not vae.has_members
    z, x = np.zeros((1, 32), np.float32), np.zeros((1, 28, 28, 1))
    for call in (lambda: vae.decode(z, member=0), lambda: vae.generate(2, members=2), lambda: vae.stream(2, members=2),
                 lambda: vae.reconstruct(x, member=0)):  # fmt: skip
        with pytest.raises(InputError, match=r"'mnist-tiny' has no members.*--weights uncertain"):
            call()


@pytest.mark.parametrize("member", [-1, 2**63, 1.5, True, "one"])
def test_a_member_is_a_whole_number(vae: VAE, member: object) -> None:
    with pytest.raises(InputError, match="member should be a whole number, 0 or more"):
        vae.decode(np.zeros((1, 32)), member=member)  # type: ignore[arg-type]


@pytest.mark.parametrize("members", [0, -3, 2.0, False])
def test_members_are_one_or_more(vae: VAE, members: object) -> None:
    with pytest.raises(InputError, match="members should be a whole number, 1 or more"):
        vae.generate(2, members=members)  # type: ignore[arg-type]


def resealed(folder: Path, target: Path, scale: np.ndarray, weights: tuple[str, ...] | None = None, **changes) -> Path:
    """The ensemble with other deviations, or of other weights."""
    found = reading.read(folder)
    said = found.manifest.deviations
    assert said is not None
    data = changes.pop("data", None) or deviations.render(scale)
    new = manifest.Deviations(manifest.File.of(said.file.name, data), said.weights if weights is None else weights)
    whole = manifest.seal(dataclasses.replace(found.manifest, deviations=new, **changes))
    target.mkdir()
    for name, content in (found.files | {said.file.name: data, "manifest.json": manifest.render(whole)}).items():
        (target / name).write_bytes(content)
    return target


def scales(folder: Path) -> np.ndarray:
    return VAE.load(folder).model.members.posterior.scale.copy()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e-6])
def test_deviations_that_are_none_are_refused(folder: Path, tmp_path: Path, value: float) -> None:
    scale = scales(folder)
    scale[5] = value
    with pytest.raises(IntegrityError, match="finite and 0 or more"):
        VAE.load(resealed(folder, tmp_path / "b", scale)).decode(np.zeros((1, 32)))


def test_as_many_deviations_as_weights_are_asked_for(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="scale should be"):
        VAE.load(resealed(folder, tmp_path / "b", scales(folder)[:-1])).decode(np.zeros((1, 32)))


def test_a_name_that_is_no_weight_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="'nothing' should be a weight of the decoder"):
        VAE.load(resealed(folder, tmp_path / "b", scales(folder), ("nothing",))).decode(np.zeros((1, 32)))


def test_weights_of_integers_are_refused(folder: Path, tmp_path: Path) -> None:
    model = onnx.load(folder / "decoder.onnx")
    shape = next(each for each in model.graph.initializer if each.data_type == onnx.TensorProto.INT64)
    with pytest.raises(IntegrityError, match="stored otherwise"):
        VAE.load(resealed(folder, tmp_path / "b", scales(folder), (shape.name,))).decode(np.zeros((1, 32)))


@pytest.mark.parametrize("weights", [(), ("w0", "w0"), ("",)])
def test_the_manifest_names_each_weight_once(folder: Path, tmp_path: Path, weights: tuple[str, ...]) -> None:
    with pytest.raises(ManifestError, match=r"deviations\.weights"):
        resealed(folder, tmp_path / "b", scales(folder), weights)


def test_only_float32_has_deviations(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="deviations should be null with precision int8"):
        resealed(folder, tmp_path / "b", scales(folder), precision="int8")


def test_a_member_may_not_cost_more_than_its_decoder(tmp_path: Path) -> None:
    """Scales of a Resize are float32 initializers too: as an uncertain weight they would let a bundle grow at will."""
    from onnx import TensorProto, helper, numpy_helper

    image = manifest.Image(6, 4, 1, 0.5)
    logits = manifest.Spec("bernoulli", (6, 4, 1), {"logits": "logits"})
    found = reading.read(bundles.make("grows", image, logits, None, False).write(tmp_path / "plain"))
    nodes = [
        helper.make_node("Gemm", ["z", "w", "b"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["small"]),
        helper.make_node("Resize", ["small", "", "sizes"], ["large"], mode="nearest"),
        helper.make_node("GlobalAveragePool", ["large"], ["point"]),
        helper.make_node("Add", ["small", "point"], ["grid"]),
        helper.make_node("Transpose", ["grid"], ["logits"], perm=[0, 2, 3, 1]),
    ]
    constants = {"w": np.ones((3, 24), "f"), "b": np.zeros(24, "f"), "shape": np.array([-1, 1, 6, 4]),
                 "sizes": np.array([1, 1, 2, 2], "f")}  # fmt: skip
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape]) for name, shape in
              (("z", (3,)), ("logits", (6, 4, 1)))]  # fmt: skip
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    proto = helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:], weights),
                              opset_imports=[helper.make_opsetid("", 13)], ir_version=8)  # fmt: skip
    data, scale = proto.SerializeToString(), deviations.render(np.array([0, 0, 300, 300], "f"))
    from vae_edge.runtime.bundle import guard

    cost = guard.check(data, "decoder.onnx")
    decoder = dataclasses.replace(found.manifest.decoder, file=manifest.File.of("decoder.onnx", data),
                                  opset=cost.opset, multiply_adds=cost.multiply_adds)  # fmt: skip
    said = manifest.Deviations(manifest.File.of("weights.npz", scale), ("sizes",))
    whole = dataclasses.replace(found.manifest, graphs=found.manifest.graphs | {"decoder": decoder}, deviations=said)
    files = found.files | {"decoder.onnx": data, "weights.npz": scale}
    vae = VAE(reading.assemble(tmp_path, manifest.seal(whole), files))
    assert vae.decode(np.zeros((1, 3))).logits.shape == (1, 6, 4, 1)
    for member in range(8):
        with pytest.raises(UnsafeBundle):
            vae.decode(np.zeros((1, 3)), member=member)


def test_weights_are_rounded_after_the_product_and_after_the_sum() -> None:
    loc, scale = np.array([1.0, -2.0], np.float32), np.array([0.1, 0.3], np.float32)
    posterior = deviations.Posterior(b"", (), (), loc, scale)
    eps = normals(0, Purpose.WEIGHT, 9, 1, 2)[0]
    expected = [np.float32(np.float32(e * s) + m) for e, s, m in zip(eps, scale, loc, strict=True)]
    assert (weights_of(posterior, 9) == expected).all()


def test_a_score_parts_what_members_leave_open(vae: VAE) -> None:
    x = vae.generate(70, head="mode", seed=4)
    s = vae.score(x, members=3)
    assert s.aleatoric is not None
    assert s.epistemic is not None
    z = vae.encode(x).mean()
    assert (s.codes == z).all()
    each = [vae.decode(z, member=member) for member in range(3)]
    p = np.array([1 / (1 + np.exp(-q.logits.astype(np.float64))) for q in each])

    def entropy(p: np.ndarray) -> np.ndarray:
        return -p * np.log(p) - (1 - p) * np.log1p(-p)

    within = entropy(p).mean(axis=0)
    assert np.abs(s.aleatoric - within).max() < 1e-4
    assert np.abs(s.epistemic - (entropy(p.mean(axis=0)) - within)).max() < 1e-4
    assert s.statistics["epistemic"] == pytest.approx(s.epistemic.sum(axis=(1, 2, 3)), rel=1e-4)
    log_p = [q.log_prob(x) for q in each]
    assert s.statistics["disagreement"] == pytest.approx(np.std(log_p, axis=0), rel=1e-2)
    plain = vae.score(x)
    assert plain.aleatoric is None
    assert plain.epistemic is None
    assert all((s.statistics[name] == values).all() for name, values in plain.statistics.items())


def test_a_score_of_rows_says_which_column_members_disagree_of(bundle_of, tmp_path: Path) -> None:
    vae = VAE.load(bundles.uncertain(bundle_of("table"), tmp_path / "table", share=1.0))
    s = vae.score(vae.generate(5, head="sample"), members=4)
    assert s.epistemic is not None
    assert s.epistemic.shape == (5, 5)
    assert (s.epistemic >= 0).all()
    assert (s.epistemic <= np.log(4) + 0.03).all()
    assert s.epistemic.max() > 0.1


def test_a_score_by_members_is_refused_where_there_are_none() -> None:
    with pytest.raises(InputError, match="has no members"):
        VAE.load("mnist-tiny").score(np.zeros((1, 28, 28, 1)), members=2)


def test_the_nll_of_members_is_of_the_mean_of_their_likelihoods(vae: VAE) -> None:
    x = vae.generate(5, head="mode", seed=9)
    q = vae.encode(x)
    log_w = []
    for stream in range(3):
        z = q.sample(seed=0, stream=stream)
        rest = vae.prior.log_prob(z) - q.log_prob(z)
        log_w += [vae.decode(z, member=member).log_prob(x) + rest for member in range(4)]
    expected = math.log(12) - np.logaddexp.reduce(log_w)
    assert likelihood.nll(vae, x, 3, members=4) == pytest.approx(expected, abs=2e-2)
    assert np.abs(likelihood.nll(vae, x, 3) - expected).max() > 0.02
