"""Recurrent networks in training: carried states, and tasks that need memory."""

import numpy as np
import pytest

import backpass as bp
from registry import generator

KINDS = {"RNN": bp.RNN, "LSTM": bp.LSTM, "GRU": bp.GRU}
STEPS, WINDOW = 12, 4


@pytest.mark.row("G8")
@pytest.mark.parametrize("kind", KINDS)
def test_truncated_backpropagation_is_the_whole_restricted_to_a_window(kind):
    """States are carried from window to window, and gradients end where a window begins."""
    layer = KINDS[kind](5, return_state=True)
    x = bp.tensor(generator("windows", kind).standard_normal((3, STEPS, 2)))
    whole, *_ = layer(x)
    leaves = list(layer.parameters())
    state, totals = (), [0.0] * len(leaves)
    for begin in range(0, STEPS, WINDOW):
        y, *after = layer(x[:, begin : begin + WINDOW], *state)
        np.testing.assert_allclose(np.asarray(y), np.asarray(whole)[:, begin : begin + WINDOW], atol=1e-12)
        for leaf in leaves:
            leaf.grad = None
        bp.sum(bp.square(y)).backward()
        totals = [total + np.asarray(leaf.grad) for total, leaf in zip(totals, leaves, strict=True)]
        state = tuple(h.detach() for h in after)
    # The same from the whole: in each window the states before it are constants.
    for leaf in leaves:
        leaf.grad = None
    state, loss = (), 0.0
    for begin in range(0, STEPS, WINDOW):
        y, *after = layer(x[:, begin : begin + WINDOW], *state)
        loss = loss + bp.sum(bp.square(y))
        state = tuple(bp.stop_gradient(h) for h in after)
    loss.backward()
    for total, leaf in zip(totals, leaves, strict=True):
        np.testing.assert_allclose(np.asarray(leaf.grad), total, atol=1e-10)


def adding_problem(rows, steps, seed):
    """Numbers, and marks at two of them, whose sum is asked for (Hochreiter and Schmidhuber 1997)."""
    rng = np.random.default_rng(seed)
    numbers, marks = rng.uniform(size=(rows, steps)), np.zeros((rows, steps))
    first, second = rng.integers(0, steps // 2, rows), rng.integers(steps // 2, steps, rows)
    every = np.arange(rows)
    marks[every, first] = marks[every, second] = 1
    target = numbers[every, first] + numbers[every, second]
    return np.stack([numbers, marks], -1).astype("float32"), target[:, None].astype("float32")


@pytest.mark.nightly
@pytest.mark.row("G9")
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_adding_problem_over_a_hundred_steps(kind):
    """Guessing the mean has an error of 0.167."""
    x, y = adding_problem(10000, 100, 0)
    held_out = adding_problem(2000, 100, 1)
    model = bp.Sequential(KINDS[kind](64, return_sequences=False), bp.Dense(1), input_shape=(100, 2), seed=0)
    optimizer = bp.Adam(2e-3, clip_norm=1.0)
    model.fit(x, y, loss="mse", optimizer=optimizer, epochs=EPOCHS, batch_size=50)
    assert model.evaluate(*held_out, loss="mse")["loss"] < 0.01


EPOCHS = 25


def test_an_lstm_reads_digits_row_by_row():
    x, y = bp.datasets.load_digits()
    x = x.reshape(-1, 8, 8)
    order = np.random.default_rng(0).permutation(len(x))
    train, held_out = order[:1437], order[1437:]
    model = bp.Sequential(bp.LSTM(64, return_sequences=False), bp.Dense(10), input_shape=(8, 8), seed=0)
    model.fit(x[train], y[train], loss="cross_entropy", optimizer=bp.Adam(5e-3), epochs=20, batch_size=32)
    assert model.evaluate(x[held_out], y[held_out], metrics=["accuracy"])["accuracy"] >= 0.95
