"""Metrics by name against scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from backpass.losses._metrics import rises
from registry import generator

sklearn_metrics = pytest.importorskip("sklearn.metrics")


def evaluated(outputs, y, loss, *names):
    """What a model that gives just these outputs is worth."""
    model = bp.Sequential(bp.Identity(), input_shape=outputs.shape[1:], dtype="float64")
    result = model.evaluate(outputs, y, loss=loss, metrics=names)
    return [result[name] for name in names] if len(names) > 1 else result[names[0]]


def logits_and_labels(kind):
    """Random scores; with many ties; with classes that are never there, never said, or neither."""
    rng = generator("metrics", kind)
    classes = 2 if kind == "two" else 5
    logits, labels = rng.standard_normal((60, classes)), rng.integers(0, classes, 60)
    if kind == "ties":
        logits = np.round(logits)[rng.integers(0, 12, 60)]
    if kind == "missing":
        labels[labels == 2] = 3
        logits[:, 1] = -9
        logits[:, 2] = -9
    if kind == "one class":
        labels[:] = 1
    return logits, labels


KINDS = ["random", "two", "ties", "missing", "one class"]
quiet = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::sklearn.exceptions.UndefinedMetricWarning")


@quiet
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", [bp.CrossEntropy(), bp.Focal()], ids=repr)
def test_decisions_between_classes(kind, loss):
    logits, labels = logits_and_labels(kind)
    said, average = logits.argmax(1), "binary" if kind == "two" else "macro"
    expected = [
        sklearn_metrics.accuracy_score(labels, said),
        sklearn_metrics.balanced_accuracy_score(labels, said),
        sklearn_metrics.precision_score(labels, said, average=average),
        sklearn_metrics.recall_score(labels, said, average=average),
        sklearn_metrics.f1_score(labels, said, average=average),
    ]
    names = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
    assert evaluated(logits, labels, loss, *names) == pytest.approx(expected, rel=1e-14)
    rows = reference.one_hot(labels, logits.shape[1])
    assert evaluated(logits, rows, loss, *names) == pytest.approx(expected, rel=1e-14)


@quiet
@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_classes(kind):
    logits, labels = logits_and_labels(kind)
    classes = range(logits.shape[1])
    p = reference.softmax(logits)
    if kind == "two":
        area = sklearn_metrics.roc_auc_score(labels, p[:, 1])
    elif set(labels) == set(classes):
        ranked = p.round(12)  # rows that tie but for the order of their sums tie
        area = sklearn_metrics.roc_auc_score(labels, ranked / ranked.sum(1, keepdims=True), multi_class="ovr")
    else:
        area = np.nan
    loss = sklearn_metrics.log_loss(labels, p, labels=classes)
    assert evaluated(logits, labels, bp.CrossEntropy(), "auc", "log_loss") == pytest.approx([area, loss], nan_ok=True)
    if kind == "two":
        return
    for k in (1, 3, 5, 8):
        ours = evaluated(logits, labels, bp.CrossEntropy(), f"top_{k}")
        expected = sklearn_metrics.top_k_accuracy_score(labels, logits, k=k, labels=classes) if k < 5 else 1.0
        assert ours == pytest.approx(expected, rel=1e-14)


@quiet
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("logits", [True, False], ids=["logits", "probabilities"])
def test_one_output_that_says_yes_or_no(logits, ties):
    rng = generator("yes", ties)
    z, y = rng.standard_normal(70), rng.integers(0, 2, 70)
    z = np.round(z) if ties else z
    p = reference.sigmoid(z)
    loss, outputs, said = (bp.BinaryCrossEntropy(), z, z > 0) if logits else (bp.MSE(), p, p > 0.5)
    names = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "log_loss")
    scores = [getattr(sklearn_metrics, f"{name}_score")(y, said) for name in names[:5]]
    expected = [*scores, sklearn_metrics.roc_auc_score(y, outputs), sklearn_metrics.log_loss(y, p)]
    for target in (y, y[:, None], y.astype(float)):
        assert evaluated(outputs[:, None], target, loss, *names) == pytest.approx(expected, rel=1e-13)


@quiet
def test_several_outputs_that_say_yes_or_no():
    rng = generator("several")
    z, y = rng.standard_normal((50, 4)), rng.integers(0, 2, (50, 4))
    y[:, 3] = 0
    said = (z > 0).astype(int)
    names = ("precision", "recall", "f1")
    expected = [getattr(sklearn_metrics, f"{name}_score")(y, said, average="macro") for name in names]
    loss = bp.BinaryCrossEntropy()
    assert evaluated(z, y, loss, *names) == pytest.approx(expected, rel=1e-14)
    assert evaluated(z, y, loss, "accuracy") == (said == y).mean()
    assert np.isnan(evaluated(z, y, loss, "auc"))
    area = sklearn_metrics.roc_auc_score(y[:, :3], z[:, :3], average="macro")
    assert evaluated(z[:, :3], y[:, :3], loss, "auc") == pytest.approx(area, rel=1e-14)
    each = [sklearn_metrics.balanced_accuracy_score(y[:, i], said[:, i]) for i in range(4)]
    assert evaluated(z, y, loss, "balanced_accuracy") == pytest.approx(np.mean(each), rel=1e-14)
    assert evaluated(z, y, loss, "log_loss") == pytest.approx(loss.value_and_grad(z, y)[0], rel=1e-13)


@pytest.mark.parametrize("outputs", [1, 3])
def test_errors(outputs):
    rng = generator("errors", outputs)
    p, y = rng.standard_normal((2, 40, outputs))
    names = ("mae", "mse", "rmse", "r2", "max_error")
    expected = [
        sklearn_metrics.mean_absolute_error(y, p),
        sklearn_metrics.mean_squared_error(y, p),
        np.sqrt(sklearn_metrics.mean_squared_error(y, p)),
        sklearn_metrics.r2_score(y, p),
        np.abs(y - p).max(),
    ]
    assert evaluated(p, y, bp.MSE(), *names) == pytest.approx(expected, rel=1e-13)


def test_of_means_and_variances_the_means_count():
    rng = generator("means")
    p, y = rng.standard_normal((40, 4)), rng.standard_normal((40, 2))
    assert evaluated(p, y, bp.GaussianNLL(), "mae") == pytest.approx(np.abs(p[:, :2] - y).mean(), rel=1e-13)


def test_rows_of_ignored_labels_do_not_count():
    logits, labels = logits_and_labels("random")
    names = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "log_loss", "top_2")
    expected = evaluated(logits[20:], labels[20:], bp.CrossEntropy(), *names)
    labels[:20] = -100
    assert evaluated(logits, labels, bp.CrossEntropy(ignore_index=-100), *names) == expected


ERRORS = ("mae", "mse", "rmse", "max_error")
DECISIONS = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "log_loss", "top_2")


class Spy:
    """A metric of somebody else's: it sees all rows at once."""

    __name__ = "spy"

    def __call__(self, y_true, y_pred):
        self.seen = y_pred.astype(float), y_true.copy()
        return 0.0


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 60),
    batch_size=st.integers(1, 70),
    shuffle=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    targets=st.sampled_from(["labels", "float32", "float64", "int16"]),
    columns=st.integers(1, 5),
)
def test_what_batches_add_up_to_is_what_all_rows_give(rows, batch_size, shuffle, dtype, targets, columns):
    rng = np.random.default_rng(rows)
    x = rng.standard_normal((rows, 4))
    if targets == "labels":
        columns = max(columns, 3)
        y, loss, names = rng.integers(0, columns, rows), bp.CrossEntropy(), DECISIONS
    else:
        y, loss, names = (3 * rng.standard_normal((rows, columns))).astype(targets), bp.MSE(), ERRORS
    model, spy = bp.Sequential(bp.Dense(columns), input_shape=4, seed=1, dtype=dtype), Spy()
    history = model.fit(x, y, loss=loss, optimizer=bp.SGD(1e-30), batch_size=batch_size, shuffle=shuffle,
                        metrics=[*names, spy], progress=False)  # fmt: skip
    expected = evaluated(*spy.seen, loss, *names)
    assert [history[name][0] for name in names] == pytest.approx(expected, rel=1e-12)


