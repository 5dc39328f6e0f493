"""The carts of docs/examples, for which the last layer of a policy starts in other ways."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import backpass as bp

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
CARTS, TURNS, STEPS, DISCOUNT, RATE = 16, 60, 200, 0.99, 5e-3


def example(name: str, last: dict[str, Any]) -> Any:
    """The module of an example, in which dense layers without an activation have other settings."""
    if str(EXAMPLES) not in sys.path:
        sys.path.insert(0, str(EXAMPLES))
    module = importlib.import_module(name)

    def dense(units: int, activation: Any = None) -> Any:
        return bp.Dense(units, activation=activation, **({} if activation else last))

    module.bp = SimpleNamespace(**{**vars(bp), "Dense": dense})  # type: ignore[attr-defined]
    return module


def policy_loss(logits: Any, y: Any) -> Any:
    """Its gradient is that of the expected return (Williams 1992)."""
    return -bp.take_label(bp.log_softmax(logits), y["action"]) * y["gain"]


def reinforce(last: dict[str, Any], seed: int) -> float:
    """The mean length of episodes, of at most STEPS, over all turns of training."""
    carts_of, rng = example("cart_pole", {}).Carts, np.random.default_rng(seed)
    policy = bp.Sequential(bp.Dense(64, activation="relu"), bp.Dense(2, **last), input_shape=4, seed=seed)
    trainer, lengths = bp.Trainer(policy, policy_loss, bp.Adam(RATE)), []
    for _ in range(TURNS):
        state, action, running = _episodes(policy, carts_of(CARTS, rng), rng)
        gain = np.zeros((len(state) + 1, CARTS))
        for t in reversed(range(len(state))):
            gain[t] = running[t] * (1 + DISCOUNT * gain[t + 1])
        gain = gain[:-1][running]
        y = {"action": action[running], "gain": (gain - gain.mean()) / (gain.std() + 1e-8)}
        trainer.step(state[running], y)
        lengths.append(running.sum() / CARTS)
    return float(np.mean(lengths))


def _episodes(policy: Any, carts: Any, rng: Any) -> Any:
    """States, actions and what still ran, of an episode of each cart: (steps, CARTS, ...)."""
    steps: list[Any] = []
    runs = np.ones(CARTS, bool)
    while runs.any() and len(steps) < STEPS:
        state, runs_now = carts.state, runs.copy()
        logits = policy.forward(state, training=False)
        action = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
        steps.append((state, action, runs_now))
        runs &= ~carts.step(action)[2]
    return (np.stack(each) for each in zip(*steps, strict=True))
