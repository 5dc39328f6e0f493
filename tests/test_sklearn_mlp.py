"""Our perceptrons as estimators: attributes, weights as views, warm starts, refusals."""

import copy
import doctest
import inspect
import io
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import sklearn.neural_network
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris

import backpass as bp
import backpass.sklearn
from backpass.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor, _rows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
ALL = [MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor]


@pytest.mark.parametrize("kind", ALL)
def test_docstrings_have_every_parameter_and_run(kind):
    text = inspect.getdoc(kind)
    for name in inspect.signature(kind).parameters:
        assert f"\n    {name}: " in text, name
    assert all(f"\n    {name}: " in text for name in ("network_", "loss_curve_", "n_iter_"))
    out = io.StringIO()
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder(recurse=False).find(kind, kind.__name__):
        assert test.examples
        assert runner.run(test, out=out.write).failed == 0, out.getvalue()


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_parameters_of_scikit_learn_have_its_defaults_and_places(kind):
    theirs = inspect.signature(getattr(sklearn.neural_network, kind)).parameters
    ours = inspect.signature(getattr(backpass.sklearn, kind)).parameters
    for name, parameter in theirs.items():
        assert ours[name].default == parameter.default, name
    by_place = [name for name, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    theirs_by_place = [name for name, p in theirs.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert by_place[-len(theirs_by_place) :] == theirs_by_place


def test_without_scikit_learn_the_error_names_the_extra():
    code = "import sys; sys.modules['sklearn'] = None\nimport backpass.sklearn"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (
        "ImportError: [backpass.sklearn] needs scikit-learn 1.6 or later: pip install 'backpass[sklearn]'" in run.stderr
    )


def test_weights_are_views_of_the_network():
    model = MLPClassifier((8,), max_iter=5, random_state=0).fit(X, Y)
    assert [coef.shape for coef in model.coefs_] == [(4, 8), (8, 3)]
    assert np.shares_memory(model.coefs_[0], model.network_.parameters()["0.weight"])
    before = model.predict_proba(X)
    model.coefs_[1][...] = 0
    model.intercepts_ = [np.zeros(8), np.zeros(3)]
    np.testing.assert_allclose(model.predict_proba(X), 1 / 3)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert not np.array_equal(before, model.predict_proba(X))


@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy, "joblib"])
def test_copies_predict_and_train_alike(copied, tmp_path):
    model = MLPClassifier((8,), random_state=0, max_iter=20, normalization="batch", dropout=0.2).fit(X, Y)
    if copied == "joblib":
        joblib.dump(model, tmp_path / "model")
        twin = joblib.load(tmp_path / "model")
    else:
        twin = copied(model)
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
    for each in (model, twin):
        each.partial_fit(X, Y)
    np.testing.assert_array_equal(twin.coefs_[0], model.coefs_[0])
    assert not np.shares_memory(twin.coefs_[0], model.coefs_[0])
    assert not hasattr(clone(model), "coefs_")


def test_the_network_is_a_model_of_ours(tmp_path):
    model = MLPRegressor(hidden_layer_sizes=(8,), random_state=0, max_iter=20).fit(X[:, 1:], X[:, 0])
    model.network_.save(tmp_path / "iris.safetensors")
    loaded = bp.load(tmp_path / "iris.safetensors")
    np.testing.assert_array_equal(loaded.predict(X[:, 1:])[:, 0], model.predict(X[:, 1:]))


@pytest.mark.parametrize("chunks", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_rows_give_what_dense_ones_do(solver, chunks, monkeypatch):
    if chunks:
        monkeypatch.setattr(_rows, "DENSE", 0)
        monkeypatch.setattr(_rows, "CHUNK", 200)
    weight = np.linspace(0.5, 2, 150)
    settings = {"solver": solver, "max_iter": 5, "batch_size": 16, "random_state": 0}
    ours = MLPClassifier(**settings).fit(sparse.csr_matrix(X), Y, weight)
    theirs = MLPClassifier(**settings).fit(X, Y, weight)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-6)
    np.testing.assert_array_equal(ours.predict_proba(sparse.csc_array(X)), ours.predict_proba(X))


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads():
    fits = [MLPClassifier(random_state=3, max_iter=5, dropout=0.3, threads=n).fit(X, Y) for n in (1, 2)]
    np.testing.assert_array_equal(fits[0].coefs_[0], fits[1].coefs_[0])


def test_weights_of_rows_and_of_classes():
    twice = MLPClassifier(random_state=0, max_iter=5).fit(X, Y, np.where(Y == 1, 2.0, 1.0))
    by_class = MLPClassifier(random_state=0, max_iter=5, class_weight={1: 2}).fit(X, Y)
    np.testing.assert_array_equal(twice.coefs_[0], by_class.coefs_[0])
    rare = np.r_[50:100, 100:105]
    found = []
    for weight in (None, "balanced"):
        model = MLPClassifier((8,), random_state=0, max_iter=60, class_weight=weight).fit(X[rare], Y[rare])
        found.append((model.predict(X[100:]) == 2).mean())
    assert found[1] > found[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"alpha": -1}, r"\[MLPClassifier\] alpha must be finite and not negative, got -1"),
        ({"hidden_layer_sizes": (3, 0)}, r"\[MLPClassifier\] hidden_layer_sizes must be positive, got 0"),
        ({"hidden_layer_sizes": "8"}, "hidden_layer_sizes must be integers"),
        ({"solver": "adm"}, r"no solver is named 'adm'; did you mean 'Adam'"),
        ({"activation": "rleu"}, "did you mean 'relu'"),
        ({"activation": ["relu", "tanh"]}, "activation must have a value for each of 1 hidden layers, got 2"),
        ({"learning_rate": "falling"}, "learning_rate must be one of constant, invscaling, adaptive, cosine"),
        ({"batch_size": 0}, "batch_size must be positive"),
        ({"early_stopping": 1}, "early_stopping must be True or False"),
        ({"validation_fraction": 1.0}, "validation_fraction must be at least 0 and below 1"),
        ({"n_iter_no_change": 0.5}, "n_iter_no_change must be an integer"),
        ({"loss": "log"}, "no loss is named 'log'"),
        ({"normalization": "group"}, "normalization must be one of batch, layer"),
        ({"calibrate": True}, "calibrate=True needs rows that are held out"),
        ({"calibrate": True, "solver": "lbfgs"}, "calibrate=True needs rows that are held out"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(settings, words):
    with pytest.raises((TypeError, ValueError), match=words):
        MLPClassifier(**{"max_iter": 1, **settings}).fit(X, Y)


def test_data_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="X_val and y_val must be given together"):
        MLPClassifier().fit(X, Y, X_val=X)
    with pytest.raises(ValueError, match="weight above 0"):
        MLPClassifier().fit(X, Y, np.zeros(150))
    with pytest.raises(ValueError, match="MultiOutputClassifier"):
        MLPClassifier().fit(X, np.c_[Y, Y])
    model = MLPRegressor(max_iter=1).fit(X, X[:, :2])
    with pytest.raises(ValueError, match="y must have 2 columns, as before, got 1"):
        model.partial_fit(X, X[:, 0])
