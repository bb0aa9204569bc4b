"""Exports a run: converts, proves, measures, seals, and puts the whole bundle in place at once."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vae_edge.export import card, folder, graphs, parity, variant
from vae_edge.export.convert import DEFAULT_OPSET
from vae_edge.export.sources.models import convert_model
from vae_edge.runtime import VAE, probe
from vae_edge.runtime.bundle import npz
from vae_edge.runtime.bundle.manifest import (
    FP32,
    PRECISIONS,
    SCHEMA,
    File,
    Image,
    Manifest,
    Prior,
    Training,
    parse,
    render,
    seal,
)
from vae_edge.runtime.errors import BundleError, InputError, OutputError
from vae_edge.runtime.evaluation import likelihood
from vae_edge.train import data, fit
from vae_edge.train.model import MixturePrior, VariationalAutoencoder
from vae_edge.train.run import Record, commit, versions

__all__ = ["export"]

PROBES = 4
FILES = {"manifest.json", "encoder.onnx", "decoder.onnx", "prior.npz", "probe.npz", "CARD.md"}  # all that a bundle has

Report = Callable[[str, int], Callable[[int], None]]
Array = npt.NDArray[np.float32]


def export(
    run: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    opset: int = DEFAULT_OPSET,
    precision: str = FP32,
    max_nats: float = variant.MAX_NATS,
    force: bool = False,
    data_dir: str | Path | None = None,
    progress: Report = lambda step, draws: lambda done: None,
) -> Manifest:
    """Exports the best weights of `run` into the bundle folder `out`, and returns its manifest.

    The bundle is written only where the runtime computes what TensorFlow computes (CheckFailed otherwise), and appears
    whole or not at all. An earlier bundle of the same run is replaced; another only with `force`, and a folder that is
    no bundle never (OutputError). The data set must be the one that the run has learned from (RunError). `progress` is
    called with the name of each step and how many draws it takes (0: it tells of none), and gives what is told of them.

    `precision` 'fp16' or 'int8' makes a smaller bundle of these graphs. Its manifest holds how far it is from
    TensorFlow and how many nats it costs on validation images; more than `max_nats` are a CheckFailed too.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision should be fp32, fp16 or int8, it is {precision!r:.60}")
    if not max_nats >= 0:
        raise InputError(f"max_nats should be 0 or more, it is {max_nats}")
    out = Path(out)
    model, record, best = fit.load(run)
    training = _training(record, int(best["epoch"]))
    _expect_ours(out, training, precision, force)
    test = data.load(record.config.data, "test", data_dir)
    record.expect(test)
    images = data.binarise(test.images, record.config.binarize)
    progress("convert", 0)
    files, draft = _draft(model, record, training, name or out.resolve().name, opset, images)
    with folder.staged(out) as staging:
        _write(staging, files, draft)
        vae = VAE.load(staging, provider="cpu")
        progress("compare with TensorFlow", 0)
        measured, metrics = parity.measure(model, vae, images), {}
        if precision != FP32:
            progress(f"convert to {precision}", 0)
            source, how, whole = record.config.data, record.config.binarize, vae
            training_images = data.binarise(data.load(source, "train", data_dir).images[: variant.CALIBRATION], how)
            small = variant.make(whole, precision, training_images, images)
            files, draft = small.files, small.manifest
            _write(staging, files, draft)
            vae = VAE.load(staging, provider="cpu")
            measured = parity.measure(model, vae, images, tolerance=math.inf)
            validation = data.load(source, "validation", data_dir).images[: variant.IMAGES]
            advance = progress("nats lost", 2 * len(validation) * variant.SAMPLES)
            mean, error = variant.lost(whole, vae, data.binarise(validation, how), max_nats, advance)
            metrics = {"nats_lost": mean, "nats_lost_standard_error": error}
        metrics |= _metrics(vae, images, progress("test figures", len(images)))
        manifest = seal(dataclasses.replace(draft, metrics=metrics, parity=measured))
        _write(staging, files | {"CARD.md": card.render(manifest, record.config).encode()}, manifest)
    return manifest


def _training(record: Record, epoch: int) -> Training:
    return Training(
        dataset=record.dataset,
        dataset_sha256=record.dataset_sha256,
        images=record.images,
        epochs=epoch,
        seed=record.config.seed,
        objective=record.config.objective,
        command=record.command.replace(shlex.quote(record.config.data), shlex.quote(record.config.data_name)),
        commit=record.commit,
    )


