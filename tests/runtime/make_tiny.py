"""Writes the tiny bundle that the runtime's tests load: python tests/runtime/make_tiny.py (needs the onnx package).

Images of 6 x 4 x 1 and three latent numbers, so that no two axes are alike. The graphs are two or three operators
each, assembled by hand; what the probe says was calculated here with NumPy in float64.
"""

import dataclasses
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from vae_edge.runtime import probe
from vae_edge.runtime.bundle import manifest

HERE = Path(__file__).parent / "tiny"
H, W, C, L = 6, 4, 1, 3
OPSET = 13


def weights(seed: int, *shape: int) -> np.ndarray:
    """Numbers that are multiples of 1/32, so that sums of them are exact in float32."""
    return (
        (np.random.Philox(key=seed).random_raw(int(np.prod(shape))) % 65 / 32.0 - 1.0).reshape(shape).astype(np.float32)
    )


ENCODE, DECODE, BIAS = weights(1, H * W * C, 2 * L), weights(2, L, H * W * C), weights(3, H * W * C)


def encoder() -> bytes:
    nodes = [
        helper.make_node("Reshape", ["image", "flat"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "weights"], ["code"]),
        helper.make_node("Split", ["code"], ["loc", "raw"], axis=1),
        helper.make_node("Softplus", ["raw"], ["scale"]),
    ]
    initializers = {"flat": np.array([-1, H * W * C]), "weights": ENCODE}
    return model(nodes, {"image": (H, W, C)}, {"loc": (L,), "scale": (L,)}, initializers)


def decoder() -> bytes:
    nodes = [
        helper.make_node("Gemm", ["z", "weights", "bias"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["logits"]),
    ]
    initializers = {"shape": np.array([-1, H, W, C]), "weights": DECODE, "bias": BIAS}
    return model(nodes, {"z": (L,)}, {"logits": (H, W, C)}, initializers)


def model(nodes: list, inputs: dict, outputs: dict, initializers: dict) -> bytes:
    def values(shapes: dict) -> list:
        return [
            helper.make_tensor_value_info(key, TensorProto.FLOAT, ["batch", *shape]) for key, shape in shapes.items()
        ]

    tensors = [numpy_helper.from_array(value, key) for key, value in initializers.items()]
    graph = helper.make_graph(nodes, "tiny", values(inputs), values(outputs), tensors)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    checker.check_model(proto, full_check=True)
    return proto.SerializeToString(deterministic=True)


def tensors(shapes: dict, role: str = "") -> tuple:
    return tuple(manifest.Tensor(key, "float32", ("batch", *shape), role) for key, shape in shapes.items())


def graph(file: manifest.File, inputs: tuple, outputs: tuple, parameters: int, multiply_adds: int) -> manifest.Graph:
    return manifest.Graph(file, OPSET, inputs, outputs, parameters, multiply_adds)


def main() -> None:
    image = np.random.Philox(key=4).random_raw(8 * H * W * C).reshape(8, H, W, C) % 2
    code = image.reshape(8, -1) @ ENCODE.astype(np.float64)
    z = weights(5, 8, L)
    logits = (z @ DECODE.astype(np.float64) + BIAS).reshape(8, H, W, C)
    found = {"image": image, "loc": code[:, :L], "scale": np.log1p(np.exp(code[:, L:])), "z": z, "logits": logits}
    event, latent = {"image": (H, W, C)}, {"z": (L,)}
    placeholder = manifest.File("probe.npz", 1, "0" * 64)
    data = {"encoder.onnx": encoder(), "decoder.onnx": decoder()}
    seals = {name: manifest.File.of(name, content) for name, content in data.items()}
    posterior, logits_of = tensors({"loc": (L,), "scale": (L,)}), tensors({"logits": (H, W, C)})
    said = manifest.Manifest(
        schema=manifest.SCHEMA,
        name="tiny",
        producer="tests/runtime/make_tiny.py",
        versions={},
        event=manifest.Image(H, W, C, 0.5),
        condition=None,
        latent_size=L,
        graphs={
            "encoder": graph(seals["encoder.onnx"], tensors(event, "event"), posterior, ENCODE.size, ENCODE.size),
            "decoder": graph(
                seals["decoder.onnx"], tensors(latent, "latent"), logits_of, DECODE.size + BIAS.size, DECODE.size
            ),
        },
        posterior=manifest.Spec("normal", (L,), {"loc": "loc", "scale": "scale"}),
        likelihood=manifest.Spec("bernoulli", (H, W, C), {"logits": "logits"}),
        prior=manifest.Spec("normal", (L,)),
        deviations=None,
        precision="fp32",
        probe=placeholder,
        training=manifest.Training("none", "", 0, 0, 0, "elbo", "", ""),
        scores=None,
        metrics={},
        parity={},
        digest="",
    )
    data["probe.npz"] = probe.render(found, said)
    said = dataclasses.replace(said, probe=manifest.File.of("probe.npz", data["probe.npz"]))
    HERE.mkdir(exist_ok=True)
    for name, content in data.items():
        (HERE / name).write_bytes(content)
    (HERE / "manifest.json").write_bytes(manifest.render(manifest.seal(said)))


if __name__ == "__main__":
    main()
