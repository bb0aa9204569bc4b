"""What uncertain weights are worth and what they cost; README.md beside this has the log.

python -m benchmarks.weights scarce --out scarce.npz     MNIST's first 1,000 training images, 91 to validate, tests
python -m benchmarks.weights nll BUNDLE...               NLL by the means of the weights, and of the mean over members
python -m benchmarks.weights unusual POINT UNCERTAIN     AUROC of statistics that need members beside one VAE's own
python -m benchmarks.weights cost BUNDLE                 16 members beside one
python -m benchmarks.weights picture BUNDLE --out P.png  what is open in digits and clothes, and what is disagreed of
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import VAE, noise
from vae_edge.runtime.distributions.ensemble import parted
from vae_edge.runtime.evaluation import likelihood
from vae_edge.train import data

Array = npt.NDArray[Any]
BATCH = 250


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weights", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    verbs = parser.add_subparsers(dest="verb", required=True)
    scarce = verbs.add_parser("scarce")
    scarce.add_argument("--out", type=Path, default=Path("scarce.npz"))
    scarce.add_argument("--images", type=int, default=1000)
    nll = verbs.add_parser("nll")
    nll.add_argument("bundles", nargs="+")
    unusual = verbs.add_parser("unusual")
    unusual.add_argument("bundles", nargs="+", help="of one data set, in any order")
    for each in (nll, unusual):
        each.add_argument("--data", default="mnist")
        each.add_argument("--split", default="test", choices=("validation", "test"))
        each.add_argument("--limit", type=int, default=2000)
        each.add_argument("--samples", type=int, default=50, help="draws of z an image")
        each.add_argument("--members", type=int, default=16)
    cost = verbs.add_parser("cost")
    cost.add_argument("bundle")
    cost.add_argument("--members", type=int, default=16)
    cost.add_argument("--rounds", type=int, default=25)
    picture = verbs.add_parser("picture")
    picture.add_argument("bundle")
    picture.add_argument("--out", type=Path, default=Path("uncertain.png"))
    picture.add_argument("--members", type=int, default=16)
    options = parser.parse_args(arguments)
    tasks = {"scarce": _scarce, "nll": _nll, "unusual": _unusual, "cost": _cost, "picture": _picture}
    tasks[options.verb](options)


def _scarce(options: argparse.Namespace) -> None:
    """An .npz of few images; its last twelfth, for `--validation last`, are of MNIST's validation images."""
    training, validation, test = (data.load("mnist", split) for split in ("train", "validation", "test"))
    n = options.images
    few = round(n / 11)
    events = np.concatenate([training.images[:n], validation.images[:few]])
    np.savez(options.out, x_train=events, x_test=test.images)
    print(f"{options.out}: {n:,} images to learn from, {few} to validate")


def _images(name: str, split: Any, limit: int, vae: VAE) -> Array:
    """Images as the model knows them."""
    return vae.prepare(data.load(name, split).images[:limit])


def _nll(options: argparse.Namespace) -> None:
    """A line a bundle; every bundle is measured on the same images, with the same noise."""
    first: Array | None = None
    for name in options.bundles:
        vae = VAE.load(name)
        x = _images(options.data, options.split, options.limit, vae)
        found = likelihood.nll(vae, x, options.samples)
        rows = {"means" if vae.has_members else "points": found}
        if vae.has_members:
            rows["member 0"] = likelihood.nll(vae, x, options.samples, members=1)
            rows[f"mean over {options.members} members"] = likelihood.nll(
                vae, x, options.samples, members=options.members
            )
        for how, values in rows.items():
            beside = "" if first is None else f"; less the first bundle's {_told(values - first)}"
            print(f"| {vae.manifest.name} | {how} | {_told(values)} | {beside.removeprefix('; ')} |", flush=True)
        first = found if first is None else first


def _told(values: Array) -> str:
    return f"{values.mean():.2f} +- {values.std(ddof=1) / math.sqrt(len(values)):.2f}"


def _unusual(options: argparse.Namespace) -> None:
    """AUROC of each statistic, of images of each other set against test images of the bundle's own."""
    for name in options.bundles:
        vae = VAE.load(name)
        own = _images(options.data, options.split, options.limit, vae)
        usual = _statistics(vae, own, options)
        for what, images in _others(vae, own, options):
            found = _statistics(vae, images, options)
            told = ", ".join(f"{key} {_auroc(usual[key], found[key])}" for key in usual)
            print(f"| {vae.manifest.name} | {what} | {told} |", flush=True)


def _others(vae: VAE, own: Array, options: argparse.Namespace) -> Iterator[tuple[str, Array]]:
    other = "fashion-mnist" if options.data == "mnist" else "mnist"
    yield other, _images(other, "test", options.limit, vae)
    yield "rotated by 90 degrees", np.ascontiguousarray(np.rot90(own, axes=(1, 2)))
    yield "flipped upside down", np.ascontiguousarray(own[:, ::-1])
    yield "flipped left to right", np.ascontiguousarray(own[:, :, ::-1])
    words = noise.words16(1, noise.Purpose.IMAGE, 0, len(own), own[0].size).reshape(own.shape)
    yield "noise", vae.prepare((words >> 8).astype(np.uint8))


