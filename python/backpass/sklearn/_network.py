"""Any network as an estimator."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from backpass.layers import Dense
from backpass.losses import Penalty
from backpass.losses._penalties import checked_penalties
from backpass.models import Module, Sequential
from backpass.models._model import Model
from backpass.optimizers._optimizer import resolved
from backpass.sklearn._classifier import Classifier
from backpass.sklearn._documented import documented
from backpass.sklearn._estimator import Estimator
from backpass.sklearn._regressor import Regressor
from backpass.training._mistakes import check_outputs


@dataclass(kw_only=True, eq=False, repr=False)
class OfNetwork(Estimator):
    """A network of a user, trained by a loss and an optimizer.

    Args:
        network: a `backpass.Sequential`, of whose layers a copy with fresh weights is trained, or a function (features,
            outputs) that makes a Sequential or a Network; None is a hidden layer of 100 units. It gives logits: one for
            two classes, else one for each; or one estimate for each column of y.
        optimizer: of `backpass`, or its name; each fit takes a fresh one with its settings.
        weight_penalty: such as `backpass.L2(1e-4, "*.weight")`, or a list of them.
    """

    network: Any = field(default=None, kw_only=False)
    optimizer: Any = field(default="adam", kw_only=False)
    weight_penalty: Any = None

    def _build(self, features: int, dtype: str) -> None:
        seed = int(self._random_state.randint(2**31 - 1))
        given = self._given(features)
        if isinstance(given, Sequential):
            stack = [*copy.deepcopy(given.layers), *self._head.layers()]
            given = Sequential(*stack, seed=seed, dtype=dtype, precision=self.precision)
            given.build(features)
        given.reset(seed)
        outputs = [tensor.shape for tensor in given.graph.outputs]
        if outputs != [(None, self._head.units)]:
            shapes = ", ".join(str(("rows", *shape[1:])) for shape in outputs)
            raise ValueError(
                f"[{type(self).__name__}] network must have {self._head.units} outputs for this y and loss, "
                f"got {shapes}{self._head.cure(outputs)}"
            )
        check_outputs(given, given._built(), self._head.loss)
        self.network_ = given

    def _given(self, features: int) -> Any:
        """The network, or what a function makes for these shapes."""
        if self.network is None:
            return Sequential(Dense(100, activation="relu"), Dense(self._head.units))
        if isinstance(self.network, Model):
            return copy.deepcopy(self.network)
        if not callable(self.network):
            raise TypeError(f"[{type(self).__name__}] network must be a model or a function, got {self.network!r}")
        made = self.network if isinstance(self.network, Module) else self.network(features, self._head.units)
        if not isinstance(made, Model):
            cure = ": a Module has no fit, a Layer with the same forward does" if isinstance(made, Module) else ""
            raise TypeError(
                f"[{type(self).__name__}] network must be or make a Sequential or a Network, "
                f"got {type(made).__name__}{cure}"
            )
        return made

    def _optimizer_for(self) -> Any:
        return resolved(type(self).__name__, self.optimizer)._fresh()

    def _penalties(self) -> list[Penalty]:
        return checked_penalties(type(self).__name__, self.weight_penalty)


@documented
@dataclass(eq=False, repr=False)
class NetworkClassifier(OfNetwork, Classifier):
    """Any network as a classifier.

    Example:
        >>> import backpass as bp
        >>> from backpass.sklearn import NetworkClassifier
        >>> from sklearn.datasets import load_iris
        >>> def network(features, outputs):
        ...     return bp.Sequential(bp.BatchNorm(), bp.Dense(32, activation="gelu"), bp.Dense(outputs))
        >>> X, y = load_iris(return_X_y=True)
        >>> model = NetworkClassifier(network, bp.AdamW(0.01), max_iter=50, tol=0, random_state=0).fit(X, y)
        >>> model.score(X, y) > 0.9
        True
    """


@documented
@dataclass(eq=False, repr=False)
class NetworkRegressor(OfNetwork, Regressor):
    """Any network as a regressor.

    Example:
        >>> import backpass as bp, numpy as np
        >>> from backpass.sklearn import NetworkRegressor
        >>> x = np.linspace(-1, 1, 200).reshape(-1, 1)
        >>> network = bp.Sequential(bp.Dense(16, activation="gelu"), bp.Dense(1))
        >>> model = NetworkRegressor(network, bp.Adam(0.02), random_state=0).fit(x, x[:, 0] ** 2)
        >>> model.score(x, x[:, 0] ** 2) > 0.9
        True
    """
