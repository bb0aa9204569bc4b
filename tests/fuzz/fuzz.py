"""Coverage-guided fuzzing of every reader of foreign bytes: python tests/fuzz/fuzz.py READER|all SECONDS FOLDER.

Needs `pip install atheris` beside what the tests need. FOLDER keeps what was found: READER/ all inputs that reached
something new, READER-crash-... the one at which a reader ended (see `readers.py` for what counts), READER.log.
`all` takes one reader after the other. `corpus FOLDER` writes the smallest inputs that reach as much as all in FOLDER
did to tests/fuzz/corpus, from where the next run begins, and which `test_readers.py` replays.
"""

from __future__ import annotations

import importlib
import io
import logging
import random
import re
import subprocess
import sys
import tempfile
import types
import warnings
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
MAX_CORPUS = 20_000  # bytes a reader, packed
TRACED = ("vae_edge", "zipfile", "gzip", "PIL")
READERS = ("manifest", "bundle", "graph", "probe", "idx", "npy", "npz", "picture")


def fuzz(name: str, arguments: list[str]) -> None:
    """Runs one reader by libFuzzer's own arguments; never returns."""
    import atheris

    warnings.simplefilter("ignore")
    logging.disable()  # Pillow's words on damaged pictures
    ours = {"readers", "mutators", "models", "seeds"}  # which import what is traced, and did so for `begin`
    for module in [module for module in sys.modules if module.partition(".")[0] in {*TRACED, *ours}]:
        del sys.modules[module]
    with atheris.instrument_imports(include=list(TRACED)):
        for module in ("gzip", "zipfile"):
            importlib.import_module(module)
        import readers
        from PIL import Image

        Image.init()  # its readers of each format
    for function in vars(importlib.import_module("numpy.lib._format_impl")).values():  # reads the headers of .npy
        if isinstance(function, types.FunctionType) and function.__module__.startswith("numpy.lib"):
            atheris.instrument_func(function)
    reader = readers.READERS[name]

    def one(data: bytes) -> None:
        readers.judge(reader.read, data)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        changed = reader.mutate(data, random.Random(seed), lambda part: atheris.Mutate(part, max_size))
        return changed if len(changed) <= max_size else atheris.Mutate(data, max_size)

    # Beside the limits of `judge`, for what hangs, or fills the memory before it returns; the time is the wall's.
    options = [f"-max_len={reader.max_bytes}", "-timeout=300", "-rss_limit_mb=512"]
    again = f"{sys.executable} {__file__} {name} merge"  # what libFuzzer starts, by a shell, to merge
    atheris.Setup([again, *options, *arguments], one, custom_mutator=mutate)
    atheris.Fuzz()


def begin(name: str, seconds: int, folder: Path) -> None:
    """Fuzzes from the seeds and the corpus."""
    import readers

    found = folder / name
    found.mkdir(parents=True, exist_ok=True)
    for index, data in enumerate([*readers.READERS[name].seeds(), *corpus(name)]):
        (found / f"seed-{index}").write_bytes(data)
    fuzz(name, [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/{name}-", "-print_final_stats=1", str(found)])


def corpus(name: str) -> list[bytes]:
    """The inputs that are kept for a reader, the smallest first."""
    if not (path := CORPUS / f"{name}.zip").exists():
        return []
    with zipfile.ZipFile(path) as archive:
        return [archive.read(member) for member in archive.namelist()]


def keep(folder: Path) -> None:
    """Writes the corpus of each reader, as far as its limit reaches."""
    CORPUS.mkdir(exist_ok=True)
    for name in READERS:
        if not (folder / name).is_dir():
            continue
        with tempfile.TemporaryDirectory() as merged:
            run(name, "merge", "-merge=1", merged, str(folder / name))
            inputs = sorted((path.read_bytes() for path in Path(merged).iterdir()), key=lambda data: (len(data), data))
        while len(packed := pack(inputs)) > MAX_CORPUS:
            del inputs[len(inputs) * 9 // 10 :]
        (CORPUS / f"{name}.zip").write_bytes(packed)
        print(f"{name}: {len(inputs)} inputs, {len(packed):,} bytes")  # noqa: T201


def pack(inputs: list[bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for index, data in enumerate(inputs):
            member = zipfile.ZipInfo(f"{index:03}")  # without a time
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, data)
    return stream.getvalue()


def run(*arguments: str, log: Path | None = None) -> int:
    """This program in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    with log.open("w") if log else tempfile.TemporaryFile("w") as output:
        return subprocess.run(command, stdout=output, stderr=output, check=False).returncode


def told(name: str, log: str, commit: str, found: bool) -> list[str]:
    """A row of the page of promises, of what libFuzzer wrote: the edges of the seeds come with INITED."""
    edges = [int(number) for number in re.findall(r"cov: (\d+)", log)] or [0]
    begun, done = re.search(r"INITED +cov: (\d+)", log), re.search(r"Done (\d+) runs in (\d+) second", log)
    executions = re.search(r"number_of_executed_units: *(\d+)", log)
    return [
        name,
        commit,
        f"{done[2]} s" if done else "?",
        f"{int(executions[1]):,}" if executions else "?",
        f"{begun[1] if begun else '?'} to {max(edges)}",
        "a finding" if found else "nothing",
    ]


def main(arguments: list[str]) -> int:
    if arguments[0] == "corpus":
        keep(Path(arguments[1]))
    elif arguments[0] == "all":
        sys.path.append(str(ROOT))
        from tests import runs

        seconds, folder = arguments[1:]
        Path(folder).mkdir(parents=True, exist_ok=True)
        ended = {}
        for name in READERS:
            log = Path(folder, f"{name}.log")
            ended[name] = run(name, seconds, folder, log=log)
            runs.publish("fuzz", [told(name, log.read_text(), runs.commit(), bool(ended[name]))])
        print("\n".join(f"{name}: {'a finding' if code else 'nothing'}" for name, code in ended.items()))  # noqa: T201
        return int(any(ended.values()))
    elif arguments[1] == "merge":
        fuzz(arguments[0], arguments[2:])
    else:
        begin(arguments[0], int(arguments[1]), Path(arguments[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
