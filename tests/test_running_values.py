"""Running means and variances: who moves them, who keeps them, and who must not."""

import copy

import numpy as np
import pytest

import backpass as bp
import reference


@pytest.mark.row("S6")
def test_running_values_follow_the_definition(rng):
    model = bp.Sequential(bp.BatchNorm(momentum=0.25), input_shape=(3, 2), dtype="float64")
    mean, var = np.zeros(2), np.ones(2)
    for _ in range(5):
        x = rng.normal(2, 3, (4, 3, 2))
        model.forward(x)
        mean = reference.running_step(mean, x.mean((0, 1)), 0.25)
        var = reference.running_step(var, x.var((0, 1), ddof=1), 0.25)
    np.testing.assert_allclose(model.states()["0.running_mean"], mean, rtol=1e-13)
    np.testing.assert_allclose(model.states()["0.running_var"], var, rtol=1e-13)
    y = (x - mean) / np.sqrt(var + 1e-5)
    np.testing.assert_allclose(model.predict(x), y, rtol=1e-12)
    np.testing.assert_array_equal(model.forward(x, training=False), model.predict(x))


def test_only_training_moves_running_values(rng):
    model = bp.Sequential(bp.Dense(3), bp.BatchNorm(), bp.Dense(1), input_shape=2, seed=0)
    x, y = rng.standard_normal((8, 2)), rng.standard_normal((8, 1))
    before = model.state_dict()

    def same():
        return all((value == model.state_dict()[name]).all() for name, value in before.items())

    model.predict(x)
    model.evaluate(x, y, loss=bp.MSE())
    model.forward(x, training=False)
    model.value_and_grad(x, y, bp.MSE())
    bp.gradcheck(model, bp.MSE(), x, y)
    model.profile(8)
    assert same()
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.1))
    assert not np.isfinite(trainer.step(np.full_like(x, np.inf), y))
    assert same(), "a step that diverges moves nothing"
    trainer.step(x, y)
    assert not same()


def test_a_layer_that_is_called_twice_moves_its_values_twice(rng):
    norm, a, b = bp.BatchNorm(momentum=0.5), bp.Input(2, name="a"), bp.Input(2, name="b")
    model = bp.Network([a, b], bp.concat([norm(a), norm(b)], axis=1), dtype="float64")
    x = rng.standard_normal((6, 2)), rng.standard_normal((6, 2))
    model.forward(list(x))
    mean = reference.running_step(reference.running_step(np.zeros(2), x[0].mean(0), 0.5), x[1].mean(0), 0.5)
    np.testing.assert_allclose(model.states()["0.running_mean"], mean, rtol=1e-13)


@pytest.mark.parametrize("rows", [0, 1])
def test_one_value_per_channel_is_an_error_that_changes_nothing(rows):
    model = bp.Sequential(bp.Dense(3), bp.BatchNorm(), bp.Dense(1), input_shape=2, seed=0)
    before = model.state_dict()
    x, y = np.ones((rows, 2)), np.ones((rows, 1))
    for call in (
        lambda: model.forward(x),
        lambda: bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(x, y),
        lambda: (
            model.fit(np.ones((32 + rows, 2)), np.ones((32 + rows, 1)), loss=bp.MSE(), optimizer=bp.SGD(0.1))
            if rows
            else model.forward(x)
        ),
    ):
        with pytest.raises(ValueError, match=rf"\[BatchNorm\] needs at least 2 values .* got {rows}"):
            call()
    assert all((value == model.state_dict()[name]).all() for name, value in before.items())
    assert model.predict(x).shape == (rows, 1)


def test_states_are_saved_copied_and_shared_with_views(tmp_path, rng):
    model = bp.Sequential(bp.Dense(3), bp.BatchNorm(), bp.Dense(1), input_shape=2, seed=0)
    model.fit(rng.standard_normal((32, 2)), rng.standard_normal(32), loss=bp.MSE(), optimizer=bp.Adam(), epochs=2)
    model.save(tmp_path / "model.safetensors")
    x = rng.standard_normal((4, 2))
    for other in (bp.load(tmp_path / "model.safetensors"), copy.deepcopy(model)):
        assert type(other) is bp.Sequential
        np.testing.assert_array_equal(other.predict(x), model.predict(x))
        assert other.states()["1.running_mean"] is not model.states()["1.running_mean"]
    model.states()["1.running_mean"][:] += 1
    assert not (model.predict(x) == other.predict(x)).any()
    assert model.n_parameters == model.flat_parameters.size == 9 + 6 + 4
    with pytest.raises(ValueError, match=r'"1.running_var" is missing'):
        model.load_weights({k: v for k, v in model.state_dict().items() if k != "1.running_var"})


# Calls and steps that fail.


def test_a_call_that_fails_moves_no_running_value():
    model = bp.Sequential(bp.Embedding(4, 2), bp.Flatten(), bp.BatchNorm(), input_shape=2, seed=0)
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"\[Embedding\] indices"):
        model.forward([[0, 1], [2, 9]])
    assert all((value == model.state_dict()[name]).all() for name, value in before.items())
    model.forward([[0, 1], [2, 3]])
    assert not (model.states()["2.running_mean"] == before["2.running_mean"]).all()


def test_a_step_that_clipping_rejects_moves_no_running_value():
    def steep(prediction, target):
        return bp.sqrt(bp.square(prediction - target))  # its derivative at 0 is not finite

    model = bp.Sequential(bp.BatchNorm(affine=False), bp.Dense(1, weight_init="ones"), input_shape=1, dtype="float64")
    before, x = model.state_dict(), np.array([[-2.0], [0.0], [2.0]])
    step = bp.Trainer(model, steep, bp.SGD(0.1, clip_norm=1.0)).step
    assert np.isnan(step(x, np.zeros((3, 1))))
    assert all((value == model.state_dict()[name]).all() for name, value in before.items())
    assert np.isfinite(step(x, np.ones((3, 1))))
    assert not (model.states()["0.running_var"] == before["0.running_var"]).all()


def test_a_state_that_backward_would_read_when_it_has_moved_is_refused_by_hand(rng):
    class Moving(bp.Layer):
        def forward(self, x):
            state = self.state("s", (2,), "ones")
            return bp.track(x * self.parameter("w", (2,), "ones") * state, state, bp.mean(x, 0), 0.5)

    model, x, y = bp.Sequential(Moving(), input_shape=2), rng.standard_normal((4, 2)), rng.standard_normal((4, 2))
    with pytest.raises(ValueError, match=r"\[forward\] the gradient needs a state"):
        model.forward(x)
    assert np.isfinite(bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(x, y))
