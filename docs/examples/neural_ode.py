"""A neural ordinary differential equation learns the flow of a spiral (Chen et al. 2018).

The field f of y' = f(y) is a network, and the model is its integral: steps of Runge and Kutta's fourth order, through
which the gradient flows. It sees short pieces of one path; then it follows the whole path from its first point.
"""

import numpy as np

import backpass as bp

MATRIX = np.array([[-0.1, 2.0], [-2.0, -0.1]])
STEP, LENGTH, PIECE = 0.05, 200, 10


def rk4(field, y):
    """One step."""
    k1 = field(y)
    k2 = field(y + STEP / 2 * k1)
    k3 = field(y + STEP / 2 * k2)
    k4 = field(y + STEP * k3)
    return y + STEP / 6 * (k1 + 2 * (k2 + k3) + k4)


def path(field, y, steps):
    """The places after each step."""
    places = [y]
    for _ in range(steps):
        places.append(rk4(field, places[-1]))
    return places[1:]


def spiral(steps):
    """Places (steps + 1, 2) of the path that is to be learned: y' = A y^3."""
    start = np.array([2.0, 0.0])
    return np.stack([start, *path(lambda y: MATRIX @ y**3, start, steps)])


def main():
    """Fits pieces, checks the gradient through all steps, and follows the path."""
    truth = spiral(LENGTH)
    starts = truth[:-PIECE]
    pieces = np.stack([truth[k : len(starts) + k] for k in range(1, PIECE + 1)], axis=1)
    field = bp.Sequential(bp.Dense(32, activation="tanh"), bp.Dense(32, activation="tanh"), bp.Dense(2), input_shape=2,
                          dtype="float64", seed=0)  # fmt: skip
    y = bp.Input(2, dtype="float64")
    flow = bp.Network(y, bp.stack(path(field, y, PIECE), axis=1), seed=0)
    worst = bp.gradcheck(flow, bp.MSE(), starts[:3], pieces[:3])
    history = flow.fit(starts, pieces, loss=bp.MSE(), optimizer=bp.LBFGS(history_size=100), epochs=1500, progress=False)
    followed = np.stack([truth[:1], *path(field.predict, truth[:1], LENGTH)])[:, 0]
    error = np.abs(followed - truth).max()
    print(f"gradient through {4 * PIECE} calls of the field: {worst:.1e} from finite differences")
    print(f"loss {history['loss'][0]:.2f} to {history['loss'][-1]:.1e}; the whole path within {error:.1e}")
    return {"loss": history["loss"], "gradcheck": worst, "error": error}


if __name__ == "__main__":
    main()
