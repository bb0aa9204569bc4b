"""What a call costs beside what it is made of: python benchmarks/speed/calls.py [--bundle mnist] [--rounds 15].

`--beside BUNDLE ...` adds what 1 and 64 events of other bundles cost beside the same of the first.

Each row has two sides in the same process, which take turns: a call of ours, and its parts written by hand, such as a
bare ONNX Runtime session and the head. A session of one event has one thread, which is the fastest. What one side
leaves in the caches falls on the other too. Prints markdown.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vae_edge.runtime import HEADS, VAE, noise
from vae_edge.runtime.distributions import Categorical, DiscretizedLogistic, Normal
from vae_edge.runtime.session import onnxruntime

Call = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """`most` is the ratio that is asked for, None where the cost is only to be known."""

    what: str
    ours: Call
    by_hand: Call
    most: float | None


def seconds_of(call: Call, least: float = 0.02) -> float:
    """The median of calls for `least` seconds, three at least, after two that do not count."""
    time.sleep(0.01)  # threads of the side before are busy for a moment
    for _ in range(2):
        call()
    taken, until = [], time.perf_counter() + least
    while time.perf_counter() < until or len(taken) < 3:
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def measured(row: Row, rounds: int) -> str:
    """A row of the table: medians over the rounds, and the median of the rounds' ratios."""
    pairs = [(seconds_of(row.ours), seconds_of(row.by_hand)) for _ in range(rounds)]
    ours, by_hand = (statistics.median(pair[side] for pair in pairs) * 1e6 for side in (0, 1))
    ratio = statistics.median(a / b for a, b in pairs)
    wanted = "" if row.most is None else f"<= {row.most:.2f}"
    verdict = "" if row.most is None else "met" if ratio <= row.most else "**not met**"
    return f"| {row.what} | {ours:,.1f} us | {by_hand:,.1f} us | {ratio:.2f} | {wanted} | {verdict} |"


