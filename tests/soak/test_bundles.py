"""Damaged and hostile bundles are refused, by a typed error, at once and in little memory; what was hashed is what runs.

Times are of this thread's CPU: a busy machine is no fault, and what waits is ended by pytest's own limit.
"""

# ruff: noqa: E501 - one bomb a line
from __future__ import annotations

import json
import os
import random
import shutil
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from vae_edge.runtime import VAE, BundleError, UnsafeBundle, bundle

FILES = ("manifest.json", "encoder.onnx", "decoder.onnx", "probe.npz")


@pytest.fixture
def copy(tiny, tmp_path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


# ---- damaged -----------------------------------------------------------------------------------------------------


def mutants(originals: dict[str, bytes], count: int) -> Iterator[tuple[str, bytes | None]]:
    """(file, other bytes, or None where it is gone): each cut of the manifest, wrong types in it, then flips and more."""
    dice = random.Random(0)
    said = originals["manifest.json"]
    cuts = [said[:length] for length in range(len(said))]
    yield from (("manifest.json", cut) for cut in dice.sample(cuts, min(len(cuts), count // 2)))
    yield from (("manifest.json", data) for data in wrong_types(said, dice, count // 10))
    for name in FILES:
        yield name, None
        yield from ((name, originals[other]) for other in FILES if other != name)
    while True:
        name = dice.choice(FILES)
        data = bytearray(originals[name])
        kind = dice.randrange(6)
        if kind < 3:
            for _ in range(dice.choice([1, 1, 1, 2, 9])):
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        elif kind == 3:
            del data[dice.randrange(len(data)) :]
        elif kind == 4:
            at = dice.randrange(len(data))
            data[at : at + dice.randrange(9)] = dice.randbytes(dice.randrange(9))
        else:
            data += dice.randbytes(dice.randrange(1, 99))
        if bytes(data) != originals[name]:
            yield name, bytes(data)


def wrong_types(said: bytes, dice: random.Random, count: int) -> Iterator[bytes]:
    """The manifest with one value of another type, or one key more or less, in the canonical form."""
    for _ in range(count):
        tree = json.loads(said)
        spots = list(places(tree))
        holder, key = dice.choice(spots)
        if dice.random() < 0.2 and isinstance(holder, dict):
            holder["surplus"] = holder.pop(key) if dice.random() < 0.5 else 1
        else:
            old = holder[key]
            others = [None, True, -1, 1 << 70, 0.5, 1e308, "", "x", [], [[]], {}, {"a": 1}]
            holder[key] = dice.choice([other for other in others if other != old or type(other) is not type(old)])
        yield json.dumps(tree, indent=2, sort_keys=True).encode() + b"\n"


def places(tree: object) -> Iterator[tuple[object, object]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from places(value)


def test_a_damaged_bundle_is_refused(copy, soak, run_python, record_property):
    """Each by a BundleError, in under 2 seconds; the process stays below 512 MB."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_bundles as t; t.damage(*sys.argv[1:])"
    done = run_python(code, copy, soak(600, 100_000))
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    record_property("result", f"{soak(600, 100_000):,} damaged bundles refused")


def peak_kilobytes() -> int:
    """The most memory that this process has held. Not ru_maxrss: that counts what the parent held at the fork."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def damage(folder: str, count: str) -> None:
    import itertools

    copy = Path(folder)
    originals = {name: (copy / name).read_bytes() for name in FILES}
    slowest = 0.0
    for name, data in itertools.islice(mutants(originals, int(count)), int(count)):
        if data is None:
            (copy / name).unlink()
        else:
            (copy / name).write_bytes(data)
        before = time.thread_time()
        try:
            bundle.read(copy)
        except BundleError:
            pass
        else:
            raise AssertionError(f"{name} of {data!r} was let through")
        slowest = max(slowest, time.thread_time() - before)
        (copy / name).write_bytes(originals[name])
    assert bundle.read(copy).files == {name: originals[name] for name in FILES[1:]}
    assert slowest < 2, slowest
    assert peak_kilobytes() < 512 * 1024
    print("done")  # noqa: T201


# ---- hostile: forty ways to read what lies outside, fifty bombs ------------------------------------------------------


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: bytes | int | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(dims: tuple[int, ...], raw: bytes = b"", kind: int = 1, name: str = "w", more: bytes = b"") -> bytes:
    return b"".join(field(1, dim) for dim in dims) + field(2, kind) + field(8, name) + field(9, raw) + more


def node(operator: str, inputs: str = "z", output: str = "y", more: bytes = b"") -> bytes:
    return field(1, b"".join(field(1, name) for name in inputs.split()) + field(2, output) + field(4, operator) + more)


def ints(name: str, *values: int) -> bytes:
    return field(5, field(1, name) + b"".join(field(8, value) for value in values) + field(20, 7))


def number(name: str, value: int) -> bytes:
    return field(5, field(1, name) + field(3, value) + field(20, 2))


def weight(*values: int, name: str = "s") -> bytes:
    return field(
        5, tensor((len(values),), b"".join(value.to_bytes(8, "little", signed=True) for value in values), 7, name)
    )


def scalar(value: int, name: str) -> bytes:
    return field(5, tensor((), value.to_bytes(8, "little", signed=True), 7, name))


def scales(*values: float) -> bytes:
    return field(5, tensor((len(values),), struct.pack(f"<{len(values)}f", *values), 1, "s"))


def text(name: str, value: str) -> bytes:
    return field(5, field(1, name) + field(4, value) + field(20, 3))


def floats(*dims: int, name: str = "w") -> bytes:
    return field(5, tensor(dims, bytes(4 * int(np.prod(dims))), 1, name))


def value(name: str, *dims: int | str) -> bytes:
    shape = b"".join(field(1, field(2 if isinstance(dim, str) else 1, dim)) for dim in dims)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def model(*parts: bytes, more: bytes = b"", opset: int = 13) -> bytes:
    """A decoder by its signature, whatever is inside."""
    ends = field(11, value("z", "batch", 3)) + field(12, value("logits", "batch", 6, 4, 1))
    return field(1, 8) + field(8, field(1, "") + field(2, opset)) + field(7, ends + b"".join(parts)) + more


def location(path: str, **entries: str) -> bytes:
    return b"".join(field(13, field(1, key) + field(2, text)) for key, text in {"location": path, **entries}.items())


def chain(operator: str, inputs: str, count: int, more: bytes = b"", start: str = "z") -> bytes:
    names = [start, *(f"c{i}" for i in range(count))]
    return b"".join(node(operator, inputs.replace("z", names[i]), names[i + 1], more) for i in range(count))


IMAGE = weight(-1, 1, 1, 3, name="i") + node("Reshape", "z i", "image")

OUTSIDE = {
    f"{where}: {path or 'no path'}": model(make(path))
    for where, make in {
        "weights": lambda path: field(5, tensor((1,), more=location(path) + field(14, 1))),
        "weights beside their own": lambda path: field(5, tensor((1,), bytes(4), more=location(path))),
        "weights at an offset": lambda path: field(5, tensor((1,), more=location(path, offset="0", length="4"))),
        "a constant": lambda path: node(
            "Constant", "", more=field(5, field(1, "value") + field(5, tensor((1,), more=location(path))) + field(20, 4))
        ),
    }.items()
    for path in ("/etc/passwd", "../secret", "weights.bin", "hard", "link", "", "/dev/zero", "fifo", "a/../../b")
} | {
    "by location alone": model(field(5, tensor((1,), bytes(4), more=field(14, 1)))),
    "and back again": model(field(5, tensor((1,), bytes(4), more=field(14, 1) + field(14, 0)))),
    "in sparse weights": model(field(15, field(1, tensor((1,), more=location("x"))))),
    "in a subgraph": model(node("If", more=field(5, field(6, field(5, tensor((1,), more=location("x"))))))),
}  # fmt: skip

BOMBS = {
    "4 TiB in 144 bytes": model(weight(1 << 20, 1 << 20), node("ConstantOfShape", "s")),
    "a fill of 2^62": model(weight(1 << 62), node("ConstantOfShape", "s")),
    "a fill of 2^62 times 0": model(weight(1 << 62, 0), node("ConstantOfShape", "s")),
    "a fill by the batch": model(
        node("Shape", "z", "a"), node("Concat", "a a a a", "b", number("axis", 0)),
        weight(*[4096] * 8), node("Mul", "b s", "c"), node("ConstantOfShape", "c")
    ),
    "Concat(x, x) forty times": model(chain("Concat", "z z", 40, number("axis", 1))),
    "Concat(x, x) of the batch": model(chain("Concat", "z z", 40, number("axis", 0))),
    "Concat of a thousand": model(node("Concat", "z " * 1000, "a", number("axis", 1)), node("Concat", "a " * 1000, "b", number("axis", 1)), node("Concat", "b " * 1000, "c", number("axis", 1))),
    "Expand": model(weight(1 << 20, 1 << 20, 3), node("Expand", "z s")),
    "Expand by little each time": model(weight(100, 1, 1, name="s"), chain("Expand", "z s", 1), weight(100, 1, 1, 1, name="t"), node("Expand", "c0 t", "a"), weight(100, 1, 1, 1, 1, name="u"), node("Expand", "a u", "b"), weight(1000, 1, 1, 1, 1, 1, name="v"), node("Expand", "b v", "c")),
    "Tile": model(weight(1 << 20, 1 << 20), node("Tile", "z s")),
    "Resize": model(floats(0, name="n"), weight(1 << 20, 1 << 20), node("Resize", "z n n s")),
    "Resize by little each time": model(IMAGE, floats(0, name="n"), scales(1, 1, 2, 2), chain("Resize", "z n s", 40, start="image")),
    "Tile by little each time": model(weight(1, 2), chain("Tile", "z s", 40)),
    "Upsample": model(node("Upsample")),
    "Pad": model(weight(0, 0, 1 << 40, 1 << 40), node("Pad", "z s")),
    "Pad by little each time": model(weight(0, 4000, 0, 4000), chain("Pad", "z s", 4000)),
    "a broadcast sum": model(floats(1 << 10, 1), floats(1, 1 << 10, name="v"), node("Add", "w v", "a"), weight(-1, 1, name="i"), weight(1, -1, name="j"), node("Reshape", "a i", "b"), node("Reshape", "a j", "c"), node("Mul", "b c", "d")),
    "an outer product": model(weight(-1, 1, name="i"), weight(1, -1, name="j"), floats(1 << 16, 1), node("Reshape", "w j", "b"), node("MatMul", "w b", "c"), node("Concat", "c c c c", "d", number("axis", 0)), node("Concat", "d d d d", "e", number("axis", 0))),
    "an outer product by Gemm": model(floats(1 << 16, 1), node("Gemm", "w w", "a", number("transB", 1))),
    "Where": model(weight(1 << 30, 1, name="s"), node("Expand", "z s", "a"), node("Where", "a z a")),
    "Range": model(*(scalar(number, name) for number, name in ((0, "a"), (1 << 40, "b"), (1, "c"))), node("Range", "a b c")),
    "OneHot": model(node("Cast", "z", "a", number("to", 7)), weight(1 << 40), floats(2), node("OneHot", "a s w")),
    "EyeLike": model(node("EyeLike")),
    "RandomNormal": model(node("RandomNormal", "", "a", ints("shape", 1 << 20, 1 << 20))),
    "NonZero": model(node("NonZero")),
    "Einsum": model(floats(1 << 10, 1 << 10), node("Einsum", "w w", "a", text("equation", "ab,cd->abcd"))),
    "CumSum": model(node("CumSum", "z s")),
    "Gather of one row": model(weight(1 << 30), node("ConstantOfShape", "s", "a"), node("Gather", "z a", "b", number("axis", 1))),
    "Unsqueeze to many axes": model(weight(0), chain("Unsqueeze", "z s", 99)),
    "SpaceToDepth": model(IMAGE, chain("SpaceToDepth", "z", 9, number("blocksize", 4096), "image")),
    "DepthToSpace": model(IMAGE, chain("DepthToSpace", "z", 9, number("blocksize", 4096), "image")),
    "convolutions with pads": model(IMAGE, floats(1, 1, 1, 1), chain("Conv", "z w", 99, ints("kernel_shape", 1, 1) + ints("pads", *[4000] * 4), "image")),
    "a convolution to many channels": model(IMAGE, floats(1 << 20, 1, 1, 1), chain("Conv", "z w", 1, ints("kernel_shape", 1, 1) + ints("pads", *[99] * 4), "image")),
    "an unfolded convolution": model(IMAGE, floats(1, 1, 2000, 2000), node("Conv", "image w", "a", ints("kernel_shape", 2000, 2000) + ints("pads", *[2000] * 4))),
    "transposed convolutions": model(IMAGE, floats(1, 1, 2, 2), chain("ConvTranspose", "z w", 30, ints("kernel_shape", 2, 2) + ints("strides", 2, 2), "image")),
    "strides of 4096": model(IMAGE, floats(1, 1, 1, 1), chain("ConvTranspose", "z w", 3, ints("kernel_shape", 1, 1) + ints("strides", 4096, 4096), "image")),
    "an output shape": model(IMAGE, floats(1, 1, 1, 1), node("ConvTranspose", "image w", "a", ints("output_shape", 4096, 4096))),
    "a kernel of 2^40": model(IMAGE, floats(1, 1, 1, 1), node("Conv", "image w", "a", ints("kernel_shape", 1 << 40, 1))),
    "pools with pads": model(IMAGE, chain("MaxPool", "z", 99, ints("kernel_shape", 1, 1) + ints("pads", *[4000] * 4), "image")),
    "four thousand copies": model(weight(256, 784, name="s"), node("ConstantOfShape", "s", "a"), *(node("Relu", "a", f"r{i}") for i in range(4000))),
    "an input of 2^60": model(field(11, value("x", 1 << 30, 1 << 30))),
    "an output of 2^60": model(field(12, value("x", 1 << 30, 1 << 30))),
    "a weight of 2^60 without bytes": model(field(5, tensor((1 << 30, 1 << 30)))),
    "sizes that overflow": model(field(5, tensor((1 << 32, 1 << 32)))),
    "a size by arithmetic": model(node("Shape", "z", "a"), node("Mul", "a a", "b"), node("Mul", "b b", "c"), node("ConstantOfShape", "c")),
    "a size from a float": model(floats(2), node("Exp", "w", "a"), node("Cast", "a", "b", number("to", 7)), node("ConstantOfShape", "b")),
    "a loop": model(node("Loop", more=field(5, field(6, b"")))),
    "subgraphs in subgraphs": model(node("If", more=field(5, field(6, node("If", more=field(5, field(6, node("If")))))))),
    "local functions": model(more=field(25, field(1, "f"))),
    "a domain of its own": model(node("Relu", more=field(7, "evil"))),
    "a million nodes": model(node("Relu") * 1_000_000),
    "ten million fields": model(field(5, field(1, 1) * 10_000_000)),
    "ten million numbers": model(field(5, field(1, bytes(10_000_000)))),
    "sixty million int32": model(field(5, field(1, 60_000_000) + field(2, 6) + field(5, bytes(60_000_000)) + field(14, 1))),
}  # fmt: skip


@pytest.mark.parametrize("case", [*OUTSIDE, *BOMBS])
def test_a_hostile_graph_is_refused_at_once(make_bundle, monkeypatch, at_once, case):
    """Before ONNX Runtime sees it, within about a second; by VAE.load, from a folder where what it names is there."""
    folder = make_bundle({"decoder.onnx": (OUTSIDE | BOMBS)[case]})
    secret = folder.parent / "secret"
    secret.write_bytes(bytes(64))
    (folder / "weights.bin").write_bytes(bytes(64))
    (folder / "link").symlink_to(secret)
    os.link(secret, folder / "hard")
    os.mkfifo(folder / "fifo")
    monkeypatch.setattr("vae_edge.runtime.session.onnxruntime", lambda: pytest.fail("ONNX Runtime was asked"))
    with at_once(), pytest.raises(UnsafeBundle, match=r"decoder\.onnx"):
        VAE.load(folder)


def test_there_are_forty_ways_out_and_fifty_bombs():
    assert len(OUTSIDE) >= 40
    assert len(BOMBS) >= 50


def test_refusals_take_no_memory(run_python):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_bundles as t\n"
        "from vae_edge.runtime import UnsafeBundle\nfrom vae_edge.runtime.bundle import guard\n"
        "cases = t.OUTSIDE | t.BOMBS\n"
        "for name, data in cases.items():\n"
        "    try: guard.check(data, name)\n"
        "    except UnsafeBundle: continue\n"
        "    raise AssertionError(name)\n"
        "print(t.peak_kilobytes())"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1 << 20  # kilobytes, the cases themselves among them


def test_what_is_no_regular_file_is_refused(copy, at_once):
    """Links, pipes, devices, sockets and folders in the place of each file."""
    made: list[Callable[[Path], object]] = [
        lambda path: path.symlink_to(copy.parent / "original"),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("/proc/self/mem"),
        lambda path: path.symlink_to(path),
        os.mkfifo,
        os.mkdir,
        bind,
    ]
    if os.geteuid() == 0 and hasattr(os, "mknod"):
        made.append(lambda path: os.mknod(path, 0o20600, os.makedev(1, 5)))  # /dev/zero
    for name in FILES:
        (copy / name).rename(copy.parent / "original")
        for make in made:
            try:
                make(copy / name)
            except PermissionError:
                continue  # devices are not for every container
            with at_once(), pytest.raises(BundleError):
                bundle.read(copy)
            (copy / name).rmdir() if (copy / name).is_dir() else (copy / name).unlink()
        (copy.parent / "original").rename(copy / name)


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


# ---- what was hashed is what runs ------------------------------------------------------------------------------------


def test_a_file_that_is_swapped_while_it_is_loaded_never_runs(copy, vae, soak, record_property):
    """A thread exchanges files as fast as it can: each load gives the bytes of the manifest, or an error."""
    names = FILES[1:]
    originals = {name: (copy / name).read_bytes() for name in names}
    swaps, stop = 0, threading.Event()

    def swap() -> None:
        nonlocal swaps
        dice = random.Random(1)
        while not stop.is_set():
            name = dice.choice(names)
            other = bytearray(originals[name])
            other[dice.randrange(len(other))] ^= 255
            (copy / "new").write_bytes(dice.choice([bytes(other), originals[name], b""]))
            (copy / "new").rename(copy / name)
            swaps += 1

    expected, loaded, refused = vae.generate(2), 0, 0
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        # A busy machine may meet no whole bundle among the first 40.
        least = soak(40, 1000)
        while swaps < soak(200, 1000) or loaded + refused < least or (not loaded and refused < 5000):
            try:
                found = VAE.load(copy)
            except BundleError:
                refused += 1
                continue
            loaded += 1
            assert {name: found.bundle.files[name] for name in names} == originals
            assert np.array_equal(found.generate(2), expected)
    finally:
        stop.set()
        thread.join()
    assert loaded
    assert refused
    record_property("result", f"{swaps:,} swaps, never other bytes")
