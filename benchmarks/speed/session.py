"""One run: starts the workers, has them checked and measured, and keeps the results on disk as it goes."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import numpy as np
import processes
from agreement import Verdict, judge, judge_training
from environments import HERE, python, why_missing
from roster import HEADS, OURS, PEERS, Peer, named
from rounds import Cell, Entry, Group, measure, ratios, spread
from targets import all_targets
from workers import Worker, WorkerError

__all__ = ["Plan", "run"]

BUNDLE = "mnist"  # the shipped one, whose processes are measured
BENCHED = (BUNDLE, "mnist-large")  # separable blocks of 64 channels, and of 128
TRAINED = 9_984  # images an epoch: 78 batches of 128
SCALE = (64, 512, 10_000, 100_000, 1_000_000)  # images of a stream
CHUNK = 500  # protocol.CHUNK, which is imported where the peers run

Results = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is to be run."""

    envs: Path
    exchange: Path
    models: tuple[str, ...]
    sizes: tuple[int, ...]
    peers: tuple[Peer, ...]
    parts: tuple[str, ...]
    threads: int
    rounds: int
    seconds: float
    stream: int
    quick: bool
    int8: tuple[str, ...]
    float32: tuple[str, ...]

    @classmethod
    def of(cls, said: argparse.Namespace, threads: int) -> Plan:
        """The plan of a command line."""
        fields: dict[str, Any] = {field.name: getattr(said, field.name, None) for field in dataclasses.fields(cls)}
        fields = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        return cls(**(fields | {"peers": named(said.only), "threads": threads}))


def run(plan: Plan, out: Path) -> Results:
    """Measures all parts of the plan; `out` holds what there is after each of them."""
    results: Results = {
        "quick": plan.quick,
        "machine": machine.describe(),
        "settings": {
            "threads": plan.threads,
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "sizes": plan.sizes,
            "models": plan.models,
            "chunk": CHUNK,
        },
        "models": {},
        "peers": {},
        "cells": [],
    }
    with tempfile.TemporaryDirectory(prefix="vae-edge-speed-") as folder:
        crew = Crew(plan, Path(folder), results)
        try:
            if "peers" in plan.parts:
                for group in _groups(plan):
                    crew.measure(group, plan.models)
                    _keep(results, out)
            if "training" in plan.parts:
                crew.measure(Group("train", "", TRAINED), ("mnist",))
        finally:
            crew.close()
        _keep(results, out)
        if "bench" in plan.parts:
            seconds = 0 if plan.quick else 2
            options = ["--json", "--seconds", str(seconds), "--threads", str(plan.threads)]
            command = [str(python(plan.envs, OURS).parent / "vae-edge"), "bench"]
            results["bench"] = {name: _json_of([*command, name, *options]) for name in BENCHED}
        script = [str(python(plan.envs, OURS)), str(HERE / "peers" / "int8.py")]
        options = [str(plan.threads), "0" if plan.quick else "2"]
        pairs = dict(zip(plan.float32, plan.int8, strict=False))
        results["int8"] = {name: _json_of([*script, name, int8, *options]) for name, int8 in pairs.items()}
        _keep(results, out)
        if "processes" in plan.parts:
            results["processes"] = _reasoned(_fresh, plan, results, Path(folder))
        if "streams" in plan.parts:
            results["streams"] = _reasoned(processes.streams, plan.envs, BUNDLE, plan.threads, _scale(plan.stream))
    _keep(results, out)
    return results


def _groups(plan: Plan) -> list[Group]:
    kinds = [(work, head) for work in ("pixels", "heads") for head in HEADS] + [("reconstruct", "mean")]
    return [Group(work, head, n) for n in plan.sizes for work, head in kinds]


