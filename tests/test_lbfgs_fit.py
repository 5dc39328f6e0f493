"""L-BFGS in fit: against SciPy's, with callbacks and validation, and what it refuses."""

import pickle
import sys

import numpy as np
import pytest

import backpass as bp
from registry import generator

FIT = {"loss": bp.MSE(), "progress": False}


def rows(count=40):
    teacher = generator("teacher").standard_normal((3, 1))
    x = generator("search", count).standard_normal((count, 3))
    return x, np.tanh(x @ teacher)


def net(seed=0, dtype="float64", units=6):
    return bp.Sequential(bp.Dense(units, activation="tanh"), bp.Dense(1), input_shape=3, seed=seed, dtype=dtype)


class Counting(bp.Layer):
    """The identity, which counts how often loss and gradient are asked for."""

    def __init__(self):
        self.forwards = 0

    def forward(self, x):
        self.forwards += 1
        return x.copy()

    def backward(self, grad, x):
        return (grad.copy(),)


def counted(inputs, seed):
    """A net of as many hidden units as inputs, and what counts its evaluations."""
    counting = Counting()
    layers = [bp.Dense(inputs, activation="tanh"), counting, bp.Dense(1, weight_init="glorot_uniform")]
    return bp.Sequential(*layers, input_shape=inputs, seed=seed, dtype="float64"), counting


def noisy(inputs, seed):
    """What a net of that shape says, and noise: the least loss is not 0."""
    rng = generator("noisy", seed)
    x = rng.standard_normal((80 if inputs == 2 else 200, inputs))
    teacher, _ = counted(inputs, 100 + seed)
    teacher.flat_parameters[:] *= 1.5
    return x, teacher.predict(x) + 0.1 * rng.standard_normal((len(x), 1))


# Where the minimum is a point: with other seeds it is a valley whose weights go on growing.
TASKS = [(2, 0), (2, 1), (2, 2), (2, 3), (2, 4), (3, 2), (3, 3), (3, 6)]


@pytest.mark.row("N3")
@pytest.mark.parametrize(("inputs", "seed"), TASKS)
def test_the_minimum_is_scipys_in_as_many_calls(inputs, seed):
    """Both to a gradient of 1e-9: the same loss, weights and predictions, in at most 1.2 times the calls."""
    optimize = pytest.importorskip("scipy.optimize")
    x, y = noisy(inputs, seed)
    (ours, counting), (theirs, _) = counted(inputs, seed), counted(inputs, seed)
    objective = theirs.objective(x, y, bp.MSE())
    limits = {"maxiter": 5000, "maxfun": 10**6, "maxcor": 10, "gtol": 1e-9, "ftol": 0.0}
    found = optimize.minimize(objective, objective.x0, jac=True, method="L-BFGS-B", options=limits)
    counting.forwards = 0
    history = ours.fit(x, y, optimizer=bp.LBFGS(tolerance=1e-9, tolerance_change=0.0), epochs=5000, **FIT)
    calls = counting.forwards
    assert 10 < history.epochs < 5000
    assert history["loss"][-1] == pytest.approx(found.fun, rel=1e-6)
    theirs.flat_parameters[:] = found.x
    np.testing.assert_allclose(ours.flat_parameters, theirs.flat_parameters, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=0, atol=1e-6)
    assert calls <= 1.2 * found.nfev


def test_it_goes_the_way_of_scipys():
    """Iteration by iteration, until rounding tells them apart."""
    optimize = pytest.importorskip("scipy.optimize")
    x, y = rows()
    model, twin = net(), net()
    history = model.fit(x, y, optimizer=bp.LBFGS(history_size=7), epochs=15, **FIT)
    objective, losses = twin.objective(x, y, bp.MSE()), []
    options = {"maxiter": 15, "maxcor": 7, "gtol": 1e-8, "ftol": 1e-12}
    note = lambda theta: losses.append(objective.fun(theta))  # noqa: E731
    optimize.minimize(objective, objective.x0, jac=True, method="L-BFGS-B", callback=note, options=options)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-6)
    assert history["learning_rate"] == [1.0] * 15


