"""The targets: each is computed from the results of one run, or says what it lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from agreement import TOLERANCE
from processes import COMMAND, IMPORTS
from roster import HEADS, OURS
from rounds import ratios, spread

from vae_edge.cli.verbs.bench import DECODE

__all__ = ["Target", "all_targets"]

Results = dict[str, Any]
FLAT = 1.02  # peaks of one program differ by a percent
FLAT_TIME = 1.1
MOST_NATS = 0.5
LITERT = {1: 0.75, 8: 0.9, 64: 1.2, 512: 1.2, 10_000: 1.1}  # its time over ours, by the number of images
TRAINING = 1.3


class _Lacking(Exception):
    """What a target would need, and was not measured."""


@dataclass(frozen=True)
class Target:
    """`got` is a ratio or a figure in the unit of `wanted`; `met` is None where it was not measured."""

    what: str
    wanted: str
    got: str
    met: bool | None


def all_targets(results: Results) -> list[Target]:
    """Every target, in the order of the specification."""
    rules: list[tuple[str, str, Callable[[Results], tuple[str, bool]]]] = [
        ("pixels of 64, tutorial: bare ONNX Runtime on tf2onnx's plain graph / ours (slowest head)", ">= 1.5", _plain),
        ("pixels of 64, tutorial: the fastest peer / ours (slowest head)", "> 1", _every_peer),
        ("our logits, largest difference from TensorFlow's", f"<= {TOLERANCE:g}", _logits),
        ("pixels of 64: TensorFlow + TFP on the tutorial / ours on `mnist` (mean)", ">= 10", _preset),
        *(
            (f"latents to mean pixels, `{name}`, n = {n:,}: LiteRT / ours", f">= {least}", _litert(name, n, least))
            for name in ("mnist", "tutorial")
            for n, least in LITERT.items()
        ),
        *(
            (f"share of sgemm, `{name}` decoder alone, n = {n}", f">= {least:.0%}", _share(name, n, least))
            for name in ("mnist-large", "mnist")
            for n, least in ((512, 0.9), (64, 0.75), (1, 0.4))
        ),
        ("generate / bare session, n >= 64, slowest head", "<= 1.10", _over_bare),
        ("generate beyond the bare session, n = 1, slowest head", "<= 20 us", _extra),
        (f"process start to 64 images in Python / `{IMPORTS}`", "<= 1.25", _process(OURS, "seconds", 1.25)),
        (f"`{COMMAND}` / `{IMPORTS}`", "<= 1.6", _process(COMMAND, "seconds", 1.6)),
        (f"peak memory of 64 images / `{IMPORTS}`", "<= 1.3", _process(OURS, "peak_bytes", 1.3)),
        ("peak memory after the longest stream / after the shortest of 10,000 or more", f"<= {FLAT}", _flat),
        ("time an image of the longest stream / of the shortest", f"<= {FLAT_TIME}", _flat_time),
        ("int8 bundle's bytes / float32's", "<= 1/3", _int8_bytes),
        ("float32 / int8, n >= 64, the slowest", "> 1", _int8_speed),
        ("NLL lost in int8, as its export measured it", f"<= {MOST_NATS} nats", _int8_nats),
        ("training: plain keras.fit / ours", f">= {TRAINING}", _training("train-keras", lambda r: r >= TRAINING)),
        ("training: PyTorch eager / ours", "> 1", _training("train-torch", lambda ratio: ratio > 1)),
    ]
    targets = []
    for what, wanted, rule in rules:
        try:
            if results["quick"] and rule not in (_logits, _int8_bytes, _int8_nats):
                raise _Lacking("a quick run's times mean nothing")
            got, met = rule(results)
            targets.append(Target(what, wanted, got, met))
        except _Lacking as lack:
            targets.append(Target(what, wanted, f"not measured: {lack}", None))
    return targets


def _cell(results: Results, work: str, head: str, n: int | None, peer: str, model: str) -> Results:
    for cell in results["cells"]:
        if (cell["work"], cell["head"], cell["peer"], cell["model"]) == (work, head, peer, model):
            if n is not None and cell["n"] != n:
                continue
            if cell["reason"]:
                raise _Lacking(f"{peer}: {cell['reason']}")
            found: Results = cell
            return found
    raise _Lacking(f"{peer} on {model} was not run")


def _ratio(theirs: Results, ours: Results) -> float:
    return spread(ratios(theirs["rounds"], ours["rounds"]))["median"]


def _plain(results: Results) -> tuple[str, bool]:
    worst = min(
        _ratio(*(_cell(results, "pixels", head, 64, peer, "tutorial") for peer in ("onnxruntime", OURS)))
        for head in HEADS
    )
    return f"{worst:.2f}", worst >= 1.5


def _every_peer(results: Results) -> tuple[str, bool]:
    found: dict[str, float] = {}
    for head in HEADS:
        ours = _cell(results, "pixels", head, 64, OURS, "tutorial")
        for peer in results["peers"]:
            try:
                ratio = _ratio(_cell(results, "pixels", head, 64, peer, "tutorial"), ours)
            except _Lacking:
                continue  # the table of peers says why
            found[peer] = min(ratio, found.get(peer, ratio))
    del found[OURS]
    if not found:
        raise _Lacking("no peer")
    fastest = min(found, key=lambda peer: found[peer])
    return f"{found[fastest]:.2f} ({fastest}, of {len(found)})", found[fastest] > 1


def _logits(results: Results) -> tuple[str, bool]:
    difference = results["peers"].get(OURS, {}).get("logits_difference")
    if difference is None:
        raise _Lacking(f"{OURS} was not run")
    return f"{difference:.2g}", difference <= TOLERANCE


def _preset(results: Results) -> tuple[str, bool]:
    theirs = _cell(results, "pixels", "mean", 64, "tensorflow", "tutorial")
    ratio = _ratio(theirs, _cell(results, "pixels", "mean", 64, OURS, "mnist"))
    return f"{ratio:.1f}", ratio >= 10


def _litert(name: str, n: int, least: float) -> Callable[[Results], tuple[str, bool]]:
    def rule(results: Results) -> tuple[str, bool]:
        ratio = _ratio(*(_cell(results, "pixels", "mean", n, peer, name) for peer in ("litert", OURS)))
        return f"{ratio:.2f}", ratio >= least

    return rule


def _rows(results: Results, keep: Callable[[Results], bool], name: str = "mnist") -> Iterable[Results]:
    found = results.get("bench", {}).get(name, {})
    if "rows" not in found:
        raise _Lacking(f"vae-edge bench {name} was not run")
    rows = [row for row in found["rows"] if keep(row)]
    if not rows:
        raise _Lacking("vae-edge bench has no such row")
    return rows


def _share(name: str, n: int, least: float) -> Callable[[Results], tuple[str, bool]]:
    def rule(results: Results) -> tuple[str, bool]:
        (row,) = _rows(results, lambda row: row["n"] == n and row["what"] == DECODE and "share_of_sgemm" in row, name)
        return f"{row['share_of_sgemm']:.0%}", row["share_of_sgemm"] >= least

    return rule


def _over_bare(results: Results) -> tuple[str, bool]:
    rows = _rows(results, lambda row: row["n"] >= 64 and row["what"].startswith("generate"))
    worst = max(rows, key=lambda row: row["over_bare"])
    return f"{worst['over_bare']:.2f} ({worst['what']}, n = {worst['n']:,})", worst["over_bare"] <= 1.1


def _extra(results: Results) -> tuple[str, bool]:
    rows = _rows(results, lambda row: row["n"] == 1 and row["what"].startswith("generate"))
    worst = max(row["extra_seconds"] for row in rows)
    return f"{worst * 1e6:.1f} us", worst <= 20e-6


def _process(name: str, key: str, most: float) -> Callable[[Results], tuple[str, bool]]:
    def rule(results: Results) -> tuple[str, bool]:
        found = results.get("processes", {})
        if name not in found or not found[IMPORTS][key]:
            raise _Lacking("processes were not run")
        ratio = found[name][key] / found[IMPORTS][key]
        return f"{ratio:.2f}", ratio <= most

    return rule


def _flat(results: Results) -> tuple[str, bool]:
    counts, found = _counts(results, 10_000)
    ratio = found[counts[-1]]["peak_bytes"] / found[counts[0]]["peak_bytes"]
    return f"{ratio:.3f} ({int(counts[-1]):,} / {int(counts[0]):,} images)", ratio <= FLAT


def _flat_time(results: Results) -> tuple[str, bool]:
    counts, found = _counts(results, 1)
    longest, shortest = (found[n]["seconds"] / int(n) for n in (counts[-1], counts[0]))
    ratio = longest / shortest
    return f"{ratio:.2f} ({int(counts[-1]):,} / {int(counts[0]):,} images)", ratio <= FLAT_TIME


def _counts(results: Results, least: int) -> tuple[list[str], Results]:
    """The lengths of the streams, of `least` images or more, in their order; and all streams' figures."""
    found: Results = results.get("streams", {})
    counts = sorted((n for n in found if n != "reason" and int(n) >= least), key=int)
    if len(counts) < 2:
        raise _Lacking("streams were not run")
    return counts, found


