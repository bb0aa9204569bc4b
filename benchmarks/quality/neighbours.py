"""What do pixels that are independent given z cost? python -m benchmarks.quality.neighbours BUNDLE

For a bundle of grey images by a discretised logistic. The codes stay as they are: z ~ q(z|x), one draw an image. A
small network learns to correct each pixel's loc and scale, in three ways:

- alone: it sees the loc and scale of the pixels around, 5x5 of them, which are functions of z;
- alone, 3: the same, with a mixture of three logistics a pixel in the place of one;
- neighbours: as `alone`, but it also sees the image itself: of three rows above seven pixels each, and three pixels to
  the left. Pixels are no longer independent given z (as in PixelVAE, Gulrajani et al. 2017).

Printed are the bits a dimension of -ELBO on the validation images, with the bundle's own p(x|z) and with each of the
three. What `neighbours` gains over `alone` is what independent pixels cost beside these codes.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp
from keras import layers

from vae_edge.runtime import VAE
from vae_edge.train import data
from vae_edge.train.likelihoods.levels import DiscretizedLogistic

tfd = tfp.distributions

CASES = {"alone": (1, False), "alone, 3": (3, False), "neighbours": (1, True)}
ABOVE, LEFT = 3, 3  # rows, and pixels to the left and on either side of a row above
CODED = 500  # images that are coded at once

Float32 = npt.NDArray[np.float32]


def corrector(logistics: int, sees_image: bool, width: int = 64) -> keras.Model:
    """[image (B, H, W, 1), loc and log scale (B, H, W, 2)] -> (B, H, W, logistics, 3): weight, loc, scale, corrected.

    They begin at 0. Where the network sees the image, a pixel's numbers depend on pixels before it, row by row.
    """
    image, given = keras.Input((None, None, 1)), keras.Input((None, None, 2))
    x = layers.Conv2D(width // 2, 5, padding="same")(given)
    if sees_image:
        above = layers.ZeroPadding2D(((ABOVE, 0), (LEFT, LEFT)))(image)
        above = layers.Conv2D(width // 2, (ABOVE, 2 * LEFT + 1))(above)
        left = layers.ZeroPadding2D(((0, 0), (LEFT, 0)))(image)
        left = layers.Conv2D(width // 2, (1, LEFT))(left)
        x = layers.Add()([x, layers.Cropping2D(((0, 1), (0, 0)))(above), layers.Cropping2D(((0, 0), (0, 1)))(left)])
    for _ in range(2):
        x = layers.Conv2D(width, 1, activation="relu")(layers.ReLU()(x))
    x = layers.Conv2D(3 * logistics, 1, kernel_initializer="zeros")(x)
    return keras.Model([image, given], x)


def log_prob(numbers: tf.Tensor, given: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """log p(x|z) of images (B, H, W, 1), (B,), in nats, by what `corrector` returns."""
    weight, shift, stretch = tf.unstack(tf.reshape(numbers, (*tf.unstack(tf.shape(numbers))[:3], -1, 3)), axis=-1)
    loc, log_scale = given[..., :1], given[..., 1:]
    if weight.shape[-1] != 1:  # else the logistics would begin equal, and stay equal
        shift += tf.linspace(-1.0, 1.0, weight.shape[-1])
    each = DiscretizedLogistic(loc + tf.exp(log_scale) * shift, tf.exp(log_scale + stretch)).log_prob(image)
    return tf.reduce_sum(tf.reduce_logsumexp(each + tf.nn.log_softmax(weight), -1), (1, 2))


def coded(vae: VAE, images: npt.NDArray[np.uint8], seed: int) -> tuple[Float32, Float32, npt.NDArray[np.float64]]:
    """Images in [0, 1], loc and log scale of p(x|z), z ~ q(z|x), and log q(z|x) - log p(z) in nats, (n,)."""
    given, kl = [], []
    for at in range(0, len(images), CODED):
        q = vae.encode(images[at : at + CODED])
        z = q.sample(seed=seed, start=at)
        p: Any = vae.decode(z)
        given.append(np.concatenate([p.loc, np.log(p.scale)], -1, dtype=np.float32))
        kl.append(q.log_prob(z) - vae.prior.log_prob(z))
    return images.astype(np.float32) / np.float32(255), np.concatenate(given), np.concatenate(kl)


def learned(model: keras.Model, image: Float32, given: Float32, epochs: int, batch: int = 64) -> keras.Model:
    """`model` after so many passes over the images, by Adam with a step size that falls to 0 along a cosine."""
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, epochs * (len(image) // batch)))
    optimizer.build(model.trainable_variables)

    @tf.function  # type: ignore[untyped-decorator]
    def step(image: tf.Tensor, given: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(log_prob(model([image, given]), given, image))
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, model.trainable_variables), 100.0)
        optimizer.apply(gradients, model.trainable_variables)

    order = np.random.default_rng(0)
    for _ in range(epochs):
        for chosen in np.array_split(order.permutation(len(image)), len(image) // batch):
            step(tf.constant(image[chosen]), tf.constant(given[chosen]))
    return model


def mean_log_prob(model: keras.Model, image: Float32, given: Float32) -> float:
    """The mean of log p(x|z) over the images, in nats."""
    parts = []
    for at in range(0, len(image), CODED):
        x, its_given = image[at : at + CODED], given[at : at + CODED]
        parts.append(log_prob(model([x, its_given]), its_given, x))
    return float(tf.reduce_mean(tf.concat(parts, 0)))


def main() -> None:
    """Prints the rows of a Markdown table."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.quality.neighbours",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", nargs="?", default="fashion", metavar="BUNDLE")
    parser.add_argument("--images", type=int, default=20_000, help="to learn from (default: the first 20,000)")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", help="where the set's files lie; else $VAE_EDGE_DATA, cache, network")
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)
    vae = VAE.load(options.bundle)
    manifest, training = vae.manifest, vae.manifest.training
    if training is None or manifest.likelihood.family != "discretized_logistic" or manifest.event.shape[-1] != 1:
        parser.error(f"{options.bundle}: expected a bundle of grey images by a discretised logistic")
    splits = data.read(training.dataset, options.data_dir)
    image, given, _ = coded(vae, splits.split("train").images[: options.images], options.seed)
    held_out, its_given, kl = coded(vae, splits.split("validation").images, options.seed)
    pixels = math.prod(held_out.shape[1:])

    def row(name: str, model: keras.Model) -> None:
        nats = kl.mean() - mean_log_prob(model, held_out, its_given)
        print(f"| {name} | {nats:.1f} | {nats / pixels / math.log(2):.3f} |", flush=True)

    print("| p(x given z) | -ELBO | bits a dimension |\n|---|---|---|")
    row("the bundle's", corrector(1, False))  # not learned: its corrections are 0
    for name, case in CASES.items():
        row(name, learned(corrector(*case), image, given, options.epochs))


if __name__ == "__main__":
    main()
