from __future__ import annotations

import gc
import os
import sys
from typing import ClassVar

import numpy as np
import onnxruntime
import pytest

from vae_edge.runtime import VAE, BundleError, InputError, MissingExtra, ProviderError, session
from vae_edge.runtime.session import PROVIDERS, provider_name

CPU = "CPUExecutionProvider"


class Stub:
    """An InferenceSession that runs on the provider that it was made for, or on another."""

    takes: ClassVar[dict[str, str]]
    made: ClassVar[list[tuple]]
    helped: ClassVar[bool] = False  # whether the CPU may run some of the nodes

    def __init__(self, data, options, providers, **keywords):
        assert keywords == {"enable_fallback": 0, "read_config_from_model": 0}
        [(self.provider, self.options)] = providers
        Stub.made.append((self.provider, self.options))
        if self.provider in Stub.takes and Stub.takes[self.provider] is None:
            raise RuntimeError("no such library\nlibcublas.so")
        strict = self.provider != CPU and not Stub.helped
        assert options.get_session_config_entry(FALLBACK) == "1" if strict else not has(options, FALLBACK)
        self.real = REAL(data, providers=[CPU])

    def get_providers(self):
        return [Stub.takes.get(self.provider, self.provider), CPU]

    def __getattr__(self, name):
        return getattr(self.real, name)


REAL = onnxruntime.InferenceSession
FALLBACK = "session.disable_cpu_ep_fallback"


def has(options, key) -> bool:
    try:
        options.get_session_config_entry(key)
    except RuntimeError:
        return False
    return True


@pytest.fixture
def stub(monkeypatch):
    """Makes ONNX Runtime have providers; `takes` says what a session on one really runs on (None: it raises)."""

    def install(*available, takes=None):
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*available, CPU])
        monkeypatch.setattr(onnxruntime, "InferenceSession", Stub)
        monkeypatch.setattr(Stub, "takes", takes or {}, raising=False)
        monkeypatch.setattr(Stub, "made", [], raising=False)

    return install


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_every_provider_that_is_there_is_used_by_either_name(stub, tiny, name):
    full = PROVIDERS[name]
    stub(full)
    for spelling in (name, name.upper(), full):
        assert VAE.load(tiny, provider=spelling).provider == full


@pytest.mark.parametrize("name", sorted(set(PROVIDERS) - {"cpu"}))
def test_every_provider_that_is_not_there_is_an_error_with_a_remedy(tiny, name, capfd):
    with pytest.raises(ProviderError, match=rf"{PROVIDERS[name]} is not in this installation.*has .*{CPU}.*: \w+"):
        VAE.load(tiny, provider=name)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", sorted(set(PROVIDERS) - {"cpu"}))
@pytest.mark.parametrize("instead", [CPU, None])
def test_a_named_provider_that_cannot_run_is_an_error_and_never_another(stub, tiny, name, instead, capfd):
    stub(PROVIDERS[name], takes={PROVIDERS[name]: instead})
    with pytest.raises(ProviderError, match=rf"{PROVIDERS[name]} cannot run here .*, or use provider 'cpu'"):
        VAE.load(tiny, provider=name)
    assert capfd.readouterr() == ("", "")


def test_auto_takes_the_best_that_works_and_says_which(stub, tiny):
    cuda, directml = PROVIDERS["cuda"], PROVIDERS["directml"]
    stub(cuda, directml)
    assert VAE.load(tiny).provider == cuda
    stub(cuda, directml, takes={cuda: CPU})
    assert VAE.load(tiny).provider == directml
    stub(cuda, directml, takes={cuda: CPU, directml: None})
    assert VAE.load(tiny).provider == CPU
    stub(PROVIDERS["tensorrt"], PROVIDERS["openvino"])  # slow to compile, or 16 bits by default: by name only
    assert VAE.load(tiny).provider == CPU


def test_options_reach_the_provider_over_our_defaults(stub, tiny):
    stub(PROVIDERS["cuda"])
    vae = VAE.load(tiny, provider="cuda", provider_options={"device_id": 1, "use_tf32": 1})
    assert len(Stub.made) == 1  # the encoder's session waits for the first image
    vae.encode(np.zeros((1, 6, 4, 1)))
    wanted = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "1", "device_id": "1"}
    assert Stub.made == [(PROVIDERS["cuda"], wanted)] * 2
    with pytest.raises(InputError, match="belong to a named provider"):
        VAE.load(tiny, provider_options={"device_id": 1})


