"""XOR: no straight line separates it, one hidden layer does.

The smallest problem that needs backpropagation, and so the first one to try.
"""

import numpy as np

import backpass as bp


def main():
    """Learns the four rows of the truth table."""
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
    y = np.array([0, 1, 1, 0], dtype=np.float32)
    model = bp.Sequential(bp.Dense(4, activation="tanh"), bp.Dense(1), seed=0)
    history = model.fit(x, y, loss=bp.BinaryCrossEntropy(), optimizer=bp.Adam(0.05), epochs=300, batch_size=4)
    probability = 1 / (1 + np.exp(-model.predict(x)[:, 0]))  # the network's output is the logit
    for (a, b), p in zip(x.astype(int), probability, strict=True):
        print(f"{a} xor {b}: {p:.3f}")
    return {"loss": history["loss"], "probability": probability, "truth": y}


if __name__ == "__main__":
    main()
