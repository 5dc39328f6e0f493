"""Arguments of wrong types: one line, of ours, that tells what is taken and what was given."""

import numpy as np
import pytest

import backpass as bp


def test_native_functions_tell_what_they_take():
    with pytest.raises(TypeError) as caught:
        bp.relu(None)
    assert str(caught.value) == "[relu] takes (x: Tensor), got None"
    with pytest.raises(TypeError, match=r"got array\(\[1\.\]\); operations are of tensors, and bp.Graph computes them"):
        bp.softmax(np.ones(1))
    with pytest.raises(TypeError) as caught:
        bp.concat(xs=3, axis=0)
    assert str(caught.value).startswith("[concat] takes (xs: Sequence[Tensor | number | numpy.ndarray], axis: ")
    assert str(caught.value).endswith("got xs=3, axis=0")
    with pytest.raises(TypeError) as caught:
        bp.relu("x" * 10_000)
    assert len(str(caught.value)) < 300


def test_native_functions_work_as_before():
    x = bp.input((3,), "float64")
    assert bp.Graph([x], [bp.relu(x=x)])([-1.0, 0.0, 2.0])[0].tolist() == [0.0, 0.0, 2.0]
    assert bp.relu.__name__ == "relu"
    assert bp.relu.__doc__.startswith("relu(x: ")


NO_MODELS = {
    "step": lambda value: bp.Adam().step(value),
    "update": lambda value: bp.EMA().update(value),
    "apply": lambda value: bp.SWA().apply(value),
    "swap": lambda value: bp.EMA().swap(value),
    "gradcheck": lambda value: bp.gradcheck(value, bp.MSE(), [[1.0]], [[1.0]]),
    "hvp": lambda value: bp.hvp(value, bp.MSE(), [[1.0]], [[1.0]], [1.0]),
    "Trainer": lambda value: bp.Trainer(value, bp.MSE(), bp.Adam()),
}


@pytest.mark.parametrize("name", NO_MODELS)
def test_what_is_no_model_is_refused(name):
    with pytest.raises(TypeError, match=rf"^\[{name}\] model must be a Sequential or a Network, got 3$"):
        NO_MODELS[name](3)


def test_objects_that_nobody_initialised_say_so():
    with pytest.raises(RuntimeError, match=r"^\[Network\] has no shapes yet"):
        bp.Network.__new__(bp.Network).predict([[1.0]])


def test_results_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"^\[LearningRateRange\] learning_rates and losses must be"):
        bp.LearningRateRange([0.1], [1.0, 2.0])
    for rows in ([], np.zeros(3), [3]):
        with pytest.raises(TypeError, match=r"^\[SearchResult\] rows must be a list of dicts"):
            bp.SearchResult(rows, "loss")
    with pytest.raises(ValueError, match=r"^\[SearchResult\] rows must all have the monitor 'loss'"):
        bp.SearchResult([{}], "loss")
    with pytest.raises(TypeError, match=r"^\[search\] grid must be a mapping"):
        bp.search(bp.Sequential, [1], [[1.0]], [[1.0]])
    with pytest.raises(TypeError, match=r"^\[arrow\] dataset must be"):
        bp.arrow_dataset(3, x="a", y="b")


def test_a_shape_whose_items_nobody_holds_is_read_safely():
    """Rows of a masked array are made as they are asked for: they were read after they had gone."""
    rows = np.ma.masked_array(np.ones((6, 4)), mask=np.eye(6, 4) > 0)
    for make in (bp.input, bp.parameter, lambda shape: bp.reshape(bp.input((24,)), shape)):
        with pytest.raises(TypeError):
            make(rows)
    assert bp.input(np.array([2, 3])).shape == (2, 3)


def test_what_goes_into_optimizers_and_splits_is_checked():
    with pytest.raises(TypeError, match=r"^\[SGD\] settings must be a mapping of names, got 3"):
        bp.Optimizer("SGD", 3)
    with pytest.raises(ValueError, match=r"^\[stratified_split\] y must have shape \(rows,\), got \(6, 4\)"):
        bp.datasets.stratified_split(np.zeros((6, 4)))


def test_names_that_cannot_be_encoded_are_refused():
    with pytest.raises(ValueError, match=r"^\[metrics\] a metric must be text that can be encoded"):
        bp.Sequential(bp.Dense(1)).evaluate([[1.0]], [[1.0]], loss=bp.MSE(), metrics=["\ud800"])


def test_memory_that_cannot_be_had_is_counted():
    with pytest.raises(MemoryError, match=r"^\[memory\] 2814749767106560 bytes cannot be had$"):  # 5 * 2^47 floats
        bp.Sequential(bp.Dense(2**47), input_shape=4)


@pytest.mark.parametrize("steps", [1001, 2**62])
def test_the_steps_of_muon_have_a_range(steps):
    with pytest.raises(ValueError, match=rf"\[Muon\] steps must be from 1 to 1000, got {steps}"):
        bp.Muon(steps=steps)
