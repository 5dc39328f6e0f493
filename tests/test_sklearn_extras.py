"""What our estimators do beyond scikit-learn's: losses, layers, held-out rows, intervals, temperatures."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import r2_score

import backpass as bp
from backpass.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor
from backpass.sklearn._regressor import r2

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
DIABETES, PROGRESS = DIABETES * 20, (PROGRESS - 152) / 77
QUICK = {"learning_rate_init": 0.01, "random_state": 0, "max_iter": 80}


def test_layers_of_every_kind():
    model = MLPClassifier(
        (16, 8), ["gelu", lambda z: bp.tanh(z)], solver="adamw", learning_rate="cosine", dropout=[0.1, 0],
        normalization="layer", **QUICK,
    ).fit(X, Y)  # fmt: skip
    kinds = [type(layer).__name__ for layer in model.network_.layers]
    assert kinds == ["Dense", "LayerNorm", "GELU", "Dropout", "Dense", "LayerNorm", "Apply", "Dense"]
    assert len(model.coefs_) == 3
    assert model.score(X, Y) > 0.9


@pytest.mark.parametrize("loss", ["focal", bp.CrossEntropy(label_smoothing=0.1)])
def test_losses_of_classes(loss):
    for labels in (Y, Y > 0):
        model = MLPClassifier(loss=loss, **QUICK).fit(X, labels)
        assert model.score(X, labels) > 0.9
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("loss", ["huber", "mae", bp.LogCosh()])
def test_losses_of_numbers(loss):
    assert MLPRegressor(loss=loss, **QUICK).fit(DIABETES, PROGRESS).score(DIABETES, PROGRESS) > 0.4


def test_optimizers_and_schedules_as_objects():
    optimizer = bp.Lion(1e-3, schedule=bp.ExponentialDecay(0.999))
    fits = [MLPClassifier(solver=optimizer, max_iter=20, random_state=0).fit(X, Y) for _ in range(2)]
    np.testing.assert_array_equal(fits[0].coefs_[0], fits[1].coefs_[0])  # each takes a fresh one
    assert optimizer.steps == 0
    assert (
        MLPClassifier(learning_rate=bp.CosineAnnealing(50), max_iter=2).fit(X, Y)._optimizer.current_learning_rate
        < 1e-3
    )


def test_held_out_rows_of_the_user():
    even, odd = X[::2], X[1::2]
    model = MLPClassifier(early_stopping=True, **QUICK).fit(even, Y[::2], X_val=odd, y_val=Y[1::2])
    best = int(np.argmax(model.validation_scores_))
    assert model.score(odd, Y[1::2]) == model.best_validation_score_ == model.validation_scores_[best]
    assert len(model.validation_loss_curve_) == model.n_iter_ == len(model.validation_scores_)
    watched = MLPRegressor(**QUICK).fit(DIABETES[:300], PROGRESS[:300], X_val=DIABETES[300:], y_val=PROGRESS[300:])
    error = watched.predict(DIABETES[300:]) - PROGRESS[300:]
    assert watched.validation_loss_curve_[-1] == pytest.approx((error**2).mean() / 2)
    assert watched.validation_scores_ is None


def test_partial_fit_with_early_stopping():
    model = MLPClassifier(early_stopping=True, n_iter_no_change=3, tol=0.0, random_state=0, learning_rate_init=0.05)
    held_out = {"X_val": X[1::2], "y_val": Y[1::2]}
    calls = 0
    while calls < 500 and not getattr(model, "stopped_", False):
        model.partial_fit(X[::2], Y[::2], classes=[0, 1, 2], **held_out)
        calls += 1
    assert model.stopped_
    assert len(model.validation_scores_) == calls < 500
    assert model.score(X[1::2], Y[1::2]) == max(model.validation_scores_)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True without validation data"):
        model.partial_fit(X, Y)


def test_callbacks_see_the_epochs():
    class Ends(bp.Callback):
        def __init__(self):
            self.losses = []

        def on_epoch_end(self, trainer, logs):
            self.losses.append(logs["loss"])
            if len(self.losses) == 4:
                trainer.stop()

    ends = Ends()
    model = MLPClassifier(callbacks=[ends], alpha=0, **QUICK).fit(X, Y)
    assert model.n_iter_ == 4
    assert ends.losses == model.loss_curve_


def test_callbacks_of_scikit_learn():
    callback = pytest.importorskip("sklearn.callback")

    class Ends:
        def __init__(self):
            self.heard = []

        def setup(self, estimator, context):
            self.heard.append("setup")

        def teardown(self, estimator, context):
            self.heard.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            self.heard.append(f"{context.task_name} begins")

        def on_fit_task_end(self, estimator, context):
            self.heard.append(f"{context.task_name} ends")
            return context.task_name == "epoch" and context.task_id == 1

    ends = Ends()
    assert isinstance(ends, callback.FitCallback)
    model = MLPClassifier(random_state=0).set_callbacks(ends).fit(X, Y)
    assert model.n_iter_ == 2
    epoch = ["epoch begins", "epoch ends"]
    assert ends.heard == ["setup", "fit begins", *epoch, *epoch, "fit ends", "teardown"]


def test_the_score_of_early_stopping_is_r2():
    rng = np.random.default_rng(0)
    target, estimates = rng.standard_normal((20, 3)), rng.standard_normal((20, 3))
    target[:, 2] = 1.0
    for weight in (None, rng.uniform(0, 1, 20)):
        assert r2(target, estimates, weight) == pytest.approx(r2_score(target, estimates, sample_weight=weight))
    assert r2(target, target, None) == 1


def test_quantiles():
    model = MLPRegressor(loss="quantile", quantiles=(0.1, 0.5, 0.9), **QUICK).fit(DIABETES, PROGRESS)
    low, middle, high = model.predict_quantiles(DIABETES).T
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert 0.7 < ((low <= PROGRESS) & (high >= PROGRESS)).mean() < 0.95
    np.testing.assert_array_equal(model.predict(DIABETES), middle)
    np.testing.assert_array_equal(model.predict_interval(DIABETES, 0.8), np.c_[low, high])
    np.testing.assert_allclose(model.predict_quantiles(DIABETES, [0.3])[:, 0], (low + middle) / 2)
    with pytest.raises(ValueError, match="quantiles must lie within those that were trained"):
        model.predict_interval(DIABETES, 0.99)
    with pytest.raises(ValueError, match="quantiles must rise"):
        MLPRegressor(loss="quantile", quantiles=(0.5, 0.1)).fit(DIABETES, PROGRESS)


def test_the_gradient_of_the_pinball_loss():
    from backpass.sklearn._heads import Pinball

    p, y = np.array([[1.0, 2.0, 5.0, 6.0]]), np.array([[3.0, 3.0]])
    value, gradient = Pinball((0.25, 0.75)).value_and_grad(p, y)
    assert value == pytest.approx((0.25 * 2 + 0.25 * 1 + 0.25 * 2 + 0.25 * 3) / 2)
    np.testing.assert_allclose(gradient, [[-0.125, -0.125, 0.125, 0.125]])


def test_a_normal_distribution():
    y = np.c_[PROGRESS, DIABETES[:, 2]]
    model = MLPRegressor(loss="gaussian", **QUICK).fit(DIABETES, y)
    low, high = model.predict_interval(DIABETES, 0.9).transpose(1, 0, 2)
    assert low.shape == (442, 2)
    assert 0.8 < ((y >= low) & (y <= high)).mean() < 0.99
    np.testing.assert_allclose((low + high) / 2, model.predict(DIABETES))
    with pytest.raises(ValueError, match='need loss="quantile" or loss="gaussian"'):
        MLPRegressor(max_iter=1).fit(DIABETES, y).predict_interval(DIABETES)


def test_a_temperature_makes_held_out_rows_likelier():
    rng = np.random.default_rng(0)
    x, held_out = rng.standard_normal((300, 5)), rng.standard_normal((500, 5))

    def labels(x):
        return (x[:, 0] + rng.standard_normal(len(x)) > 0).astype(int)

    y, y_val = labels(x), labels(held_out)
    settings = {"hidden_layer_sizes": (100,), "max_iter": 200, "learning_rate_init": 0.01, "random_state": 0}
    plain = MLPClassifier(**settings).fit(x, y, X_val=held_out, y_val=y_val)
    tempered = MLPClassifier(calibrate=True, **settings).fit(x, y, X_val=held_out, y_val=y_val)
    assert tempered.temperature_ > 1  # the fit was too sure
    surprise = [-model.predict_log_proba(held_out)[np.arange(500), y_val].mean() for model in (plain, tempered)]
    assert surprise[1] < surprise[0]
    np.testing.assert_array_equal(plain.predict(held_out), tempered.predict(held_out))


def test_networks_of_a_user():
    def network(features, outputs):
        x = bp.Input(features)
        hidden = bp.Dense(16, activation="tanh")(x)
        return bp.Network(x, bp.Dense(outputs)(bp.concat([hidden, x], axis=1)))

    model = NetworkClassifier(network, bp.Adam(0.02), max_iter=80, random_state=0).fit(X, Y)
    assert model.score(X, Y) > 0.9
    again = NetworkClassifier(network, bp.Adam(0.02), max_iter=80, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    stack = bp.Sequential(bp.Dense(16, activation="tanh"), bp.Dense(1))
    regressor = NetworkRegressor(stack, bp.Adam(0.02), weight_penalty=bp.L2(1e-4), random_state=0).fit(
        DIABETES, PROGRESS
    )
    assert regressor.score(DIABETES, PROGRESS) > 0.5
    assert regressor.network_.dtype == "float64"
    with pytest.raises(RuntimeError, match="no shapes"):
        stack.flat_parameters  # noqa: B018  # the one that was given is left as it was
    with pytest.raises(ValueError, match="network must have 3 outputs for this y and loss, got"):
        NetworkClassifier(stack).fit(X, Y)
    with pytest.raises(TypeError, match="network must be a model or a function"):
        NetworkClassifier("mlp").fit(X, Y)
