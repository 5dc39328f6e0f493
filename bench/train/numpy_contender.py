"""NumPy written for speed: preallocated buffers, out=, flat parameters, updates in blocks that stay in cache."""

from __future__ import annotations

import numpy as np

from .cases import BETAS, EPS, Array, Problem
from .contender import Contender

BLOCK = 16384  # elements of an update: 64 KiB of each of five arrays fit a second-level cache


def views(flat: Array, like: tuple[Array, ...]) -> list[Array]:
    ends = np.cumsum([p.size for p in like])
    return [flat[end - p.size : end].reshape(p.shape) for p, end in zip(like, ends, strict=True)]


class NumPy(Contender):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        case, n = self.case, sum(p.size for p in problem.parameters)
        self.flat, self.flat_gradient = np.empty(n, np.float32), np.empty(n, np.float32)
        self.first = np.zeros(n, np.float32)
        self.second = np.zeros(n if case.optimizer == "adam" else 0, np.float32)
        self.scratch = np.empty((2, min(n, BLOCK)), np.float32)
        self.values = views(self.flat, problem.parameters)
        self.gradients = views(self.flat_gradient, problem.parameters)
        self.activations = [np.empty((case.batch, width), np.float32) for width in case.layers[1:]]
        self.deltas = [np.empty_like(a) for a in self.activations]
        self.slopes = [np.empty_like(a, dtype=bool if case.activation == "relu" else None) for a in self.activations]
        self.rows = np.arange(case.batch)

    def reset(self, learning_rate: float) -> None:
        self.learning_rate, self.t = learning_rate, 0
        for value, first in zip(self.values, self.problem.parameters, strict=True):
            value[...] = first
        self.first[...] = 0
        self.second[...] = 0

    def train(self, steps: int) -> None:
        update = self.adam if self.case.optimizer == "adam" else self.sgd
        for _ in range(steps):
            self.forward()
            self.last_loss = self.mse() if self.case.loss == "mse" else self.cross_entropy()
            self.backward()
            update()

    def loss(self) -> float:
        return float(self.last_loss)

    def parameters(self) -> list[Array]:
        return [value.copy() for value in self.values]

    def forward(self) -> None:
        a, last = self.problem.x, len(self.activations) - 1
        for i, z in enumerate(self.activations):
            np.matmul(a, self.values[2 * i].T, out=z)
            z += self.values[2 * i + 1]
            if i < last:
                np.maximum(z, 0, out=z) if self.case.activation == "relu" else np.tanh(z, out=z)
            a = z

    def mse(self) -> np.floating:
        delta = self.deltas[-1]
        np.subtract(self.activations[-1], self.problem.y, out=delta)
        loss = np.vdot(delta, delta) / delta.size
        delta *= np.float32(2 / delta.size)
        return loss

    def cross_entropy(self) -> np.floating:
        z, delta, labels = self.activations[-1], self.deltas[-1], self.problem.y
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=delta)
        total = delta.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - z[self.rows, labels]).mean()
        delta /= total
        delta[self.rows, labels] -= 1
        delta *= np.float32(1 / len(labels))
        return loss

    def backward(self) -> None:
        for i in range(len(self.deltas) - 1, -1, -1):
            delta = self.deltas[i]
            a = self.activations[i - 1] if i > 0 else self.problem.x
            np.matmul(delta.T, a, out=self.gradients[2 * i])
            np.sum(delta, axis=0, out=self.gradients[2 * i + 1])
            if i > 0:
                np.matmul(delta, self.values[2 * i], out=self.deltas[i - 1])
                self.deltas[i - 1] *= self.slope(a, self.slopes[i - 1])

    def slope(self, a: Array, out: Array) -> Array:
        if self.case.activation == "relu":
            return np.greater(a, 0, out=out)
        np.multiply(a, a, out=out)
        return np.subtract(1, out, out=out)

    def sgd(self) -> None:
        rate, momentum = np.float32(self.learning_rate), np.float32(self.case.momentum)
        for begin in range(0, self.flat.size, BLOCK):
            block = slice(begin, begin + BLOCK)
            p, g, v = self.flat[block], self.flat_gradient[block], self.first[block]
            if momentum:
                v *= momentum
                v += g
                g = v
            step = self.scratch[0, : p.size]
            np.multiply(g, rate, out=step)
            p -= step

    def adam(self) -> None:
        self.t += 1
        beta1, beta2 = BETAS
        root = (1 - beta2**self.t) ** 0.5
        rate, eps = np.float32(self.learning_rate * root / (1 - beta1**self.t)), np.float32(EPS * root)
        for begin in range(0, self.flat.size, BLOCK):
            block = slice(begin, begin + BLOCK)
            p, g, m, v = self.flat[block], self.flat_gradient[block], self.first[block], self.second[block]
            s, t = self.scratch[0, : p.size], self.scratch[1, : p.size]
            np.multiply(g, np.float32(1 - beta1), out=s)
            m *= np.float32(beta1)
            m += s
            np.multiply(g, g, out=s)
            s *= np.float32(1 - beta2)
            v *= np.float32(beta2)
            v += s
            np.sqrt(v, out=s)
            s += eps
            np.divide(m, s, out=t)
            t *= rate
            p -= t
