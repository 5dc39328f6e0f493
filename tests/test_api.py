"""The public surface from Python: building, parameters and gradients, graphs, the machine."""

import copy
import io
import pickle

import numpy as np
import pytest

import backpass as bp

CE = bp.CrossEntropy()


def fit(model, x, y, **options):
    settings = {"loss": CE, "optimizer": bp.SGD(0.1), "epochs": 2, "batch_size": 8, "progress": False, "seed": 3}
    return model.fit(x, y, **{**settings, **options})


# Building.


def test_a_model_without_shape_takes_it_from_the_first_data(data):
    model = bp.Sequential(bp.Dense(5), bp.Dense(3), seed=0)
    assert model.input_shape is None
    with pytest.raises(RuntimeError, match=r"\[Sequential\] has no shapes yet"):
        model.n_parameters  # noqa: B018
    fit(model, *data)
    assert model.input_shape == (4,)
    assert model.n_parameters == 4 * 5 + 5 + 5 * 3 + 3


def test_refused_data_does_not_decide_the_shape(data):
    x, y = data
    model = bp.Sequential(bp.Dense(3), seed=0)
    with pytest.raises(ValueError, match="y"):
        fit(model, x[:, :2], y[:7])
    assert model.input_shape is None
    fit(model, x, y)


def test_building_early_or_late_gives_the_same_weights(data):
    early = bp.Sequential(bp.Dense(3), input_shape=4, seed=5)
    late = bp.Sequential(bp.Dense(3), seed=5)
    late.forward(data[0])
    np.testing.assert_array_equal(early.flat_parameters, late.flat_parameters)


def test_a_seed_that_was_not_given_is_told():
    model = bp.Sequential(bp.Dense(3), input_shape=4)
    again = bp.Sequential(bp.Dense(3), input_shape=4, seed=model.seed)
    np.testing.assert_array_equal(model.flat_parameters, again.flat_parameters)
    assert model.seed != bp.Sequential(bp.Dense(3)).seed


def test_the_summary_counts_what_is_there(model):
    text = str(model.summary())
    flops, size = str(2 * 4 * 8 + 8 + 8), str(8 * 4)  # of a row: multiply-adds, bias, tanh; float32
    assert text.splitlines()[2].split() == [
        "Dense",
        "0",
        "units=8,",
        "activation='tanh'",
        "(batch,",
        "8)",
        flops,
        size,
        "40",
    ]
    assert "67 parameters, float32; forward, per row: 131 FLOPs, 44 bytes of outputs" in text
    assert repr(model) == "Sequential(Dense(units=8, activation='tanh'), Dense(units=3))"


def test_layers_are_values():
    assert bp.Dense(3) == bp.Dense(3)
    assert bp.Dense(3) != bp.Dense(4)
    with pytest.raises(AttributeError):
        bp.Dense(3).units = 4


def test_zero_weights_warn_when_they_are_made():
    with pytest.warns(UserWarning, match=r"\[Dense 0\] all weights are zero"):
        bp.Sequential(bp.Dense(3, weight_init="zeros"), bp.Dense(1, weight_init="zeros"), input_shape=2)


# Parameters and gradients.


@pytest.mark.row("X4")
def test_named_and_flat_parameters_are_one_memory(model):
    model.parameters()["0.weight"][0, 0] = 42
    assert model.flat_parameters[0] == 42
    assert [*model.parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    sizes = [value.size for value in model.parameters().values()]
    assert sum(sizes) == model.flat_parameters.size == model.flat_gradients.size == model.n_parameters


def test_value_and_grad_equals_forward_and_backward(model, data):
    x, y = data
    value, gradients = model.value_and_grad(x, y, CE)
    model.zero_grad()
    expected, grad_output = CE.value_and_grad(model.forward(x), y)
    model.backward(grad_output)
    assert value == pytest.approx(expected, rel=1e-6)
    for name, gradient in model.gradients().items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=0, atol=1e-6)


def test_value_and_grad_returns_copies(model, data):
    _, gradients = model.value_and_grad(*data, CE)
    kept = gradients["0.weight"].copy()
    model.zero_grad()
    np.testing.assert_array_equal(gradients["0.weight"], kept)


def test_an_optimizer_steps_from_the_gradients_that_are_there(model):
    before = model.flat_parameters.copy()
    model.flat_gradients[:] = 1
    sgd = bp.SGD(0.5)
    sgd.step(model)
    np.testing.assert_array_equal(model.flat_parameters, before - np.float32(0.5))
    assert sgd.steps == 1
    sgd.learning_rate = 0.25
    sgd.step(model)
    np.testing.assert_allclose(model.flat_parameters, before - 0.75, rtol=0, atol=1e-6)


def test_an_optimizer_belongs_to_one_model(model):
    sgd = bp.SGD(0.1)
    sgd.step(model)
    with pytest.raises(ValueError, match=r"SGD|optimizer|model"):
        sgd.step(copy.deepcopy(model))


def by_pickle(model):
    return pickle.loads(pickle.dumps(model))


# Graphs and networks of tensors.


def test_a_network_of_tensors_trains_and_can_be_saved(tmp_path, data):
    x = bp.Input(4)
    w = bp.parameter((4, 3), name="w", initializer="glorot_uniform")
    b = bp.parameter((3,), name="b")
    net = bp.Network(x, bp.tanh(x @ w + b) + x @ w, seed=2)
    losses = fit(net, *data, epochs=20)["loss"]
    assert losses[-1] < losses[0]
    net.save(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(bp.load(tmp_path / "net.safetensors").predict(data[0]), net.predict(data[0]))
    np.testing.assert_array_equal(by_pickle(net).predict(data[0]), net.predict(data[0]))


def test_a_tensor_is_its_value():
    x = bp.input((3,))
    assert bp.Graph([x], [x]).inputs[0].id == x.id
    assert len({t.id for t in (x, bp.Graph([x], [x]).inputs[0], bp.input((3,)))}) == 2


# Machine.


def test_machine(capsys):
    assert bp.isa() in bp.available_isas()
    assert bp.cpu_info()["logical_cpus"] >= 1
    before = bp.get_threads()
    bp.set_threads(3)
    assert bp.get_threads() == 3
    bp.set_threads(before)


def test_printing_a_plan_shows_its_calls(model):
    text = io.StringIO()
    print(model.plan(32), file=text)
    assert "matmul" in text.getvalue()
    profiled = bp.Trainer(model, CE, bp.Adam()).profile(32, repeats=2)
    assert sum(call.milliseconds for call in profiled.calls) > 0
