"""L-BFGS where trials overflow, where there is nothing to gain, and where it gives up."""

import numpy as np
import pytest

import backpass as bp
from registry import generator


def line(dtype="float64", **options):
    return bp.Sequential(bp.Dense(1, **options), input_shape=1, dtype=dtype, seed=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_counts_over_inputs_near_a_thousand(dtype):
    """A step of length 1 makes exp(1000) of them."""
    x = np.linspace(900, 1100, 20)[:, None]
    y = np.exp(0.002 * x)
    model = line(dtype, weight_init="zeros")
    fit = {"loss": bp.Poisson(), "optimizer": bp.LBFGS(), "epochs": 200, "progress": False}
    history = model.fit(x, y, **fit)
    assert history["loss"][-1] < history["loss"][0]
    np.testing.assert_allclose(model.predict(x), 0.002 * x, rtol=0.05)


def test_a_loss_that_is_infinite_beyond_a_wall():
    """-log(w) + w^2 / 2, least at 1; trials below 0 are nan."""
    model = line(bias=False, weight_init="ones")
    model.flat_parameters[:] = 50.0
    history = model.fit([[1.0]], [[0.0]], loss=lambda p, t: bp.square(p) * 0.5 - bp.log(p) * 400.0,
                        optimizer=bp.LBFGS(), epochs=50, progress=False)  # fmt: skip
    assert model.flat_parameters[0] == pytest.approx(20.0, rel=1e-4)
    assert history.epochs > 1


def test_a_fit_that_starts_at_the_optimum_has_one_epoch():
    model, ends = line(weight_init="zeros"), []

    class Note(bp.Callback):
        def on_epoch_end(self, trainer, logs):
            ends.append(logs["loss"])

    fit = {"loss": bp.MSE(), "optimizer": bp.LBFGS(), "epochs": 5, "progress": False, "callbacks": Note()}
    history = model.fit([[1.0], [1.0]], [[1.0], [-1.0]], metrics=["mae"], validation_data=([[1.0]], [[2.0]]), **fit)
    assert dict(history) == {"loss": [1.0], "mae": [1.0], "val_loss": [4.0], "val_mae": [2.0], "learning_rate": [1.0]}
    assert ends == [1.0]
    assert model.fit([[1.0]], [[1.0]], **{**fit, "epochs": 0})["loss"] == []


def test_losses_of_several_outputs_have_weights():
    rng = generator("lbfgs")
    data, target = rng.standard_normal((30, 3)), rng.standard_normal((30, 1))
    x = bp.Input(3, dtype="float64")
    body = bp.Dense(1)(x)
    model = bp.Network(x, [body, body * 1.0], seed=0)
    fit = {"loss": bp.MSE(), "optimizer": bp.LBFGS(), "epochs": 60, "progress": False, "loss_weights": [1.0, 3.0]}
    history = model.fit(data, [target, -target], **fit)
    assert history["loss"][-1] == pytest.approx(history["loss_0"][-1] + 3 * history["loss_1"][-1])
    a = np.hstack([data, np.ones((30, 1))])
    best = np.linalg.lstsq(a, (target - 3 * target) / 4, rcond=None)[0]
    np.testing.assert_allclose(model.predict(data)[0], a @ best, rtol=0, atol=1e-5)


def test_giving_up_where_the_loss_falls_is_told():
    """A step of length 1 from 0.25 raises this loss, and there is no second evaluation."""
    fit = {"loss": bp.MSE(), "optimizer": bp.LBFGS(max_line_search=1), "epochs": 5, "progress": False}
    model = line(bias=False, weight_init="zeros")
    with pytest.warns(UserWarning, match=r"\[LBFGS\] gave up in epoch 0: no step was found, though the loss") as told:
        history = model.fit([[1.0]], [[0.25]], **fit)
    assert told[0].filename == __file__
    assert history["loss"] == [0.0625]
    assert model.flat_parameters[0] == 0
    at_optimum = line(weight_init="zeros").fit([[1.0], [1.0]], [[1.0], [-1.0]], **fit)  # warnings are errors
    assert at_optimum.epochs == 1


def test_converging_twice_in_float32_is_no_news():
    rng = generator("lbfgs", "float32")
    x = rng.standard_normal((50, 4)).astype(np.float32)
    y = x @ rng.standard_normal((4, 1)).astype(np.float32) + 0.1 * rng.standard_normal((50, 1)).astype(np.float32)
    model = bp.Sequential(bp.Dense(1), input_shape=4, seed=0)
    for _ in range(3):
        model.fit(x, y, loss=bp.MSE(), optimizer=bp.LBFGS(), epochs=100, progress=False)


@pytest.mark.parametrize(("x", "y", "what"), [(1e30, 1e15, "the gradient"), (1.0, 1e30, "the loss")])
def test_a_fit_that_cannot_begin_has_diverged(x, y, what):
    model = line("float32", weight_init="zeros")
    fit = {"loss": bp.MSE(), "optimizer": bp.LBFGS(), "epochs": 5, "progress": False}
    with pytest.raises(bp.DivergedError, match=f"{what} is not finite in epoch 0; the model keeps its weights") as e:
        model.fit(np.float32([[x]]), np.float32([[y]]), **fit)
    assert (e.value.layer, e.value.epoch, e.value.batch) == (what, 0, 0)
    assert model.flat_parameters.tolist() == [0, 0]
