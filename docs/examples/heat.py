"""A physics-informed network solves the heat equation u_t = a u_xx on a rod with cold ends (Raissi et al. 2019).

It never sees the solution. The residual inside, the ends and the start are three data sets of one fit, and L-BFGS takes
them together. The loss differentiates the network by its inputs, twice. Here the solution is known in closed form.
"""

import numpy as np

import backpass as bp

DIFFUSIVITY = 0.1


def solution(x, t):
    """A sine that decays; the network is told no more of it than how it starts."""
    return np.exp(-DIFFUSIVITY * np.pi**2 * t) * np.sin(np.pi * x)


def residual(u, x):
    """The square of u_t - a u_xx; x is (rows, 2), place and time."""
    (slopes,) = bp.gradients(bp.sum(u), [x])
    (curvature,) = bp.gradients(bp.sum(slopes[:, 0]), [x])
    return bp.square(slopes[:, 1] - DIFFUSIVITY * curvature[:, 0])


def main():
    """Fits, and compares on a grid."""
    rng = np.random.default_rng(0)
    inside = rng.uniform(size=(1000, 2))
    ends = np.column_stack([np.arange(100) % 2, rng.uniform(size=100)])
    start = np.column_stack([rng.uniform(size=100), np.zeros(100)])
    layers = [bp.Dense(20, activation="tanh"), bp.Dense(20, activation="tanh"), bp.Dense(1)]
    model = bp.Sequential(*layers, input_shape=2, dtype="float64", seed=0)
    data = [
        bp.Data(inside, loss=residual, name="inside"),
        bp.Data(ends, np.zeros(100), loss="mse", weight=10.0, name="ends"),
        bp.Data(start, solution(*start.T), loss="mse", weight=10.0, name="start"),
    ]
    history = model.fit(data, optimizer=bp.LBFGS(history_size=50), epochs=1500, progress=False)
    x, t = np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 1, 101))
    error = model.predict(np.column_stack([x.ravel(), t.ravel()]))[:, 0] - solution(x, t).ravel()
    relative = np.linalg.norm(error) / np.linalg.norm(solution(x, t))
    print(f"loss {history['loss'][0]:.2f} to {history['loss'][-1]:.1e}")
    print(f"largest error {np.abs(error).max():.1e}, relative {relative:.1e}")
    return {"loss": history["loss"], "largest": np.abs(error).max(), "relative": relative}


if __name__ == "__main__":
    main()
