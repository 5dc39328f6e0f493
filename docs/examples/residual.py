"""Fifty layers, plain and with skip connections (He et al. 2016).

Every sigmoid passes on a quarter of the gradient at most, so that nothing of it reaches the first of fifty layers.
Around x + f(x) the gradient is the sum of both branches, and the one through x loses nothing.
"""

import numpy as np

import backpass as bp

DEPTH, UNITS = 50, 16


def network(residual):
    """As many weights either way."""
    layers = [bp.Dense(UNITS, activation="sigmoid") for _ in range(DEPTH)]
    blocks = [bp.Residual(layer) for layer in layers] if residual else layers
    return bp.Sequential(bp.Dense(UNITS), *blocks, bp.Dense(10), input_shape=64, seed=1)


def gradient_at_the_split():
    """Of a block x + f(x): by the whole block, by f alone, and by the skip connection alone, which passes it on."""
    inner = bp.Dense(UNITS, activation="sigmoid")
    block = bp.Sequential(bp.Residual(inner), input_shape=UNITS, dtype="float64", seed=2)
    branch = bp.Sequential(inner, input_shape=UNITS, dtype="float64", seed=2)
    branch.flat_parameters[:] = block.flat_parameters
    x, grad = np.random.default_rng(0).standard_normal((2, 5, UNITS))
    block.forward(x)
    branch.forward(x)
    return block.backward(grad), branch.backward(grad), grad


def main():
    """Trains both on the digits."""
    x, y = bp.datasets.load_digits()
    whole, by_branch, by_skip = gradient_at_the_split()
    print(f"gradient at the split: {np.abs(whole - (by_branch + by_skip)).max():.1e} from the sum over the branches")
    result = {"whole": whole, "by_branch": by_branch, "by_skip": by_skip}
    for name, residual in (("plain", False), ("residual", True)):
        model = network(residual)
        deltas = [np.linalg.norm(layer["delta"]) for layer in model.backprop(x[:100], y[:100], bp.CrossEntropy())]
        passed = deltas[1] / deltas[-1]
        fit = {"loss": bp.CrossEntropy(), "optimizer": bp.Adam(1e-2), "metrics": ["accuracy"], "seed": 0}
        history = model.fit(x, y, epochs=6, batch_size=64, **fit)
        accuracy = history["accuracy"][-1]
        print(f"{name}: {passed:.1e} of the gradient reaches the first layer; training accuracy {accuracy:.1%}")
        result[name] = {"passed": passed, "accuracy": accuracy}
    return {"loss": history["loss"], **result}


if __name__ == "__main__":
    main()