def test_scipy_is_not_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    assert net().fit(*rows(), optimizer=bp.LBFGS(), epochs=2, **FIT).epochs == 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_do_not_depend_on_threads(dtype):
    def trained(threads):
        model = net(units=100, dtype=dtype)
        model.fit(*rows(5000), optimizer=bp.LBFGS(), epochs=5, threads=threads, **FIT)
        return model.flat_parameters.copy()

    np.testing.assert_array_equal(trained(1), trained(2))


def test_what_is_frozen_stays():
    x, y = rows()
    model = net()
    model.backprop(x, y, bp.MSE())
    model.value_and_grad(x, y, bp.MSE())  # leaves gradients of all
    model.freeze("0.*")
    before = {name: value.copy() for name, value in model.parameters().items()}
    history = model.fit(x, y, optimizer=bp.LBFGS(), epochs=5, **FIT)
    assert history["loss"][-1] < history["loss"][0]
    for name, value in model.parameters().items():
        assert np.array_equal(value, before[name]) == name.startswith("0.")


def test_it_is_copied_and_pickled_like_others():
    optimizer = bp.LBFGS(history_size=7, tolerance=1e-3)
    again = pickle.loads(pickle.dumps(optimizer))
    assert (
        repr(again)
        == repr(optimizer)
        == ("LBFGS(history_size=7, max_line_search=20, tolerance=0.001, tolerance_change=1e-12)")
    )
    models = net(), net()
    for model, each in zip(models, (optimizer, again), strict=True):
        model.fit(*rows(), optimizer=each, epochs=3, **FIT)
    np.testing.assert_array_equal(models[0].flat_parameters, models[1].flat_parameters)


def test_one_optimizer_fits_several_models():
    optimizer = bp.LBFGS()
    assert net(0).fit(*rows(), optimizer=optimizer, epochs=2, **FIT).epochs == 2
    assert net(1).fit(*rows(), optimizer=optimizer, epochs=2, **FIT).epochs == 2
    assert optimizer.steps == 0


def test_lbfgs_solves_least_squares_and_ends_there():
    x, y = rows()
    weight = generator("weights").uniform(0.5, 2, len(x))
    model = bp.Sequential(bp.Dense(1), input_shape=3, seed=0, dtype="float64")
    history = model.fit(x, y, optimizer=bp.LBFGS(), epochs=200, sample_weight=weight, **FIT)
    a, root = np.hstack([x, np.ones((len(x), 1))]), np.sqrt(weight)[:, None]
    exact = np.linalg.lstsq(root * a, root * y, rcond=None)[0]
    np.testing.assert_allclose(model.flat_parameters, exact[:, 0], rtol=0, atol=1e-6)
    assert history.epochs < 50


def test_callbacks_validation_and_metrics_work_with_lbfgs():
    x, y = rows()
    calls = []

    class Note(bp.Callback):
        def on_epoch_begin(self, trainer, logs):
            calls.append(("begin", logs["epoch"]))

        def on_epoch_end(self, trainer, logs):
            calls.append(("end", logs["epoch"]))
            np.testing.assert_allclose(trainer.model.evaluate(x, y, loss=bp.MSE())["loss"], logs["loss"], rtol=1e-12)
            if logs["epoch"] == 3:
                trainer.stop()

    model, held_out = net(), rows(20)
    history = model.fit(x, y, optimizer=bp.LBFGS(), epochs=50, metrics=["mae"], validation_data=held_out,
                        callbacks=[Note()], **FIT)  # fmt: skip
    assert list(history) == ["loss", "mae", "val_loss", "val_mae", "learning_rate"]
    assert calls == [(what, epoch) for epoch in range(4) for what in ("begin", "end")]
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(*held_out, loss=bp.MSE())["loss"], rel=1e-12)


