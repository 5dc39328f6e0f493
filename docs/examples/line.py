"""A line through noisy points: gradient descent finds what least squares gives in closed form."""

import numpy as np

import backpass as bp


def main():
    """Fits y = 2 x - 1 and compares with NumPy's solution."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 100)
    y = 2 * x - 1 + rng.normal(0, 0.1, 100)
    model = bp.Sequential(bp.Dense(1), dtype="float64", seed=0)
    history = model.fit(x[:, None], y, loss=bp.MSE(), optimizer=bp.SGD(0.3), epochs=100, batch_size=100)
    found, exact = model.flat_parameters, np.polyfit(x, y, 1)
    print(f"gradient descent: y = {found[0]:.4f} x + {found[1]:.4f}")
    print(f"least squares:    y = {exact[0]:.4f} x + {exact[1]:.4f}")
    return {"loss": history["loss"], "found": found.copy(), "exact": exact}


if __name__ == "__main__":
    main()