class Sides:
    """Our calls on a bundle of images, and the same work by hand."""

    def __init__(self, bundle: str, threads: int | None, beside: Sequence[str] = ()) -> None:
        self.vae = VAE.load(bundle, threads=threads, provider="cpu")
        self.others = {Path(name).name: VAE.load(name, threads=threads, provider="cpu") for name in beside}
        self.prior = self.vae.prior
        self.decoder = self._session("decoder", self.vae.threads)
        self.spinning = self._session("decoder", self.vae.threads, spin=True)

    def _session(self, graph: str, threads: int, *, spin: bool = False) -> Callable[[Any], list[Any]]:
        ort = onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
        data = self.vae.bundle[self.vae.manifest.graphs[graph].file]
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        name, outputs = session.get_inputs()[0].name, [output.name for output in session.get_outputs()]
        return lambda x: session.run(outputs, {name: x})

    def rows(self) -> list[Row]:
        """Every row, in the order of the table."""
        return [*self._one(), *self._noise(), *self._many(), *self._heads(), *self._beside()]

    def _one(self) -> list[Row]:
        vae, prior, z = self.vae, self.prior, self.prior.sample(1, seed=0)
        p, decoder = vae.decode(z), self._session("decoder", 1)
        head = {"mean": p.mean, "mode": p.mode, "sample": lambda: p.sample(seed=0)}
        found = [Row("`decode(z).mean()`, n = 1 / bare session, head", lambda: vae.decode(z).mean(),
                     lambda: (decoder(z), p.mean()), 1.2)]  # fmt: skip
        for each in HEADS:
            found.append(
                Row(
                    f"`generate(1)`, {each} / prior, bare session, head",
                    lambda each=each: vae.generate(1, head=each),  # type: ignore[misc]
                    lambda each=each: (decoder(prior.sample(1, seed=0)), head[each]()),  # type: ignore[misc]
                    1.2,
                )
            )
        return found

    def _noise(self) -> list[Row]:
        size, purpose = self.vae.latent_size, noise.Purpose
        return [
            Row("one draw of the prior / its normals alone", lambda: self.prior.sample(1, seed=0),
                lambda: noise.normals(0, purpose.PRIOR, 0, 1, size), None),
            Row("one draw of the prior / its uniform alone", lambda: self.prior.sample(1, seed=0),
                lambda: noise.uniforms(0, purpose.COMPONENT, 0, 1), None),
        ]  # fmt: skip

    def _many(self) -> list[Row]:
        vae, z = self.vae, self.prior.sample(64, seed=0)
        found = [
            Row("`generate(64)` / bare session whose threads are busy", lambda: vae.generate(64),
                lambda: self.spinning(z), 1.15),
            Row("`generate(64)` / bare session whose threads sleep", lambda: vae.generate(64),
                lambda: self.decoder(z), None),
            Row("`generate(64)` / `decode(z).mean()` of latents that are there", lambda: vae.generate(64),
                lambda: vae.decode(z).mean(), None),
            Row("`prior.sample(64)` / that mean", lambda: self.prior.sample(64, seed=0),
                lambda: vae.decode(z).mean(), None),
        ]  # fmt: skip
        for n, threads in ((1, 1), (64, vae.threads)):
            encoder, decoder = self._session("encoder", threads), self._session("decoder", threads)
            x = vae.generate(n, head="mode")
            loc = vae.encode(x).mean()
            p = vae.decode(loc)
            found += [
                Row(f"`encode(x)`, n = {n} / bare session", lambda x=x: vae.encode(x),  # type: ignore[misc]
                    lambda x=x, e=encoder: e(x), 1.1),  # type: ignore[misc]
                Row(f"`reconstruct(x)`, n = {n} / bare pair, head", lambda x=x: vae.reconstruct(x),  # type: ignore[misc]
                    lambda x=x, p=p, e=encoder, d=decoder: (d(e(x)[0]), p.mode()), 1.1),  # type: ignore[misc]
            ]  # fmt: skip
        x = vae.generate(64, head="mode")
        found.append(Row("`score(x)`, n = 64, 16 draws / `reconstruct(x)`", lambda: vae.score(x, draws=16),
                         lambda: vae.reconstruct(x), None))  # fmt: skip
        return found

    def _heads(self) -> list[Row]:
        """Heads of other likelihoods, 64 images, beside the same head of Bernoulli pixels."""
        plain = self.vae.decode(self.prior.sample(64, seed=0))
        loc = plain.mean()
        levels = np.random.default_rng(0).standard_normal((*loc.shape, 16), np.float32)
        others = {
            "normal": Normal(loc, np.float32(0.1)),
            "discretised logistic, 256 levels": DiscretizedLogistic(loc, np.float32(0.05)),
            "categorical, 16 levels": Categorical(levels),
        }
        found = []
        for name, p in others.items():
            for each in HEADS:
                ours, theirs = (
                    (lambda q=q: q.sample(seed=0)) if each == "sample" else getattr(q, each)  # type: ignore[misc]
                    for q in (p, plain)
                )
                found.append(Row(f"head {each}, {name}, n = 64 / Bernoulli's", ours, theirs, None))
        return found

    def _beside(self) -> list[Row]:
        """Events of other bundles, a label each where they have labels, beside as many of ours."""
        found = []
        for name, other in self.others.items():
            for n, each in [(1, "mean"), *((64, head) for head in HEADS)]:
                label = [other.labels[k % len(other.labels)] for k in range(n)] if other.labels else None
                found.append(
                    Row(
                        f"`generate({n})`, {each}, `{name}` / the same of `{self.vae.manifest.name}`",
                        lambda v=other, n=n, h=each, y=label: v.generate(n, head=h, label=y),  # type: ignore[misc]
                        lambda n=n, h=each: self.vae.generate(n, head=h),  # type: ignore[misc]
                        None,
                    )
                )
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", default="mnist", help="a bundle of Bernoulli pixels (%(default)s)")
    parser.add_argument(
        "--beside", nargs="*", default=(), help="bundles whose events are timed beside the same of the first"
    )
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    rest = idle(VAE.load(options.bundle, threads=options.threads, provider="cpu"))  # before any thread is busy
    sides = Sides(options.bundle, options.threads, options.beside)
    print(f"`{options.bundle}`, {sides.vae.threads} threads, medians of {options.rounds} rounds\n")
    print("| call / by hand | call | by hand | ratio | wanted | |\n|---|---|---|---|---|---|")
    for row in sides.rows():
        print(measured(row, options.rounds))
    print(f"\nCPU time of an idle second after a call: {rest * 1e3:.1f} ms")


def idle(vae: VAE) -> float:
    """CPU seconds that this process takes in the second after a call."""
    vae.generate(64)
    began = time.process_time()
    time.sleep(1)
    return time.process_time() - began


if __name__ == "__main__":
    main()
