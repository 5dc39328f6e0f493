"""Newton's method beside gradient descent, on logistic regression: the right digits double with each step.

A step solves with the Hessian: `bp.hessian` and `bp.linalg`, in one compiled function, weights in and weights out. Near
the minimum, the error after a step is a multiple of the square of the error before it. Descent gains an equal share in
each step, here a tiny one, because the curvature differs so much by direction.
"""

import numpy as np

import backpass as bp

PENALTY, STEPS, DESCENT = 1e-3, 10, 1000


def loss(w, x, y):
    """Logistic regression: w (columns,), x (rows, columns), y 1 or -1; a small L2 penalty makes the minimum unique."""
    return bp.mean(bp.softplus(-y * (x @ w))) + PENALTY / 2 * bp.dot(w, w)


@bp.compile
def newton(w, x, y):
    """Where the quadratic with the same slope and curvature is least."""
    return w - bp.linalg.solve(bp.hessian(loss)(w, x, y), bp.grad(loss)(w, x, y))


@bp.compile
def descend(w, x, y, rate):
    """A step down the slope."""
    return w - rate * bp.grad(loss)(w, x, y)


def path(step, start, count):
    """All weights on the way."""
    places = [start]
    for _ in range(count):
        places.append(step(places[-1]))
    return np.array(places)


def main():
    """Is a digit an 8? Both begin at zero; how far from the minimum are they after each step?"""
    images, labels = bp.datasets.load_digits()
    x = np.column_stack([images, np.ones(len(images))]).astype(np.float64)
    y = np.where(labels == 8, 1.0, -1.0)
    start = np.zeros(x.shape[1])
    curvature = np.linalg.eigvalsh(bp.hessian(loss)(start, x, y))[-1]  # nowhere is it larger, and at least PENALTY
    ways = {
        "newton": path(lambda w: newton(w, x, y), start, STEPS),
        "descent": path(lambda w: descend(w, x, y, 2 / (curvature + PENALTY)), start, DESCENT),
    }
    best = ways["newton"][-1]
    errors = {name: np.linalg.norm(places - best, axis=1) for name, places in ways.items()}
    losses = [float(bp.compile(loss)(w, x, y)) for w in ways["newton"]]
    print("newton: ", *(f"{error:.0e}" for error in errors["newton"][:9]))
    print("descent:", *(f"{error:.0e}" for error in errors["descent"][:: DESCENT // 8]), f"in {DESCENT} steps")
    return {"loss": losses, "errors": errors}


if __name__ == "__main__":
    main()
