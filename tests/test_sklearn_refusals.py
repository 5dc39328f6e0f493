"""What a network of one's own must be, as an estimator."""

import numpy as np
import pytest

import backpass as bp

pytest.importorskip("sklearn")

from backpass.sklearn import NetworkClassifier, NetworkRegressor

X = np.random.default_rng(0).standard_normal((40, 3))
Y = (X[:, 0] > 0).astype(int)


def test_two_classes_are_one_logit_or_two_with_cross_entropy():
    two = bp.Sequential(bp.Dense(2))
    with pytest.raises(
        ValueError, match=r"got \('rows', 2\): two classes are one logit, Dense\(1\), or two with loss="
    ):
        NetworkClassifier(two, bp.Adam(0.1)).fit(X, Y)
    with pytest.raises(ValueError, match=r"the last layer is Dense\(1\)"):
        NetworkRegressor(two, bp.Adam(0.1)).fit(X, X[:, 0])
    model = NetworkClassifier(two, bp.Adam(0.1), loss=bp.CrossEntropy(), max_iter=200, tol=0.02, random_state=0).fit(
        X, Y
    )
    assert model.predict_proba(X).shape == (40, 2)
    assert model.score(X, Y) > 0.9


def test_a_softmax_at_the_end_warns():
    squashed = NetworkClassifier(bp.Sequential(bp.Dense(3, activation="softmax")), tol=10.0, n_iter_no_change=1)
    with pytest.warns(UserWarning, match=r"takes logits, and the model ends in Softmax"):
        squashed.fit(X, np.arange(40) % 3)


@pytest.mark.parametrize("made", [False, True])
def test_a_module_is_no_network(made):
    class Net(bp.Module):
        def __init__(self, *shape):
            self.last = bp.Dense(1)

        def forward(self, x):
            return self.last(x)

    with pytest.raises(TypeError, match=r"Sequential or a Network, got Net: a Module has no fit, a Layer"):
        NetworkClassifier(Net if made else Net()).fit(X, Y)
