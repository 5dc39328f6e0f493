"""What is not finite reaches neither weights nor the optimizer's state, where the loss is finite."""

import numpy as np
import pytest

import backpass as bp
from registry import OPTIMIZERS, OptimizerCase, by_name
from test_determinism import sharing_everything

CASES = [
    *OPTIMIZERS,
    OptimizerCase("Muon", "Muon", {"learning_rate": 0.1}),
    OptimizerCase("clip_value", "SGD", {"learning_rate": 0.1, "clip_value": 1.0}),
]
STEEP = {"float32": (1e30, 1e15), "float64": (1e200, 1e140)}  # x and y: x y overflows, y^2 does not


def line(dtype="float32", **options):
    """w x, from w = 0."""
    return bp.Sequential(bp.Dense(1, bias=False, weight_init="zeros", **options), input_shape=1, dtype=dtype, seed=0)


def steep(dtype="float32", rows=3):
    x, y = STEEP[dtype]
    return np.full((rows, 1), x, dtype), np.full((rows, 1), y, dtype)


def state_of(optimizer):
    return {f"{slot}/{name}": array.tolist() for slot, arrays in optimizer.state_dict()["slots"].items()
            for name, array in arrays.items()}  # fmt: skip


@pytest.mark.parametrize("dtype", STEEP)
@pytest.mark.parametrize("case", **by_name(CASES))
def test_a_gradient_that_overflows_changes_nothing(case, dtype):
    model, optimizer = line(dtype), case.make()
    trainer = bp.Trainer(model, bp.MSE(), optimizer)
    assert np.isnan(trainer.step(*steep(dtype)))
    assert model.flat_parameters.tolist() == [0.0]
    assert optimizer.steps == 0
    assert np.isfinite(trainer.step([[1.0]], [[1.0]]))
    weights, state = model.flat_parameters.copy(), state_of(optimizer)
    assert not np.isfinite(trainer.step(*steep(dtype)))
    assert optimizer.steps == 1
    assert (model.flat_parameters.tolist(), state_of(optimizer)) == (weights.tolist(), state)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_fit_says_where_and_keeps_the_weights(accumulate):
    model, optimizer = line(), bp.Adam(0.1)
    with pytest.raises(bp.DivergedError, match=r"the update is not finite in epoch 0, batch .; first in the grad") as e:
        model.fit(*steep(rows=2), loss=bp.MSE(), optimizer=optimizer, batch_size=1, accumulate=accumulate)
    assert (e.value.layer, e.value.batch) == ("the gradient", accumulate - 1)
    assert model.flat_parameters.tolist() == [0.0]
    assert optimizer.steps == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("case", **by_name(CASES))
def test_by_hand_the_parameter_is_named(case, bad):
    model = bp.Sequential(bp.Dense(3), bp.Dense(2), input_shape=2, seed=0)
    optimizer = case.make()
    model.flat_gradients[:] = 1
    optimizer.step(model)
    weights, state = model.flat_parameters.copy(), state_of(optimizer)
    model.gradients()["1.weight"][1, 2] = bad
    with pytest.raises(ValueError, match=r'nothing was updated: the (gradient of "1.weight"|norm .*) is not finite'):
        optimizer.step(model)
    assert (model.flat_parameters == weights).all()
    assert state_of(optimizer) == state
    assert optimizer.steps == 1
    model.flat_gradients[:] = 1
    optimizer.step(model)
    assert optimizer.steps == 2


@pytest.mark.parametrize(
    ("optimizer", "weight", "gradient"),
    [
        (bp.SGD(1.0), 3e38, -3e38),
        (bp.SGD(1e39), 0.0, 1.0),
        (bp.SGD(1e39), 0.0, 0.0),
        (bp.SGD(1e30), 0.0, 1e10),
        (bp.SGD(0.1, weight_decay=1e39), 1.0, 1.0),
        (bp.SGD(0.1, momentum=0.9), 0.0, -np.inf),
        (bp.Adam(0.1), 0.0, 1e30),  # its square
        (bp.Adagrad(0.1), 0.0, -1e30),
        (bp.RMSprop(0.1), 0.0, 1e30),
        (bp.Adadelta(), 0.0, 1e30),
        (bp.Adam(1e39), 0.0, 1.0),
        (bp.Lion(1e39), 0.0, 1.0),
    ],
    ids=lambda value: str(value),
)
def test_a_step_that_would_overflow_is_not_made(optimizer, weight, gradient):
    model = line()
    model.flat_parameters[:] = weight
    model.flat_gradients[:] = gradient
    with pytest.raises(ValueError, match="nothing was updated"):
        optimizer.step(model)
    assert model.flat_parameters.tolist() == [np.float32(weight)]
    assert optimizer.steps == 0
    assert not any(np.any(array) for array in state_of(optimizer).values())


def test_a_rate_beyond_the_type_is_the_update():
    model = line()
    with pytest.raises(bp.DivergedError) as caught:
        model.fit([[1.0]], [[1.0]], loss=bp.MSE(), optimizer=bp.SGD(1e39))
    assert caught.value.layer == "the update"
    assert model.flat_parameters.tolist() == [0.0]


