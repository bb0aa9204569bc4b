"""The layers of Keras 3 that make sense in a VAE, each alone and small, with random weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

from benchmarks.layers.cases import Case, Function, spec
from vae_edge.export.sources.models import as_function
from vae_edge.export.tracing import TensorSpec

__all__ = ["cases"]

VECTOR, SERIES, IMAGE, VOLUME = (6,), (8, 3), (8, 8, 3), (4, 4, 4, 2)
LABELS = TensorSpec("x", "int32", (5,))


def cases() -> Iterator[Case]:
    """All of them, group by group."""
    for group, members in _LAYERS.items():
        for name, (make, *shapes) in members.items():
            specs = tuple(_spec(shape, index) for index, shape in enumerate(shapes))
            yield Case(group, name, partial(_function, make, specs), specs)
    for name in _ACTIVATIONS:
        yield Case("Activations", name, partial(_function, partial(layers.Activation, name), (spec(*VECTOR),)),
                   (spec(*VECTOR),))  # fmt: skip


def _spec(shape: tuple[int, ...] | TensorSpec, index: int) -> TensorSpec:
    return shape if isinstance(shape, TensorSpec) else spec(*shape, name=f"x{index}")


def _function(make: Callable[[], Any], specs: tuple[TensorSpec, ...]) -> Function:
    """The layer in a functional model, its weights random."""
    layer = make()
    inputs = [keras.Input(each.shape, dtype=each.dtype, name=each.name) for each in specs]
    outputs = layer(inputs[0] if len(inputs) == 1 else inputs)
    if "int" in outputs.dtype:
        outputs = keras.ops.cast(outputs, "float32")
    model = keras.Model(inputs[0] if len(inputs) == 1 else inputs, outputs)
    draws = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype == "float32":
            values = draws.normal(0, 0.5, weight.shape)
            weight.assign(np.abs(values) + 0.1 if "variance" in weight.path else values)
    return as_function(model)


class _Attend(layers.Layer):
    """An attention layer over one tensor: query, value and key."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def call(self, x: Any) -> Any:
        return self.inner([x, x])


class _SelfAttend(_Attend):
    def call(self, x: Any) -> Any:
        return self.inner(x, x)


def _normalization() -> Any:
    return layers.Normalization(mean=[0.5] * 6, variance=[2.0] * 6)


