"""`vae-edge bench`: how fast a bundle runs here, and how much of that is the machine's own limit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.nouns import counted
from vae_edge.cli.options import HEADS, Device, DeviceOptions, Threads, keyed, load
from vae_edge.cli.progress import Progress
from vae_edge.cli.reports.measure import Products, Start, in_turn, percentile, starts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vae_edge.runtime import VAE, Manifest

__all__ = ["bench"]

SIZES = (1, 8, 64, 512, 10_000)
ROUNDS = 7  # of processes
BARE, DECODE, PRODUCT = "bare session", "decode", "matrix product"

_IMPORT = "import os; os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')\nimport numpy, onnxruntime\n"
_FIRST = """
import json, sys
from vae_edge.runtime import VAE
vae = VAE.load(sys.argv[1], **json.loads(sys.argv[2]))
"""
_GENERATE = _FIRST + "vae.generate(64, **json.loads(sys.argv[3]))\n"
_RECONSTRUCT = _FIRST + (
    "import numpy as np\nevent = vae.manifest.event\nx = np.zeros((64, *event.shape))\n"
    "vae.reconstruct(x if len(event.shape) == 3 else x + (event.shift or 0), **json.loads(sys.argv[3]))\n"
)


def bench(
    context: typer.Context,
    bundle: Annotated[
        str, typer.Argument(metavar="[BUNDLE]", help="A bundle's folder, or the name of one that is built in.")
    ] = "mnist",
    seconds: Annotated[float, typer.Option(min=0, max=3600, metavar="S", help="Time for each number of events.")] = 2.0,
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
) -> None:
    """Measure how fast a bundle runs on this machine: 1 to 10,000 events, a process's start, memory.

    The decoder's distribution, new events under each head, and reconstructions, beside a bare ONNX Runtime session of
    the decoder with as many threads, on batches of 256: all in turn, so that what else the machine does falls on each.
    "x bare" is a median over the session's; "of sgemm" is the share of the multiply-adds a second that NumPy's matrix
    product reaches with as many threads (on a CPU). A conditional bundle is given its first label. Starts and
    memory are a whole process's, beside one that only imports NumPy and ONNX Runtime.

    \b
    Examples:
      vae-edge bench
      vae-edge bench ./my-bundle --threads 1
      vae-edge bench ./my-bundle --provider cuda --json
    """
    vae = load(bundle, provider, provider_option, threads)
    from vae_edge.runtime import cpus

    count, options = threads or cpus.available(), keyed(provider_option)
    steps = len(SIZES) + 2 * (ROUNDS + 1)
    with Progress("bench", steps, "steps") as progress, Products(count) as product:
        began = _starts(vae, provider, options, threads, lambda: progress.advance(1))
        taken = {}
        for n in SIZES:
            calls = _calls(vae, n, options)
            if n < 64:  # a product in between empties the caches, which calls of microseconds would tell
                taken[n] = in_turn(calls, seconds) | in_turn({PRODUCT: product}, seconds / 4)
            else:
                taken[n] = in_turn(calls | {PRODUCT: product}, seconds)
            progress.advance(1)
    on_cpu = vae.provider == "CPUExecutionProvider"
    rows = [row for n in SIZES for row in _rows(n, taken[n], vae.manifest.decoder.multiply_adds if on_cpu else None)]
    products = [second for n in SIZES for second in taken[n][PRODUCT]]
    document = {
        "bundle": vae.manifest.name,
        "provider": vae.provider,
        "event": "a row" if len(vae.event_shape) == 1 else "an image",
        "threads": count,
        "machine": _machine(),
        "decoder_multiply_adds": vae.manifest.decoder.multiply_adds,
        "sgemm_multiply_adds_per_second": Products.multiply_adds / percentile(products, 50),
        "rows": rows,
        "start": {
            name: {"seconds": start.seconds, "peak_bytes": start.peak_bytes or None} for name, start in began.items()
        },
    }
    context.obj.result(document, "\n".join(_table(document, began)))


def _calls(vae: VAE, n: int, options: dict[str, str]) -> dict[str, Callable[[], object]]:
    """What is measured on n events, by name; the bare session first, under the provider options of the others."""
    import numpy as np

    from vae_edge.runtime.conditions import example
    from vae_edge.runtime.distributions.registry import NO_PRIOR
    from vae_edge.runtime.session import Session
    from vae_edge.runtime.vae import BATCH_SIZE

    z = np.random.default_rng(0).standard_normal((n, vae.latent_size), np.float32)
    few = _events(vae, min(n, BATCH_SIZE))
    given, condition = _given(vae.manifest), example(vae.manifest.condition, min(n, BATCH_SIZE))
    said, outputs = vae.manifest.decoder, list(vae.manifest.likelihood.outputs.values())
    ours = Session(
        "decoder",
        vae.bundle[said.file],
        said,
        tuple(outputs),
        provider=vae.provider,
        provider_options=options,
        threads=vae.threads,
    )
    session, latent, label = ours.inference_session, said.input("latent"), said.input("condition")
    assert latent is not None  # the manifest has been checked
    fixed = {} if label is None or condition is None else {label.name: np.array(condition, label.dtype)}

    def bare() -> None:
        for at in range(0, n, BATCH_SIZE):
            part = z[at : at + BATCH_SIZE]
            session.run(outputs, {latent.name: part} | {name: value[: len(part)] for name, value in fixed.items()})

    def generate(head: str) -> Callable[[], object]:
        if n <= 512:
            return lambda: vae.generate(n, head=head, **given)
        # not 10,000 events in memory at once
        return lambda: sum(len(batch) for batch in vae.stream(n, head=head, **given))

    def reconstruct() -> None:
        for at in range(0, n, BATCH_SIZE):
            vae.reconstruct(few[: n - at], **given)

    calls: dict[str, Callable[[], object]] = {BARE: bare, DECODE: lambda: vae.decode(z, **given)}
    if vae.manifest.prior.family != NO_PRIOR:
        calls |= {f"generate, {head}": generate(head) for head in HEADS}
    return calls | {"reconstruct": reconstruct}


def _rows(n: int, taken: dict[str, list[float]], multiply_adds: int | None) -> list[dict[str, Any]]:
    bare = percentile(taken[BARE], 50)
    rows = []
    for what, seconds in taken.items():
        if what == PRODUCT:
            continue
        median = percentile(seconds, 50)
        row = {"n": n, "what": what, "rounds": len(seconds), "p50": median}
        row |= {f"p{percent}": percentile(seconds, percent) for percent in (90, 99)}
        row |= {"images_per_second": n / median, "over_bare": median / bare, "extra_seconds": median - bare}
        if what in (BARE, DECODE) and multiply_adds is not None:
            row["share_of_sgemm"] = multiply_adds * n / median * percentile(taken[PRODUCT], 50) / Products.multiply_adds
        rows.append(row)
    return rows


def _starts(
    vae: VAE, provider: str, options: dict[str, str], threads: int | None, advance: Callable[[], object]
) -> dict[str, Start]:
    how = {"provider": provider, "provider_options": options, "threads": threads}
    work = _GENERATE if vae.manifest.prior.family != "none" else _RECONSTRUCT
    programs = {
        "imports alone": [_IMPORT],
        counted(64, vae.event_shape): [work, str(vae.bundle.folder), json.dumps(how), json.dumps(_given(vae.manifest))],
    }
    return starts(programs, ROUNDS, advance)


def _events(vae: VAE, n: int) -> npt.NDArray[np.float32]:
    """Images of 0 and 1, or rows as many deviations from the mean as a standard normal's draws."""
    import numpy as np

    event, random = vae.manifest.event, np.random.default_rng(1)
    if len(event.shape) == 3:
        return random.integers(0, 2, (n, *event.shape)).astype(np.float32)
    standard = random.standard_normal((n, *event.shape))
    rows: npt.NDArray[np.float32] = np.asarray(standard * (event.scale or 1) + (event.shift or 0), np.float32)
    return rows


