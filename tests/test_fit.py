"""Updates of several batches, rows held out, one pass at a time, and gradients as numbers."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, generator

FIT = {"loss": bp.CrossEntropy(), "progress": False}
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def rows(n=75):
    rng = generator("fit")
    return rng.standard_normal((n, 4)), rng.integers(0, 3, n)


def network(dtype="float64"):
    return bp.Sequential(bp.Dense(8), bp.Tanh(), bp.Dense(3), input_shape=4, seed=1, dtype=dtype)


# Gradients.


@pytest.mark.row("A20")
def test_flat_gradients_hold_every_gradient_and_round_trip():
    model = network()
    x, y = rows(5)
    _, named = model.value_and_grad(x, y, bp.CrossEntropy())
    flat = model.flat_gradients
    assert flat.shape == (model.n_parameters,)
    np.testing.assert_array_equal(flat, np.concatenate([gradient.ravel() for gradient in named.values()]))
    values = np.arange(model.n_parameters, dtype=float)
    flat[:] = values
    np.testing.assert_array_equal(np.concatenate([part.ravel() for part in model.gradients().values()]), values)


@pytest.mark.row("A21")
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_batch_gradient_is_the_mean_of_those_of_its_rows(dtype):
    model = network(dtype)
    x, y = rows(12)
    model.value_and_grad(x, y, bp.CrossEntropy())
    batch = model.flat_gradients.copy()
    each = []
    for i in range(12):
        model.value_and_grad(x[i : i + 1], y[i : i + 1], bp.CrossEntropy())
        each.append(model.flat_gradients.copy())
    np.testing.assert_allclose(np.mean(each, axis=0), batch, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.row("A22")
def test_gradients_add_up_until_they_are_reset():
    model = network()
    x, _ = rows(6)
    ones = np.ones((6, 3))
    model.forward(x)
    model.backward(ones)
    once = model.flat_gradients.copy()
    model.forward(x)
    model.backward(ones)
    np.testing.assert_allclose(model.flat_gradients, 2 * once, rtol=1e-14)
    model.zero_grad()
    assert not model.flat_gradients.any()
    model.forward(x)
    model.backward(ones)
    np.testing.assert_array_equal(model.flat_gradients, once)


# Several batches, one update.


@pytest.mark.row("M5")
@pytest.mark.row("A21")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("optimizer", [lambda: bp.SGD(0.1, momentum=0.9), lambda: bp.Adam(0.01)], ids=["sgd", "adam"])
def test_small_batches_make_the_update_of_a_big_one(dtype, weighted, optimizer):
    """75 rows in groups of 4 batches of 8: the last group is smaller, and so is its last batch."""
    x, y = rows()
    weight = generator("weights").random(len(x)) if weighted else None
    models = []
    for size, accumulate in ((8, 4), (32, 1)):
        model = network(dtype)
        model.fit(x, y, sample_weight=weight, optimizer=optimizer(), batch_size=size, accumulate=accumulate, epochs=3,
                  seed=3, **FIT)  # fmt: skip
        models.append(model.flat_parameters.copy())
    np.testing.assert_allclose(*models, rtol=0, atol=20 * TOLERANCE[dtype])


@pytest.mark.row("M5")
@pytest.mark.parametrize("chunk", [10, 75])
def test_streams_accumulate_too(chunk):
    x, y = rows()
    ours, theirs = network(), network()
    chunks = [(x[at : at + chunk], y[at : at + chunk]) for at in range(0, 75, chunk)]
    settings = {"batch_size": 8, "accumulate": 4, "epochs": 2, "shuffle": False, **FIT}
    ours.fit(chunks, optimizer=bp.Adam(), **settings)
    theirs.fit(x, y, optimizer=bp.Adam(), **settings)
    np.testing.assert_array_equal(ours.flat_parameters, theirs.flat_parameters)


@pytest.mark.row("M5")
def test_an_update_comes_after_each_group_and_at_the_end_of_the_epoch():
    x, y = rows()
    model, changes = network(), []

    class Watch(bp.Callback):
        def on_batch_end(self, trainer, logs):
            changes.append(not np.array_equal(model.flat_parameters, self.last))
            self.last = model.flat_parameters.copy()

    watch = Watch()
    watch.last = model.flat_parameters.copy()
    optimizer = bp.SGD(0.1)
    model.fit(x, y, optimizer=optimizer, batch_size=8, accumulate=4, epochs=2, callbacks=watch, **FIT)
    assert changes == [False, False, False, True, False, False, False, True, False, True] * 2
    assert optimizer._native.steps == 6


@pytest.mark.row("M5")
def test_a_stop_within_a_group_updates_by_what_is_there():
    x, y = rows()

    class Stop(bp.Callback):
        def on_batch_end(self, trainer, logs):
            if logs["batch"] == 1:
                trainer.stop()

    ours, theirs = network(), network()
    ours.fit(x, y, optimizer=bp.SGD(0.1), batch_size=8, accumulate=4, shuffle=False, callbacks=Stop(), **FIT)
    theirs.fit(x[:16], y[:16], optimizer=bp.SGD(0.1), batch_size=16, shuffle=False, **FIT)
    np.testing.assert_allclose(ours.flat_parameters, theirs.flat_parameters, rtol=0, atol=1e-14)


@pytest.mark.row("M5")
@pytest.mark.row("C6")
def test_a_bad_batch_within_a_group_keeps_the_weights():
    x, y = rows()
    x[20] = np.nan
    model = network()
    before = model.flat_parameters.copy()
    for _ in range(2):  # what is left in the gradients does not matter
        with pytest.raises(bp.DivergedError) as caught:
            model.fit(x, y, optimizer=bp.Adam(), batch_size=8, accumulate=4, shuffle=False, check_finite=False, **FIT)
        assert (caught.value.epoch, caught.value.batch, caught.value.layer) == (0, 2, "Dense 0")
        np.testing.assert_array_equal(model.flat_parameters, before)
    model.fit(x[:16], y[:16], optimizer=bp.Adam(), batch_size=8, accumulate=2, **FIT)
    assert np.isfinite(model.flat_parameters).all()


@pytest.mark.row("A23")
@pytest.mark.parametrize("kind", ["arrays", "stream", "accumulate", "augment"])
def test_callbacks_come_in_their_order_on_every_path(kind):
    events = []

    class Recorder(bp.Callback):
        def on_fit_begin(self, trainer, logs):
            events.append("fit begin")

        def on_fit_end(self, trainer, logs):
            events.append("fit end")

        def on_epoch_begin(self, trainer, logs):
            events.append(f"epoch {logs['epoch']} begin")

        def on_epoch_end(self, trainer, logs):
            assert logs["loss"] > 0
            events.append(f"epoch {logs['epoch']} end")

        def on_batch_begin(self, trainer, logs):
            events.append(f"batch {logs['batch']} begin")

        def on_batch_end(self, trainer, logs):
            assert logs["loss"] > 0
            events.append(f"batch {logs['batch']} end")

    x, y = rows(10)
    data = ([(x[:3], y[:3]), (x[3:], y[3:])],) if kind == "stream" else (x, y)
    options = {"accumulate": {"accumulate": 2}, "augment": {"augment": bp.augment.noise(0.1)}}.get(kind, {})
    network().fit(*data, optimizer=bp.SGD(0.1), epochs=2, batch_size=4, callbacks=Recorder(), **options, **FIT)
    batches = [f"batch {i} {when}" for i in range(3) for when in ("begin", "end")]
    epochs = [event for i in range(2) for event in (f"epoch {i} begin", *batches, f"epoch {i} end")]
    assert events == ["fit begin", *epochs, "fit end"]


# Rows held out.


@pytest.mark.row("A25")
def test_a_share_of_the_rows_is_held_out():
    x, _ = rows(40)
    weight = generator("weights").random(40)
    seen = {}

    def spy(y_true, y_pred):
        seen.setdefault(len(y_true), []).append(y_true)
        return 0.0

    settings = {"validation_split": 0.25, "metrics": [spy], "optimizer": bp.SGD(0.1), "sample_weight": weight, **FIT}
    history = network().fit(x, np.arange(40) % 3, epochs=2, seed=7, **settings)
    assert sorted(seen) == [10, 30]
    assert set(history) >= {"loss", "spy", "val_loss", "val_spy"}
    np.testing.assert_array_equal(seen[10][0], seen[10][1])


@pytest.mark.row("A25")
def test_held_out_rows_keep_the_shares_of_the_classes():
    y = np.array([0] * 40 + [1] * 8)
    counts = []

    def share(y_true, y_pred):
        counts.append((len(y_true), int(y_true.sum())))
        return 0.0

    x = np.ones((48, 4))
    network().fit(x, y, optimizer=bp.SGD(0.1), validation_split=0.25, stratify=True, metrics=[share], **FIT)
    assert counts == [(36, 6), (12, 2)]


def test_dicts_of_inputs_are_divided_too():
    left, right = bp.Input(2, name="left"), bp.Input(3, name="right")
    model = bp.Network([left, right], bp.Dense(1)(bp.concat([left, right], axis=1)), seed=1)
    x = {"left": np.ones((10, 2)), "right": np.ones((10, 3))}
    for given in (x, list(x.values())):
        history = model.fit(given, np.ones(10), loss=bp.MSE(), optimizer=bp.SGD(0.01), validation_split=0.3,
                            progress=False)  # fmt: skip
        assert history["val_loss"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"validation_split": 1.0}, "validation_split must be at least 0 and below 1"),
        ({"validation_split": 0.01}, "leaves 10 and 0 rows"),
        ({"validation_split": 0.5, "validation_data": rows(5)}, "must not be given together"),
        ({"validation_split": 0.5, "stratify": True, "y": np.ones((10, 3))}, "stratify needs"),
        ({"stratify": True}, "stratify needs validation_split"),
        ({"accumulate": 0}, "accumulate must be positive"),
    ],
)
def test_arguments_are_checked(options, words):
    x, y = rows(10)
    model = network()
    with pytest.raises(ValueError, match=rf"^\[fit\] .*{words}"):
        model.fit(x, options.pop("y", y), optimizer=bp.SGD(0.1), **options, **FIT)


def test_rows_that_do_not_agree_are_refused_with_and_without_a_cut():
    left, right = bp.Input(2, name="left"), bp.Input(2, name="right")
    both = bp.Network([left, right], bp.Dense(1)(bp.concat([left, right], axis=1)), seed=1)
    two = bp.Network(left, [bp.Dense(1)(left), bp.Dense(1)(left)], seed=1)
    one = bp.Network(left, bp.Dense(1)(left), seed=1)
    x, y, more = np.ones((10, 2)), np.ones(10), np.ones((12, 2))
    cases = [
        (one, x, np.ones(8), None, r"\[y\] expected 10 rows as x has, got shape \(8,\)"),
        (one, x, np.ones(12), None, r"\[y\] expected 10 rows as x has, got shape \(12,\)"),
        (one, x, y, np.ones(12), r"\[sample_weight\] expected shape \(10,\), got \(12,\)"),
        (both, [x, more], y, None, r"\[x\] inputs have 10 and 12 rows"),
        (both, {"left": x, "right": more}, y, None, r"\[x\] inputs have 10 and 12 rows"),
        (two, x, [y, np.ones(12)], None, r"\[y\] expected 10 rows as x has, got shape \(12,\)"),
        (both, [], y, None, r"\[fit\] x must hold 2 arrays, got 0"),
        (both, {}, y, None, r"\[fit\] x "),
        (both, x, y, None, r"\[fit\] x must be a list of 2 arrays, got ndarray"),
    ]
    for model, given, targets, weight, words in cases:
        for share in (0.0, 0.3):
            with pytest.raises((TypeError, ValueError), match=f"^{words}"):
                model.fit(given, targets, sample_weight=weight, validation_split=share, loss=bp.MSE(),
                          optimizer=bp.SGD(0.1), progress=False)  # fmt: skip


def test_a_progress_bar_of_no_inputs_hides_nothing(capsys):
    left, right = bp.Input(2, name="left"), bp.Input(2, name="right")
    model = bp.Network([left, right], bp.Dense(1)(bp.concat([left, right], axis=1)), seed=1)
    with pytest.raises(ValueError, match=r'^\[fit\] x has no "left"'):
        model.fit({}, np.ones(3), loss=bp.MSE(), optimizer=bp.SGD(0.1), progress=True)


# One pass.


def test_partial_fit_goes_on_with_loss_optimizer_and_random_numbers():
    x, y = rows()
    ours, theirs = network(), network()
    optimizer = bp.Adam()
    for _ in range(3):
        theirs.fit(x, y, optimizer=optimizer, **FIT)
    ours.partial_fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.Adam())
    ours.partial_fit(x, y)
    assert ours.partial_fit(x, y).epochs == 1
    np.testing.assert_array_equal(ours.flat_parameters, theirs.flat_parameters)
    assert ours.partial_fit([(x, y)] * 2).epochs == 1
    with pytest.raises(ValueError, match=r"\[partial_fit\] loss must be given"):
        network().partial_fit(x, y)


def test_a_refused_fit_is_forgotten():
    x, y = rows()
    ours, theirs = network(), network()
    for model in (ours, theirs):
        model.partial_fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1))
    for refused in ({"x": x[:5]}, {"loss": bp.MSE()}, {"callbacks": bp.EarlyStopping("no")}):
        with pytest.raises(ValueError, match=r"^\["):
            ours.fit(**{"x": x, "y": y, "optimizer": bp.SGD(9.0), **FIT, **refused})
    for model in (ours, theirs):
        model.partial_fit(x, y)
    np.testing.assert_array_equal(ours.flat_parameters, theirs.flat_parameters)


def test_a_fit_that_ended_in_the_middle_is_gone_on_from():
    x, y = rows()

    class Fail(bp.Callback):
        def on_epoch_end(self, trainer, logs):
            raise ValueError("enough")

    model, optimizer = network(), bp.SGD(0.1)
    with pytest.raises(ValueError, match="enough"):
        model.fit(x, y, optimizer=optimizer, callbacks=Fail(), **FIT)
    before = optimizer.steps
    model.partial_fit(x, y)
    assert optimizer.steps == 2 * before


def test_models_that_no_fit_of_their_own_has_trained_ask_for_an_optimizer():
    x, y = rows()
    model = network()
    bp.Trainer(model, bp.CrossEntropy(), bp.SGD(0.1)).fit(x, y, progress=False)
    for each in (model, copy.deepcopy(model)):
        with pytest.raises(
            ValueError, match=r"^\[partial_fit\] optimizer must be given: this model has no fit or partial_fit"
        ):
            each.partial_fit(x, y)


def test_models_are_pickled_without_a_loss_that_cannot_be():
    x, _ = rows()

    class Local(bp.Loss):
        def forward(self, prediction, target):
            return bp.abs(prediction - target)

    for loss, kept in ((Local(), False), (bp.MSE(), True)):
        model = network()
        model.fit(x, np.ones((75, 3)), loss=loss, optimizer=bp.SGD(0.1), progress=False)
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.flat_parameters, model.flat_parameters)
        assert (again._last_loss is not None) == kept
        assert model._last_loss is loss


@pytest.mark.row("M5")
@pytest.mark.parametrize("sample_weight", [False, True])
def test_accumulated_gradients_of_a_loss_that_weighs_its_rows(sample_weight, rng):
    """Rows that are ignored, and classes of different weights: the parts have different weights."""
    x, y = rng.standard_normal((40, 4)), rng.integers(0, 3, 40)
    y[:7] = -100
    weight = rng.uniform(0.5, 2, 40) if sample_weight else None
    results = []
    for batch_size, accumulate in ((40, 1), (8, 5)):
        model = bp.Sequential(bp.Dense(5, activation="tanh"), bp.Dense(3), input_shape=4, seed=0, dtype="float64")
        loss = bp.CrossEntropy(ignore_index=-100, class_weight=[0.5, 1.0, 4.0])
        model.fit(x, y, loss=loss, optimizer=bp.SGD(0.5), epochs=3, batch_size=batch_size, accumulate=accumulate,
                  shuffle=False, sample_weight=weight)  # fmt: skip
        results.append(model.flat_parameters.copy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-11, atol=1e-13)


def test_accumulation_of_heads_that_weigh_rows_differently_is_refused(rng):
    x = bp.Input(4)
    model = bp.Network(x, [bp.Dense(3)(x), bp.Dense(1)(x)], seed=0)
    losses, y = [bp.CrossEntropy(ignore_index=-100), bp.MSE()], [rng.integers(0, 3, 20), rng.standard_normal(20)]
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match=r"\[accumulate\] the losses of several outputs must weigh rows alike"):
        model.fit(rng.standard_normal((20, 4)), y, loss=losses, optimizer=bp.SGD(0.1), batch_size=5, accumulate=2)
    np.testing.assert_array_equal(model.flat_parameters, before)


# Known before the first epoch.


def same(y_true, y_pred):
    return 0.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"callbacks": bp.EarlyStopping("val_los"), "validation_split": 0.2},
         r"\[EarlyStopping\] monitor must be one of loss, accuracy, val_loss, val_accuracy, learning_rate, got"),
        ({"callbacks": bp.ReduceOnPlateau()}, r"\[ReduceOnPlateau\] monitor 'val_loss' needs validation data"),
        ({"callbacks": bp.BoldDriver(monitor="f1")}, r"\[BoldDriver\] monitor must be one of loss, acc.*, got 'f1'"),
    ],
    ids=["stopping", "plateau", "driver"],
)  # fmt: skip
def test_columns_that_will_not_be_are_refused_before_the_first_step(options, words):
    x, y = rows()
    model, begun = network(), []

    class Begin(bp.Callback):
        def on_fit_begin(self, trainer, logs):
            begun.append(True)

    before = model.flat_parameters.copy()
    callbacks = [Begin(), options.pop("callbacks")]
    with pytest.raises(ValueError, match=words):
        model.fit(x, y, optimizer=bp.SGD(0.1), metrics="accuracy", callbacks=callbacks, **options, **FIT)
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert not begun


@pytest.mark.parametrize("name", ["loss", "learning_rate", "epoch", "val_loss", "same"])
def test_metrics_that_would_overwrite_a_column_are_refused(name):
    x, y = rows()
    other = lambda y_true, y_pred: 1.0  # noqa: E731
    other.__name__ = name
    with pytest.raises(ValueError, match=rf"^\[metrics\] names must differ from those of other columns, got '{name}'"):
        network().fit(x, y, optimizer=bp.SGD(0.1), metrics=[same, other], validation_split=0.2, **FIT)
    if name != "val_loss":
        with pytest.raises(ValueError, match=r"^\[metrics\] names must differ"):
            network().evaluate(x, y, loss=bp.CrossEntropy(), metrics=[same, other])


def test_a_frozen_model_does_not_warn_of_gradients_that_are_zero():
    x, y = rows()
    model = network()
    model.freeze()
    with pytest.warns(bp.UserMistakeWarning, match=r"^\[fit\] all parameters are frozen") as heard:
        assert model.fit(x, y, optimizer=bp.SGD(0.1), **FIT).epochs == 1
    assert len(heard) == 1


# Options that nobody knows, and those of another kind.


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: bp.SGD(0.1, clip_nrom=1), TypeError, r"\[SGD\] has no option 'clip_nrom'; did you mean 'clip_norm'"),
        (lambda: bp.Muon(clip_nrom=1), TypeError, r"\[Muon\] has no option 'clip_nrom'"),
        (lambda: network().fit(*rows(), optimizer=bp.SGD(0.1), augment=3, **FIT), TypeError,
         r"\[fit\] augment must be"),
        (lambda: network().fit(*rows(), optimizer=bp.SGD(0.1), augment=[3], **FIT), TypeError,
         r"\[fit\] augment must be"),
        (lambda: network().fit(*rows(), optimizer=bp.SGD(0.1), loss=bp.CrossEntropy(), progress=1), ValueError,
         r"\[fit\] progress must be True, False or 'auto', got 1"),
        (lambda: bp.find_learning_rate(network(), *rows(), loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), maximum="3"),
         TypeError, r"\[find_learning_rate\] maximum must be a number, got '3'"),
    ],
    ids=["SGD", "Muon", "augment", "augments", "progress", "maximum"],
)  # fmt: skip
def test_what_is_wrong_is_named(call, error, words):
    with pytest.raises(error, match=f"^{words}"):
        call()
