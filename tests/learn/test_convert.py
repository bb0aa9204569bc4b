"""Any TensorFlow function becomes a graph that computes the same, its outputs under the names that they were given."""

import collections
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from vae_edge.export.convert import TensorSpec, convert
from vae_edge.export.freezing import layer_of
from vae_edge.export.sources.models import as_function, convert_model, input_specs
from vae_edge.export.tracing import Outputs, trace
from vae_edge.runtime.errors import InputError

X = TensorSpec("x", "float32", (6,))
DRAWS = np.random.default_rng(0)


def feeds(inputs: Sequence[TensorSpec], batch: int) -> dict[str, np.ndarray]:
    """Random numbers; whole ones from 0 to 2 where the graph takes these."""
    return {
        spec.name: DRAWS.normal(size=(batch, *spec.shape)).astype("f")
        if spec.graph_dtype == "float32"
        else DRAWS.integers(0, 3, (batch, *spec.shape)).astype(spec.graph_dtype)
        for spec in inputs
    }


def compute(model: onnx.ModelProto, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip((value.name for value in model.graph.output), session.run(None, dict(given)), strict=True))


def expect(function: Callable, inputs: Sequence[TensorSpec], outputs: Outputs, expected: Callable) -> onnx.ModelProto:
    """Converts, and compares each output with what `expected` gives by name; constants broadcast."""
    model = convert(function, inputs, outputs)
    assert [value.name for value in model.graph.input] == [spec.name for spec in inputs]
    assert [value.name for value in model.graph.output] == list(outputs)
    for batch in (1, 4):
        given = feeds(inputs, batch)
        wanted, found = expected(*map(tf.constant, given.values())), compute(model, given)
        for name in outputs:
            assert found[name].dtype == np.float32
            assert found[name].shape[0] == batch
            np.testing.assert_allclose(
                found[name], np.broadcast_to(wanted[name], found[name].shape), rtol=1e-5, atol=1e-5
            )
    return model


def operators(model: onnx.ModelProto) -> dict[str, int]:
    return dict(collections.Counter(node.op_type for node in model.graph.node))


def test_outputs_of_a_tuple_and_of_a_dict_keep_their_names() -> None:
    """tf.function sorts a dict by its keys: 'mean' and 'log_var' came back exchanged."""
    pair = {"mean": lambda x: x + 1, "log_var": lambda x: 2 * x}
    expected = lambda x: {name: f(x) for name, f in pair.items()}  # noqa: E731
    expect(lambda x: (x + 1, 2 * x), [X], ["mean", "log_var"], expected)
    expect(expected, [X], ["mean", "log_var"], expected)
    expect(expected, [X], {"loc": "mean", "b": "log_var"}, lambda x: {"loc": x + 1, "b": 2 * x})
    expect(lambda x: (x + 1, 2 * x), [X], {"b": 1, "a": 0}, lambda x: {"a": x + 1, "b": 2 * x})
    network = keras.Input((6,), name="x")
    outputs = [keras.layers.Rescaling(1.0, 1.0)(network), keras.layers.Rescaling(2.0)(network)]
    model = convert_model(keras.Model(network, outputs), ["mean", "log_var"])
    found = compute(model, {"x": np.ones((2, 6), "f")})
    assert {name: values[0, 0] for name, values in found.items()} == {"mean": 2, "log_var": 2}
    found = compute(model, {"x": np.full((2, 6), 5, "f")})
    assert {name: values[0, 0] for name, values in found.items()} == {"mean": 6, "log_var": 10}


def test_a_function_may_call_its_nodes_as_the_converter_does() -> None:
    def function(x: tf.Tensor) -> list[tf.Tensor]:
        decoys = [tf.identity(-x, f"{name}_{i}") for i in (0, 1) for name in ("Identity", "output")]
        return [x + 1 + 0 * decoys[0], 2 * x + 0 * decoys[2]]

    expect(function, [X], ["a", "b"], lambda x: {"a": x + 1, "b": 2 * x})


def test_outputs_of_one_node_each_have_a_name() -> None:
    """A split with layers behind it: all its outputs were called the same."""
    halves = lambda x: [tf.nn.relu(part) for part in tf.split(x, 2, -1)]  # noqa: E731
    expect(halves, [X], ["a", "b"], lambda x: dict(zip("ab", halves(x), strict=True)))
    raw = expect(
        lambda x: tf.split(x, 2, -1), [X], ["a", "b"], lambda x: dict(zip("ab", tf.split(x, 2, -1), strict=True))
    )
    assert operators(raw) == {"Split": 1}


def test_one_tensor_may_be_two_outputs_and_an_input_an_output() -> None:
    def function(x: tf.Tensor) -> list[tf.Tensor]:
        y = tf.exp(x)
        return [y, x, y]

    expect(function, [X], ["a", "b", "c"], lambda x: dict(zip("abc", function(x), strict=True)))