def test_tiles_of_an_evaluation_add_up():
    rng = generator("tiles")
    p, y = rng.standard_normal((2, 2500, 2))
    expected = [np.abs(y - p).mean(), ((y - p) ** 2).mean(), np.sqrt(((y - p) ** 2).mean()), np.abs(y - p).max()]
    assert evaluated(p, y, bp.MSE(), *ERRORS) == pytest.approx(expected, rel=1e-12)


def test_of_an_epoch_that_is_stopped_the_rows_until_then_count(rng):
    class Stop(bp.Callback):
        def on_batch_end(self, trainer, logs):
            trainer.stop()

    x, y = rng.standard_normal((40, 3)), rng.standard_normal(40)
    model = bp.Sequential(bp.Dense(1), input_shape=3, seed=1, dtype="float64")
    p, seen = model.predict(x[:10])[:, 0], y[:10]

    def mean_error(y_true, y_pred):
        return np.abs(y_true - y_pred).mean()

    history = model.fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(0.1), batch_size=10, shuffle=False, callbacks=[Stop()],
                        metrics=["mae", "r2", mean_error], progress=False)  # fmt: skip
    assert history["mae"] == history["mean_error"] == [pytest.approx(np.abs(p - seen).mean(), rel=1e-13)]
    assert history["r2"] == [pytest.approx(sklearn_metrics.r2_score(seen, p), rel=1e-12)]


