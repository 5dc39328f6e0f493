"""`python -m bench.tables.defaults`: how the last layer starts, and what batch, rate and decay serve best, measured.

Each setting is tried on every table with several splits and seeds, in pairs with the first of its kind, and on carts
that learn to balance poles. Training ends by rows held out of the training rows; test rows choose nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

import backpass as bp

from .carts import example, reinforce
from .prepare import numbers
from .tables import CASES, Case, MissingTableError

ROWS, EPOCHS, PATIENCE = 3000, 200, 10  # at most so many rows of a table
HIDDEN = ((32,), (64, 64))  # in turn


def torch_uniform(shape: Any, rng: Any) -> Any:
    """Up to 1 / sqrt(inputs), as PyTorch's Linear starts."""
    return rng.uniform(-1, 1, shape) / np.sqrt(shape[-1])


def glorot(factor: float) -> Callable[[Any, Any], Any]:
    """Glorot's uniform, times a factor."""
    return lambda shape, rng: factor * rng.uniform(-1, 1, shape) * np.sqrt(6 / sum(shape))


LAST: dict[str, dict[str, Any]] = {
    "glorot": {"weight_init": "glorot_uniform"},
    "he": {"weight_init": "he_uniform"},
    "torch": {"weight_init": torch_uniform},
    "x0.1": {"weight_init": glorot(0.1)},
    "x0.01": {"weight_init": glorot(0.01)},
    "zeros": {"weight_init": "zeros"},
}
OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "last": {name: {"last": last} for name, last in LAST.items()},
    "last, SGD": {name: {"last": last, "sgd": True} for name, last in LAST.items()},
    "batch": {str(size): {"batch_size": size} for size in (32, 16, 64, 128, 256)},
    "rate": {str(rate): {"rate": rate} for rate in (1e-3, 3e-4, 2e-3, 4e-3)},
    "decay": {str(decay): {"decay": decay} for decay in (0.0, 1e-3, 1e-2, 1e-1)},
}


def fit(
    data: Any,
    task: str,
    seed: int,
    last: Any = None,
    batch_size: int = 32,
    rate: float = 1e-3,
    decay: float = 0.0,
    sgd: bool = False,
) -> dict[str, float]:
    """Scores on test rows (accuracy or R2; the mean loss), and the epochs that were trained."""
    x, y, x_val, y_val, x_test, y_test = data
    units = int(y.max()) + 1 if task == "classes" else 1
    hidden = [bp.Dense(size, activation="relu") for size in HIDDEN[seed % len(HIDDEN)]]
    model = bp.Sequential(*hidden, bp.Dense(units, **(last or {})), seed=seed)
    loss = bp.CrossEntropy() if task == "classes" else bp.MSE()
    adam = bp.AdamW(rate, weight_decay=decay) if decay else bp.Adam(rate)
    optimizer = bp.SGD(0.01, momentum=0.9, clip_norm=1.0) if sgd else adam
    stopping = bp.EarlyStopping(patience=PATIENCE)
    begin = time.perf_counter()
    history = model.fit(
        x,
        y,
        loss=loss,
        optimizer=optimizer,
        epochs=EPOCHS,
        batch_size=batch_size,
        validation_data=(x_val, y_val),
        callbacks=[stopping],
        seed=seed,
        progress=False,
    )
    seconds, outputs = time.perf_counter() - begin, model.predict(x_test)
    test_loss = float(loss.value_and_grad(outputs, y_test)[0])
    score = (outputs.argmax(axis=1) == y_test).mean() if task == "classes" else 1 - test_loss / y_test.var()
    return {"score": float(score), "loss": test_loss, "epochs": history.epochs, "seconds": seconds}


def split(case: Case, folder: Path | None, seed: int) -> Any:
    """Rows to train on, to validate by and to test on, as arrays."""
    x, y = case.load(folder)
    if len(y) > ROWS:
        rows = np.random.default_rng(seed).permutation(len(y))[:ROWS]
        x, y = x.iloc[rows], y[rows]
    found: list[Any] = []
    rest = np.arange(len(y))
    for share in (0.25, 0.2):
        strata = y[rest] if case.task == "classes" and np.bincount(y[rest])[np.unique(y[rest])].min() > 2 else None
        rest, part = train_test_split(rest, test_size=share, random_state=seed, stratify=strata)
        found.insert(0, part)
    train, (held, test) = rest, found
    prepare = numbers().fit(x.iloc[train])
    if case.task == "numbers":
        y = ((y - y[train].mean()) / y[train].std()).astype(np.float32)[:, None]
    else:
        y = y.astype(np.int32)
    parts = []
    for rows in (train, held, test):
        parts += [prepare.transform(x.iloc[rows]).astype(np.float32), y[rows]]
    return parts


def on_carts(last: dict[str, Any], seed: int) -> dict[str, float]:
    """How long poles stay up: REINFORCE over its training, PPO and Q-learning after it."""
    ppo, dqn = example("cart_pole", last), example("dqn", last)
    after = ppo.score(ppo.likelier(ppo.train(seed)[0])).mean()
    tests = dqn.train(seed)[1]
    return {"REINFORCE": reinforce(last, seed), "PPO": float(after), "Q, tests": float(len(tests)), "Q": tests[-1]}


def main() -> None:
    """Writes a line of JSON for each fit."""
    parser = argparse.ArgumentParser(prog="python -m bench.tables.defaults", description=__doc__)
    parser.add_argument("what", choices=[*OPTIONS, "carts"])
    parser.add_argument("--data", type=Path, help="a folder with uci/power-plant.txt and uci/protein.txt")
    parser.add_argument("--runs", type=int, nargs=2, default=[0, 6], metavar=("FROM", "TO"))
    parser.add_argument("--tables", nargs="+", help="only these")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for seed in range(*asked.runs):
        if asked.what == "carts":
            for name, last in LAST.items():
                print(json.dumps({"table": "carts", "setting": name, "seed": seed, **on_carts(last, seed)}), flush=True)
            continue
        for case in CASES:
            if asked.tables and case.name not in asked.tables:
                continue
            try:
                data = split(case, asked.data, seed)
            except MissingTableError as missing:
                print(f"{case.name}: {missing}", file=sys.stderr)
                continue
            for name, options in OPTIONS[asked.what].items():
                found = fit(data, case.task, seed, **options)
                print(json.dumps({"table": case.name, "setting": name, "seed": seed, **found}), flush=True)


if __name__ == "__main__":
    main()
