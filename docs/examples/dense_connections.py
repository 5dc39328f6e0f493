"""Densely connected layers (Huang et al. 2017): each gets the outputs of all layers before it, side by side.

Every layer adds a few features and may use all that are there; the last one sees the pixels themselves as well.
"""

import backpass as bp

GROWTH, LAYERS = 12, 4


def dense_block(x, growth=GROWTH, layers=LAYERS):
    """From (batch, features) to (batch, features + layers * growth)."""
    for _ in range(layers):
        x = bp.Concat()(x, bp.Dense(growth, activation="relu")(x))
    return x


def main():
    """Checks the gradient of a small block, then trains one on the digits."""
    x, y = bp.datasets.load_digits()
    train, test = bp.datasets.stratified_split(y, seed=0)
    small = bp.Input(4, dtype="float64")
    block = bp.Network(small, bp.Dense(3)(dense_block(small, growth=2, layers=3)), seed=0)
    error = bp.gradcheck(block, bp.CrossEntropy(), x[:5, 10:14], y[:5] % 3)
    pixels = bp.Input(64)
    model = bp.Network(pixels, bp.Dense(10)(dense_block(pixels)), seed=0)
    history = model.fit(x[train], y[train], loss=bp.CrossEntropy(), optimizer=bp.Adam(3e-3), epochs=12, seed=0)
    accuracy = model.evaluate(x[test], y[test], metrics=["accuracy"])["accuracy"]
    print(f"gradcheck {error:.1e}; {model.n_parameters} parameters, held-out accuracy {accuracy:.1%}")
    return {"loss": history["loss"], "gradcheck": error, "accuracy": accuracy, "names": [*model.parameters()]}


if __name__ == "__main__":
    main()
