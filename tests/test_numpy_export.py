"""Models as files for NumPy alone, run, beside what they predict themselves."""

import re
import subprocess
import sys

import numpy as np
import pytest

import backpass as bp
from backpass.exchange import to_numpy
from backpass.exchange._graph import ARRAYS, CANNOT
from backpass.exchange._numpy_functions import BINARY, UNARY
from backpass.exchange._numpy_rows import ROWS
from exported_models import MODELS, every_function, kinds_of_operations, layer_models, operation_models, table_model
from registry import generator

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def predict_of(text):
    names = {}
    exec(text, names)
    return names["predict"]


def check(model, arrays):
    wanted = model.predict(arrays if len(arrays) > 1 else arrays[0])
    found = predict_of(to_numpy(model))(*arrays)
    for own, other in zip(*((x if isinstance(x, list) else [x]) for x in (found, wanted)), strict=True):
        assert own.dtype == other.dtype
        tolerance = TOLERANCE[str(other.dtype)]
        np.testing.assert_allclose(own, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", layer_models().items(), ids=lambda case: case[0])
def test_layers_predict_the_same(case):
    check(*case[1])


def refused(model):
    """Why it is refused; "" where it is not."""
    try:
        to_numpy(model)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("case", operation_models().items(), ids=lambda case: case[0])
def test_operations_predict_the_same_or_are_refused(case):
    model, arrays = case[1]
    if refusal := refused(model):
        assert re.search(r"\[to_numpy\] .*cannot be exported|cannot be saved", refusal)
        return
    check(model, arrays)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_models_predict_the_same_for_any_number_of_rows(name, dtype):
    model = MODELS[name](dtype)
    for rows in (0, 1, 7):
        check(model, [generator(name, rows).standard_normal((rows, *model.input_shape)).astype(dtype)])


def test_every_kind_of_operation_has_words_or_a_reason():
    assert kinds_of_operations() == {"input", *ARRAYS} | set(ROWS) | set(CANNOT)


def test_every_function_has_words_or_a_reason():
    assert every_function() - {"digamma", "polygamma"} <= set(UNARY) | set(BINARY)


@pytest.mark.parametrize("preset", ["mlp", "tabm", "realmlp"])
def test_a_file_of_a_table_model_runs_without_this_package(preset, tmp_path):
    model, new = table_model(preset)
    to_numpy(model, tmp_path / "written.py")
    np.savez(tmp_path / "given.npz", *model.schema.encode(new))
    program = (
        "import sys, numpy as np; sys.modules['backpass'] = None; from written import predict; "
        "np.save('made.npy', predict(*np.load('given.npz').values()))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "made.npy"), model.predict_probabilities(new), rtol=1e-5, atol=1e-5)


def test_written_files_check_what_they_are_given():
    embedded = predict_of(to_numpy(bp.Sequential(bp.Embedding(5, 3), bp.Flatten(), input_shape=2, seed=0)))
    for index in (-1, 5):
        with pytest.raises(ValueError, match=r"indices must be in \[0, 5\)"):
            embedded([[0, index]])
    for wrong in ([1, 2], [[1, 2, 3]], 1):
        with pytest.raises(ValueError, match=r"input_0 must have shape \(rows, \*\(2,\)\), got"):
            embedded(wrong)


def test_what_is_no_model_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(TypeError, match=r"\[to_numpy\] takes a model of backpass, got str"):
        to_numpy("model", tmp_path / "m.py")
    assert not list(tmp_path.iterdir())
