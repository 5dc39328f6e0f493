"""Multi-layer perceptrons in the place of scikit-learn's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backpass import _checks, layers
from backpass._names import lookup
from backpass.losses import L2, Penalty
from backpass.models import Sequential
from backpass.optimizers import SGD, Adam, CosineAnnealing, Optimizer, Schedule
from backpass.optimizers._optimizer import OPTIMIZERS
from backpass.sklearn._classifier import Classifier
from backpass.sklearn._documented import documented
from backpass.sklearn._estimator import Estimator
from backpass.sklearn._lbfgs import minimize
from backpass.sklearn._parameters import each, sizes
from backpass.sklearn._regressor import Regressor
from backpass.sklearn._rows import Rows

ACTIVATIONS = {"identity": None, "logistic": "sigmoid"}  # where scikit-learn's names are not ours
RATES = ("constant", "invscaling", "adaptive", "cosine")


class Apply(layers.Layer):
    """An activation that is a function of a tensor."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


def _as_layers(activation: Any) -> list[Any]:
    """An activation behind another layer than a dense one; none where it does nothing."""
    if activation is None or isinstance(activation, (str, layers.Layer)):
        return [activation] if activation else []
    return [Apply(activation)]


@dataclass(kw_only=True, eq=False, repr=False)
class Perceptron(Estimator):
    """Dense layers with scikit-learn's parameters and attributes.

    Args:
        hidden_layer_sizes: units of each hidden layer; () is a linear model.
        activation: "identity", "logistic", "tanh", "relu", any other that `backpass.Dense` takes, or a list of them.
        solver: "adam", "sgd", "lbfgs", the name of another optimizer of `backpass`, or one.
        alpha: half of it times the squares of the weights, divided by what a batch weighs, is added to the loss.
        learning_rate: of "sgd": "constant", "invscaling" or "adaptive"; of any: "cosine", or a `backpass.Schedule`.
        learning_rate_init: the step size.
        power_t: "invscaling" divides the rate by (t_ + 1) ** power_t after each epoch.
        momentum: of "sgd".
        nesterovs_momentum: whether "sgd" looks ahead along it.
        beta_1: how much of the mean gradient "adam" keeps.
        beta_2: how much of the mean square it keeps.
        epsilon: keeps its division finite.
        max_fun: the most evaluations that "lbfgs" may take.
        dropout: the share of units that a training step leaves out, of all hidden layers or a list of one for each.
        normalization: None, "batch" or "layer", before each activation.

    Attributes:
        coefs_: the weights (inputs, outputs) of each dense layer: views, and what is put there is used.
        intercepts_: the biases of each.
        n_layers_: layers, inputs and outputs included.
    """

    hidden_layer_sizes: Any = field(default=(100,), kw_only=False)
    activation: Any = field(default="relu", kw_only=False)
    solver: str | Optimizer = "adam"
    alpha: float = 0.0001
    learning_rate: str | Schedule = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    max_fun: int = 15000
    dropout: Any = 0.0
    normalization: str | None = None

    # The network.

    def _build(self, features: int, dtype: str) -> None:
        seed = int(self._random_state.randint(2**31 - 1)) if np.any(self.dropout) else 0
        self.network_ = Sequential(*self._layers(), seed=seed, dtype=dtype, precision=self.precision)
        self.network_.build(features)
        self._show_weights()
        for coef, intercept in zip(self.coefs_, self.intercepts_, strict=True):
            bound = np.sqrt((2.0 if self.activation == "logistic" else 6.0) / sum(coef.shape))
            coef[...] = self._random_state.uniform(-bound, bound, coef.shape)
            intercept[...] = self._random_state.uniform(-bound, bound, intercept.shape)

    def _layers(self) -> list[Any]:
        where, units = type(self).__name__, sizes(type(self).__name__, "hidden_layer_sizes", self.hidden_layer_sizes)
        activations = each(where, "activation", self.activation, len(units))
        rates = each(where, "dropout", self.dropout, len(units))
        stack: list[Any] = []
        for size, name, rate in zip(units, activations, rates, strict=True):
            activation = ACTIVATIONS.get(name, name) if isinstance(name, str) else name
            if self.normalization:
                norm = layers.BatchNorm() if self.normalization == "batch" else layers.LayerNorm()
                stack += [layers.Dense(size), norm, *_as_layers(activation)]
            else:
                stack.append(layers.Dense(size, activation=activation))
            if rate:
                stack.append(layers.Dropout(rate))
        return [*stack, layers.Dense(self._head.units), *self._head.layers()]

    def _dense(self) -> list[str]:
        """The names of dense layers."""
        return [str(i) for i, layer in enumerate(self.network_.layers) if isinstance(layer, layers.Dense)]

    # Weights in scikit-learn's form: views of the network's.

    def _show_weights(self) -> None:
        parameters = self.network_.parameters()
        self.coefs_ = [parameters[f"{name}.weight"].T for name in self._dense()]
        self.intercepts_ = [parameters[f"{name}.bias"] for name in self._dense()]
        self.n_layers_ = len(self.coefs_) + 1
        self._shown = [*self.coefs_, *self.intercepts_]

    def _take_weights(self) -> None:
        given = [*self.coefs_, *self.intercepts_]
        if not hasattr(self, "network_"):
            self._build(len(given[0]), np.result_type(*given, np.float32).name)
            self.validation_loss_curve_: list[float] = []
            self._best = None
        elif all(own is other for own, other in zip(self._shown, given, strict=True)):
            return
        for own, other in zip(self._shown, given, strict=True):
            own[...] = other
        self._show_weights()

    def _has_weights(self) -> bool:
        return hasattr(self, "coefs_")

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "network_" not in state:
            return state
        self._take_weights()
        return {name: value for name, value in state.items() if name not in ("coefs_", "intercepts_", "_shown")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "network_" in state:
            self._show_weights()

    # Training.

    def _makes_steps(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for solvers of batches, and lbfgs takes all rows at once"
            )
        return True

    def _dtypes(self) -> Any:
        return np.float64 if self.solver == "lbfgs" else super()._dtypes()

    def _penalties(self) -> list[Penalty]:
        return [L2(self.alpha / 2, f"{name}.weight", per_row=True) for name in self._dense() if self.alpha > 0]

    def _optimizer_for(self) -> Any:
        if isinstance(self.solver, Optimizer):
            return self.solver._fresh()
        where, schedule = type(self).__name__, self._schedule()
        rate = self.learning_rate_init
        if self.solver == "sgd":
            nesterov = bool(self.nesterovs_momentum and self.momentum > 0)
            return SGD(rate, self.momentum, nesterov, schedule=schedule)
        if self.solver == "adam":
            return Adam(rate, (self.beta_1, self.beta_2), self.epsilon, epsilon_hat=True, schedule=schedule)
        kind: Any = lookup(where, "solver", self.solver, OPTIMIZERS, {})
        return kind(learning_rate=rate, schedule=schedule)

    def _schedule(self) -> Schedule | None:
        if isinstance(self.learning_rate, Schedule):
            return self.learning_rate
        name = _checks.choice(type(self).__name__, "learning_rate", self.learning_rate, RATES)
        return CosineAnnealing(self.max_iter, per="epoch") if name == "cosine" else None

    def _adapts(self) -> bool:
        return self.solver == "sgd" and self.learning_rate == "adaptive"

    def _rate_after(self, rows: int) -> float | None:
        if self.solver != "sgd" or self.learning_rate != "invscaling":
            return None
        return float(self.learning_rate_init / (rows + 1) ** self.power_t)

    def _solve(self, rows: Rows) -> bool:
        if self.solver != "lbfgs":
            return False
        minimize(self, rows, np.concatenate([self._decay_of(name, value) for name, value in self._parameters()]))
        return True

    def _parameters(self) -> Any:
        return self.network_._built().parameters().items()

    def _decay_of(self, name: str, value: Any) -> Any:
        layer, _, kind = name.rpartition(".")
        return np.full(value.size, self.alpha if kind == "weight" and layer in self._dense() else 0.0)


@documented
@dataclass(eq=False, repr=False)
class MLPClassifier(Perceptron, Classifier):
    """A multi-layer perceptron for classes, in the place of scikit-learn's: equal settings, equal results.

    Example:
        >>> from backpass.sklearn import MLPClassifier
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> model = MLPClassifier((32,), solver="lbfgs", random_state=0).fit(X, y)
        >>> model.score(X, y) > 0.95
        True
    """


@documented
@dataclass(eq=False, repr=False)
class MLPRegressor(Perceptron, Regressor):
    """A multi-layer perceptron for numbers, in the place of scikit-learn's: equal settings, equal results.

    Example:
        >>> import numpy as np
        >>> from backpass.sklearn import MLPRegressor
        >>> x = np.linspace(-1, 1, 200).reshape(-1, 1)
        >>> y = np.sin(3 * x[:, 0])
        >>> model = MLPRegressor("gaussian", learning_rate_init=0.01, random_state=0).fit(x, y)
        >>> model.score(x, y) > 0.9
        True
        >>> model.predict_interval(x[:5]).shape
        (5, 2)
    """

    loss: Any = "squared_error"
