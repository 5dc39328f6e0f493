"""Twenty layers of SELU keep mean 0 and variance 1 without a normalising layer (Klambauer et al. 2017).

LeCun normal weights are what `Dense` takes before SELU; alpha dropout disturbs the units and keeps both moments.
"""

import numpy as np

import backpass as bp

DEPTH, UNITS = 20, 256


def moments(layers):
    """Mean and variance of the output of each `Dense`, in training on standard normal inputs."""
    model = bp.Sequential(*layers, input_shape=UNITS, seed=0)
    x = np.random.default_rng(0).standard_normal((256, UNITS)).astype(np.float32)
    shown = model.backprop(x, np.zeros_like(x), bp.MSE())
    return [(layer["a"].mean(), layer["a"].var()) for layer in shown if "weight" in layer]


def selu(units, rate):
    """Twenty layers, each with alpha dropout."""
    pairs = [(bp.Dense(units, activation="selu"), bp.AlphaDropout(rate)) for _ in range(DEPTH)]
    return [layer for pair in pairs for layer in pair]


def main():
    """SELU, with alpha dropout, and ReLU with the same first weights; then such a network learns the digits."""
    relu = [bp.Dense(UNITS, activation="relu", weight_init="lecun_normal") for _ in range(DEPTH)]
    shown = {"selu": selu(UNITS, 0.0), "selu and alpha dropout": selu(UNITS, 0.1), "relu": relu}
    result = {name: moments(layers) for name, layers in shown.items()}
    for name, values in result.items():
        mean, variance = values[-1]
        print(f"{name}: mean {mean:.3f}, variance {variance:.3g} after {DEPTH} layers")
    x, y = bp.datasets.load_digits()
    x = (x - x.mean()) / x.std()
    model = bp.Sequential(*selu(32, 0.01), bp.Dense(10), seed=0)
    fit = {"loss": bp.CrossEntropy(), "optimizer": bp.Adam(1e-3), "metrics": ["accuracy"], "seed": 0}
    history = model.fit(x, y, epochs=5, **fit)
    print(f"training accuracy {history['accuracy'][-1]:.1%} after {history.epochs} epochs")
    return {"loss": history["loss"], "accuracy": history["accuracy"][-1], **result}


if __name__ == "__main__":
    main()
