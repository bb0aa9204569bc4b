"""Batches and threads do not matter, threads and forks are safe, and it keeps running."""

from __future__ import annotations

import os

import numpy as np
import pytest

from vae_edge.runtime import VAE
from vae_edge.runtime.bundle import built_in

SPLITS = (1, 2, 3, 7, 16, 64)
BUNDLES = ["tiny", *(name for name in built_in() if name != "mnist-labels")]  # it wants a label


@pytest.fixture
def folder(request, tiny):
    return tiny if request.param == "tiny" else request.param


@pytest.mark.parametrize("folder", BUNDLES, indirect=True)
def test_batches_and_threads_change_no_noise_and_no_parameter_beyond_a_hundred_thousandth(folder):
    n, whole = 64, VAE.load(folder, threads=1)
    images = whole.generate(n, head="mode", seed=3)
    z = whole.prior.sample(n, seed=3)
    q, p = whole.encode(images), whole.decode(z)
    for threads in (1, 2, 4):
        vae = VAE.load(folder, threads=threads)
        for size in SPLITS:
            parts = [slice(at, at + size) for at in range(0, n, size)]
            noise = [vae.prior.sample(len(z[part]), seed=3, start=part.start) for part in parts]
            assert np.array_equal(np.concatenate(noise), z)
            decoded = [vae.decode(z[part]) for part in parts]
            for name in p.parameters:
                found = np.concatenate([getattr(each, name) for each in decoded])
                np.testing.assert_allclose(found, getattr(p, name), atol=1e-5)
            codes = [vae.encode(images[part]) for part in parts]
            for name in ("loc", "scale"):
                found = np.concatenate([getattr(code, name) for code in codes])
                np.testing.assert_allclose(found, getattr(q, name), atol=1e-5)
            # where logits differ in their last bits, one pixel in a hundred thousand may fall the other way
            drawn = np.concatenate(list(vae.stream(n, head="sample", seed=3, batch_size=size)))
            assert np.count_nonzero(drawn != whole.generate(n, head="sample", seed=3)) <= drawn.size // 10_000


THREADS = """
import itertools, resource, sys, threading
import numpy as np
from vae_edge.runtime import HEADS, VAE
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
folder, calls = sys.argv[1], int(sys.argv[2])
vae = VAE.load(folder, threads=1)
serial = {(head, seed): vae.generate(2, head=head, seed=seed) for head in HEADS for seed in range(8)}
images = vae.generate(3)
again = vae.reconstruct(images, head="sample", latent="sample")
wrong = []
def work(head, calls):
    for i in range(calls):
        if not np.array_equal(vae.generate(2, head=head, seed=i % 8), serial[head, i % 8]):
            wrong.append((head, i))
        if i % 50 == 0 and not np.array_equal(vae.reconstruct(images, head="sample", latent="sample"), again):
            wrong.append(("reconstruct", i))
def spread(calls):
    for head in HEADS:
        threads = [threading.Thread(target=work, args=(head, calls)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
spread(min(calls, 500))
before = resident()
spread(calls)
assert not wrong, wrong[:9]
assert resident() - before < 5 << 20, resident() - before
print("done")
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_sixteen_threads_give_what_one_gives_and_keep_nothing(tiny, run_python, soak):
    done = run_python(THREADS, tiny, soak(250, 10_000))
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


FORKS = """
import os, sys, threading, time, warnings
warnings.simplefilter("ignore")  # Python warns of forking with threads; here they are the point
import numpy as np
from vae_edge.runtime import VAE
vae = VAE.load(sys.argv[1], threads=2)
images = np.zeros((3, *vae.event_shape))
expected, codes = vae.generate(5, head="sample"), vae.encode(images).loc
stop = threading.Event()
def work():
    while not stop.is_set():
        vae.generate(20)
thread = threading.Thread(target=work)
thread.start()
failures = []
for i in range(int(sys.argv[2])):
    child = os.fork()
    if child == 0:
        ok = i % 4 == 3 or np.array_equal(vae.generate(5, head="sample"), expected)  # some only end
        ok = ok and (i % 4 != 1 or np.allclose(vae.encode(images).loc, codes, atol=1e-6))
        if i % 2:
            os._exit(not ok)
        sys.exit(not ok)
    deadline = time.monotonic() + 10
    while not (found := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < deadline:
        time.sleep(0.002)
    if not found[0]:
        os.kill(child, 9)
        os.waitpid(child, 0)
        failures.append((i, "hangs"))
    elif found[1]:
        failures.append((i, found[1]))
stop.set()
thread.join()
assert not failures, failures
assert np.array_equal(vae.generate(5, head="sample"), expected)
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_work_and_end(tiny, run_python, soak):
    """No signal, no other pixels, no hang over 10 seconds."""
    done = run_python(FORKS, tiny, soak(12, 200))
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


CALLS = """
import sys, time, resource
import numpy as np
from vae_edge.runtime import HEADS, VAE
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
vae, calls = VAE.load(sys.argv[1], threads=1), int(sys.argv[2])
z = vae.prior.sample(4, seed=0)
for i in range(2000):
    vae.generate(1, head=HEADS[i % 3], seed=i), vae.decode(z).mean()
tenth, memory, tails = calls // 10, [resident()], []
times = np.empty(tenth)
for part in range(10):
    for i in range(tenth):
        before = time.thread_time()
        if i % 4:
            vae.generate(1 + i % 3, head=HEADS[i % 3], seed=i)
        else:
            vae.decode(z).mean()
        times[i] = time.thread_time() - before  # a busy machine is no fault
    memory.append(resident())
    tails.append(float(np.quantile(times, 0.99)))
pool = VAE.load(sys.argv[1], threads=4)  # with one thread there is none that could spin
for i in range(20):
    pool.generate(64)
before = time.process_time()
time.sleep(0.5)  # while a pool that spins has not given up yet
idle = (time.process_time() - before) / 0.5
half = memory[len(memory) // 2 :]  # the allocator settles in the first
growth = np.polyfit(range(len(half)), half, 1)[0] * 10 / 1e6
print(f"{growth:.3f} {tails[-1] / tails[0]:.3f} {idle:.4f}")
print(memory, tails, file=sys.stderr)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_a_million_calls_take_no_more_memory_and_no_more_time(tiny, run_python, soak):
    done = run_python(CALLS, tiny, soak(20_000, 1_000_000))
    assert done.returncode == 0, done.stderr
    growth, tail, idle = map(float, done.stdout.split())
    assert growth < soak(20, 1) / 10, f"{growth} MB in as many calls"
    assert idle < 0.05, f"{idle} CPU-seconds a second"
    # two thousand calls have twenty in their last hundredth
    assert tail < soak(5, 1) + 0.1, f"p99 of the last tenth is {tail} of the first's"
