"""The same training steps in float64 NumPy, written to be read: what every contender is compared with."""

from __future__ import annotations

import numpy as np

from .cases import BETAS, EPS, Array, Case, Problem


def loss_and_delta(case: Case, output: Array, target: Array) -> tuple[float, Array]:
    """The mean loss and its gradient with respect to the output."""
    if case.loss == "mse":
        error = output - target
        return float(np.mean(error**2)), 2 * error / error.size
    shifted = output - output.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    one_hot = np.eye(output.shape[1])[target]
    return float(-(log_p * one_hot).sum() / len(target)), (np.exp(log_p) - one_hot) / len(target)


def loss_and_gradients(case: Case, parameters: list[Array], x: Array, y: Array) -> tuple[float, list[Array]]:
    weights, biases = parameters[::2], parameters[1::2]
    activations = [x]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        z = activations[-1] @ weight.T + bias
        activations.append(np.maximum(z, 0) if case.activation == "relu" else np.tanh(z))
    loss, delta = loss_and_delta(case, activations[-1] @ weights[-1].T + biases[-1], y)
    gradients: list[Array] = []
    for weight, a in zip(reversed(weights), reversed(activations), strict=True):
        gradients[:0] = [delta.T @ a, delta.sum(axis=0)]
        slope = (a > 0) if case.activation == "relu" else 1 - a**2
        delta = (delta @ weight) * slope
    return loss, gradients


class Optimizer:
    """SGD with momentum, or Adam (Kingma and Ba 2015: algorithm 1; eps_hat: the form at the end of section 2)."""

    def __init__(self, case: Case, learning_rate: float, parameters: list[Array], eps_hat: bool) -> None:
        self.case, self.learning_rate, self.eps_hat, self.t = case, learning_rate, eps_hat, 0
        self.first = [np.zeros_like(p) for p in parameters]
        self.second = [np.zeros_like(p) for p in parameters] if case.optimizer == "adam" else []

    def step(self, parameters: list[Array], gradients: list[Array]) -> None:
        self.t += 1
        for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            p -= self.learning_rate * (self.adam(i, g) if self.second else self.sgd(i, g))

    def sgd(self, i: int, g: Array) -> Array:
        self.first[i] = self.case.momentum * self.first[i] + g
        return self.first[i]

    def adam(self, i: int, g: Array) -> Array:
        beta1, beta2 = BETAS
        self.first[i] = beta1 * self.first[i] + (1 - beta1) * g
        self.second[i] = beta2 * self.second[i] + (1 - beta2) * g**2
        first, second = self.first[i] / (1 - beta1**self.t), self.second[i] / (1 - beta2**self.t)
        eps = EPS / (1 - beta2**self.t) ** 0.5 if self.eps_hat else EPS
        return first / (np.sqrt(second) + eps)


def train(
    problem: Problem, learning_rate: float, steps: int, eps_hat: bool = False
) -> tuple[list[float], list[Array], list[Array]]:
    """The loss of every step, the parameters after the last, and the gradients of the first."""
    parameters = [p.astype(np.float64) for p in problem.parameters]
    x = problem.x.astype(np.float64)
    y = problem.y.astype(np.float64) if problem.case.loss == "mse" else problem.y
    optimizer = Optimizer(problem.case, learning_rate, parameters, eps_hat)
    losses: list[float] = []
    first_gradients: list[Array] = []
    for _ in range(steps):
        loss, gradients = loss_and_gradients(problem.case, parameters, x, y)
        optimizer.step(parameters, gradients)
        losses.append(loss)
        first_gradients = first_gradients or gradients
    return losses, parameters, first_gradients