def _given(manifest: Manifest) -> dict[str, Any]:
    """What a conditional bundle is given: the first label, or zeros."""
    condition = manifest.condition
    if condition is None:
        return {}
    return {"label": 0} if condition.is_label else {"condition": [0.0] * condition.size}


def _machine() -> dict[str, str]:
    import platform

    import numpy
    import onnxruntime

    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    return {
        "processor": model,
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def _table(document: dict[str, Any], began: dict[str, Start]) -> list[str]:
    machine, rate = document["machine"], document["sgemm_multiply_adds_per_second"]
    lines = [
        f"{document['bundle']} on {document['provider']}, threads: {document['threads']}; {machine['processor']}, "
        f"ONNX Runtime {machine['onnxruntime']}, NumPy {machine['numpy']}",
        f"decoder: {document['decoder_multiply_adds']:,} multiply-adds {document['event']}"
        f"; sgemm: {rate / 1e9:,.1f} thousand million a second",
        "",
        f"{'n':>6}  {'':18}{'median':>12}{'p90':>12}{'p99':>12}{'images/s':>12}{'x bare':>9}{'of sgemm':>10}",
    ]
    for row in document["rows"]:
        times = "".join(f"{_time(row[key]):>12}" for key in ("p50", "p90", "p99"))
        last = f"{'':9}" if row["what"] == BARE else f"{row['over_bare']:>9.2f}"
        if "share_of_sgemm" in row:
            last += f"{row['share_of_sgemm']:>10.0%}"
        first = f"{row['n']:>6,}" if row["what"] == BARE else f"{'':6}"
        lines.append(f"{first}  {row['what']:18}{times}{row['images_per_second']:>12,.0f}{last}".rstrip())
    if any(row.get("share_of_sgemm", 0) > 1 for row in document["rows"]):
        lines += [
            "a share above 100 %: the machine does other things, or NumPy's BLAS uses less of this CPU than",
            "ONNX Runtime does (is OPENBLAS_CORETYPE set?)",
        ]
    lines += ["", f"{'a process':26}{'start to end':>12}{'peak memory':>24}"]
    base = began["imports alone"]
    for name, start in began.items():
        memory = f"{start.peak_bytes / 2**20:,.1f} MiB" if start.peak_bytes else "?"
        ratio = f"  {start.seconds / base.seconds:.2f} x the time" if start is not base else ""
        if ratio and base.peak_bytes:
            ratio += f", {start.peak_bytes / base.peak_bytes:.2f} x the memory"
        lines.append(f"{name:26}{_time(start.seconds):>12}{memory:>24}{ratio}")
    return lines


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:,.2f} {unit}"
    return f"{seconds * 1e6:,.1f} us"
