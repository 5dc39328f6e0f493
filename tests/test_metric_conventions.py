"""What metrics take targets and outputs for: yes and no, classes, logits or probabilities; the rest is refused."""

import numpy as np
import pytest

import backpass as bp
from registry import generator

sklearn_metrics = pytest.importorskip("sklearn.metrics")
DECISIONS = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")


def ident(value):
    """The name of a function, not where it lies in memory."""
    return getattr(value, "__name__", str(value) if not isinstance(value, tuple) else value[-1])


REAL = [[0.5], [3.25], [-1.0], [0.0]]


def hinge(prediction, target):
    return bp.relu(1 - prediction * target)


def of_logits(prediction, target):
    return bp.softplus(prediction) - prediction * target


def of_rows(prediction, target):
    return bp.log_sum_exp(prediction) - bp.sum(prediction * target, axis=1)


class Logits(bp.Loss):
    output_kind = "yes_no_logits"

    def forward(self, prediction, target):
        return of_logits(prediction, target)


class ClassLogits(bp.Loss):
    output_kind = "class_logits"

    def forward(self, prediction, target):
        return of_rows(prediction, target)


def evaluated(outputs, y, loss, names):
    outputs = np.asarray(outputs, float)
    model = bp.Sequential(bp.Identity(), input_shape=outputs.shape[1:], dtype="float64")
    result = model.evaluate(outputs, y, loss=loss, metrics=names)
    return [result[name if isinstance(name, str) else name[0]] for name in names]


def scores(kind, rows=80):
    rng = generator("conventions", kind)
    z = rng.standard_normal((rows, 1)) * 2
    return z, z[:, 0] + rng.standard_normal(rows) > 0.3


def expected(truth, said):
    return [getattr(sklearn_metrics, f"{name}_score")(truth, said) for name in DECISIONS]


@pytest.mark.parametrize("loss", ["mse", "mae", bp.Huber(), hinge], ids=ident)
@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_targets_of_minus_one_and_one_are_told_apart_at_zero(loss, dtype):
    z, yes = scores("sides")
    y = np.where(yes, 1, -1).astype(dtype)
    found = evaluated(z, y, loss, [*DECISIONS, "auc"])
    assert found == pytest.approx([*expected(yes, z[:, 0] > 0), sklearn_metrics.roc_auc_score(yes, z[:, 0])], rel=1e-14)


def test_estimates_of_zero_and_one_are_told_apart_at_one_half():
    z, yes = scores("half")
    assert evaluated(z, yes, "mse", DECISIONS) == pytest.approx(expected(yes, z[:, 0] > 0.5), rel=1e-14)


@pytest.mark.parametrize("batch_size", [1, 7, 80])
def test_batches_add_up(batch_size):
    """Batches that hold no -1 wait for those that do."""
    z, yes = scores("batches")
    order = np.argsort(~yes, kind="stable")
    model = bp.Sequential(bp.Dense(1, weight_init="ones"), input_shape=1, dtype="float64")
    history = model.fit(z[order], np.where(yes, 1, -1)[order], loss=hinge, optimizer=bp.SGD(1e-30), shuffle=False,
                        batch_size=batch_size, metrics=DECISIONS, progress=False)  # fmt: skip
    assert [history[name][0] for name in DECISIONS] == pytest.approx(expected(yes, z[:, 0] > 0), rel=1e-14)


def test_functions_are_shown_the_same_labels():
    z, yes = scores("labels")
    metrics = [("m", sklearn_metrics.accuracy_score, "labels")]
    assert evaluated(z, np.where(yes, 1, -1), hinge, metrics) == [np.mean((z[:, 0] > 0) == yes)]
    assert evaluated(z, yes, "mse", metrics) == [np.mean((z[:, 0] > 0.5) == yes)]


@pytest.mark.parametrize("name", [*DECISIONS, "auc", "log_loss"])
@pytest.mark.parametrize("loss", ["mse", hinge, "gaussian_nll"], ids=ident)
def test_real_targets_are_no_decisions(name, loss):
    outputs = np.ones((4, 2 if loss == "gaussian_nll" else 1))
    with pytest.raises(ValueError, match=rf"^\[metric\] {name} needs targets of yes and no, 0 and 1 or -1 and 1, "
                                         r"got 0.5 in row 0; for real numbers ask for mae, rmse or r2"):  # fmt: skip
        evaluated(outputs, REAL, loss, [name])


@pytest.mark.parametrize("y", [[1, 2, 1, 2], [np.inf, 0, 1, 0], [-1, 0, 1, 1]], ids=ident)
def test_other_pairs_of_numbers_are_refused(y):
    with pytest.raises(ValueError, match=r"^\[metric\] f1 needs targets of yes and no.* got (2 in row 1|inf|-1 and 0)"):
        bp.Sequential(bp.Identity(), input_shape=1).evaluate(
            np.ones((4, 1)), y, loss="mse", metrics=["f1"], check_finite=False
        )


