"""A training run that crashes and is resumed ends with the same bits as one that nothing happened to."""

import tempfile
from pathlib import Path

import numpy as np

import backpass as bp

EPOCHS = 8


class Crash(bp.Callback):
    """What nobody asks for."""

    def __init__(self, step):
        """None for never."""
        self.step = step

    def on_batch_end(self, trainer, logs):
        """In the middle of an epoch."""
        if trainer.optimizer.steps == self.step:
            raise ConnectionError("the power went out")


def train(path, crash=None):
    """A script that can be started again and again: where the checkpoint exists it goes on from there."""
    x, y = bp.datasets.load_digits()
    model = bp.Sequential(bp.Dense(32, activation="relu"), bp.Dropout(0.2), bp.Dense(10), seed=0)
    keep = bp.Checkpoint(path, every_batches=7)
    fit = {"loss": bp.CrossEntropy(), "optimizer": bp.Adam(2e-3), "epochs": EPOCHS, "batch_size": 64, "seed": 0}
    history = model.fit(x, y, **fit, callbacks=[keep, Crash(crash)], resume=path)
    return model, history


def main():
    """Without a crash; then with one, and again."""
    with tempfile.TemporaryDirectory() as folder:
        whole, expected = train(Path(folder) / "whole.checkpoint")
        path = Path(folder) / "crashed.checkpoint"
        try:
            train(path, crash=100)
        except ConnectionError as error:
            print(f"the first run ended: {error}")
        resumed, history = train(path)
    same = np.array_equal(resumed.flat_parameters, whole.flat_parameters)
    print(f"resumed, loss {history['loss'][0]:.3f} to {history['loss'][-1]:.3f}; the same bits: {same}")
    return {"loss": history["loss"], "expected": expected["loss"], "same": same}


if __name__ == "__main__":
    main()