@pytest.mark.parametrize("size", [1e13, 1e25, 1e37])
def test_what_is_large_but_finite_is_done_as_ever(size):
    """Beyond what is known to be harmless the step is tried first; then it is the same step."""
    model = line()
    model.flat_gradients[:] = size
    bp.SGD(0.5).step(model)
    assert model.flat_parameters[0] == np.float32(-0.5 * np.float32(size))
    growing = bp.SGD(0.5, momentum=1.5)  # a state that grows by itself
    for step in range(1, 4):
        model = line() if step == 1 else model
        model.flat_gradients[:] = 1.0
        growing.step(model)
    assert model.flat_parameters[0] == -0.5 * (1 + 2.5 + 4.75)


def test_momentum_that_grows_ends_before_infinity():
    model, optimizer = line(), bp.SGD(1.0, momentum=10.0)
    model.flat_gradients[:] = 1.0
    for _ in range(39):
        optimizer.step(model)
    with pytest.raises(ValueError, match="the step is too long"):
        optimizer.step(model)
    assert optimizer.steps == 39
    assert np.isfinite(model.flat_parameters).all()


def test_clipping_makes_large_gradients_harmless():
    for options in ({"clip_norm": 1.0}, {"clip_value": 1.0}):
        model = line()
        model.flat_gradients[:] = 1e30
        bp.Adam(0.1, **options).step(model)
        assert model.flat_parameters[0] == pytest.approx(-0.1)


@pytest.mark.parametrize("rows", [8, 600])
@pytest.mark.parametrize("threads", [1, 3])
def test_one_bad_number_stops_all_tasks(rows, threads):
    """In one corner of a large gradient, with lanes and without, and in the gradient of a bias."""
    x, y = np.ones((rows, 300), np.float32), np.ones((rows, 200), np.float32)
    x[-1, -1], y[-1, -1] = 1e30, 1e15
    weight = np.zeros(300 * 200 + 200, np.float32)
    model = bp.Sequential(bp.Dense(200, weight_init="zeros"), input_shape=300, seed=0)
    trainer = bp.Trainer(model, bp.MSE(), bp.Adam(0.1), threads=threads)
    with sharing_everything():
        assert np.isnan(trainer.step(x, y))
    np.testing.assert_array_equal(model.flat_parameters, weight)
    bad = model.gradients()["0.weight"]
    assert np.isinf(bad[-1, -1])
    assert np.isfinite(bad).sum() == bad.size - 1


def test_sparse_tables():
    x = bp.Input(2, dtype="int32")
    for optimizer in (bp.SGD(0.1), bp.Adam(0.1)):
        model = bp.Network(x, bp.sum(bp.Embedding(5, 3, sparse=True)(x), axis=-1) * 1e20, seed=0)
        model.flat_parameters[:] = 0
        trainer = bp.Trainer(model, lambda p, t: bp.sum(p * t), optimizer)
        assert np.isnan(trainer.step([[0, 1]], [[1.0, 1e19]]))
        assert not model.flat_parameters.any()
        assert optimizer.steps == 0
        assert trainer.step([[0, 1]], [[1e-20, 1e-20]]) == 0
        assert model.flat_parameters[:6].tolist() == pytest.approx([-0.1] * 6)


def test_running_statistics_stay_finite_too():
    model = bp.Sequential(bp.BatchNorm(), bp.Dense(1), input_shape=1, seed=0)
    before = {name: value.copy() for name, value in model.state_dict().items()}
    x = np.array([[-1e30], [1e30]], np.float32)
    assert np.isnan(bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(x, [[0.0], [0.0]]))
    model.forward(x)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_the_norm_has_a_derivative_at_zero():
    """A root of mean squares, fitted perfectly: nan by the root, 0 by the norm."""
    data = [[1.0], [2.0]], [[0.0], [0.0]]
    by_root, by_norm = line(), line()
    with pytest.raises(bp.DivergedError) as caught:
        by_root.fit(*data, loss=lambda p, t: bp.sqrt(bp.mean(bp.square(p - t))), optimizer=bp.SGD(0.1))
    assert caught.value.layer == "the gradient"
    trainer = bp.Trainer(by_norm, lambda p, t: bp.norm(p - t) / 2**0.5, bp.SGD(0.1))
    assert trainer.step(*data) == 0
    assert by_root.flat_parameters.tolist() == by_norm.flat_parameters.tolist() == [0.0]
    assert trainer.step(data[0], [[3.0], [4.0]]) == pytest.approx(12.5**0.5)
    assert by_norm.flat_parameters[0] > 0


def test_the_norm_of_rows_of_which_one_is_zero():
    x = bp.input((None, 3), "float64", "x")
    norms = bp.norm(x, -1)
    graph = bp.Graph([x], [norms, *bp.gradients(bp.sum(norms), [x])])
    values, gradient = graph([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]])
    assert values.tolist() == [5.0, 0.0]
    np.testing.assert_allclose(gradient, [[0.6, 0.0, 0.8], [0.0, 0.0, 0.0]], rtol=1e-15)
