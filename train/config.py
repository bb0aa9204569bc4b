"""Every choice that a training run can make, in one frozen dataclass that the run folder records."""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from vae_edge.pictures.treatment import Treatment
from vae_edge.runtime.errors import InputError

__all__ = ["NAMES", "Config"]

NAMES = ("mnist", "fashion-mnist", "digits")  # the data sets that have one; a folder of that name is ./mnist


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Config:
    """The options of a run; each field's `help` metadata says what it does. Raises InputError where they disagree."""

    data: str = _option(
        "mnist",
        "Data set: mnist, fashion-mnist, digits, or a path (IDX folder, .npz, folder of images, table: .csv or .npy).",
    )
    likelihood: Literal["auto", "bernoulli", "normal", "discretized_logistic", "categorical"] = _option(
        "auto",
        "p(x|z) of a pixel or a column. auto: bernoulli for black-and-white images (mnist, digits, ink), "
        "discretized_logistic for grey and colour ones, normal for a table; it says which. A bernoulli makes each "
        "pixel black or white.",
    )
    conditional: bool = _option(
        False, "Give encoder and decoder the label: the model then generates what a label asks for."
    )
    label_column: str = _option("", "The column of a .csv that holds the label, of numbers or text.")
    resize: str = _option("", "Scale images to N x N pixels, or to HxW: height before width.")
    crop: str = _option(
        "",
        "Before that, cut N x N or HxW pixels out of the centre; fit: the largest part with the proportions of "
        "--resize, a square without it.",
    )
    grey: bool = _option(False, "Make colour images grey.")
    invert: bool = _option(False, "Make dark light: for ink on paper, which is learned best as light on dark.")
    ground: str = _option("white", "The colour behind transparent parts: white, black or #RRGGBB.")
    white: float = _option(
        0.0, "The number that means white, as 4095 of 12-bit images in 16 bits; 0: the highest of the file's type."
    )
    validation: Literal["auto", "shuffled", "last"] = _option(
        "auto",
        "Which twelfth of the training data is for validation, where the data has a test split: shuffled (by a fixed "
        "order), or the last. auto: the last of mnist and fashion-mnist, else shuffled.",
    )
    binarize: Literal["static", "dynamic"] = _option(
        "static",
        "How a bernoulli's pixels become 0 and 1. static: 1 where pixel > 0.5; dynamic: a Bernoulli draw of the grey "
        "value, new each epoch.",
    )
    network: Literal["auto", "conv", "separable", "mlp"] = _option(
        "auto",
        "Blocks on 4x4 patches, of two convolutions (conv), or of one a channel and one that mixes channels, several "
        "times faster (separable); or a multilayer perceptron (mlp). auto: conv for images, mlp for a table.",
    )
    latent: int = _option(32, "Size of the latent vector z.")
    width: int = _option(32, "Channels of a convolution, or units of a layer (mlp).")
    depth: int = _option(2, "Residual blocks, or hidden layers (mlp).")
    pixel_width: int = _option(
        0,
        "Channels of single pixels whose 3x3 convolution is added to the decoder's 4x4 patches, for smooth edges of "
        "forms in large images; 0: patches alone.",
    )
    encoder_network: Literal["same", "conv", "separable", "mlp"] = _option(
        "same", "The encoder's kind of network; same: that of the decoder."
    )
    encoder_width: int = _option(0, "The encoder's width; 0: that of the decoder.")
    encoder_depth: int = _option(0, "The encoder's depth; 0: that of the decoder.")
    encoder_pixels: Literal["auto", "unit", "centred"] = _option(
        "auto",
        "How the encoder sees pixels: from 0 to 1 (unit), or from -1 to 1 (centred), without which a colour may stay "
        "unlearned. auto: unit for a bernoulli, else centred.",
    )
    weights: Literal["point", "uncertain"] = _option(
        "point",
        "The decoder's weights. uncertain: a normal posterior over each (Bayes by backprop), so that the bundle is an "
        "ensemble of decoders, and also tells what the model does not know; better where data is scarce.",
    )
    weights_beta: float = _option(
        1.0, "Weight of the KL of uncertain weights. 1 is the true bound; less makes their posterior narrower."
    )
    objective: Literal["elbo", "beta", "iwae", "ae"] = _option(
        "elbo",
        "elbo; beta: the KL term times --beta; iwae: the importance-weighted bound of --samples draws, with doubly "
        "reparameterised gradients; ae: a deterministic autoencoder, which has no prior.",
    )
    beta: float = _option(1.0, "Weight of the KL term, with --objective beta.")
    finish: int = _option(
        0,
        "Train the last N epochs on the importance-weighted bound of --samples draws in place of the ELBO: closer to "
        "log p(x), for the price of those draws. With other --epochs, a preset's finish stays the same share of them.",
    )
    samples: int = _option(
        5, "Draws of z an image, with --objective iwae or --finish: each costs a run of the decoder."
    )
    gradient_samples: int = _option(
        0,
        "How many of the --samples draws give the gradient; they are taken by their importance weights. 4 of 20 take "
        "half of the time of all 20, and are nearly as precise. 0: all.",
    )
    prior: Literal["normal", "mixture", "flow"] = _option(
        "normal",
        "p(z): the standard normal; a mixture of normals, fitted to the codes after each epoch; or a normalizing flow, "
        "learned with the networks. With --conditional, mixture and flow follow the label; with 10 components or more "
        "a label, each has its own.",
    )
    components: int = _option(50, "Components of the mixture prior, each with a covariance of its own.")
    flow_blocks: int = _option(8, "Affine couplings of the flow prior.")
    flow_width: int = _option(64, "Units of a hidden layer of a coupling's network, which has two.")
    freeze: bool = _option(
        False,
        "Keep encoder and decoder as --start has them, and learn the prior alone, a mixture or a flow, in minutes. A "
        "flow is likelier than a mixture, but what it generates may be worse: look at it.",
    )
    warmup: float = _option(1.0, "Epochs over which the weight of the KL term rises from 0.")
    free_bits: float = _option(0.0, "Nats of a latent dimension's KL that cost nothing while the KL's weight rises.")
    epochs: int = _option(20, "Passes over the training data.")
    batch: int = _option(128, "Images or rows a step.")
    learning_rate: float = _option(4e-3, "Adam's step size, the highest of the schedule.")
    schedule: Literal["cosine", "constant"] = _option("cosine", "How the step size falls: to 0 along a cosine, or not.")
    ramp: int = _option(200, "Steps over which the step size rises from 0, with the cosine schedule.")
    clip: float = _option(0.0, "Largest global norm of a gradient; 0: no limit.")
    ema: float = _option(0.999, "Decay of the weights' moving average, which is what is evaluated and kept; 0: none.")
    shift: int = _option(0, "Move training images by up to this many pixels, except in the last tenth of the epochs.")
    patience: int = _option(
        0,
        "Stop after this many epochs without a better validation ELBO (iwae, finish: bound); 0: never. With --shift "
        "that may be before the last tenth of the epochs, which can gain much.",
    )
    jit: bool = _option(False, "Compile the step with XLA.")
    seed: int = _option(0, "Seed of weights, batches, shifts and noise.")

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for name, hint in hints.items():
            value, choices = getattr(self, name), typing.get_args(hint)
            if choices and value not in choices:
                raise InputError(f"{name} should be one of {', '.join(choices)}, it is {value!r}")
            if not choices and not isinstance(value, (int, float) if hint is float else hint):
                raise InputError(f"{name} should be a {hint.__name__}, it is {value!r}")
        for name in ("latent", "width", "samples", "components", "flow_blocks", "flow_width", "epochs", "batch"):
            self._expect(getattr(self, name) >= 1, name, "1 or more")
        none_below_zero = ("depth", "encoder_width", "encoder_depth", "beta", "warmup", "free_bits", "ramp", "clip")
        of_training = ("shift", "patience", "seed", "finish", "gradient_samples")
        for name in (*none_below_zero, "pixel_width", "weights_beta", *of_training):
            self._expect(getattr(self, name) >= 0, name, "0 or more")
        self._expect(self.latent <= 4096, "latent", "4096 or less")
        self._expect(self.seed < 2**31, "seed", "below 2**31")
        self._expect(self.learning_rate > 0, "learning_rate", "above 0")
        self._expect(0 <= self.ema < 1, "ema", "in [0, 1)")
        self._expect(self.pixel_width == 0 or self.network != "mlp", "pixel_width", "0 with network mlp")
        self._expect(self.beta == 1.0 or self.objective == "beta", "beta", "1 unless the objective is beta")
        self._expect(self.prior == "normal" or self.objective != "ae", "prior", "normal: an autoencoder has no prior")
        self._expect(self.prior == "normal" or self.free_bits == 0, "free_bits", f"0 with a {self.prior} prior")
        self._expect(self.prior != "flow" or self.latent > 1, "latent", "2 or more with a flow prior")
        self._expect(not self.freeze or self.prior != "normal", "freeze", "left out without --prior mixture or flow")
        self._expect(
            self.objective not in {"iwae", "ae"} or self.free_bits == 0, "free_bits", "0 with objective iwae or ae"
        )
        certain = self.weights == "point" or not self.raises_bound
        self._expect(
            certain, "weights", "point with objective iwae or finish, whose draws of one event share their weights"
        )
        self._expect(self.finish == 0 or self.objective == "elbo", "finish", "0 unless the objective is elbo")
        self._expect(self.finish < self.epochs, "finish", f"below epochs, {self.epochs}; for all, --objective iwae")
        self._expect(self.weights_beta == 1 or self.weights == "uncertain", "weights_beta", "1 with weights of points")
        self._expect(self.warmup > 0 or self.free_bits == 0, "free_bits", "0 without a warmup")
        # An option without effect must have its default, except components, flow_blocks and flow_width: a preset's stay
        # beside another --prior.
        self._expect(
            self.raises_bound or self.samples == 5, "samples", "5 unless the objective is iwae or finish is set"
        )
        self._expect(
            self.gradient_samples == 0 or (self.raises_bound and self.gradient_samples < self.samples),
            "gradient_samples",
            f"below samples, {self.samples}, and 0 unless the objective is iwae or finish is set",
        )
        self._expect(self.schedule == "cosine" or self.ramp == 200, "ramp", "left out unless the schedule is cosine")
        self.treatment  # noqa: B018 - raises where one of its options makes no sense
        drawn = self.binarize == "static" or self.likelihood in {"auto", "bernoulli"}
        self._expect(drawn, "binarize", "static unless the likelihood is bernoulli")

    @property
    def raises_bound(self) -> bool:
        """Whether the importance-weighted bound is raised, in all epochs or in the last, and judges the weights."""
        return self.objective == "iwae" or self.finish > 0

    @property
    def treatment(self) -> Treatment:
        """How images are read."""
        return Treatment.parse(self.resize, self.crop, self.grey, self.invert, self.ground, self.white)

    def _expect(self, holds: bool, name: str, expected: str) -> None:
        if not holds:
            raise InputError(f"{name} should be {expected}, it is {getattr(self, name)!r}")

    @property
    def is_path(self) -> bool:
        """Whether `data` is a path, not the name of a set."""
        return self.data not in NAMES

    def absolute(self) -> Self:
        """The same configuration with an absolute path of the data, which holds in any folder of this machine."""
        return dataclasses.replace(self, data=str(_absolute(self.data))) if self.is_path else self

    @property
    def data_name(self) -> str:
        """The name of the data set, or the last part of its path: what a bundle may say of `data`."""
        return _absolute(self.data).name if self.is_path else self.data

    def to_json(self) -> str:
        """The configuration as JSON, keys in the order of the fields."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The configuration of a `text` that `to_json` wrote; raises InputError on an unknown field or a wrong value.

        What earlier releases did not record had one value each: the likelihood was a Bernoulli, the last events were
        the validation split, and the encoder saw pixels from 0 to 1.
        """
        before = {"likelihood": "bernoulli", "validation": "last", "encoder_pixels": "unit"}
        try:
            return cls(**(before | json.loads(text)))
        except (TypeError, ValueError) as error:
            raise InputError(f"not a configuration of this release: {error}") from error

    def settled(self, recorded: Config) -> Config:
        """The same configuration with the recorded value in place of each 'auto'."""
        by_the_data = ("likelihood", "network", "validation", "encoder_pixels")
        left = [name for name in by_the_data if getattr(self, name) == "auto"]
        chosen = {name: getattr(recorded, name) for name in left}
        return dataclasses.replace(self, **chosen)

    def differences(self, other: Config) -> list[str]:
        """'name: ours, theirs' for each field in which this one and the `other` differ."""
        return [
            f"{spec.name}: {getattr(self, spec.name)!r}, {getattr(other, spec.name)!r}"
            for spec in dataclasses.fields(self)
            if getattr(self, spec.name) != getattr(other, spec.name)
        ]


def _absolute(path: str) -> Path:
    """The path as it is from any folder; a link keeps its own name, '.' and '..' become what they stand for."""
    return Path(path).resolve() if ".." in Path(path).parts else Path(path).absolute()
