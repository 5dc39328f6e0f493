"""A rare class: one row in forty. Weights by class trade some accuracy for finding it.

Counted row by row, calling everything common is right in 97 cases of 100 and finds nothing. Counted class by class it
is right in half of them.
"""

import numpy as np

import backpass as bp

ROWS, SHARE = 4000, 0.025
METRICS = ("accuracy", "balanced_accuracy")


def data(seed):
    """Two clouds of points that overlap."""
    rng = np.random.default_rng(seed)
    y = (rng.random(ROWS) < SHARE).astype(np.int64)
    x = rng.standard_normal((ROWS, 5)) + 0.8 * y[:, None]
    return x, y


def main():
    """The same network, every row weighing the same, then every class."""
    result = {}
    for name, class_weight in (("by rows", None), ("by classes", "balanced")):
        model = bp.Sequential(bp.Dense(16, activation="relu"), bp.Dense(2), seed=0)
        fit = {"loss": bp.CrossEntropy(), "optimizer": bp.Adam(2e-3), "epochs": 15, "class_weight": class_weight}
        history = model.fit(*data(0), **fit, seed=0)
        x, y = data(1)
        scores = model.evaluate(x, y, metrics=METRICS)
        found = (model.predict(x).argmax(axis=1) == 1)[y == 1].mean()
        shown = ", ".join(f"{metric} {scores[metric]:.1%}" for metric in METRICS)
        print(f"{name}: {shown}; of the rare rows {found:.1%} are found")
        result[name] = {**scores, "found": found}
    return {"loss": history["loss"], **result}


if __name__ == "__main__":
    main()
