"""A model made as new, and layers taken off and put on."""

import copy

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES

FIT = {"loss": bp.CrossEntropy(), "progress": False, "batch_size": 4}


def network(seed=3, **options):
    return bp.Sequential(bp.Dense(8, activation="relu"), bp.Dropout(0.3), bp.BatchNorm(), bp.Dense(3), seed=seed,
                         input_shape=4, **options)  # fmt: skip


def everything(model):
    return {**model.parameters(), **model.states()}


def same(ours, theirs):
    assert everything(ours).keys() == everything(theirs).keys()
    for name, value in everything(ours).items():
        np.testing.assert_array_equal(value, everything(theirs)[name], err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", [None, 3, 11])
def test_reset_makes_a_model_as_new(data, dtype, seed):
    model, fresh = network(dtype=dtype), network(3 if seed is None else seed, dtype=dtype)
    views = model.flat_parameters
    model.fit(*data, optimizer=bp.Adam(), epochs=3, **FIT)
    model.reset(seed)
    same(model, fresh)
    assert model.seed == fresh.seed
    assert not model.flat_gradients.any()
    assert np.shares_memory(views, model.flat_parameters)
    for each in (model, fresh):
        each.fit(*data, optimizer=bp.Adam(), epochs=2, **FIT)
    same(model, fresh)


def test_reset_forgets_the_last_fit_and_the_forward(data):
    model = network()
    model.fit(*data, optimizer=bp.SGD(0.1), **FIT)
    output = model.forward(data[0])
    model.reset()
    with pytest.raises(ValueError, match="loss must be given"):
        model.evaluate(*data)
    with pytest.raises(ValueError, match="loss must be given"):
        model.partial_fit(*data)
    with pytest.raises(RuntimeError, match="needs a forward"):
        model.backward(output)


def test_reset_of_graphs_of_files_and_of_models_without_shapes(tmp_path):
    x = bp.Input(4)
    graph = bp.Network(x, bp.Dense(2)(x), seed=1)
    first = graph.flat_parameters.copy()
    graph.flat_parameters[:] = 7
    graph.save(tmp_path / "graph")
    loaded = bp.load(tmp_path / "graph")
    for model in (graph, loaded):
        model.reset()
        np.testing.assert_array_equal(model.flat_parameters, first)
    waiting = bp.Sequential(bp.Dense(2), seed=1)
    waiting.reset(5)
    assert waiting.seed == 5


def test_reset_keeps_what_is_frozen_and_refuses_what_it_cannot_know(tmp_path):
    def ours(shape, generator):
        return generator.standard_normal(shape)

    model = bp.Sequential(bp.Dense(2, weight_init=ours), bp.Dense(1), input_shape=3, seed=0)
    first = model.flat_parameters.copy()
    model.freeze("0.weight")
    model.flat_parameters[:] = 1
    model.save(tmp_path / "model")
    model.reset()
    np.testing.assert_array_equal(model.flat_parameters, first)
    assert model.frozen == ("0.weight",)
    loaded = bp.load(tmp_path / "model")
    with pytest.raises(ValueError, match=r'^\[reset\] "0.weight" began with values of an initializer'):
        loaded.reset()
    assert (loaded.flat_parameters == 1).all()
    loaded.save(tmp_path / "again")
    assert (bp.load(tmp_path / "again").flat_parameters == 1).all()


def test_layers_are_taken_off_and_put_on_with_the_weights_of_the_others(data):
    model = network()
    model.fit(*data, optimizer=bp.SGD(0.1), **FIT)
    model.freeze("0.weight", "3.bias")
    before = {name: value.copy() for name, value in everything(model).items()}
    counters = copy.deepcopy(model)
    head = model.pop()
    assert (head.units, len(model.layers), model.frozen) == (3, 3, ("0.weight",))
    assert model.predict(data[0]).shape == (20, 8)
    model.append(bp.Dense(5))
    assert model.predict(data[0]).shape == (20, 5)
    for name, value in everything(model).items():
        if not name.startswith("3."):
            np.testing.assert_array_equal(value, before[name])
    np.testing.assert_array_equal(model.forward(data[0]).shape, (20, 5))
    model.pop()
    counters.pop()
    counters.forward(data[0])
    np.testing.assert_array_equal(model.forward(data[0]), counters.forward(data[0]))  # dropout goes on


def test_what_is_put_on_starts_as_it_would_in_a_new_model():
    model = bp.Sequential(bp.Dense(4, activation="tanh"), input_shape=3, seed=6)
    model.append(bp.Dense(2))
    same(model, bp.Sequential(bp.Dense(4, activation="tanh"), bp.Dense(2), input_shape=3, seed=6))


def test_layers_that_do_not_fit_change_nothing():
    model = network()
    before = model.flat_parameters
    with pytest.raises(TypeError, match="append"):
        model.append(7)
    with pytest.raises(ValueError, match="needs another shape"):
        model.append(Misfit())
    assert len(model.layers) == 4
    assert np.shares_memory(before, model.flat_parameters)
    waiting = bp.Sequential(bp.Dense(2))
    with pytest.raises(ValueError, match=r"^\[pop\] a model needs a layer"):
        waiting.pop()
    waiting.append(bp.ReLU())
    assert repr(waiting.pop()) == "ReLU()"


class Misfit(bp.Layer):
    def forward(self, x):
        raise ValueError("needs another shape")
