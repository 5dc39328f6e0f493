"""A deep network of sigmoids with and without batch normalisation (Ioffe and Szegedy 2015)."""

import backpass as bp

DEPTH, UNITS = 8, 32


def network(normalised):
    """Dense, perhaps normalised, sigmoid: DEPTH times."""
    layers = []
    for _ in range(DEPTH):
        layers += [bp.Dense(UNITS), bp.BatchNorm(), bp.Sigmoid()] if normalised else [bp.Dense(UNITS), bp.Sigmoid()]
    return bp.Sequential(*layers, bp.Dense(10), seed=0)


def main():
    """Trains both on the digits in the same way."""
    x, y = bp.datasets.load_digits()
    train, test = bp.datasets.stratified_split(y, seed=0)
    result = {}
    for name, normalised in (("without", False), ("with", True)):
        model = network(normalised)
        fit = {"loss": bp.CrossEntropy(), "optimizer": bp.SGD(0.1, momentum=0.9), "batch_size": 64, "seed": 0}
        history = model.fit(x[train], y[train], epochs=10, **fit)
        result[name] = model.evaluate(x[test], y[test], metrics=["accuracy"])["accuracy"]
        print(f"{name} batch normalisation: held-out accuracy {result[name]:.1%}")
    return {"loss": history["loss"], **result}


if __name__ == "__main__":
    main()
