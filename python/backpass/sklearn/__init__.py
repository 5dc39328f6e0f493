"""Estimators for scikit-learn (`pip install 'backpass[sklearn]'`): networks of this package behind fit and predict.

`MLPClassifier` and `MLPRegressor` take the place of scikit-learn's own, parameter by parameter; `NetworkClassifier` and
`NetworkRegressor` train any network; `TabularClassifier` and `TabularRegressor` take data frames as they are.
docs/from-scikit-learn.md shows them.
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as error:
    raise ImportError("[backpass.sklearn] needs scikit-learn 1.6 or later: pip install 'backpass[sklearn]'") from error

from backpass.sklearn._mlp import MLPClassifier, MLPRegressor
from backpass.sklearn._network import NetworkClassifier, NetworkRegressor
from backpass.sklearn._tabular import TabularClassifier, TabularRegressor

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "NetworkClassifier",
    "NetworkRegressor",
    "TabularClassifier",
    "TabularRegressor",
]