@pytest.mark.parametrize("metrics", [["accuracy"], ["mae", "auc"]], ids=ident)
def test_what_is_refused_has_not_been_trained(metrics):
    x, y = np.ones((5, 2)), [0.0, 1.0, 0.0, 2.5, 1.0]
    model = bp.Sequential(bp.Dense(1), input_shape=2, seed=0)
    before = model.flat_parameters.copy()
    for data in ({}, {"validation_data": (x, y)}):
        with pytest.raises(ValueError, match=r"got 2.5 in row 3"):
            model.fit(x, [0, 1, 0, 1, 1] if data else y, loss="mse", optimizer="adam", metrics=metrics, **data)
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize("name", ["accuracy", "f1", "auc", "log_loss", "top_1"])
@pytest.mark.parametrize(
    "row", [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.9, 0.8, 0.1], [1.0, -1.0, 0.0], [2.0, -1.0, 0.0]], ids=str
)
def test_rows_of_several_columns_have_one_class(row, name):
    asked = "top_k" if name == "top_1" else name
    message = rf"^\[metric\] {asked} needs targets of one class in each row .* row 1; .*BinaryCrossEntropy"
    with pytest.raises(ValueError, match=message):
        evaluated(np.full((2, 3), 1 / 3), [[0.0, 1.0, 0.0], row], "mse", [name])


def test_rows_of_one_class_may_say_so_in_several_ways():
    outputs = [[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]]
    for y in ([[0, 1, 0], [0, 0, 1]], [[-1, 1, -1], [-1, -1, 1]], [[0.1, 0.8, 0.1], [0.2, 0.3, 0.5]]):
        assert evaluated(outputs, y, "mse", ["accuracy"]) == [0.5]


# Outputs of losses that do not say what they are.


def test_yes_of_unknown_outputs_is_refused_outside_of_probabilities():
    z, yes = scores("unknown")
    for metric in ("accuracy", ("m", sklearn_metrics.f1_score, "labels")):
        with pytest.raises(ValueError, match=r"cannot tell whether outputs are logits.*output_kind"):
            evaluated(z, yes, of_logits, [metric])
    p = 1 / (1 + np.exp(-z))
    found = evaluated(p, yes, lambda p, t: (p - t) ** 2, [*DECISIONS, "log_loss"])
    assert found == pytest.approx([*expected(yes, z[:, 0] > 0), sklearn_metrics.log_loss(yes, p)], rel=1e-13)


def test_order_needs_no_meaning():
    z, yes = scores("order")
    assert evaluated(z, yes, of_logits, ["auc"]) == [pytest.approx(sklearn_metrics.roc_auc_score(yes, z))]


def test_a_loss_may_say_that_its_outputs_are_logits():
    z, yes = scores("said")
    p = 1 / (1 + np.exp(-z))
    found = evaluated(z, yes, Logits(), [*DECISIONS, "log_loss", ("m", sklearn_metrics.log_loss, "probabilities")])
    loss = sklearn_metrics.log_loss(yes, p)
    assert found == pytest.approx([*expected(yes, z[:, 0] > 0), loss, loss], rel=1e-13)


def test_an_unknown_kind_of_outputs_is_refused():
    class Wrong(Logits):
        output_kind = "logits"

    with pytest.raises(ValueError, match=r"^\[Wrong\] output_kind must be one of unknown, estimates, .*, got 'logits'"):
        evaluated([[1.0]], [1], Wrong(), ["accuracy"])


@pytest.mark.parametrize("loss", [of_rows, "mse"], ids=ident)
@pytest.mark.parametrize("metric", ["log_loss", ("m", sklearn_metrics.log_loss, "probabilities")], ids=ident)
def test_log_loss_needs_probabilities(loss, metric):
    y, logits = np.eye(3)[[0, 1, 2, 1]], generator("rows").standard_normal((4, 3))
    with pytest.raises(ValueError, match=r"needs probabilities, got the output .* CrossEntropy|need a loss of classes"):
        evaluated(logits, y, loss, [metric])
    with pytest.raises(ValueError, match=r"which sum to 1, got a sum of 1.5 for row 0; .*|need a loss of classes"):
        evaluated(np.full((4, 3), 0.5), y, loss, [metric])
    for outputs in ([[1.5]], [[-0.5]]):
        with pytest.raises(ValueError, match=r"needs probabilities, got the output -?[01].5 for row 0; end .*Sigmoid"):
            evaluated(outputs, [[0]], "mse", ["log_loss"])


def test_classes_of_ones_own_loss():
    rng = generator("classes")
    logits, labels = rng.standard_normal((60, 3)), rng.integers(0, 3, 60)
    y, p = np.eye(3)[labels], np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = sklearn_metrics.log_loss(labels, p)
    area = sklearn_metrics.roc_auc_score(labels, p, multi_class="ovr")
    for outputs, own in ((logits, ClassLogits()), (p, of_rows)):
        found = evaluated(outputs, y, own, ["accuracy", "log_loss", "auc"])
        assert found == pytest.approx([(logits.argmax(1) == labels).mean(), loss, area], rel=1e-12)
    assert evaluated(logits, y, of_rows, ["accuracy"]) == [(logits.argmax(1) == labels).mean()]
    with pytest.raises(ValueError, match=r"^\[metric\] auc needs probabilities"):
        evaluated(logits, y, of_rows, ["auc"])


def test_padded_rows_of_yes_or_no_count_as_before():
    """Rows of no weight are not looked at by the loss, whatever they hold."""
    model = bp.Sequential(bp.Identity(), input_shape=1)
    found = model.evaluate([[2.0], [-2.0], [3.0]], [1.0, 0.0, -1.0], loss=bp.BinaryCrossEntropy(),
                           sample_weight=[1.0, 1.0, 0.0], metrics=["accuracy"])  # fmt: skip
    assert found["accuracy"] == pytest.approx(2 / 3)
