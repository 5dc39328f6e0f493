"""Down a curve: initialize, step, take the new weight, repeat, report. And what the step size decides.

The curve is (w - 3)^2, so a step multiplies the distance to the minimum by 1 - 2 eta: with eta = 0.3 little of it is
left after a few steps, with 0.001 most of it, and with 1.1 each step overshoots further than the last.
"""

import backpass as bp

START, MINIMUM = 10.0, 3.0


def descend(eta, steps):
    """The weights on the way down."""
    model = bp.Sequential(bp.Dense(1, bias=False), input_shape=1, dtype="float64", seed=0)
    model.flat_parameters[0] = START  # 1. initialize
    trainer = bp.Trainer(model, bp.MSE(), bp.SGD(eta))
    path = [START]
    for _ in range(steps):  # 4. repeat
        trainer.step([[1.0]], [[MINIMUM]])  # 2. step against the slope
        path.append(model.flat_parameters[0].item())  # 3. the new weight
    return path  # 5. report


def main():
    """Five steps in detail, then fifty with three step sizes."""
    five = descend(0.45, 5)
    print("five steps:", " -> ".join(f"{w:.4f}" for w in five))
    paths = {eta: descend(eta, 50) for eta in (1.1, 0.3, 0.001)}
    for eta, path in paths.items():
        print(f"eta = {eta}: from {START} to {path[-1]:.6g} in 50 steps")
    return {"loss": [(w - MINIMUM) ** 2 for w in five], "five": five, "paths": paths}


if __name__ == "__main__":
    main()