def _statistics(vae: VAE, x: Array, options: argparse.Namespace) -> dict[str, Array]:
    """Higher is more unusual. 'nll' and 'spread' over draws of z need one VAE; the others its members.

    'disagreement' is the variance over members of log p(x|z*), 'waic' that of Choi, Jang & Alemi 2018, 'epistemic' the
    mutual information of a pixel and the member, summed over the image, and 'effective' how few members the image
    leaves: sum of w^2 of their weights w = p_m(x) (Daxberger & Hernandez-Lobato 2019).
    """
    found: dict[str, list[Array]] = {}
    for at in range(0, len(x), BATCH):
        part = x[at : at + BATCH]
        q = vae.encode(part)
        log_w = []
        for stream in range(options.samples):
            z = q.sample(seed=0, start=at, stream=stream)
            log_w.append(vae.decode(z).log_prob(part) + vae.prior.log_prob(z) - q.log_prob(z))
        each = {"nll": -_log_mean(np.array(log_w)), "spread": np.std(log_w, axis=0)}
        if vae.has_members:
            members = [vae.decode(q.mean(), member=member) for member in range(options.members)]
            log_p = np.array([p.log_prob(part) for p in members])
            each["disagreement"] = log_p.var(axis=0)
            each["waic"] = log_p.var(axis=0) - log_p.mean(axis=0)
            share = np.exp(log_p - log_p.max(axis=0))
            share /= share.sum(axis=0)
            each["effective"] = np.square(share).sum(axis=0)
            each["epistemic"] = parted(members)[1].reshape(len(part), -1).sum(axis=1, dtype=np.float64)
        for key, values in each.items():
            found.setdefault(key, []).append(values)
    return {key: np.concatenate(values) for key, values in found.items()}


def _log_mean(log_w: Array) -> Array:
    top = log_w.max(axis=0)
    return np.asarray(top + np.log(np.exp(log_w - top).mean(axis=0)))


def _auroc(usual: Array, unusual: Array) -> str:
    """The area, and the half width of its 95 % interval by 200 bootstraps."""
    from sklearn.metrics import roc_auc_score

    truth, values = np.repeat([0, 1], [len(usual), len(unusual)]), np.concatenate([usual, unusual])
    dice = np.random.default_rng(0)
    draws = []
    for _ in range(200):
        some = dice.integers(0, len(values), len(values))
        draws.append(roc_auc_score(truth[some], values[some]))
    return f"{roc_auc_score(truth, values):.3f} +- {1.96 * np.std(draws):.3f}"


def _cost(options: argparse.Namespace) -> None:
    """Times of one decoder and of all members, in turn, each the median of its rounds; sessions are there before."""
    vae = VAE.load(options.bundle)
    z, m = vae.prior.sample(64, seed=0), options.members
    x = vae.generate(64, head="mode", seed=0)

    def every() -> None:
        for member in range(m):
            vae.decode(z, member=member)

    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        f"decode 64 by one, by each of {m}": (lambda: vae.decode(z), every),
        f"generate 256 by one, by {m} in turn": (lambda: vae.generate(256), lambda: vae.generate(256, members=m)),
        f"generate 1,024 by one, by {m} in turn": (lambda: vae.generate(1024), lambda: vae.generate(1024, members=m)),
    }
    if hasattr(vae, "score"):
        # vae.score takes draws of z beside; what members add to it are M decodes and the entropies.
        score: Any = vae.score
        pairs[f"score 64, with {m} members"] = (lambda: score(x), lambda: score(x, members=m))
    for what, (one, many) in pairs.items():
        times: list[tuple[float, float]] = []
        for _ in range(options.rounds + 2):
            times.append((_seconds(one), _seconds(many)))
        a, b = np.median(times[2:], axis=0)
        print(f"| {what} | {a * 1e3:.2f} ms | {b * 1e3:.2f} ms | {b / a:.2f} |", flush=True)
    begun = time.perf_counter()
    for member in range(1000, 1020):
        vae.model.members.session(member).inference_session  # noqa: B018 - builds it
    print(f"| building a member's session | | {(time.perf_counter() - begun) / 20 * 1e3:.2f} ms | |")


def _picture(options: argparse.Namespace) -> None:
    """Six digits and six images of clothes: as they are, as they come back, and where bits are open.

    White is log 2, a coin toss, of what is open in a pixel; of what members disagree of it is an eighth of that.
    """
    from vae_edge import pictures

    vae = VAE.load(options.bundle)
    x = np.concatenate([_images(name, "test", 6, vae) for name in ("mnist", "fashion-mnist")])
    score = vae.score(x, members=options.members)
    assert score.aleatoric is not None
    assert score.epistemic is not None
    maps = {"open": score.aleatoric, "disagreed x 8": 8 * score.epistemic}
    rows: dict[str, Any] = {"image": x, "mean": vae.reconstruct(x, head="mean")}
    rows |= {name: np.clip(found / np.float32(math.log(2)), 0, 1) for name, found in maps.items()}
    pictures.save(options.out, pictures.grid(rows, columns=len(x)))


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
