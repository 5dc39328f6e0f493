"""Highway layers (Srivastava et al. 2015): a gate decides how much of the input a layer transforms, and how much it
carries on. Fifty of them train where fifty plain layers do not.

y = t(x) h(x) + (1 - t(x)) x. The gate's bias starts negative, so that at first nearly all is carried.
"""

import numpy as np

import backpass as bp

DEPTH, UNITS = 50, 16


def gate_bias(shape, rng):
    """Closed at first: sigmoid(-3) is 0.05."""
    return np.full(shape, -3.0)


class Highway(bp.Layer):
    """A layer made of layers; it is differentiated, fused and saved like those of the library."""

    def __init__(self, units):
        """What is transformed, and by how much."""
        self.units = units
        self.transform = bp.Dense(units, activation="sigmoid")
        self.gate = bp.Dense(units, activation="sigmoid", bias_init=gate_bias)

    def forward(self, x):
        """The transformed part and the carried part."""
        gate = self.gate(x)
        return gate * self.transform(x) + (1 - gate) * x


def main():
    """Checks the layer's gradient, then trains both networks on the digits."""
    x, y = bp.datasets.load_digits()
    small = bp.Sequential(Highway(5), Highway(5), bp.Dense(3), input_shape=5, seed=0)
    error = bp.gradcheck(small, bp.CrossEntropy(), x[:6, 2:7], y[:6] % 3)
    print(f"gradcheck: {error:.1e}")
    result = {"gradcheck": error}
    plain = [bp.Dense(UNITS, activation="sigmoid") for _ in range(DEPTH)]
    for name, layers in (("plain", plain), ("highway", [Highway(UNITS) for _ in range(DEPTH)])):
        model = bp.Sequential(bp.Dense(UNITS), *layers, bp.Dense(10), seed=1)
        fit = {"loss": bp.CrossEntropy(), "optimizer": bp.Adam(1e-2), "metrics": ["accuracy"], "seed": 0}
        history = model.fit(x, y, epochs=8, batch_size=64, **fit)
        print(f"{name}: training accuracy {history['accuracy'][-1]:.1%} after {history.epochs} epochs")
        result[name] = history["accuracy"][-1]
    return {"loss": history["loss"], **result}


if __name__ == "__main__":
    main()