def test_captured_constants_are_weights_not_inputs() -> None:
    matrix, variable = tf.constant(DRAWS.normal(size=(6, 2)).astype("f")), tf.Variable(tf.fill((2,), 0.3))
    model = expect(lambda x: x @ matrix + variable, [X], ["y"], lambda x: {"y": x @ matrix + variable})
    assert [value.name for value in model.graph.input] == ["x"]


def test_what_depends_on_no_input_is_a_constant_that_is_repeated() -> None:
    row = tf.Variable(DRAWS.normal(size=6).astype("f"))

    def function(x: tf.Tensor) -> list[tf.Tensor]:
        return [x + 1, tf.exp(row), tf.exp(row)[None], tf.constant(0.5)]

    names = ["loc", "row", "batched", "number"]
    expected = lambda x: dict(zip(names, function(x), strict=True))  # noqa: E731
    model = expect(function, [X], names, expected)
    assert [len(value.type.tensor_type.shape.dim) for value in model.graph.output] == [2, 2, 2, 1]
    traced = trace(function, [X], names)
    assert set(traced.constants) == {"row", "batched", "number"}
    np.testing.assert_allclose(traced.constants["row"], tf.exp(row))
    expect(lambda x: tf.exp(row), [X], ["row"], expected)  # nothing depends on the input
    assert trace(lambda x: tf.ones_like(x), [X], ["a"]).constants == {}  # its batch does


def test_an_input_that_is_not_used_stays() -> None:
    expect(lambda x, c: x + 1, [X, TensorSpec("c", "int32", ())], ["y"], lambda x, c: {"y": x + 1})


