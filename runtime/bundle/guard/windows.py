"""How large what convolutions, pools and Resize make can be, along axes 2 and on."""

from __future__ import annotations

import math
import struct

from vae_edge.runtime.bundle.guard.terms import Known, Node, RefusedError, Tensor, alike, known, product

__all__ = ["convolution", "convolution_back", "pool", "pool_all", "resize", "weights_at"]


def weights_at(node: Node) -> int:
    """Which input of a convolution or a matrix product holds the weights."""
    return 3 if node.operator.startswith("QLinear") else 1


def _padding(node: Node) -> str:
    """How a window is padded: by NOTSET, the pads that are written; by SAME; or by VALID, none."""
    padding = node.texts.get("auto_pad", "NOTSET")
    if padding not in ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"):
        raise ValueError
    return padding.partition("_")[0]


def _list(node: Node, name: str, count: int, default: int) -> tuple[int, ...]:
    """An attribute of `count` integers, none of them negative."""
    values = node.ints.get(name, known((default,)) * count)
    if len(values) != count or min(values, default=0) < 0:
        raise ValueError
    return values


def _groups(node: Node) -> int:
    """How many groups of channels: 0 would end the process."""
    group = Known(node.int("group", 1))
    if group < 1:
        raise ValueError
    return group


def _windows(node: Node, grid: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, ...]:
    """How many places a window of `kernel` has along each axis."""
    axes, padding = len(grid), _padding(node)
    if len(kernel) != axes or axes == 0 or any(type(size) is not Known for size in kernel):
        raise ValueError
    strides, dilations = _list(node, "strides", axes, 1), _list(node, "dilations", axes, 1)
    pads = node.ints.get("pads", known((0,)) * 2 * axes) if padding == "NOTSET" else known((0,)) * 2 * axes
    if len(pads) != 2 * axes:
        raise ValueError
    sizes = []
    for axis, size in enumerate(grid):
        stride = max(1, strides[axis])
        if padding == "SAME":
            sizes.append(alike(-(-size // stride), size) if type(size) is Known else -(-size // stride))
            continue
        reach = max(1, dilations[axis]) * (kernel[axis] - 1) + 1
        round_up = stride - 1 if node.int("ceil_mode", 0) else 0
        room = size + pads[axis] + pads[axis + axes] - reach + round_up
        # ONNX Runtime rounds towards 0: a pool of what is a little too short has one place
        places = max(1, room // stride + 1)
        sizes.append(Known(places) if type(size) is Known and room >= 0 and not round_up else places)
    return tuple(sizes)


def convolution(node: Node, x: Tensor, *others: Tensor) -> Tensor:
    """Conv and its like: weights (M, C / group, kernel ...)."""
    weights = others[weights_at(node) - 1].shape
    # ONNX Runtime holds the attribute against the weights
    kernel = node.ints.get("kernel_shape", weights[2:])
    _groups(node)
    return Tensor((x.shape[0], weights[0], *_windows(node, x.shape[2:], kernel)))


def convolution_back(node: Node, x: Tensor, w: Tensor, *bias: Tensor) -> Tensor:
    """ConvTranspose: weights (C, M / group, kernel ...)."""
    grid, padding = x.shape[2:], _padding(node)
    axes = len(grid)
    strides, dilations = _list(node, "strides", axes, 1), _list(node, "dilations", axes, 1)
    more, kernel = _list(node, "output_padding", axes, 0), node.ints.get("kernel_shape", w.shape[2:])
    pads = node.ints.get("pads", known((0,)) * 2 * axes) if padding == "NOTSET" else known((0,)) * 2 * axes
    if axes == 0 or len(kernel) != axes or len(pads) != 2 * axes or any(type(size) is not Known for size in kernel):
        raise ValueError
    sizes = []
    for axis, size in enumerate(grid):
        full = strides[axis] * (size - 1) + more[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        places = full - pads[axis] - pads[axis + axes]
        # SAME gives size * stride, or this where it is less
        exact = padding != "SAME" and type(size) is Known and places > 0
        sizes.append(Known(places) if exact else max(0, places))
    wanted = node.ints.get("output_shape")
    if wanted is not None:
        if len(wanted) not in (axes, axes + 2) or min(wanted) < 0:
            raise ValueError
        sizes = list(wanted[-axes:])
    return Tensor((x.shape[0], product((w.shape[1], _groups(node))), *sizes))


def pool(node: Node, x: Tensor) -> list[Tensor]:
    """A pool, and where its largest elements were."""
    shape = (*x.shape[:2], *_windows(node, x.shape[2:], node.ints["kernel_shape"]))
    if len(node.outputs) > 2:
        raise ValueError
    return [Tensor(shape)] * len(node.outputs)


def pool_all(node: Node, x: Tensor) -> Tensor:
    """A pool over all but the first two axes."""
    if len(x.shape) < 3:
        raise ValueError
    return Tensor((*x.shape[:2], *(Known(1) for _ in x.shape[2:])))


def resize(
    node: Node, x: Tensor, region: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None
) -> Tensor:
    """Resize by the nearest or by linear interpolation: to sizes, or by scales."""
    text = node.texts.get
    if text("mode", "nearest") not in ("nearest", "linear"):
        raise RefusedError("has a Resize that is neither nearest nor linear")
    if (
        text("coordinate_transformation_mode") == "tf_crop_and_resize"
        or text("keep_aspect_ratio_policy", "stretch") != "stretch"
        or node.int("antialias", 0)
    ):
        raise RefusedError("has a Resize whose size or memory cannot be bounded")
    rank = len(x.shape)
    along = [range(rank)[axis] for axis in node.ints.get("axes", tuple(range(rank)))]
    if len(set(along)) != len(along):
        raise ValueError
    out = list(x.shape)
    if sizes is not None and sizes.shape != (0,):
        if scales is not None and scales.shape != (0,):
            raise ValueError
        wanted = list(sizes.sizes)
    elif scales is not None and scales.floats is not None:
        wanted = [_scaled(out[axis], scale) for axis, scale in zip(along, scales.floats, strict=True)]
    else:
        raise RefusedError("computes a size in a way that cannot be bounded")
    for axis, size in zip(along, wanted, strict=True):
        if size < 0:
            raise ValueError
        out[axis] = size
    return Tensor(tuple(out))


def _scaled(size: int, scale: float) -> int:
    """floor(size * scale), which ONNX Runtime calculates in float32."""
    if not 0 < scale <= 1 << 16:  # NaN is neither
        raise ValueError
    if scale == int(scale) and size * scale < 1 << 24:
        return product((size, Known(int(scale))))
    if type(size) is Known and size < 1 << 24:
        (rounded,) = struct.unpack("<f", struct.pack("<f", size * scale))
        return Known(int(rounded))
    return math.ceil(size * scale * (1 + 2**-20))
