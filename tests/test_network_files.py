"""Networks of any graph in files and copies, what there is to see of them, and what they cost."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp
from test_networks import LOSSES, ROWS, assert_same, fit, two_by_two


@pytest.fixture
def model():
    return two_by_two()


@pytest.fixture
def x(rng):
    return [rng.standard_normal((ROWS, 2)), rng.standard_normal((ROWS, 3))]


@pytest.fixture
def y(rng):
    return [rng.integers(0, 3, ROWS), rng.standard_normal((ROWS, 1))]


def by_file(model, folder):
    model.save(folder / "model.safetensors")
    return bp.load(folder / "model.safetensors")


def by_pickle(model, folder):
    return pickle.loads(pickle.dumps(model))


def by_deepcopy(model, folder):
    return copy.deepcopy(model)


# Files and copies.


@pytest.mark.row("D12")
@pytest.mark.parametrize("twin", [by_file, by_pickle, by_deepcopy])
def test_twins_predict_the_same_bits_and_train_on(model, x, y, twin, tmp_path):
    fit(model, x, y, epochs=3)
    other = twin(model, tmp_path)
    assert type(other) is bp.Network
    assert str(other.graph) == str(model.graph)
    assert str(other.summary()) == str(model.summary())
    assert [*other.parameters()] == [*model.parameters()]
    assert_same(other.predict({"right": x[1], "left": x[0]}), model.predict(x))
    assert fit(other, x, y, epochs=3) == fit(model, x, y, epochs=3)
    np.testing.assert_array_equal(other.flat_parameters, model.flat_parameters)
    other.flat_parameters[:] = 0
    assert model.flat_parameters.any()


@pytest.mark.row("D12")
@pytest.mark.row("G14")
def test_a_sequential_with_residuals_comes_back_as_one(tmp_path, rng):
    block = bp.Residual(bp.Dense(4, activation="relu"), bp.Residual(bp.Dense(4, activation=None)), bp.Dropout(0.25))
    model = bp.Sequential(block, bp.LeakyReLU(0.2), bp.Dense(2, bias=False), input_shape=4, seed=1)
    other = by_file(model, tmp_path)
    assert isinstance(other, bp.Sequential)
    assert other.layers == model.layers
    assert repr(other) == repr(model)
    x, y = rng.standard_normal((ROWS, 4)), rng.standard_normal((ROWS, 2))
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    assert fit(other, x, y, loss=bp.MSE(), epochs=3) == fit(model, x, y, loss=bp.MSE(), epochs=3)


# What there is to see, and what it costs.


@pytest.mark.row("A14")
def test_a_graph_lists_its_nodes_and_edges(model):
    ops = model.graph.ops
    kinds = [op.kind for op in ops]
    assert (kinds.count("matmul"), kinds.count("tanh"), kinds.count("multiply"), kinds.count("concat")) == (4, 1, 1, 1)
    assert [op.name for op in ops if op.kind == "input"] == ["left", "right"]
    text, dot = str(model.graph).splitlines(), model.graph.to_dot()
    assert len(text) == len(ops) + 1  # one line each, and what is returned
    assert text[-1].startswith("return ")
    assert dot.count("label=") == len(ops)
    assert dot.count(" -> ") == sum(line.partition("=")[2].count("%") for line in text)


def test_the_summary_counts_by_hand(x, y):
    """Two calls of one layer, a residual block, and an operation between them that is no layer."""
    left, right = bp.Input(3, dtype="float64", name="left"), bp.Input(3, dtype="float64", name="right")
    shared = bp.Dense(3, activation="relu")
    mixed = shared(left) * shared(right)
    model = bp.Network([left, right], bp.Dense(2)(bp.Residual(bp.Dense(3, bias=False))(mixed)), seed=0)
    table = [line.split() for line in str(model.summary()).splitlines()[2:]]
    dense = 2 * 3 * 3 + 3 + 3  # multiplications and additions, bias, relu
    residual = 2 * 3 * 3 + 3  # the product, the sum
    last = 2 * 2 * 3 + 2
    first, again, block, out = table[:4]
    assert (first[:2], first[-6:]) == (["Dense", "0"], ["left", "(batch,", "3)", str(dense), "24", "12"])
    assert (again[:2], again[-6:]) == (["Dense", "0"], ["right", "(batch,", "3)", str(dense), "24", "0"])
    assert (block[:2], block[-6:]) == (["Residual", "2"], ["...", "(batch,", "3)", str(residual), "24", "9"])
    assert (out[:2], out[-6:]) == (["Dense", "3"], ["2", "(batch,", "2)", str(last), "16", "8"])
    total = f"29 parameters, float64; forward, per row: {2 * dense + residual + last} FLOPs, 88 bytes of outputs"
    assert str(model.summary()).endswith(total)


def test_plans_and_memory_of_a_graph(model):
    forward, training = model.plan(8), model.plan(8, training=True)
    assert [call.phase for call in forward.calls] == ["forward"] * len(forward.calls)
    assert sum(call.name == "matmul" for call in forward.calls) == 4
    assert {call.phase for call in training.calls} == {"forward", "backward"}
    parameters = 8 * model.n_parameters
    assert 2 * parameters < model.memory_estimate(8) < model.memory_estimate(800)
    trainer = bp.Trainer(model, LOSSES, bp.Adam())
    assert trainer.memory_estimate(8) > 4 * parameters
    assert sum(call.flops for call in trainer.plan(8).calls) > sum(call.flops for call in forward.calls)
    for profiled in (model.profile(8, training=True, repeats=2), trainer.profile(8, repeats=2)):
        assert sum(call.milliseconds for call in profiled.calls) > 0


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
@pytest.mark.filterwarnings("ignore:.*is computed as")
def test_precision_is_a_wish_for_all_products(x, precision):
    """Products as small as these take "highest" on every machine."""
    inputs = [bp.Input(2), bp.Input(3)]
    layers = [bp.Dense(2), bp.Dense(2)]
    y = layers[0](inputs[0]) + layers[1](inputs[1])
    asked, plain = (bp.Network(inputs, y, seed=1, precision=p) for p in (precision, None))
    np.testing.assert_array_equal(asked.predict(x), plain.predict(x))
    with pytest.raises(ValueError, match=r"\[Network\] precision must be one of highest, high, medium, got 'low'"):
        bp.Network(inputs, y, precision="low")
