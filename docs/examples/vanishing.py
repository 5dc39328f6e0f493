"""How gradients vanish on the way back: every sigmoid passes on a quarter of what it gets at most.

First the network of docs/mathematics.md with one unit in each of two layers: its gradients by hand. Then twenty layers,
of sigmoids, and of ReLUs with the weights of He et al. 2015, which keep the size of what passes through.
"""

import numpy as np

import backpass as bp

DEPTH, UNITS = 20, 64


def worked():
    """The delta and the gradient of the weight of both layers: x = 1, w = 0.5 and -0.3, target 1, no biases."""
    layers = [bp.Dense(1, activation="sigmoid", bias=False) for _ in range(2)]
    model = bp.Sequential(*layers, input_shape=1, dtype="float64", seed=0)
    model.flat_parameters[:] = [0.5, -0.3]
    shown = model.backprop([[1.0]], [[1.0]], bp.HalfMSE())
    return [(layer["delta"].item(), layer["weight"].item()) for layer in shown]


def network(activation, initializer):
    """Twenty hidden layers for the digits."""
    hidden = [bp.Dense(UNITS, activation=activation, weight_init=initializer) for _ in range(DEPTH)]
    return bp.Sequential(*hidden, bp.Dense(10), input_shape=64, dtype="float64", seed=1)


def main():
    """Prints norms of delta from the first layer to the last; the network whose deltas keep their size is trained."""
    (delta1, dw1), (delta2, dw2) = worked()
    print(f"two sigmoids: delta {delta1:.7f} and {delta2:.7f}, {delta2 / delta1:.2f} times apart")
    print(f"              dw    {dw1:.7f} and {dw2:.7f}, {dw2 / dw1:.2f} times apart")
    x, y = bp.datasets.load_digits()
    result = {"deltas apart": delta2 / delta1, "weights apart": dw2 / dw1}
    for activation, initializer in (("sigmoid", "glorot_uniform"), ("relu", "he_normal")):
        model = network(activation, initializer)
        shown = model.backprop(x[:100], y[:100], bp.CrossEntropy())[:DEPTH]
        norms = [np.linalg.norm(layer["delta"]) for layer in shown]
        print(f"{activation}: |delta| of layers 1, 4, ..., 19 and 20:", *(f"{n:.0e}" for n in (*norms[::3], norms[-1])))
        result[activation] = norms
    history = model.fit(x, y, loss=bp.CrossEntropy(), optimizer=bp.Adam(1e-3), epochs=3, batch_size=64, seed=0)
    print(f"loss of the relus: {history['loss'][0]:.2f} in the first epoch, {history['loss'][-1]:.2f} in the third")
    return {"loss": history["loss"], **result}


if __name__ == "__main__":
    main()