class Crew:
    """The workers of a run, and what is known of each peer."""

    def __init__(self, plan: Plan, folder: Path, results: Results) -> None:
        self.plan, self.folder, self.results = plan, folder, results
        self.workers: dict[str, Worker] = {}
        self.logits: dict[tuple[str, str, int], Verdict] = {}
        if missing := [model for model in plan.models if not (plan.exchange / model / "model.json").exists()]:
            raise SystemExit(f"the exchange folder lacks {', '.join(missing)}: run.py setup --only tensorflow")
        for model in plan.models:
            results["models"][model] = json.loads((plan.exchange / model / "model.json").read_text())
        for peer in plan.peers:
            wanted = "training" if "train" in peer.works else "peers"
            if wanted in plan.parts:
                results["peers"][peer.name] = self._start(peer)

    def _start(self, peer: Peer) -> Results:
        if reason := why_missing(self.plan.envs, peer.environment):
            return {"status": "missing", "reason": reason}
        command = [str(python(self.plan.envs, peer.environment)), str(HERE / "peers" / peer.script)]
        command += ["--exchange", str(self.plan.exchange), "--threads", str(self.plan.threads), "--", *peer.arguments]
        worker = Worker(command, self.folder / f"{peer.name}.log")
        try:
            versions = worker.ask("hello")["versions"]
        except WorkerError as error:
            worker.close()
            return {"status": "does not work", "reason": str(error)}
        self.workers[peer.name] = worker
        return {"status": "not asked", "versions": versions}

    def measure(self, group: Group, models: Sequence[str]) -> None:
        """Checks and measures a group, and keeps its cells with their ratio to ours."""
        # Logits to pixels need no model: those of the first.
        models = models[:1] if group.work == "heads" else models
        peers = [peer for peer in PEERS if group.work in peer.works and peer.name in self.workers]
        entries = [(peer.name, model) for peer in peers for model in models]
        print(f"{group.work} {group.head} n = {group.n}: {len(peers)} peers", file=sys.stderr)
        cells = measure(group, entries, self.workers, self._check, self.plan.rounds, self.plan.seconds)
        for cell in cells:
            self._note(cell.peer, cell.reason)
        ours = "train-vae-edge" if group.work == "train" else OURS
        of_ours = {cell.model: cell for cell in cells if cell.peer == ours}
        self.results["cells"] += [_told(group, cell, of_ours.get(cell.model)) for cell in cells]

    def _check(self, group: Group, entry: Entry) -> str:
        """Why this entry of the group is not to be timed; empty where it computes what TensorFlow computes."""
        peer, model = entry
        known = self.results["peers"][peer]
        if group.work in ("pixels", "reconstruct"):
            key = peer, model, group.n
            if key not in self.logits:
                self.logits[key] = self._judged(Group("logits", "", group.n), entry)
            verdict = self.logits[key]
            if math.isfinite(verdict.difference):
                known["logits_difference"] = max(known.get("logits_difference", 0.0), verdict.difference)
            if not verdict.agrees:
                return verdict.reason
        return self._judged(group, entry).reason

    def _judged(self, group: Group, entry: Entry) -> Verdict:
        peer, model = entry
        to = self.folder / "output.npy"
        request = {"model": model, "work": group.work, "head": group.head, "n": group.n, "to": str(to)}
        try:
            self.workers[peer].ask("compute", **request)
        except WorkerError as error:
            return Verdict(False, math.inf, f"fails: {model}, n = {group.n}: {error}")
        got = np.load(to)
        if group.work == "train":
            verdict = judge_training(got)
        else:
            stored = "reconstruction.npy" if group.work == "reconstruct" else "logits.npy"
            logits = np.load(self.plan.exchange / model / stored, mmap_mode="r")[: group.n]
            verdict = judge(group.head or "logits", got, np.asarray(logits))
        reason = f"disagrees: {model}, n = {group.n}: {verdict.reason}" if verdict.reason else ""
        return Verdict(verdict.agrees, verdict.difference, reason)

    def _note(self, peer: str, reason: str) -> None:
        """A peer agrees until there is a reason against it, the first of which is kept."""
        known = self.results["peers"][peer]
        if reason:
            known["status"] = reason.split(":")[0]  # disagrees, or fails
            known.setdefault("reason", reason)
        elif known["status"] == "not asked":
            known["status"] = "agrees"

    def close(self) -> None:
        """Ends all workers."""
        for worker in self.workers.values():
            worker.close()


def _told(group: Group, cell: Cell, ours: Cell | None) -> Results:
    told: Results = dataclasses.asdict(group) | dataclasses.asdict(cell) | {"median": None, "ratio": None}
    if not cell.reason:
        told["median"] = spread(cell.rounds)["median"]
        if ours and not ours.reason:
            told["ratio"] = spread(ratios(cell.rounds, ours.rounds))
    return told


def _fresh(plan: Plan, results: Results, folder: Path) -> Results:
    """Ours, the imports, and each peer that makes pixels and agrees."""
    found = results["peers"]
    peers = [
        peer for peer in plan.peers if "pixels" in peer.works and found.get(peer.name, {}).get("status") == "agrees"
    ]
    rounds = 2 if plan.quick else 2 * plan.rounds
    others = [peer for peer in peers if peer.name != OURS]
    model = BUNDLE if BUNDLE in plan.models else plan.models[0]
    return processes.fresh(plan.envs, BUNDLE, others, plan.exchange, model, plan.threads, rounds, folder / "new.png")


def _scale(longest: int) -> list[int]:
    """The lengths of the streams, the longest last."""
    return [*(n for n in SCALE if n < longest), longest]


def _json_of(command: Sequence[str]) -> Results:
    print(" ".join([Path(command[0]).name, *command[1:]]), file=sys.stderr)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"reason": " ".join(done.stderr.split())[-300:]}
    document: Results = json.loads(done.stdout)
    return document


def _reasoned(function: Any, *arguments: Any) -> Results:
    print(function.__name__.strip("_"), file=sys.stderr)
    try:
        found: Results = function(*arguments)
        return found
    except (subprocess.CalledProcessError, OSError, ValueError) as error:
        return {"reason": " ".join(str(error).split())[-300:]}


def _keep(results: Results, out: Path) -> None:
    results["targets"] = [dataclasses.asdict(target) for target in all_targets(results)]
    new = out.with_name(out.name + ".new")
    new.write_text(json.dumps(results, indent=1) + "\n")
    new.replace(out)
