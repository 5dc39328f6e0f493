"""One hidden layer approximates any continuous function, the better the wider it is (Cybenko 1989; Hornik 1991).

Here a sine by pieces of straight lines: every ReLU has a kink, which begins anywhere in [-1, 1]. Of five seeds the best
fit counts: the theorem says that good weights are there, and not that training finds them from everywhere.
"""

import numpy as np

import backpass as bp

WIDTHS, SEEDS = (2, 4, 8, 16, 32, 64), range(5)


def uniform(shape, rng):
    """Numbers in [-1, 1]."""
    return rng.uniform(-1, 1, shape)


def fitted(width, seed, x, y):
    """The losses of a fit of one network."""
    kinks = {"weight_init": lambda shape, rng: rng.choice([-1, 1], shape), "bias_init": uniform}
    layers = [bp.Dense(width, activation="relu", **kinks), bp.Dense(1)]
    model = bp.Sequential(*layers, input_shape=1, dtype="float64", seed=seed)
    return model.fit(x, y, loss=bp.MSE(), optimizer=bp.LBFGS(), epochs=500, progress=False)["loss"]


def main():
    """Prints the root of the mean squared error for every width."""
    x = np.linspace(-1, 1, 100)[:, None]
    y = np.sin(np.pi * x)
    errors = {}
    for width in WIDTHS:
        losses = min((fitted(width, seed, x, y) for seed in SEEDS), key=lambda losses: losses[-1])
        errors[width] = np.sqrt(losses[-1])
        print(f"{width:2} hidden units: error {errors[width]:.2e}")
    return {"loss": losses, "errors": errors}


if __name__ == "__main__":
    main()