@pytest.mark.parametrize("spelling", ["cuda+cpu", "CUDA+CPU", "CUDAExecutionProvider+CPUExecutionProvider"])
def test_the_cpu_helps_a_provider_where_that_is_asked_for(stub, tiny, monkeypatch, spelling):
    stub(PROVIDERS["cuda"])
    monkeypatch.setattr(Stub, "helped", True)
    vae = VAE.load(tiny, provider=spelling)
    assert vae.provider == f"{PROVIDERS['cuda']}+{CPU}"
    vae.encode(np.zeros((1, 6, 4, 1)))
    assert [provider for provider, _ in Stub.made] == [PROVIDERS["cuda"]] * 2
    assert vae.model.decoder.provider == vae.model.encoder.provider == vae.provider
    with pytest.raises(ProviderError, match="OpenVINOExecutionProvider is not in this installation"):
        VAE.load(tiny, provider="openvino+cpu")


def test_the_cpu_with_its_own_help_is_the_cpu(tiny):
    assert VAE.load(tiny, provider="cpu+cpu").provider == CPU


@pytest.mark.parametrize("name", ["gpu", "", "CPU Execution", None, 3, "cpu+", "+cpu", "cpu+cuda", "cuda+cpu+cpu"])
def test_an_unknown_provider_is_answered_with_all_names(name):
    with pytest.raises(ProviderError, match=r"auto, acl, .*cpu, cuda"):
        provider_name(name)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, 100_000, "2"])
def test_threads_are_a_small_positive_number(tiny, threads):
    with pytest.raises(InputError, match="threads should be 1 to 1024"):
        VAE.load(tiny, threads=threads)


def test_without_onnx_runtime_the_pip_install_is_said(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"pip install 'vae-edge\[cpu\]'"):
        VAE.load(tiny)


@pytest.mark.parametrize("spin", [False, True])
def test_a_session_is_asked_for_exact_integers_and_for_nothing_that_is_guessed(tiny, monkeypatch, spin):
    seen = []

    def watched(data, options, **keywords):
        seen.append(options)
        return REAL(data, options, **keywords)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    VAE.load(tiny, threads=2, spin=spin)
    asked = seen[0].get_session_config_entry
    assert asked("session.x64quantprecision") == "1"  # pairs of int8 products do not overflow
    assert asked("session.load_model_format") == "ONNX"
    assert asked("session.intra_op.allow_spinning") == str(int(spin))
    assert seen[0].log_severity_level == 4


def test_a_graph_of_another_signature_is_refused(make_bundle, vae):
    decoder = vae.bundle.files["decoder.onnx"]
    with pytest.raises(BundleError, match="decoder outputs are logitz, not what the manifest says"):
        VAE.load(make_bundle({"decoder.onnx": decoder.replace(b"logits", b"logitz")}, "renamed"))
    encoder = vae.bundle.files["encoder.onnx"]
    # the declared width, 4 -> 5; the graph itself flattens whatever comes
    wider = make_bundle({"encoder.onnx": encoder.replace(b"\n\x02\x08\x04", b"\n\x02\x08\x05")}, "wider")
    with pytest.raises(BundleError, match=r"'image' is tensor\(float\).* the manifest says \(batch, 6, 4, 1\)"):
        VAE.load(wider).encode(np.zeros((1, 6, 4, 1)))


def test_nothing_is_printed_that_was_not_asked_for(tiny, make_bundle, capfd):
    VAE.load(tiny).generate(2)
    broken = make_bundle({"decoder.onnx": VAE.load(tiny).bundle.files["decoder.onnx"].replace(b"Gemm", b"Relu")})
    with pytest.raises(BundleError, match="ONNX Runtime refuses the decoder"):
        VAE.load(broken)
    assert capfd.readouterr() == ("", "")