def _int8(results: Results, key: str) -> dict[str, Any]:
    """What each int8 bundle has under `key`."""
    found = {name: each[key] for name, each in results.get("int8", {}).items() if each.get(key) is not None}
    if not found:
        raise _Lacking("no int8 bundle that tells was named (--int8)")
    return found


def _said(figures: dict[str, float], form: str) -> str:
    return ", ".join(f"{name} {figure:{form}}" for name, figure in figures.items())


def _int8_bytes(results: Results) -> tuple[str, bool]:
    shares = {name: sizes["int8"] / sizes["float32"] for name, sizes in _int8(results, "bytes").items()}
    return _said(shares, ".3f"), max(shares.values()) <= 1 / 3


def _int8_nats(results: Results) -> tuple[str, bool]:
    nats = _int8(results, "nats_lost")
    return _said(nats, ".3f"), max(nats.values()) <= MOST_NATS


def _int8_speed(results: Results) -> tuple[str, bool]:
    timed = _int8(results, "seconds")
    slowest = {name: min(pair["float32"] / pair["int8"] for pair in each.values()) for name, each in timed.items()}
    return _said(slowest, ".2f"), min(slowest.values()) > 1


def _training(peer: str, holds: Callable[[float], bool]) -> Callable[[Results], tuple[str, bool]]:
    def rule(results: Results) -> tuple[str, bool]:
        pair = [_cell(results, "train", "", None, name, "mnist") for name in (peer, "train-vae-edge")]
        ratio = _ratio(*pair)
        return f"{ratio:.2f}", holds(ratio)

    return rule
