"""Which learning rate? One short run with a rate that rises shows it; a schedule then makes the most of it."""

import backpass as bp

EPOCHS, BATCH = 10, 64


def network():
    """The same first weights each time."""
    return bp.Sequential(bp.Dense(64, activation="relu"), bp.Dense(10), input_shape=64, seed=0)


def main():
    """Looks for a rate, then trains with it: as it is, and in one cycle up and down (Smith 2018)."""
    x, y = bp.datasets.load_digits()
    train, test = bp.datasets.stratified_split(y, seed=0)
    x_train, y_train, loss = x[train], y[train], bp.CrossEntropy()
    found = bp.find_learning_rate(network(), x_train, y_train, loss=loss, optimizer=bp.SGD(0.1, momentum=0.9))
    steps = EPOCHS * -(-len(train) // BATCH)
    print(f"suggested rate: {found.suggestion:.3f}")
    runs = {
        "a thousandth of it": (found.suggestion / 1000, None),
        "constant": (found.suggestion, None),
        "one cycle": (found.suggestion, bp.OneCycle(steps)),
    }
    result = {"suggestion": found.suggestion}
    for name, (rate, schedule) in runs.items():
        model, optimizer = network(), bp.SGD(rate, momentum=0.9, schedule=schedule)
        history = model.fit(x_train, y_train, loss=loss, optimizer=optimizer, epochs=EPOCHS, batch_size=BATCH, seed=0)
        accuracy = model.evaluate(x[test], y[test], metrics=["accuracy"])["accuracy"]
        print(f"{name}: loss {history['loss'][-1]:.3f}, held-out accuracy {accuracy:.1%}")
        result[name] = {"loss": history["loss"], "accuracy": accuracy, "rates": history["learning_rate"]}
    return {"loss": history["loss"], **result}


if __name__ == "__main__":
    main()
