"""Models as ONNX graphs, beside what they predict themselves."""

import re

import numpy as np
import pytest

import backpass as bp
from backpass.exchange import to_onnx
from backpass.exchange._onnx_functions import BINARY, UNARY
from backpass.exchange._onnx_rows import CANNOT, ROWS
from exported_models import MODELS, every_function, kinds_of_operations, operation_model, table_model
from registry import LAYERS, OPS, generator

onnxruntime = pytest.importorskip("onnxruntime", reason="what runs ONNX graphs is not installed")
ReferenceEvaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator

TOLERANCE = {"float32": 1e-5, "float64": 1e-8}  # which is what the evaluator of onnx has digits for


def outputs_of(proto, *arrays):
    if arrays[0].dtype == np.float64:  # for which onnxruntime lacks kernels
        session = ReferenceEvaluator(proto)
        return session.run(None, dict(zip(session.input_names, arrays, strict=True)))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    fed = {given.name: array for given, array in zip(session.get_inputs(), arrays, strict=True)}
    return session.run(None, fed)


def check(model, *arrays, dtype="float32"):
    wanted = model.predict([*arrays] if len(arrays) > 1 else arrays[0])
    found = outputs_of(to_onnx(model), *arrays)
    for own, other in zip(found, wanted if isinstance(wanted, (list, tuple)) else [wanted], strict=True):
        np.testing.assert_allclose(own, other, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.name)
def test_layers_predict_the_same(case):
    model = bp.Sequential(case.make(), input_shape=6, seed=0)
    for rows in (1, 5):
        check(model, generator(case.name).standard_normal((rows, 6)).astype("f4"))


def refused(model):
    """Why it is refused; "" where it is not."""
    try:
        to_onnx(model)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("case", OPS, ids=lambda case: case.name)
def test_operations_predict_the_same_or_are_refused(case):
    model, arrays = operation_model(case) or pytest.skip("it needs to know how many rows there are")
    if refusal := refused(model):
        assert re.search(r"\[to_onnx\] .* cannot be exported|cannot be saved", refusal)
        return
    check(model, *arrays)


def test_every_kind_of_operation_has_words_or_a_reason():
    assert kinds_of_operations() == set(ROWS) | set(CANNOT)
    assert not set(ROWS) & set(CANNOT)


def test_every_function_has_words_or_a_reason():
    without = {"lgamma", "digamma", "polygamma", "arctan2"}
    assert every_function() - without <= set(UNARY) | set(BINARY)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in MODELS if name != "recurrent"])
def test_models_predict_the_same_for_any_number_of_rows(name, dtype):
    model = MODELS[name](dtype)
    for rows in (1, 2, 7):
        check(model, generator(name, rows).standard_normal((rows, *model.input_shape)).astype(dtype), dtype=dtype)


@pytest.mark.parametrize("preset", ["mlp", "tabm", "realmlp"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_models_of_tables_go_with_what_they_do_to_raw_values(preset, task, tmp_path):
    model, new = table_model(preset, task)
    to_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    found = session.run(None, dict(zip(("input_0", "input_1"), model.schema.encode(new), strict=True)))[0]
    wanted = model.predict_probabilities(new) if task == "classification" else model.predict(new)[:, None]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_embeddings_with_an_index_that_is_left_out():
    model = bp.Sequential(bp.Embedding(5, 3, padding_idx=0), bp.Flatten(), input_shape=4, seed=0)
    check(model, np.array([[0, 1, 4, 2], [3, 3, 0, 0]], np.int32))


def test_what_python_computes_is_refused():
    class Cube(bp.Layer):
        def forward(self, x):
            return x**3

        def backward(self, grad, x):
            return grad * 3 * x**2

    with pytest.raises(ValueError, match="computed by the host program"):
        to_onnx(bp.Sequential(Cube(), input_shape=2, seed=0))
    with pytest.raises(TypeError, match="takes a model of backpass, got int"):
        to_onnx(3)


@pytest.mark.parametrize("name", ["input_0", "output_0", "constant_0", "constant_1", "value_0", "value_1"])
def test_a_parameter_may_be_called_as_the_graph_calls_something_else(name):
    x = bp.input((None, 3))
    model = bp.Network(x, bp.relu(x * bp.parameter((3,), name=name)) + 1.5, seed=0)
    model.set_weights([np.array([1, -2, 3], "f4")])
    check(model, generator(name).standard_normal((4, 3)).astype("f4"))
