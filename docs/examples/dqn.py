"""The cart of cart_pole.py learns to balance by Q-learning (Mnih et al. 2015; van Hasselt et al. 2016).

The network says what each action is worth. What it should say follows from what came next: the reward, and the worth of
what it would do then. A second network tells that, the target, a copy that stands still for a while, or the aim would
move with each step. Steps are kept and drawn in any order (replay), so that a batch is not of one moment. Training ends
when a test goes well, for it may go worse later.
"""

import copy

import numpy as np
from cart_pole import LONGEST, Carts, score

import backpass as bp

CARTS, STEPS, UPDATES, BATCH, TURNS, RATE, DISCOUNT, REWARD = 8, 32, 128, 64, 200, 2.3e-3, 0.99, 0.1
SCALE = np.array([2.4, 2.0, 0.21, 2.0])  # what states are divided by


def huber(values, y):
    """Of the action that was taken; the others have no loss."""
    error = bp.abs(bp.take_label(values, y["action"]) - y["wanted"])
    return bp.where(error < 1, 0.5 * bp.square(error), error - 0.5)


def choose(network, state):
    """What it takes for the better action."""
    return network.forward(state / SCALE, training=False).argmax(axis=1)


def explore(network, carts, chance, rng):
    """The steps of all carts, of which some are by chance; arrays by name."""
    steps = []
    for _ in range(STEPS):
        state, by_chance = carts.state, rng.random(CARTS) < chance
        action = np.where(by_chance, rng.integers(0, 2, CARTS), choose(network, state))
        following, fell, _ = carts.step(action)
        steps.append((state, action, following, fell))
    names = ("state", "action", "following", "fell")
    return {name: np.concatenate(values) for name, *values in zip(names, *steps, strict=True)}


def train(seed):
    """A network, and its mean returns in tests on the way."""
    rng, scores = np.random.default_rng(seed), []
    layers = [bp.Dense(64, activation="relu"), bp.Dense(64, activation="relu"), bp.Dense(2)]
    network = bp.Sequential(*layers, input_shape=4, seed=seed)
    carts, optimizer, kept, target = Carts(CARTS, rng), bp.Adam(RATE, clip_norm=10.0), None, copy.deepcopy(network)
    trainer = bp.Trainer(network, huber, optimizer)
    for turn in range(TURNS):
        optimizer.learning_rate = RATE * (1 - turn / TURNS)
        new = explore(network, carts, max(0.04, 1 - turn / 32), rng)
        kept = new if kept is None else {name: np.concatenate([kept[name], new[name]]) for name in new}
        target.load_weights(network.state_dict())
        for _ in range(UPDATES):
            rows = rng.integers(0, len(kept["fell"]), BATCH)
            state, action, following, fell = (values[rows] for values in kept.values())
            worth = target.forward(following / SCALE, training=False)[np.arange(BATCH), choose(network, following)]
            trainer.step(state / SCALE, {"action": action, "wanted": REWARD + DISCOUNT * worth * ~fell})
        if turn % 5 == 0:
            scores.append(score(lambda state: choose(network, state), 50).mean())
        if scores[-1] >= 495:
            break
    return network, scores


def main(seeds=range(3)):
    """Prints what each seed reaches in episodes that it was not tested on."""
    scores, missing = [], []
    for seed in seeds:
        network, tests = train(seed)
        scores.append(score(lambda state, network=network: choose(network, state), seed=5))
        missing.append([LONGEST - tests[0], LONGEST - scores[-1].mean()])
        print(f"seed {seed}: upright for {tests[0]:.0f} steps at first, {scores[-1].mean():.0f} of {LONGEST} later")
    return {"loss": np.mean(missing, axis=0), "scores": scores}


if __name__ == "__main__":
    main()
