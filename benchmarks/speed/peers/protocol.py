"""A worker: does the work that the driver asks for, one JSON line in, one out, and measures it where it runs.

Needs NumPy alone, since it runs in the environment of each peer. A peer is an object whose `function(model, work,
head, n)` gives a function of one array, float32 NumPy in and out: `pixels` takes z (n, L), `logits` too, `reconstruct`
takes images (n, 28, 28, 1), `heads` takes logits of that shape. Inputs are those of the exchange folder.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.metadata
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["CHUNK", "LARGEST", "Array", "Function", "Peer", "numpy_head", "serve"]

CHUNK = 500  # more images than LARGEST go through a peer in chunks of this many, which parts 10,000 evenly
LARGEST = 512
MOST = 10_000  # calls measured a request
PR_SET_PDEATHSIG = 1

Array = npt.NDArray[np.float32]
Function = Callable[[Array], Array]


class Peer(Protocol):
    """What a script of this folder hands to `serve`."""

    batches_itself: bool  # takes any number of images in one call
    packages: tuple[str, ...]  # whose versions are reported

    def function(self, model: str, work: str, head: str, n: int) -> Function:
        """What does that work on n images."""


def numpy_head(head: str) -> Function:
    """A head of logits as one writes it in NumPy where a runtime has none."""
    draws = np.random.default_rng(0)

    def mean(logits: Array) -> Array:
        return 1 / (1 + np.exp(-logits))

    def mode(logits: Array) -> Array:
        return (logits >= 0).astype(np.float32)

    def sample(logits: Array) -> Array:
        return (draws.random(logits.shape, np.float32) < mean(logits)).astype(np.float32)

    return {"": lambda logits: logits, "mean": mean, "mode": mode, "sample": sample}[head]


def serve(make: Callable[..., Peer]) -> None:
    """Answers requests until standard input ends; `make` takes the exchange folder, the threads, and arguments.

    With `--once MODEL N` it does `pixels` with the head `mean` once instead, and ends: a process's whole life.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--exchange", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--once", nargs=2, metavar=("MODEL", "N"))
    parser.add_argument("arguments", nargs="*")
    said = parser.parse_args()
    if said.once:
        model, n = said.once[0], int(said.once[1])
        make(said.exchange, said.threads, *said.arguments).function(model, "pixels", "mean", n)(
            _inputs(said.exchange, model, "pixels", n)
        )
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a stopped worker must not outlive the driver
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    worker: _Worker | None = None
    for line in sys.stdin:
        try:
            if worker is None:
                worker = _Worker(make(said.exchange, said.threads, *said.arguments), said.exchange)
            answer = worker.answer(json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class _Worker:
    def __init__(self, peer: Peer, exchange: Path) -> None:
        self.peer, self.exchange = peer, exchange
        self.calls: dict[tuple[str, str, str, int], Callable[[int], Array]] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "hello":
            return {"versions": {name: importlib.metadata.version(name) for name in self.peer.packages}}
        call = self._call(request["model"], request["work"], request["head"], request["n"])
        if request["do"] == "compute":
            np.save(request["to"], call(request["n"]))
            return {}
        return {"seconds": self._measure(call, request["n"], request["seconds"])}

    def _call(self, model: str, work: str, head: str, n: int) -> Callable[[int], Array]:
        """A function that does the work on the first `count` of n images."""
        key = model, work, head, n
        if key not in self.calls:
            x = _inputs(self.exchange, model, work, n)
            if self.peer.batches_itself or n <= LARGEST:
                whole = self.peer.function(model, work, head, n)
                self.calls[key] = lambda count: whole(x[:count])
            else:
                self.calls[key] = _in_chunks(self.peer.function(model, work, head, CHUNK), x)
        return self.calls[key]

    def _measure(self, call: Callable[[int], Array], n: int, seconds: float) -> list[float]:
        """The seconds of each call, after one that is not counted (of one chunk, where there are many)."""
        call(min(n, CHUNK) if n > LARGEST else n)
        taken: list[float] = []
        end = time.perf_counter() + seconds
        while not taken or (len(taken) < MOST and time.perf_counter() < end):
            began = time.perf_counter()
            call(n)
            taken.append(time.perf_counter() - began)
        return taken


def _in_chunks(function: Function, x: Array) -> Callable[[int], Array]:
    def call(count: int) -> Array:
        out = np.empty((count, 28, 28, 1), np.float32)
        for at in range(0, count, CHUNK):
            out[at : at + CHUNK] = function(x[at : at + CHUNK])
        return out

    return call


def _inputs(exchange: Path, model: str, work: str, n: int) -> Array:
    file = {"reconstruct": "images.npy", "heads": "logits.npy", "train": "images.npy"}.get(work, "z.npy")
    stored = np.load(exchange / model / file, mmap_mode="r")
    if len(stored) < n:
        raise ValueError(f"{file} holds {len(stored)} of {n}: run setup again")
    return np.array(stored[:n], np.float32)