FORK = """
import os, sys, threading, time
import numpy as np
from vae_edge.runtime import VAE
vae, n = VAE.load(sys.argv[1], threads=4, spin=sys.argv[2] == "spin"), int(sys.argv[3])
expected = vae.generate(n, head="sample")
stop = threading.Event()
def work():
    while not stop.is_set():
        vae.generate(n // 15 + 1)
thread = threading.Thread(target=work)
thread.start()
for i in range(6):
    child = os.fork()
    if child == 0:
        if i % 3 != 2:  # every third child never uses what it inherited
            assert np.array_equal(vae.generate(n, head="sample"), expected)
            assert vae.encode(np.zeros((1, 6, 4))).loc.shape == (1, 3)
            if i == 0:
                grandchild = os.fork()
                if grandchild == 0:
                    assert np.array_equal(vae.generate(n, head="sample"), expected)
                    os._exit(0)
                assert os.waitpid(grandchild, 0)[1] == 0
        if i % 2:
            os._exit(0)
        sys.exit(0)
    for _ in range(4000):  # a busy machine is no hang
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        status = "it hangs"
    if status != 0:
        break
stop.set()
thread.join()
assert status == 0, (i, status)
assert np.array_equal(vae.generate(n, head="sample"), expected)
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("waiting", ["spin", "sleep"])
def test_a_forked_child_gets_a_session_of_its_own_and_never_hangs(tiny, run_python, waiting):
    """200 forks at full size. Python warns of forking with threads; here they are the point."""
    done = run_python("import warnings; warnings.simplefilter('ignore')\n" + FORK, tiny, waiting, 300, timeout=250)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


LEAVE = """
import gc, os, sys
import numpy as np
from vae_edge.runtime import VAE
vae = VAE.load(sys.argv[1], threads=4, spin=sys.argv[2] == "spin")
expected = vae.generate(4)
for way in ("delete", "leave", "use"):
    child = os.fork()
    if child == 0:
        if way == "use":
            assert np.array_equal(vae.generate(4), expected)
        if way == "delete":
            del vae
            gc.collect()
            os._exit(0)
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0, way
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("waiting", ["spin", "sleep"])
def test_a_forked_child_never_touches_the_threads_of_a_session(make_bundle, run_python, waiting):
    """A graph so heavy that its session has threads of its own: destroyed in a child it ends by SIGSEGV.

    The parent has no other thread: the frame of one would hold the session in the child too.
    """
    bundle = make_bundle({"decoder.onnx": heavy_decoder()}, "heavy")
    assert VAE.load(bundle).manifest.decoder.multiply_adds > 40_000_000
    done = run_python("import warnings; warnings.simplefilter('ignore')\n" + LEAVE, bundle, waiting)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def heavy_decoder() -> bytes:
    """z (3,) -> 24 logits, by a convolution of 42 million multiply-adds and few weights."""
    onnx = pytest.importorskip("onnx", reason="the train extra is not installed")
    weights = {
        "axes": np.array([2, 3]),
        "scales": np.array([1, 1, 256, 256], np.float32),
        "w": np.random.default_rng(0).normal(size=(24, 3, 3, 3)).astype(np.float32),
        "shape": np.array([-1, 6, 4, 1]),
    }
    make = onnx.helper.make_node
    nodes = [
        make("Unsqueeze", ["z", "axes"], ["a"]),
        make("Resize", ["a", "", "scales"], ["b"]),
        make("Conv", ["b", "w"], ["c"], pads=[1, 1, 1, 1]),
        make("GlobalAveragePool", ["c"], ["d"]),
        make("Reshape", ["d", "shape"], ["logits"]),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "heavy",
        [value("z", 1, ["batch", 3])],
        [value("logits", 1, ["batch", 6, 4, 1])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = onnx.helper.make_opsetid("", 17)
    data: bytes = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    return data


def test_onnx_runtime_is_told_to_report_nothing(tiny, run_python):
    code = (
        "import os, sys; from vae_edge.runtime import VAE; os.environ.pop('ORT_DISABLE_TELEMETRY', None)\n"
        "VAE.load(sys.argv[1]); print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    assert run_python(code, tiny).stdout == "1\n"


def test_a_call_burns_no_cpu_after_it_is_done(tiny, run_python):
    code = (
        "import sys, time; from vae_edge.runtime import VAE\n"
        "vae = VAE.load(sys.argv[1], threads=4); vae.generate(1000); time.sleep(0.2); before = time.process_time()\n"
        "time.sleep(1); print(time.process_time() - before)"
    )
    assert float(run_python(code, tiny).stdout) < 0.05


def test_a_session_is_held_by_its_vae_alone(tiny):
    gc.collect()  # those of other tests
    before = len(session._sessions)
    vae = VAE.load(tiny)
    assert len(session._sessions) == before + 2
    assert np.isfinite(vae.generate(1)).all()
    del vae
    assert len(session._sessions) == before