def test_r2_of_targets_that_are_all_the_same():
    p, y = np.zeros((7, 1)), np.full((7, 1), 3.0)
    assert evaluated(p, y, bp.MSE(), "r2") == sklearn_metrics.r2_score(y, p) == 0


def test_undefined_is_nan_in_the_history_and_ends_no_fit(rng):
    x = rng.standard_normal((20, 3))
    model = bp.Sequential(bp.Dense(1), input_shape=3, seed=1)
    with warnings.catch_warnings(record=True) as caught:
        history = model.fit(
            x, np.ones(20), loss=bp.BinaryCrossEntropy(), optimizer=bp.SGD(0.1), epochs=2, metrics=["auc", "f1"],
            validation_data=(x, np.zeros(20)), progress=False,
        )  # fmt: skip
    assert not caught
    assert np.isnan(history["auc"]).all()
    assert np.isnan(history["val_auc"]).all()
    assert history["val_f1"] == [0, 0]


def test_scores_that_are_nan_have_no_order():
    outputs = np.array([[np.nan], [1.0], [2.0]])
    model = bp.Sequential(bp.Identity(), input_shape=1, dtype="float64")
    result = model.evaluate(outputs, [0, 1, 0], loss=bp.BinaryCrossEntropy(), metrics=["auc"], check_finite=False)
    assert np.isnan(result["auc"])


def test_what_does_not_fit_is_refused():
    logits, labels = logits_and_labels("random")
    with pytest.raises(ValueError, match=r"\[metric\] top_3 needs a score for each class"):
        evaluated(logits[:, :1], labels > 1, bp.BinaryCrossEntropy(), "top_3")
    with pytest.raises(ValueError, match=r"\[metric\] targets have 1 values per row, predictions 5"):
        evaluated(logits, labels, bp.CrossEntropy(), "mae")
    for name in ("top", "top_", "top_0", "top_-1", "top_3x", "Accuracy"):
        with pytest.raises(ValueError, match=f'unknown metric "{name}"; there are accuracy, .* and top_k'):
            evaluated(logits, labels, bp.CrossEntropy(), name)


def test_which_columns_rise():
    up = ["accuracy", "val_accuracy", "auc_0", "val_f1_12", "top_5", "val_top_5", "top_5_1", "r2", "balanced_accuracy"]
    down = ["loss", "val_loss", "loss_0", "rmse", "val_mae", "log_loss_1", "my_metric", "max_error", "", "_1"]
    assert all(map(rises, up))
    assert not any(map(rises, down))
