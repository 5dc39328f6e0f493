"""A network learns a new sine from ten points in one step, because that is what it was trained for (Finn et al. 2017).

Each task is a sine of another height and phase. What MAML trains is where to start: its loss is that of new points of a
task after a step of descent on ten, so the gradient goes through that step and has second derivatives in it. `bp.vmap`
runs the tasks of a batch as one plan. A network that was trained on all tasks at once answers with the mean, and steps
of any size help it little.
"""

import numpy as np

import backpass as bp

SHOTS, TASKS, TURNS, RATE, STEP = 10, 25, 5000, 1e-2, 0.01


def network(seed):
    """Two hidden layers."""
    layers = [bp.Dense(40, activation="tanh"), bp.Dense(40, activation="tanh"), bp.Dense(1)]
    return bp.Sequential(*layers, input_shape=1, seed=seed)


predict, _ = network(0).functional()


def sines(count, rng):
    """Points of tasks to learn from, x and y, and others to be tested on; each (count, SHOTS, 1)."""
    height, phase = rng.uniform(0.1, 5, (count, 1, 1)), rng.uniform(0, np.pi, (count, 1, 1))
    x, x_new = rng.uniform(-5, 5, (2, count, SHOTS, 1))
    return x, height * np.sin(x - phase), x_new, height * np.sin(x_new - phase)


def error(parameters, x, y):
    """The mean squared error on one task."""
    return bp.mean(bp.square(predict(parameters, x) - y))


def error_after(steps):
    """The mean over tasks of the error on new points, after steps of descent on the others."""

    def of_task(parameters, size, x, y, x_new, y_new):
        for _ in range(steps):
            slopes = bp.grad(error)(parameters, x, y)
            parameters = bp.tree.map(lambda w, slope: w - size * slope, parameters, slopes)
        return error(parameters, x_new, y_new)

    return bp.compile(lambda *given: bp.mean(bp.vmap(of_task, in_axes=(None, None, 0, 0, 0, 0))(*given)))


def train(steps, seed):
    """A network that is to be good after as many steps, and its loss over time."""
    model, optimizer, rng, losses = network(seed), bp.Adam(), np.random.default_rng(seed), []
    descend = bp.value_and_grad(error_after(steps))
    for turn in range(TURNS):
        loss, gradients = descend(model.parameters(), STEP, *sines(TASKS, rng))
        model.gradients().update(gradients)
        optimizer.learning_rate = RATE * (1 - turn / TURNS)
        optimizer.step(model)
        losses.append(loss)
    return model, np.array(losses).reshape(10, -1).mean(axis=1)


def main(seed=0):
    """Compares on 1,000 new tasks. The network that was not trained for steps takes the size that helps it most."""
    tests, result = sines(1000, np.random.default_rng(seed + 1000)), {}
    for name, steps, sizes in (("maml", 1, [STEP]), ("all tasks", 0, [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2])):
        model, losses = train(steps, seed)
        after = {k: min(float(error_after(k)(model.parameters(), size, *tests)) for size in sizes) for k in (0, 1, 5)}
        result[name] = {"loss": losses, "after": after}
        print(f"{name}: squared error {after[0]:.2f} before, {after[1]:.2f} after a step, {after[5]:.2f} after five")
    return {"loss": result["maml"]["loss"], **result}


if __name__ == "__main__":
    main()
