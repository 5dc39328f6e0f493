"""Overfitting: the training loss goes on falling while the validation loss has turned. Seen, flagged, and stopped.

A large network and few rows, of which some have a wrong label: what it learns last are the mistakes.
"""

import numpy as np

import backpass as bp

ROWS, WRONG = 200, 60


def data():
    """Digits to train on, some of them mislabelled, and digits to look at."""
    x, y = bp.datasets.load_digits()
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(x))
    train, held_out = rows[:ROWS], rows[ROWS : ROWS + 600]
    labels = y[train].copy()
    labels[:WRONG] = rng.integers(0, 10, WRONG)
    return (x[train], labels), (x[held_out], y[held_out])


def fit(callbacks):
    """The same network with the same settings."""
    train, held_out = data()
    model = bp.Sequential(bp.Dense(256, activation="relu"), bp.Dense(10), input_shape=64, seed=0)
    history = model.fit(
        *train,
        loss=bp.CrossEntropy(),
        optimizer=bp.Adam(2e-3),
        epochs=80,
        validation_data=held_out,
        metrics=["accuracy"],
        callbacks=callbacks,
        seed=0,
    )
    return history, model.evaluate(*held_out, metrics=["accuracy"])


def main():
    """To the end, and with early stopping, which goes back to the best weights."""
    stopping = bp.EarlyStopping(monitor="val_loss", patience=8)
    (full, last), (stopped, best) = fit([]), fit([stopping])
    for epoch in (1, 5, 10, 20, 40, 80):
        print(f"epoch {epoch}: loss {full['loss'][epoch - 1]:.3f}, validation {full['val_loss'][epoch - 1]:.3f}")
    print(f"overfits: {full.overfits()}; stopped after {stopped.epochs}: best epoch {stopping.best_epoch + 1}")
    print(f"held-out accuracy {last['accuracy']:.1%} at the end, {best['accuracy']:.1%} stopped early")
    columns = {"loss": full["loss"], "val_loss": full["val_loss"], "overfits": full.overfits()}
    return {**columns, "last": last, "best": best, "stopped": stopped["val_loss"], "best_epoch": stopping.best_epoch}


if __name__ == "__main__":
    main()