DTYPES = {
    "float64": (lambda x: x @ tf.eye(6, dtype=tf.float64) + 1, "float32", lambda x: x + 1),
    "float16": (lambda x: x + 1, "float32", lambda x: tf.cast(tf.cast(x, tf.float16), tf.float32) + 1),
    "uint8": (lambda x: tf.cast(x, tf.float32) / 2, "float32", lambda x: np.rint(x) / 2),
    "int32": (lambda x: tf.cast(x, tf.float32) / 2, "int32", lambda x: tf.cast(x, tf.float32) / 2),
    "int64": (lambda x: tf.one_hot(x, 3)[:, 0], "int64", lambda x: tf.one_hot(x, 3)[:, 0]),
    "bool": (lambda x: tf.where(x, 1.0, -1.0), "float32", lambda x: np.where(np.rint(x) != 0, 1.0, -1.0)),
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_other_dtypes(dtype: str) -> None:
    function, of_graph, expected = DTYPES[dtype]
    model = convert(function, [TensorSpec("x", dtype, (6,))], ["y"])
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.helper.np_dtype_to_tensor_dtype(np.dtype(of_graph))
    x = (
        DRAWS.integers(0, 3, (4, 6)).astype(of_graph)
        if of_graph != "float32"
        else np.abs(DRAWS.normal(size=(4, 6))).astype("f")
    )
    found = compute(model, {"x": x})["y"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(tf.constant(x)), rtol=2e-3 if dtype == "float16" else 1e-6)
    tensors = [*model.graph.initializer, *(entry.t for node in model.graph.node for entry in node.attribute)]
    assert not {onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16} & {tensor.data_type for tensor in tensors}


class Sampling(keras.layers.Layer):
    """z = mean + exp(log_var / 2) noise, as in Keras's guide."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, inputs: tuple) -> object:
        mean, log_var = inputs
        noise = keras.random.normal(keras.ops.shape(mean), seed=self.seed_generator)
        return mean + keras.ops.exp(0.5 * log_var) * noise


@pytest.fixture(scope="module")
def sampling_encoder() -> keras.Model:
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, strides=2, activation="relu")(image))
    x = keras.layers.BatchNormalization()(keras.layers.Dropout(0.5)(x))
    mean, log_var = keras.layers.Dense(2, name="mean")(x), keras.layers.Dense(2, name="log_var")(x)
    return keras.Model(image, [mean, log_var, Sampling(name="draw")([mean, log_var])], name="encoder")


def test_a_sample_that_is_not_wanted_is_cut_away(sampling_encoder: keras.Model) -> None:
    wanted = {"mean": 0, "log_var": 1}
    expected = lambda x: dict(zip(wanted, sampling_encoder(x, training=False)[:2], strict=True))  # noqa: E731
    for function in (as_function(sampling_encoder), tf.function(as_function(sampling_encoder))):
        model = expect(function, input_specs(sampling_encoder), wanted, expected)
        assert not any("Random" in name for name in operators(model))
    assert set(operators(model)) <= {
        "Conv",
        "Relu",
        "Reshape",
        "Transpose",
        "MatMul",
        "Add",
        "Mul",
    }  # no computed shapes


RANDOM = {
    "stateful": lambda x: x + tf.random.normal(tf.shape(x)),
    "of a fixed shape and seed": lambda x: x + tf.random.stateless_uniform((6,), [1, 2]),
    "inside a branch": lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x, lambda: x + tf.random.normal(tf.shape(x))),
    "of TFP": lambda x: tfp.distributions.Normal(x, 1.0).sample(),
    "gamma": lambda x: tf.random.gamma((), tf.exp(x)),
    "dropout": lambda x: tf.nn.dropout(x, 0.5),
}


@pytest.mark.parametrize("kind", RANDOM)
def test_an_output_that_is_random_is_refused(kind: str) -> None:
    with pytest.raises(
        InputError, match=r"output 'z' should follow from the inputs, but layer .* draws random numbers"
    ):
        convert(lambda x: (x, RANDOM[kind](x)), [X], ["loc", "z"])


def test_the_layer_that_draws_is_named(sampling_encoder: keras.Model) -> None:
    with pytest.raises(InputError, match=r"output 'z'.*layer 'encoder[^']*/draw"):
        convert(as_function(sampling_encoder), input_specs(sampling_encoder), {"z": 2})


def test_an_operator_without_counterpart_is_named_with_its_layer() -> None:
    x = keras.Input((6,))
    y = keras.layers.Lambda(lambda x: tf.math.igamma(x, x), name="odd")(keras.layers.Dense(6)(x))
    with pytest.raises(InputError, match=r"Igamma in layer '[^']*odd[^']*'.*replace the layer"):
        convert_model(keras.Model(x, y), ["y"])


def test_a_handler_that_fails_is_an_error_of_ours() -> None:
    """tf2onnx logs it and leaves a node of TensorFlow's that may well be called as one of ONNX's."""

    def function(x: tf.Tensor) -> tf.Tensor:
        with tf.name_scope("deep/inside"):
            return tf.linalg.diag_part(x, k=(0, 1))

    with pytest.raises(InputError, match=r"MatrixDiagPart.* in layer 'deep/inside' \(a band of several"):
        convert(function, [TensorSpec("x", "float32", (3, 3))], ["y"])


def test_layers_are_told_without_the_calls_around_them() -> None:
    assert layer_of("StatefulPartitionedCall/decoder_1/dense/Erfc") == "decoder_1/dense"
    assert layer_of("PartitionedCall_2/StatefulPartitionedCall/a/b/c") == "a/b"
    assert layer_of("Igamma") == "Igamma"


REFUSED: dict[str, tuple[Callable, Sequence[str], str]] = {
    "no batch": (lambda x: tf.reduce_mean(x, 0), ["y"], r"'y' should have the batch as its first axis.*\(6,\) and"),
    "a fixed batch": (lambda x: tf.reshape(x, (4, 6)), ["y"], "batch of any size.*12 values"),
    "the user's own error": (lambda x: x @ tf.ones((5, 2)), ["y"], r"take x float32 \(B, 6,\).*it raised .*equal"),
    "too few": (lambda x: x, ["a", "b"], r"return 2 tensors \(a, b\), it returns 1"),
    "too many": (lambda x: (x, x), ["a"], r"return 1 tensors \(a\), it returns 2: name all of them, or pick"),
    "no such key": (lambda x: {"mean": x}, ["loc"], r"return \['loc'\], it returns \['mean'\]"),
    "integers": (lambda x: tf.argmax(x, -1), ["y"], "'y' should be of floats, it is int64"),
    "a distribution": (lambda x: tfp.distributions.Normal(x, 1.0), ["y"], r"a distribution \(Normal\).*as loc and"),
    "not a tensor": (lambda x: object(), ["y"], "'y' should be a tensor, it is a object"),
    "names twice": (lambda x: (x, x), ["a", "a"], "all differ"),
    "an input's name": (lambda x: x, ["x"], "all differ"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_a_graph_is_refused_in_one_line(why: str) -> None:
    function, outputs, message = REFUSED[why]
    with pytest.raises(InputError, match=message) as caught:
        convert(function, [X], outputs)
    assert "\n" not in str(caught.value)


def test_a_lookup_table_is_refused() -> None:
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([1, 2], [0.5, 0.7]), 0.0)
    with pytest.raises(InputError, match=r"neither a tensor nor a variable|LookupTable"):
        convert(lambda c: table.lookup(c), [TensorSpec("c", "int32", ())], ["y"])


def test_models_of_keras_3_and_of_tf_keras_in_one_process() -> None:
    for kind in (keras, tf_keras):
        x = kind.Input((6,), name="x")
        model = kind.Model(x, kind.layers.Dense(3, activation="gelu")(kind.layers.Dropout(0.5)(x)))
        assert input_specs(model) == (X,)
        expect(as_function(model), [X], ["y"], lambda x, model=model: {"y": model(x, training=False)})


def test_inputs_as_a_list_and_as_a_dict() -> None:
    a, b = keras.Input((3,), name="second"), keras.Input((1,), name="first")
    listed = keras.Model([a, b], keras.ops.abs(a) * 2 + b)
    assert [spec.name for spec in input_specs(listed)] == ["second", "first"]
    expect(as_function(listed), input_specs(listed), ["y"], lambda a, b: {"y": listed([a, b])})
    tree = {"z": keras.Input((3,), name="z"), "c": keras.Input((2,), name="c")}
    mapped = keras.Model(tree, tree["z"] * keras.ops.sum(tree["c"], -1, keepdims=True))
    assert [(spec.name, spec.shape) for spec in input_specs(mapped)] == [("c", (2,)), ("z", (3,))]
    expect(as_function(mapped), input_specs(mapped), ["y"], lambda c, z: {"y": mapped({"c": c, "z": z})})


class Conditional(keras.Model):
    """Two arguments, and batch normalisation that has another way to compute in training."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.norm = keras.layers.Dense(4), keras.layers.BatchNormalization()

    def call(self, x: tf.Tensor, label: tf.Tensor, training: bool = True) -> tf.Tensor:
        return self.norm(self.dense(x) + tf.one_hot(label, 4), training=training)


def test_a_subclassed_model_is_called_with_two_arguments_and_not_in_training() -> None:
    model, specs = Conditional(), [X, TensorSpec("label", "int64", ())]
    assert input_specs(model) is None
    expect(as_function(model), specs, ["y"], lambda x, label: {"y": model(x, label, training=False)})


class Module(tf.Module):
    """A callable with named outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(DRAWS.normal(size=(6, 2)).astype("f"))

    @tf.function(input_signature=[tf.TensorSpec((None, 6), tf.float32, name="x")])
    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scale": tf.exp(x @ self.w), "loc": x @ self.w}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_module_and_saved_models_with_and_without_signatures(tmp_path: Path) -> None:
    module = Module()
    expected = lambda x: {"scale": tf.exp(x @ module.w), "loc": x @ module.w}  # noqa: E731
    tf.saved_model.save(module, tmp_path / "signed", signatures={"serving_default": module.__call__})
    tf.saved_model.save(module, tmp_path / "plain", signatures={})
    for source in (module, *(tf.saved_model.load(str(tmp_path / name)) for name in ("signed", "plain"))):
        expect(as_function(source), [X], ["loc", "scale"], expected)
    assert input_specs(tf.saved_model.load(str(tmp_path / "signed"))) == (X,)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("kernel", "strides", "extra"), [(3, 2, None), (3, 2, 1), (2, 3, None), (4, 3, 2), (1, 2, None)]
)
def test_transposed_convolutions_of_any_size(padding: str, kernel: int, strides: int, extra: int | None) -> None:
    x = keras.Input((5, 4, 2), name="x")
    layer = keras.layers.Conv2DTranspose(3, kernel, strides, padding, extra, bias_initializer="normal")
    model = keras.Model(x, layer(x))
    expect(as_function(model), input_specs(model), ["y"], lambda x: {"y": model(x)})


def test_a_convolution_of_groups_which_keras_leaves_to_xla() -> None:
    x = keras.Input((6, 6, 4), name="x")
    model = keras.Model(x, keras.layers.Conv2D(4, 3, groups=2, bias_initializer="normal")(x))
    assert operators(expect(as_function(model), input_specs(model), ["y"], lambda x: {"y": model(x)}))["Conv"] == 1


def test_a_decoder_with_batch_normalisation_is_transposed_convolutions_alone() -> None:
    z = keras.Input((2,), name="z")
    x = keras.layers.Reshape((7, 7, 8))(keras.layers.Dense(7 * 7 * 8)(z))
    for width in (8, 4):
        x = keras.layers.Conv2DTranspose(width, 3, strides=2, padding="same")(x)
        x = keras.layers.LeakyReLU()(keras.layers.BatchNormalization()(x))
    decoder = keras.Model(z, keras.layers.Conv2D(3, 3, padding="same", activation="sigmoid")(x))
    for weight in decoder.weights:
        weight.assign(0.3 * np.abs(DRAWS.normal(size=weight.shape)) + 0.01)
    expected = lambda z: {"probs": decoder(z, training=False)}  # noqa: E731
    model = expect(as_function(decoder), input_specs(decoder), ["probs"], expected)
    assert operators(model) == {"MatMul": 1, "Add": 1, "Reshape": 1, "Transpose": 2, "ConvTranspose": 2, "LeakyRelu": 2,
                                "Conv": 1, "Sigmoid": 1}  # fmt: skip
