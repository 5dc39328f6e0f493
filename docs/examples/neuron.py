"""One neuron, one step, by hand and by the library: the chain rule in five numbers.

z = w x + b, a = sigmoid(z), loss = (a - y)^2 / 2. Then delta = (a - y) a (1 - a), and delta x is the slope by w.
"""

import numpy as np

import backpass as bp

X, Y, ETA = 1.5, 0.0, 2.0


def by_hand(w, b):
    """The weight and the bias after one step."""
    a = 1 / (1 + np.exp(-(w * X + b)))
    delta = (a - Y) * a * (1 - a)
    return w - ETA * delta * X, b - ETA * delta


def main():
    """Compares the first step, then goes on until the neuron has learned its one row."""
    model = bp.Sequential(bp.Dense(1, activation="sigmoid"), input_shape=1, dtype="float64", seed=0)
    model.flat_parameters[:] = [0.6, 0.9]
    expected = by_hand(*model.flat_parameters)
    trainer = bp.Trainer(model, bp.HalfMSE(), bp.SGD(ETA))
    losses = [trainer.step([[X]], [[Y]])]
    stepped = model.flat_parameters.copy()
    print(f"by hand:     w = {expected[0]:.6f}, b = {expected[1]:.6f}")
    print(f"by backpass: w = {stepped[0]:.6f}, b = {stepped[1]:.6f}")
    losses += [trainer.step([[X]], [[Y]]) for _ in range(200)]
    print(f"loss: {losses[0]:.4f} at first, {losses[-1]:.4f} after {len(losses)} steps")
    return {"loss": losses, "by_hand": expected, "stepped": stepped}


if __name__ == "__main__":
    main()
