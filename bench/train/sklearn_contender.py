"""scikit-learn: partial_fit of an MLP on many batches in one call, so that its checks are paid once."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from .cases import BETAS, EPS, Array, Problem, repeated
from .contender import Contender


class ScikitLearn(Contender):
    """Its squared error is half of ours, its gradient n_outputs / 2 times ours: both are put right here."""

    loss_is_mean = True
    eps_hat = True

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.steps_per_call = self.case.steps_per_call
        self.gradient_scale = self.case.layers[-1] / 2 if self.case.loss == "mse" else 1.0
        estimator = MLPRegressor if self.case.loss == "mse" else MLPClassifier
        self.model = estimator(
            hidden_layer_sizes=self.case.layers[1:-1],
            activation=self.case.activation,
            solver=self.case.optimizer,
            alpha=0.0,
            batch_size=self.case.batch,
            shuffle=False,
            momentum=self.case.momentum,
            nesterovs_momentum=False,
            beta_1=BETAS[0],
            beta_2=BETAS[1],
            epsilon=EPS * self.gradient_scale,
        )
        self.options = {} if self.case.loss == "mse" else {"classes": np.arange(self.case.layers[-1])}
        self.data = self.rows(self.steps_per_call)
        self.model.partial_fit(*self.rows(1), **self.options)

    def rows(self, steps: int) -> tuple[Array, Array]:
        x, y = repeated(self.problem, steps)
        return x, y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y

    def reset(self, learning_rate: float) -> None:
        rate = learning_rate / (self.gradient_scale if self.case.optimizer == "sgd" else 1)
        self.model.set_params(learning_rate_init=rate)
        first = self.problem.parameters
        for i, (weight, bias) in enumerate(zip(first[::2], first[1::2], strict=True)):
            self.model.coefs_[i] = np.array(weight.T, order="C")
            self.model.intercepts_[i] = bias.copy()
        del self.model._optimizer  # the next call makes a fresh one

    def train(self, steps: int) -> None:
        whole, rest = divmod(steps, self.steps_per_call)
        for _ in range(whole):
            self.model.partial_fit(*self.data)
        if rest:
            self.model.partial_fit(*self.rows(rest))

    def loss(self) -> float:
        return self.model.loss_ * (2 if self.case.loss == "mse" else 1)

    def parameters(self) -> list[Array]:
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return [np.array(value) for weight, bias in pairs for value in (weight.T, bias)]
