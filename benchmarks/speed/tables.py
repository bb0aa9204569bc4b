"""The results as markdown: the whole of them, or the README's table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from roster import HEADS, OURS, PEERS

__all__ = ["full", "readme"]

Results = dict[str, Any]
_WHAT = {peer.name: peer.what for peer in PEERS}


def full(results: Results) -> str:
    """All that was measured, and what was not, with the reason."""
    parts = [_machine(results), _peers(results)]
    for model in results["settings"]["models"]:
        for work, head in (*(("pixels", head) for head in HEADS), ("reconstruct", "mean"), ("heads", "")):
            for each in HEADS if work == "heads" else (head,):
                parts += _times(results, model, work, each)
    parts += [
        *_training(results),
        *_processes(results),
        *_streams(results),
        *_bench(results),
        *_int8(results),
        _targets(results),
    ]
    return "\n\n".join(parts) + "\n"


def readme(results: Results) -> str:
    """Latents to mean pixels, each peer's time over ours, and the targets."""
    models = [model for model in ("tutorial", "mnist") if model in results["settings"]["models"]]
    sizes = [n for n in (1, 64, 10_000) if n in results["settings"]["sizes"]]
    columns = [(model, n) for model in models for n in sizes]
    header = ["time / ours, latents to pixels (mean)", *(f"{model}, n = {n:,}" for model, n in columns)]
    rows = []
    for peer in _ordered(results, "pixels"):
        found = [_find(results, "pixels", "mean", n, peer, model) for model, n in columns]
        rows.append([_WHAT[peer], *(_time_or_ratio(cell, peer) for cell in found)])
    parts = [_machine(results), _table(header, rows), *_streams(results)[1:], _targets(results)]
    return "\n\n".join(parts) + "\n"


def _time_or_ratio(cell: Results | None, peer: str) -> str:
    if cell is None or cell["reason"]:
        return "-" if cell is None else _short(cell["reason"])
    return _time(cell["median"]) if peer == OURS else f"{cell['ratio']['median']:.2f} x"


def _machine(results: Results) -> str:
    machine, settings = results["machine"], results["settings"]
    lines = [
        f"{machine['processor']}, {settings['threads']} threads of {machine['cpus']} CPUs, {machine['memory']}, "
        f"{machine['system']}, Python {machine['python']}; load before the run {machine['load']:.2f}.",
        f"Medians of {settings['rounds']} rounds, in each of which all sides take their turn; ratios are each round's, "
        f"with quartiles. n = 10,000 in chunks of {settings['chunk']}, as far as a side does not part it itself.",
    ]
    if results["quick"]:
        lines.append("**A quick run: it shows that all sides work and agree; its times mean nothing.**")
    return "\n".join(lines)


def _peers(results: Results) -> str:
    rows = []
    for name, found in results["peers"].items():
        versions = ", ".join(f"{key} {value}" for key, value in found.get("versions", {}).items())
        difference = found.get("logits_difference")
        shown = "" if difference is None else f"{difference:.2g}"
        rows.append([_WHAT[name], versions, found["status"], shown, found.get("reason", "")])
    return _table(["peer", "versions", "", "logits, largest difference from TensorFlow's", "why"], rows)


def _times(results: Results, model: str, work: str, head: str) -> list[str]:
    sizes = [
        n for n in results["settings"]["sizes"]
        if any(_find(results, work, head, n, peer, model) for peer in results["peers"])
    ]  # fmt: skip
    if not sizes:
        return []
    rows = []
    for peer in _ordered(results, work):
        cells = [_find(results, work, head, n, peer, model) for n in sizes]
        if any(cells):
            rows.append([_WHAT[peer], *(_cell(cell, peer) for cell in cells)])
    what = {"pixels": "latents to pixels", "reconstruct": "image to reconstruction", "heads": "logits to pixels"}[work]
    return [f"### {model}: {what}, {head}", _table(["", *(f"n = {n:,}" for n in sizes)], rows)]


