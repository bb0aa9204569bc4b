"""Changes to an ONNX model that leave it one, by onnx's own protobuf classes: fields changed, moved or dropped."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from vae_edge.runtime.bundle.guard.rules import RULES

# What attributes say in words: how to pad, to resize, and which axes to multiply
WORDS = (b"", b"NOTSET", b"SAME_UPPER", b"VALID", b"linear", b"nearest", b"cubic", b"half_pixel", b"asymmetric",
         b"tf_crop_and_resize", b"not_larger", b"edge", b"tanh", b"ab,bc->ac", b"aa->a", b"a,b")  # fmt: skip
ATTRIBUTES = ("axis", "axes", "keepdims", "strides", "pads", "dilations", "kernel_shape", "group", "auto_pad", "mode",
              "output_padding", "output_shape", "ceil_mode", "equation", "to", "split", "num_outputs", "perm",
              "blocksize", "batch_dims", "antialias", "noop_with_empty_axes", "allowzero")  # fmt: skip

Change = Callable[[bytes], bytes]
Mutator = Callable[[bytes, random.Random, Change], bytes]

OPERATORS = sorted(RULES)
NUMBERS = (0, 1, -1, 2, 3, 4, 8, 24, 127, 255, 256, 4096, 65_535, 1 << 20, 1 << 26, (1 << 31) - 1, 1 << 62, -(1 << 63))
TEXTS = ("", "x", "y", "z", "batch", "../x", "location", "ort_config", "com.microsoft", "axis", "shape", "value")


def parse(data: bytes) -> Any | None:
    """The bytes as ONNX's own parser reads them; None where it does not, or is not installed."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        return None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        return None
    return model


def messages(message: Any) -> Iterator[Any]:
    """A protobuf message and all within it."""
    yield message
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for part in value if field.is_repeated else [value]:
                yield from messages(part)


def graph(data: bytes, dice: random.Random, change: Change) -> bytes:
    """Fields of a model changed, doubled, moved or dropped; operators and names that fit more often than chance."""
    model = parse(data)
    if model is None or dice.random() < 0.2:
        return change(data)
    try:
        for _ in range(dice.choice([1, 1, 2, 4])):
            _change_message(model, dice, change)
    except UnicodeDecodeError:  # a name that is none, which the parser takes but does not give
        return change(data)
    return bytes(model.SerializeToString(deterministic=True))


def _change_message(model: Any, dice: random.Random, change: Change) -> None:
    found = list(messages(model))
    message = dice.choice(found)
    present = [field for field, _ in message.ListFields()]
    field = dice.choice(present if present and dice.random() < 0.8 else message.DESCRIPTOR.fields)
    if field.name == "op_type":
        message.op_type = dice.choice(OPERATORS)
    elif field.type == field.TYPE_MESSAGE:
        others = [other for other in found if other.DESCRIPTOR is field.message_type]
        _change_part(message, field, others, dice)
    elif field.is_repeated:
        _change_list(getattr(message, field.name), field, found, dice, change)
    elif dice.random() < 0.1:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _scalar(field, getattr(message, field.name), found, dice, change))


def _change_part(message: Any, field: Any, others: list[Any], dice: random.Random) -> None:
    other = dice.choice(others).SerializeToString() if others else b""
    if not field.is_repeated:
        message.ClearField(field.name)
        if dice.random() < 0.8:
            getattr(message, field.name).ParseFromString(other)
        return
    parts = getattr(message, field.name)
    if len(parts) and dice.random() < 0.5:
        del parts[dice.randrange(len(parts))]
    if dice.random() < 0.7:
        whole = [part.SerializeToString() for part in parts]
        whole.insert(dice.randrange(len(whole) + 1), other)
        del parts[:]
        for part in whole:
            parts.add().ParseFromString(part)


def _change_list(values: Any, field: Any, found: list[Any], dice: random.Random, change: Change) -> None:
    kind = dice.randrange(3)
    if values and kind == 0:
        del values[dice.randrange(len(values))]
    elif values and kind == 1:
        at = dice.randrange(len(values))
        values[at] = _scalar(field, values[at], found, dice, change)
    else:
        empty = b"" if field.type == field.TYPE_BYTES else "" if field.type == field.TYPE_STRING else 0
        values.append(_scalar(field, empty, found, dice, change))


def _scalar(field: Any, old: Any, found: list[Any], dice: random.Random, change: Change) -> Any:
    if field.type == field.TYPE_BYTES:
        return dice.choice(WORDS) if field.name == "s" and dice.random() < 0.7 else change(old)
    if field.type == field.TYPE_STRING:
        if field.containing_type.name == "AttributeProto" and dice.random() < 0.7:
            return dice.choice(ATTRIBUTES)
        names = [name for message in found if message.DESCRIPTOR.name == "NodeProto" for name in message.output]
        return dice.choice([*TEXTS, *names, *names])
    if field.type == field.TYPE_FLOAT or field.type == field.TYPE_DOUBLE:
        return dice.choice([0.0, 1.0, -1.0, 1e30, float("inf"), float("nan")])
    if field.type == field.TYPE_ENUM:
        return dice.choice([value.number for value in field.enum_type.values])
    number = dice.choice([*NUMBERS, old + 1, old - 1, old * 2])
    bits = 31 if field.cpp_type == field.CPPTYPE_INT32 else 63
    if field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
        return abs(number) & ((1 << bits) - 1)
    return max(-(1 << bits), min((1 << bits) - 1, number))
