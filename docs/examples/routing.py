"""Capsules that vote by routing (Sabour et al. 2017): a layer whose forward pass is a loop of its own.

Each input capsule predicts each output capsule. In two turns, the predictions that agree with the vote get more weight
in it. Gradients flow through the loop. A digit is known by the longest of ten capsules.
"""

import numpy as np

import backpass as bp


def squash(s):
    """The same direction, a length below 1."""
    size = bp.sum(bp.square(s), axis=-1, keepdims=True)
    return s * bp.sqrt(size + 1e-9) / (1 + size)


class Routing(bp.Layer):
    """(rows, m, d) to (rows, capsules, width)."""

    def __init__(self, capsules, width, turns=2):
        """As many capsules."""
        self.capsules, self.width, self.turns = capsules, width, turns

    def forward(self, x):
        """Coefficients begin equal."""
        m, d = x.shape[1:]
        weight = self.parameter("weight", (m, d, self.capsules, self.width), initializer="glorot_uniform")
        predictions = bp.einsum("bmd,mdcw->bmcw", x, weight)
        agreement = bp.sum(predictions * 0.0, axis=-1)
        for _ in range(self.turns):
            share = bp.softmax(agreement, axis=2)
            vote = squash(bp.einsum("bmc,bmcw->bcw", share, predictions))
            agreement = agreement + bp.einsum("bmcw,bcw->bmc", predictions, vote)
        return vote


class Lengths(bp.Layer):
    """Of each capsule."""

    def forward(self, x):
        """The length is how sure it is."""
        return bp.sqrt(bp.sum(bp.square(x), axis=-1) + 1e-9)


class Capsules(bp.Layer):
    """The features in groups."""

    def __init__(self, count):
        """As many groups."""
        self.count = count

    def forward(self, x):
        """Each no longer than 1."""
        return squash(bp.reshape(x, (None, self.count, x.shape[1] // self.count)))


def margin(lengths, labels):
    """Long where the digit is there, short where it is not; labels one-hot."""
    there, absent = bp.relu(0.9 - lengths), bp.relu(lengths - 0.1)
    return bp.sum(labels * bp.square(there) + 0.5 * (1 - labels) * bp.square(absent), axis=1)


def main():
    """Checks the gradient through the loop, and trains."""
    x, labels = bp.datasets.load_digits()
    train, test = bp.datasets.stratified_split(labels, seed=0)
    y = np.eye(10)[labels]
    layers = [bp.Dense(64, activation="relu"), Capsules(8), Routing(10, 8), Lengths()]
    small = bp.Sequential(Capsules(2), Routing(3, 4), Lengths(), input_shape=6, seed=0)
    worst = bp.gradcheck(small, margin, x[:5, 20:26] / 8 - 1, y[:5, :3])
    model = bp.Sequential(*layers, seed=0)
    history = model.fit(x[train], y[train], loss=margin, optimizer=bp.Adam(3e-3), epochs=15, seed=0, progress=False)
    accuracy = (model.predict(x[test]).argmax(axis=1) == labels[test]).mean()
    print(f"gradient through the routing: {worst:.1e} from finite differences")
    print(f"loss {history['loss'][0]:.2f} to {history['loss'][-1]:.3f}; {accuracy:.1%} of the held-out digits right")
    return {"loss": history["loss"], "gradcheck": worst, "accuracy": accuracy}


if __name__ == "__main__":
    main()