def _expect_ours(out: Path, training: Training, precision: str, force: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        found = parse((out / "manifest.json").read_bytes())
    except (OSError, BundleError) as error:
        names = {path.name for path in out.iterdir()} if out.is_dir() else set()
        if force and "manifest.json" in names and names <= FILES:  # a damaged bundle; web apps have such a file too
            return
        raise OutputError(f"{out}: holds something that is not a bundle; name another folder") from error
    if force:
        return
    own = {"manifest.json", "CARD.md", *(file.name for file in found.files)}
    if foreign := sorted({path.name for path in out.iterdir()} - own):
        raise OutputError(f"{out}: holds {', '.join(foreign)} beside a bundle; move it, or replace all with --force")
    if found.training != training:
        raise OutputError(f"{out}: holds a bundle of another run; replace it with --force, or name another folder")
    if found.precision != precision:
        raise OutputError(f"{out}: holds this run in {found.precision}; replace it with --force, or name another")


def _draft(
    model: VariationalAutoencoder, record: Record, training: Training, name: str, opset: int, images: Array
) -> tuple[dict[str, bytes], Manifest]:
    """The bundle's files and its manifest, still without figures."""
    encoder_bytes, encoder = graphs.describe(convert_model(model.encoder, ("loc", "scale"), opset), "encoder.onnx")
    decoder_bytes, decoder = graphs.describe(convert_model(model.decoder, ("logits",), opset), "decoder.onnx")
    files = {"encoder.onnx": encoder_bytes, "decoder.onnx": decoder_bytes, "probe.npz": _probe(model, images)}
    kind = "none" if record.config.objective == "ae" else record.config.prior
    prior = Prior(kind, 1, None)
    if model.mixture is not None:
        files["prior.npz"] = _mixture(model.mixture)
        prior = Prior(kind, record.config.components, _file("prior.npz", files))
    height, width, channels = record.image_shape
    return files, seal(
        Manifest(
            schema=SCHEMA,
            name=name,
            producer=f"vae-edge {commit()}",
            versions=record.versions | versions("vae-edge", "tf2onnx", "onnx", "onnxruntime"),
            image=Image(height, width, channels, 0.5),
            latent_size=record.config.latent,
            prior=prior,
            likelihood="bernoulli",
            binarize=record.config.binarize,
            precision=FP32,
            encoder=encoder,
            decoder=decoder,
            probe=_file("probe.npz", files),
            training=training,
            metrics={},
            parity={},
            digest="",
        )
    )


def _probe(model: VariationalAutoencoder, images: Array) -> bytes:
    """A few images and latents with what TensorFlow makes of them, so that `verify` needs no TensorFlow."""
    image = images[:PROBES]
    loc, scale = (tensor.numpy() for tensor in model.encoder(image, training=False))
    z = loc + scale * np.linspace(-2, 2, loc.size, dtype=np.float32).reshape(loc.shape)
    logits = model.decoder(z, training=False).numpy()
    return probe.render(image, loc, scale, z, logits)


def _mixture(prior: MixturePrior) -> bytes:
    weights, loc, factor = prior.parts
    # covariance = (F'F)^-1 = T T', T = F^-1
    scale_tril = np.linalg.inv(factor.astype(np.float64)).astype(np.float32)
    rows, columns = np.tril_indices(loc.shape[1])
    return npz.render({"weights": weights, "loc": loc, "lower": scale_tril[:, rows, columns]})


def _file(name: str, files: dict[str, bytes]) -> File:
    return File(name, len(files[name]), hashlib.sha256(files[name]).hexdigest())


def _metrics(vae: VAE, images: Array, progress: Callable[[int], None]) -> dict[str, float]:
    """Test figures, nats per image: the ELBO by one draw of z an image, and its two terms."""
    if vae.manifest.prior.kind == "none":
        batches = [images[start : start + parity.BATCH] for start in range(0, len(images), parity.BATCH)]
        each = [vae.decode(vae.encode(batch).loc).log_prob(batch) for batch in batches]
        return {"reconstruction": float(np.mean(np.concatenate(each)))}
    reconstruction, kl = likelihood.elbo(vae, images, seed=0, progress=progress)
    return {
        "elbo": float(np.mean(reconstruction - kl)),
        "kl": float(np.mean(kl)),
        "reconstruction": float(np.mean(reconstruction)),
    }


def _write(staging: Path, files: dict[str, bytes], manifest: Manifest) -> None:
    for file_name, content in (files | {"manifest.json": render(manifest)}).items():
        (staging / file_name).write_bytes(content)