_LAYERS: dict[str, dict[str, Any]] = {
    "Core": {
        "Dense": (lambda: layers.Dense(4), VECTOR),
        "Dense (over a series)": (lambda: layers.Dense(4), SERIES),
        "EinsumDense": (lambda: layers.EinsumDense("abc,cd->abd", (None, 4)), SERIES),
        "Embedding": (lambda: layers.Embedding(10, 4), LABELS),
        "ReversibleEmbedding": (lambda: layers.ReversibleEmbedding(10, 4), LABELS),
        "Identity": (lambda: layers.Identity(), VECTOR),
        "Lambda": (lambda: layers.Lambda(lambda x: 2 * x), VECTOR),
        "Masking": (lambda: layers.Masking(), SERIES),
        "Wrapper: TimeDistributed": (lambda: layers.TimeDistributed(layers.Dense(4)), SERIES),
        "Wrapper: SpectralNormalization": (lambda: layers.SpectralNormalization(layers.Dense(4)), VECTOR),
    },
    "Convolutions": {
        "Conv1D": (lambda: layers.Conv1D(4, 3, padding="same"), SERIES),
        "Conv1D (causal, dilated)": (lambda: layers.Conv1D(4, 3, padding="causal", dilation_rate=2), SERIES),
        "Conv2D": (lambda: layers.Conv2D(4, 3, strides=2, padding="same"), IMAGE),
        "Conv2D (groups)": (lambda: layers.Conv2D(4, 3, groups=2), (8, 8, 4)),
        "Conv3D": (lambda: layers.Conv3D(4, 3, padding="same"), VOLUME),
        "Conv1DTranspose": (lambda: layers.Conv1DTranspose(4, 3, strides=2, padding="same"), SERIES),
        "Conv2DTranspose": (lambda: layers.Conv2DTranspose(4, 3, strides=2, padding="same"), IMAGE),
        "Conv2DTranspose (valid, output_padding)": (
            lambda: layers.Conv2DTranspose(4, 3, strides=2, padding="valid", output_padding=1),
            IMAGE,
        ),
        "Conv3DTranspose": (lambda: layers.Conv3DTranspose(4, 3, strides=2, padding="same"), VOLUME),
        "DepthwiseConv1D": (lambda: layers.DepthwiseConv1D(3, padding="same"), SERIES),
        "DepthwiseConv2D": (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), IMAGE),
        "SeparableConv1D": (lambda: layers.SeparableConv1D(4, 3), SERIES),
        "SeparableConv2D": (lambda: layers.SeparableConv2D(4, 3), IMAGE),
    },
    "Pooling": {
        f"{kind}{axes}D": (lambda kind=kind, axes=axes, size=size: getattr(layers, f"{kind}{axes}D")(*size), shape)
        for kind, size in {
            "AveragePooling": (2,),
            "MaxPooling": (2,),
            "GlobalAveragePooling": (),
            "GlobalMaxPooling": (),
            "AdaptiveAveragePooling": (2,),
            "AdaptiveMaxPooling": (2,),
        }.items()
        for axes, shape in {1: SERIES, 2: IMAGE, 3: VOLUME}.items()
    },
    "Normalisation": {
        "BatchNormalization": (lambda: layers.BatchNormalization(), IMAGE),
        "GroupNormalization": (lambda: layers.GroupNormalization(2), (8, 8, 4)),
        "LayerNormalization": (lambda: layers.LayerNormalization(), VECTOR),
        "LayerNormalization (of an image)": (lambda: layers.LayerNormalization(axis=(1, 2, 3)), IMAGE),
        "RMSNormalization": (lambda: layers.RMSNormalization(), VECTOR),
        "UnitNormalization": (lambda: layers.UnitNormalization(), VECTOR),
        "Normalization": (_normalization, VECTOR),
        "Rescaling": (lambda: layers.Rescaling(1 / 255, -0.5), IMAGE),
    },
    "Shapes": {
        "Flatten": (lambda: layers.Flatten(), IMAGE),
        "Reshape": (lambda: layers.Reshape((16, -1)), IMAGE),
        "Permute": (lambda: layers.Permute((3, 1, 2)), IMAGE),
        "RepeatVector": (lambda: layers.RepeatVector(3), VECTOR),
        "Cropping1D": (lambda: layers.Cropping1D((1, 2)), SERIES),
        "Cropping2D": (lambda: layers.Cropping2D(((1, 2), (0, 1))), IMAGE),
        "Cropping3D": (lambda: layers.Cropping3D(1), VOLUME),
        "ZeroPadding1D": (lambda: layers.ZeroPadding1D((1, 2)), SERIES),
        "ZeroPadding2D": (lambda: layers.ZeroPadding2D(((1, 2), (0, 1))), IMAGE),
        "ZeroPadding3D": (lambda: layers.ZeroPadding3D(1), VOLUME),
        "UpSampling1D": (lambda: layers.UpSampling1D(2), SERIES),
        "UpSampling2D (nearest)": (lambda: layers.UpSampling2D(2), IMAGE),
        "UpSampling2D (bilinear)": (lambda: layers.UpSampling2D(2, interpolation="bilinear"), IMAGE),
        "UpSampling2D (bicubic)": (lambda: layers.UpSampling2D(2, interpolation="bicubic"), IMAGE),
        "UpSampling3D": (lambda: layers.UpSampling3D(2), VOLUME),
        "Resizing (bilinear)": (lambda: layers.Resizing(12, 12), IMAGE),
        "Resizing (nearest)": (lambda: layers.Resizing(12, 12, interpolation="nearest"), IMAGE),
        "CenterCrop": (lambda: layers.CenterCrop(4, 4), IMAGE),
    },
    "Merging": {
        name: (lambda name=name: getattr(layers, name)(**({"axes": 1} if name == "Dot" else {})), VECTOR, VECTOR)
        for name in ("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract")
    },
    "Layers of an activation": {
        "ELU": (lambda: layers.ELU(), VECTOR),
        "LeakyReLU": (lambda: layers.LeakyReLU(), VECTOR),
        "PReLU": (lambda: layers.PReLU(shared_axes=[1, 2]), IMAGE),
        "ReLU": (lambda: layers.ReLU(), VECTOR),
        "ReLU (max_value, threshold)": (lambda: layers.ReLU(2.0, 0.1, 0.5), VECTOR),
        "Softmax": (lambda: layers.Softmax(), SERIES),
    },
    "Regularisation (nothing at inference)": {
        "ActivityRegularization": (lambda: layers.ActivityRegularization(0.1), VECTOR),
        "AlphaDropout": (lambda: layers.AlphaDropout(0.5), VECTOR),
        "Dropout": (lambda: layers.Dropout(0.5), VECTOR),
        "GaussianDropout": (lambda: layers.GaussianDropout(0.5), VECTOR),
        "GaussianNoise": (lambda: layers.GaussianNoise(0.5), VECTOR),
        "SpatialDropout1D": (lambda: layers.SpatialDropout1D(0.5), SERIES),
        "SpatialDropout2D": (lambda: layers.SpatialDropout2D(0.5), IMAGE),
        "SpatialDropout3D": (lambda: layers.SpatialDropout3D(0.5), VOLUME),
    },
    "Attention": {
        "AdditiveAttention": (lambda: _Attend(layers.AdditiveAttention()), SERIES),
        "Attention": (lambda: _Attend(layers.Attention()), SERIES),
        "GroupQueryAttention": (lambda: _SelfAttend(layers.GroupQueryAttention(4, 4, 2)), SERIES),
        "MultiHeadAttention": (lambda: _SelfAttend(layers.MultiHeadAttention(2, 4)), SERIES),
    },
    "Recurrent": {
        "Bidirectional": (lambda: layers.Bidirectional(layers.LSTM(4)), SERIES),
        "ConvLSTM1D": (lambda: layers.ConvLSTM1D(2, 3), (4, 6, 2)),
        "ConvLSTM2D": (lambda: layers.ConvLSTM2D(2, 3), (4, 6, 6, 2)),
        "GRU": (lambda: layers.GRU(4, return_sequences=True), SERIES),
        "LSTM": (lambda: layers.LSTM(4), SERIES),
        "LSTM (unrolled)": (lambda: layers.LSTM(4, unroll=True), SERIES),
        "SimpleRNN": (lambda: layers.SimpleRNN(4), SERIES),
        "SimpleRNN (unrolled)": (lambda: layers.SimpleRNN(4, unroll=True), SERIES),
    },
    "Preprocessing": {
        "CategoryEncoding (one_hot)": (lambda: layers.CategoryEncoding(6, "one_hot"), TensorSpec("x", "int32", (1,))),
        "CategoryEncoding (multi_hot)": (lambda: layers.CategoryEncoding(6, "multi_hot"), LABELS),
        "Discretization": (lambda: layers.Discretization([-1.0, 0.0, 1.0], output_mode="one_hot"), (1,)),
        "HashedCrossing": (lambda: layers.HashedCrossing(8, "one_hot"), TensorSpec("a", "int32", (1,)),
                           TensorSpec("b", "int32", (1,))),
        "Hashing": (lambda: layers.Hashing(8, output_mode="one_hot"), TensorSpec("x", "int32", (1,))),
        "IntegerLookup": (lambda: layers.IntegerLookup(vocabulary=[1, 2, 3], output_mode="one_hot"),
                          TensorSpec("x", "int64", (1,))),
        "MelSpectrogram": (lambda: layers.MelSpectrogram(64, 32, sampling_rate=256, max_freq=100), (256,)),
        "STFTSpectrogram": (lambda: layers.STFTSpectrogram("log", 64, 32, 64), (256, 1)),
    },
}  # fmt: skip

_ACTIVATIONS = (
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu",
    "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink",
    "softmax", "softplus", "softsign", "sparse_plus", "sparsemax", "squareplus", "tanh", "tanh_shrink",
)  # fmt: skip
