"""Digits are learned with differential privacy, by DP-SGD (Abadi et al. 2016).

No single row may show in the result. So each example's gradient is clipped to a norm, the sum gets noise of that size,
and the rows of a step are drawn one by one, each with the same probability. `bp.vmap(bp.grad(loss))` gives the
gradients by example; to clip them is a part of the function that is mapped.

What it costs is counted as Renyi divergence (Mironov 2017; Mironov, Talwar and Zhang 2019): the result is (epsilon,
delta)-private with respect to adding or removing a row. For secrets, draw the noise from a cryptographic source.
"""

import math

import numpy as np

import backpass as bp

CLIP, NOISE, RATE, LOT, STEPS, DELTA = 1.0, 2.0, 1.0, 128, 300, 1e-4

model = bp.Sequential(bp.Dense(32, activation="tanh"), bp.Dense(10), input_shape=64, seed=0)
predict, start = model.functional()
cross_entropy = bp.CrossEntropy()


@bp.compile
def evaluate(parameters, x, labels):
    """The mean loss, and the share of the digits that are right."""
    logits = predict(parameters, x)
    return cross_entropy(logits, labels), bp.mean(bp.argmax(logits, axis=1) == labels)


def loss(parameters, x, y):
    """Of one example: x (64,), y a label."""
    return cross_entropy(predict(parameters, x[None]), y[None])


def norm(gradients):
    """Over all parameters."""
    return bp.sqrt(sum(bp.sum(bp.square(g)) for g in bp.tree.leaves(gradients)))


def clipped(parameters, x, y, limit):
    """The gradient of one example, no longer than the limit; its length before and after."""
    gradients = bp.grad(loss)(parameters, x, y)
    before = norm(gradients)
    gradients = bp.tree.map(lambda g: g * bp.minimum(1, limit / before), gradients)
    return gradients, before, norm(gradients)


@bp.compile
def summed(parameters, x, y, present, limit):
    """The sum of the clipped gradients of the rows that are present, and all lengths."""
    gradients, before, after = bp.vmap(clipped, in_axes=(None, 0, 0, None))(parameters, x, y, limit)
    return bp.tree.map(lambda g: bp.einsum("r,r...->...", present, g), gradients), before, after


def epsilon(steps, share, noise, delta):
    """Of steps that draw each row with probability share: the best over whole orders of the divergence."""

    def divergence(order):
        k = np.arange(order + 1)
        choose = np.array([math.log(math.comb(order, i)) for i in k])
        logs = choose + (order - k) * math.log1p(-share) + k * math.log(share) + k * (k - 1) / (2 * noise**2)
        return np.logaddexp.reduce(logs) / (order - 1)

    return min(steps * divergence(order) + math.log(1 / delta) / (order - 1) for order in range(2, 65))


def train(x, labels, limit, noise, seed):
    """Parameters after all steps, and in each step the mean length of a gradient and the longest that is left."""
    rng, parameters, lengths = np.random.default_rng(seed), start, []
    for _ in range(STEPS):
        rows = np.flatnonzero(rng.random(len(x)) < LOT / len(x))
        present = np.arange(len(rows) + -len(rows) % 64) < len(rows)  # filled up, so that few shapes are compiled
        rows = np.resize(rows, len(present))
        total, before, after = summed(parameters, x[rows], labels[rows], present, limit)
        noisy = bp.tree.map(lambda g: g + noise * limit * rng.standard_normal(g.shape, np.float32), total)
        parameters = bp.tree.map(lambda w, g: w - RATE / LOT * g, parameters, noisy)
        lengths.append((before[present].mean(), after.max()))
    return parameters, np.array(lengths)


def main(seed=0):
    """Trains with and without privacy, and compares."""
    x, labels = bp.datasets.load_digits()
    held_in, held_out = bp.datasets.stratified_split(labels, seed=0)
    result = {"epsilon": epsilon(STEPS, LOT / len(held_in), NOISE, DELTA)}
    for name, limit, noise in (("plain", 1e9, 0.0), ("private", CLIP, NOISE)):
        parameters, lengths = train(x[held_in], labels[held_in], limit, noise, seed)
        losses = [evaluate(p, x[held_in], labels[held_in])[0] for p in (start, parameters)]
        accuracy = evaluate(parameters, x[held_out], labels[held_out])[1]
        result[name] = {"accuracy": accuracy, "loss": losses, "lengths": lengths}
        print(f"{name}: {accuracy:.1%} of the held-out digits right; gradients of length {lengths[:, 0].mean():.1f}")
    print(f"epsilon {result['epsilon']:.1f} at delta {DELTA}; no gradient is longer than {lengths[:, 1].max():.6f}")
    return {"loss": result["private"]["loss"], **result}


if __name__ == "__main__":
    main()