def test_early_stopping_restores_with_lbfgs():
    x, y = rows(8)
    model, stopping = net(units=20), bp.EarlyStopping(patience=5)
    model.fit(x, y, optimizer=bp.LBFGS(), epochs=200, validation_data=rows(60), callbacks=[stopping], **FIT)
    assert model.evaluate(*rows(60), loss=bp.MSE())["loss"] == pytest.approx(stopping.best, rel=1e-12)


def test_lbfgs_makes_no_single_steps_and_keeps_the_weights_where_it_fails():
    x, y = rows()
    model = net()
    with pytest.raises(TypeError, match=r"\[LBFGS\] makes no single steps: use fit"):
        bp.Trainer(model, bp.MSE(), bp.LBFGS()).step(x, y)
    with pytest.raises(TypeError, match=r"\[LBFGS\] makes no single steps: use fit"):
        bp.LBFGS().step(model)
    model.flat_parameters[:] = 1e200
    with pytest.raises(bp.DivergedError, match="not finite in epoch 0"):
        model.fit(x, y, optimizer=bp.LBFGS(), epochs=3, **FIT)
    assert set(model.flat_parameters) == {1e200}


@pytest.mark.parametrize(
    "settings",
    [{"history_size": 0}, {"tolerance": -1.0}, {"max_line_search": 0}, {"tolerance_change": np.nan}],
    ids=str,
)
def test_settings_of_lbfgs_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=r"\[LBFGS\]"):
        bp.LBFGS(**settings)


class Batches(bp.Callback):
    def on_batch_end(self, trainer, logs):
        """Is never called."""


@pytest.mark.parametrize(
    "callback",
    [bp.EMA(), bp.SWA(), bp.ReduceOnPlateau("loss"), bp.BoldDriver(), bp.RaiseOnSmallGradients(1.0, 2.0), Batches()],
    ids=lambda callback: type(callback).__name__,
)
def test_lbfgs_refuses_callbacks_that_it_would_not_serve(callback):
    model = net()
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match=rf"^\[LBFGS\] takes no {type(callback).__name__}: it has no batches"):
        model.fit(*rows(), optimizer=bp.LBFGS(), callbacks=[callback], **FIT)
    np.testing.assert_array_equal(model.flat_parameters, before)


def test_lbfgs_refuses_running_statistics():
    model = bp.Sequential(bp.Dense(3), bp.BatchNorm(), bp.Dense(1), seed=0)
    with pytest.raises(ValueError, match=r"^\[LBFGS\] takes no model with running statistics"):
        model.fit(*rows(), optimizer=bp.LBFGS(), **FIT)


def test_lbfgs_checks_data_as_other_optimizers_do():
    x, y = rows()
    bad = np.where(np.arange(len(x))[:, None] == 3, np.nan, x)
    for given, held_out in ((bad, None), (x, (bad, y))):
        messages = []
        for optimizer in (bp.LBFGS(), bp.SGD(0.1)):
            with pytest.raises(ValueError, match="in row 3; without check_finite it passes") as caught:
                net().fit(given, y, optimizer=optimizer, validation_data=held_out, **FIT)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
    with pytest.raises(bp.DivergedError):
        net().fit(bad, y, optimizer=bp.LBFGS(), check_finite=False, **FIT)


def test_histories_of_lbfgs_have_the_columns_of_others():
    given = bp.Input(3)
    heads = lambda: bp.Network(given, [bp.Dense(1)(given), bp.Dense(1)(given)], seed=0, dtype="float64")  # noqa: E731
    x, y = rows()
    for epochs in (0, 2):
        options = {"epochs": epochs, "validation_split": 0.2, **FIT}
        ours, theirs = (heads().fit(x, [y, y], optimizer=o, **options) for o in (bp.LBFGS(), bp.SGD(0.1)))
        assert list(ours) == list(theirs)
        assert {len(column) for column in ours.values()} == {epochs}


def test_counts_have_no_upper_limit():
    """More pairs than iterations are those of all iterations."""
    x, y = rows()
    fits = [net().fit(x, y, optimizer=made, epochs=12, **FIT) for made in (bp.LBFGS(12), bp.LBFGS(2**40, 2**40))]
    assert fits[0]["loss"] == fits[1]["loss"]
