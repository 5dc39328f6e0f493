"""Augmentation: images that are shifted at random teach that a shifted digit is the same digit."""

import numpy as np

import backpass as bp

SIDE = 8


def shifted(x):
    """Every image one pixel to the right."""
    images = x.reshape(-1, SIDE, SIDE)
    return np.roll(images, 1, axis=2).reshape(x.shape)


def main():
    """The same network with and without; looked at on digits as they are, and on shifted ones."""
    x, y = bp.datasets.load_digits()
    train, test = bp.datasets.stratified_split(y, seed=0)
    result = {}
    for name, augment in (("plain", None), ("augmented", bp.augment.crop((SIDE, SIDE), padding=1))):
        model = bp.Sequential(bp.Dense(128, activation="relu"), bp.Dense(10), seed=0)
        fit = {"loss": bp.CrossEntropy(), "optimizer": bp.Adam(2e-3), "epochs": 20, "seed": 0}
        history = model.fit(x[train], y[train], augment=augment, **fit)
        as_is, moved = (
            model.evaluate(rows, y[test], metrics=["accuracy"])["accuracy"] for rows in (x[test], shifted(x[test]))
        )
        print(f"{name}: held-out accuracy {as_is:.1%}, of shifted digits {moved:.1%}")
        result[name] = {"as_is": as_is, "shifted": moved}
    return {"loss": history["loss"], **result}


if __name__ == "__main__":
    main()