def _training(results: Results) -> list[str]:
    cells = [cell for cell in results["cells"] if cell["work"] == "train"]
    rows = []
    for cell in cells:
        told = ["-", _short(cell["reason"])]
        if not cell["reason"]:
            told = [f"{cell['n'] / cell['median']:,.0f}", _ratio(cell)]
        rows.append([_WHAT[cell["peer"]], *told])
    return ["### Training `mnist`", _table(["", "images/s", "time / ours"], rows)] if rows else []


def _processes(results: Results) -> list[str]:
    title, found = "### Processes, from start to 64 images", results.get("processes", {})
    if not found or "reason" in found:
        return [title, f"not measured: {found['reason']}"] if found else []
    rows = [[_WHAT.get(name, f"`{name}`"), _time(row["seconds"]), _mebibytes(row)] for name, row in found.items()]
    return [title, _table(["", "start to end", "peak memory"], rows)]


def _streams(results: Results) -> list[str]:
    title, found = "### A process that streams n images", results.get("streams", {})
    if not found or "reason" in found:
        return [title, f"not measured: {found['reason']}"] if found else []
    rows = [
        [f"{int(n):,}", _time(row["seconds"]), _time(row["seconds"] / int(n)), _mebibytes(row)]
        for n, row in found.items()
    ]
    return [
        title,
        _table(["n, streamed from `mnist`, head sample", "time", "an image", "the process's peak memory"], rows),
    ]


def _mebibytes(row: Results) -> str:
    return f"{row['peak_bytes'] / 2**20:,.1f} MiB"


def _bench(results: Results) -> list[str]:
    parts = []
    for name, found in results.get("bench", {}).items():
        parts.append(f"### vae-edge bench {name}")
        if "rows" not in found:
            parts.append(f"not measured: {found['reason']}")
            continue
        rows = [
            [f"{row['n']:,}", row["what"], _time(row["p50"]), f"{row['over_bare']:.2f}", _percent(row)]
            for row in found["rows"]
        ]
        parts.append(_table(["n", "", "median", "x bare", "of sgemm"], rows))
    return parts


def _percent(row: Results) -> str:
    return f"{row['share_of_sgemm']:.0%}" if "share_of_sgemm" in row else ""


def _int8(results: Results) -> list[str]:
    parts = []
    for name, found in results.get("int8", {}).items():
        if "seconds" not in found:
            parts.append(f"### {name} in int8\n\nnot measured: {found['reason']}")
            continue
        rows = [
            [f"{int(n):,}", _time(pair["float32"]), _time(pair["int8"]), f"{pair['float32'] / pair['int8']:.2f}"]
            for n, pair in found["seconds"].items()
        ]
        sizes, nats = found["bytes"], found["nats_lost"]
        lost = "" if nats is None else f", {nats:.3f} nats lost"
        parts.append(f"### {name} in int8: {sizes['int8']:,} bytes beside {sizes['float32']:,}{lost}")
        parts.append(_table(["n", "float32", "int8", "float32 / int8"], rows))
    return parts


def _targets(results: Results) -> str:
    words = {True: "met", False: "**not met**", None: "-"}
    rows = [[target["what"], target["wanted"], target["got"], words[target["met"]]] for target in results["targets"]]
    return _table(["target", "wanted", "got", ""], rows)


def _ordered(results: Results, work: str) -> list[str]:
    return [peer.name for peer in PEERS if work in peer.works and peer.name in results["peers"]]


def _find(results: Results, work: str, head: str, n: int, peer: str, model: str) -> Results | None:
    key = work, head, n, peer, model
    for cell in results["cells"]:
        if (cell["work"], cell["head"], cell["n"], cell["peer"], cell["model"]) == key:
            found: Results = cell
            return found
    return None


def _cell(cell: Results | None, peer: str) -> str:
    if cell is None:
        return "-"
    if cell["reason"]:
        return _short(cell["reason"])
    return _time(cell["median"]) if peer == OURS else f"{_time(cell['median'])}, {_ratio(cell)}"


def _ratio(cell: Results) -> str:
    ratio = cell["ratio"]
    if ratio is None:
        return "-"
    return f"{ratio['median']:.2f} x ({ratio['q1']:.2f} to {ratio['q3']:.2f})"


def _short(reason: str) -> str:
    return reason.split(":")[0][:60]


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:,.2f} {unit}"
    return f"{seconds * 1e6:,.1f} us"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)
