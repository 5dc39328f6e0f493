"""Functions as metrics: what they are shown of targets and predictions."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES


class Shown:
    """A metric that keeps what it was shown."""

    def __call__(self, y_true, y_pred):
        self.y_true, self.y_pred = y_true, y_pred
        return float(len(y_true))


def shown(loss, x, y, what, dtype="float32", **options):
    """What a metric is shown of a network that passes x on."""
    metric = Shown()
    t = bp.input((None, x.shape[1]), dtype=dtype)
    model = bp.Network(t, t * bp.parameter((), dtype, "w", "ones"), seed=0)
    found = model.evaluate(x, y, loss=loss, metrics=[("m", metric, what)], **options)
    return metric.y_true, metric.y_pred, found["m"]


SCORES = np.array([[1.0, 3.0, 2.0], [5.0, -1.0, 0.0], [0.0, 0.5, 0.25], [2.0, 2.0, 9.0]])


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("targets", [[1, 0, 2, 2], np.eye(3)[[1, 0, 2, 2]]], ids=["labels", "one-hot"])
def test_classes_are_told_by_labels_and_probabilities(targets, dtype):
    loss = bp.CrossEntropy()
    truth, said, rows = shown(loss, SCORES, targets, "labels", dtype)
    assert (truth.dtype, said.dtype, rows) == (np.int32, np.int32, 4)
    assert (truth.tolist(), said.tolist()) == ([1, 0, 2, 2], [1, 0, 1, 2])
    truth, said, _ = shown(loss, SCORES, targets, "probabilities", dtype)
    assert truth.tolist() == [1, 0, 2, 2]
    np.testing.assert_allclose(said, softmax(SCORES), rtol=1e-6)
    truth, said, _ = shown(loss, SCORES, targets, "outputs", dtype)
    np.testing.assert_array_equal(truth, targets)
    np.testing.assert_array_equal(said, SCORES.astype(dtype))


def test_one_yes_or_no_is_a_row_of_numbers():
    z, y = np.array([[2.0], [-3.0], [0.5]]), [1, 1, 0]
    truth, said, _ = shown(bp.BinaryCrossEntropy(), z, y, "labels")
    assert (truth.tolist(), said.tolist()) == ([1, 1, 0], [1, 0, 1])
    truth, said, _ = shown(bp.BinaryCrossEntropy(), z, y, "probabilities")
    np.testing.assert_allclose(said, 1 / (1 + np.exp(-z[:, 0])), rtol=1e-6)
    assert truth.tolist() == [1, 1, 0]


def test_several_yes_or_no_keep_their_columns():
    z, y = np.array([[2.0, -1.0], [-3.0, 4.0]]), np.array([[1, 0], [0, 0]])
    truth, said, _ = shown(bp.BinaryCrossEntropy(), z, y, "labels")
    assert (truth.tolist(), said.tolist()) == (y.tolist(), [[1, 0], [0, 1]])
    _, said, _ = shown(bp.BinaryCrossEntropy(), z, y, "probabilities")
    np.testing.assert_allclose(said, 1 / (1 + np.exp(-z)), rtol=1e-6)


@pytest.mark.parametrize("what", ["labels", "probabilities"])
def test_rows_that_the_loss_ignores_are_left_out(what):
    truth, said, rows = shown(bp.CrossEntropy(ignore_index=-1), SCORES, [1, -1, 2, -1], what)
    assert (truth.tolist(), rows, len(said)) == ([1, 2], 2, 2)


def test_extreme_outputs_are_probabilities_all_the_same():
    _, said, _ = shown(bp.CrossEntropy(), np.array([[1e4, -1e4], [0.0, 0.0]]), [0, 1], "probabilities")
    np.testing.assert_array_equal(said, [[1, 0], [0.5, 0.5]])
    _, said, _ = shown(bp.BinaryCrossEntropy(), np.array([[1e4], [-1e4]]), [0, 1], "probabilities")
    np.testing.assert_array_equal(said, [1, 0])


def test_names_are_given_beside_functions(data, model):
    def count(y_true, y_pred):
        return float(len(y_true))

    for metrics in ([("rows", count)], [("rows", count, "labels")]):
        history = model.fit(*data, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), metrics=metrics, validation_data=data,
                            progress=False)  # fmt: skip
        assert history["rows"] == history["val_rows"] == [20]
    assert model.evaluate(*data, metrics=("accuracy", count)).keys() == {"loss", "accuracy", "count"}


def test_functions_of_scikit_learn_get_what_they_expect(data):
    sklearn = pytest.importorskip("sklearn.metrics")

    def f1_macro(y_true, y_pred):
        return sklearn.f1_score(y_true, y_pred, average="macro")

    def auc(y_true, y_pred):
        return sklearn.roc_auc_score(y_true, y_pred, multi_class="ovr")

    model = bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(3), input_shape=4, seed=1, dtype="float64")
    metrics = ["f1", "auc", "log_loss", "balanced_accuracy", ("f1_macro", f1_macro, "labels"),
               ("recall_macro", sklearn.balanced_accuracy_score, "labels"), ("sk_auc", auc, "probabilities"),
               ("sk_log_loss", sklearn.log_loss, "probabilities")]  # fmt: skip
    found = model.evaluate(*data, loss=bp.CrossEntropy(), metrics=metrics)
    for ours, theirs in (("f1", "f1_macro"), ("balanced_accuracy", "recall_macro"), ("auc", "sk_auc"),
                         ("log_loss", "sk_log_loss")):  # fmt: skip
        assert found[ours] == pytest.approx(found[theirs], rel=1e-9), ours


@pytest.mark.parametrize(
    ("metric", "error", "words"),
    [
        ([("m", len, "classes")], ValueError, r"^\[metrics\] what m is shown must be one of outputs, labels"),
        ([("m", len, 1)], TypeError, r"^\[metrics\] what m is shown must be a string"),
        ([("m", len, "labels", 1)], TypeError, r"^\[metrics\] a metric is a name, a function"),
        ([("m", "accuracy", "labels")], TypeError, r"^\[metrics\] a metric is a name, a function"),
        ([("m",)], TypeError, r"^\[metrics\] a metric is a name, a function"),
    ],
)
def test_tuples_of_another_form_are_refused(model, data, metric, error, words):
    with pytest.raises(error, match=words):
        model.fit(*data, loss=bp.CrossEntropy(), optimizer=bp.SGD(0.1), metrics=metric, progress=False)


def test_probabilities_need_a_loss_that_tells_them():
    with pytest.raises(ValueError, match=r"^\[metric\] probabilities need a loss of classes"):
        shown(bp.MSE(), SCORES, SCORES, "probabilities")
