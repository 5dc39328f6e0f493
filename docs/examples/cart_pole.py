"""A cart learns to balance a pole (Barto, Sutton and Anderson 1983) by PPO (Schulman et al. 2017).

Each push is to the left or to the right, each step upright is worth 1, and an episode ends when the pole falls, when
the cart leaves the track, or after 500 steps. Several carts run side by side, as rows of one array. The loss needs
more than a target: what was done, how likely it was then, how much better it went than expected, and what came of it.
All of them are targets, by name. Policy and value are two outputs of one network, so the loss sees both
(`bp.JointLoss`).
"""

import numpy as np

import backpass as bp

GRAVITY, CART, POLE, HALF_LENGTH, FORCE, TIME_STEP = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
LIMITS = np.array([2.4, np.inf, np.deg2rad(12), np.inf])  # of place, speed, angle, angular speed
LONGEST = 500
CARTS, STEPS, ROLLOUTS, EPOCHS, BATCH, RATE = 16, 128, 50, 4, 256, 2e-3
DISCOUNT, DECAY, CLIP, ENTROPY = 0.99, 0.95, 0.2, 0.01


class Carts:
    """Several carts with poles; one that is over starts anew."""

    def __init__(self, count, rng):
        """All near the middle, upright."""
        self.rng, self.clock = rng, np.zeros(count, int)
        self.state = self.start(count)

    def start(self, count):
        """Places (count, 4) to start from."""
        return self.rng.uniform(-0.05, 0.05, (count, 4))

    def step(self, action):
        """Pushes each left (0) or right (1); gives the states that follow, who fell, and whose run is over."""
        _, speed, angle, turn = self.state.T
        sine, cosine, mass = np.sin(angle), np.cos(angle), CART + POLE
        push = (FORCE * (2 * action - 1) + POLE * HALF_LENGTH * turn**2 * sine) / mass
        turning = (GRAVITY * sine - cosine * push) / (HALF_LENGTH * (4 / 3 - POLE * cosine**2 / mass))
        speeding = push - POLE * HALF_LENGTH * turning * cosine / mass
        following = self.state + TIME_STEP * np.column_stack([speed, speeding, turn, turning])
        fell = (np.abs(following) > LIMITS).any(axis=1)
        self.clock += 1
        over = fell | (self.clock == LONGEST)
        self.state = np.where(over[:, None], self.start(len(over)), following)
        self.clock[over] = 0
        return following, fell, over


def log_probability(logits, actions):
    """Of the actions that were taken."""
    return bp.take_label(bp.log_softmax(logits), actions)


@bp.JointLoss
def ppo(outputs, y):
    """The gain of the policy, clipped where it moves too far; the squared error of the value; the entropy."""
    logits, value = outputs
    ratio = bp.exp(log_probability(logits, y["action"]) - y["log_old"])
    gain = bp.minimum(ratio * y["advantage"], bp.clip(ratio, 1 - CLIP, 1 + CLIP) * y["advantage"])
    entropy = -bp.sum(bp.softmax(logits) * bp.log_softmax(logits), axis=1)
    return 0.5 * bp.square(value[:, 0] - y["return"]) - gain - ENTROPY * entropy


def roll_out(agent, carts, rng):
    """STEPS steps of all carts: arrays (STEPS, CARTS, ...) by name."""
    steps = []
    for _ in range(STEPS):
        state = carts.state
        logits = agent.forward(state, training=False)[0]
        action = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # a draw from the softmax
        log_old = logits[np.arange(CARTS), action] - np.logaddexp(*logits.T)
        steps.append((state, action, log_old, *carts.step(action)))
    names = ("state", "action", "log_old", "following", "fell", "over")
    return {name: np.stack(values) for name, *values in zip(names, *steps, strict=True)}


def with_advantages(agent, data):
    """How much better it went than the value said: a mean over horizons (generalised, Schulman et al. 2016)."""
    value, later = (agent.predict(data[name].reshape(-1, 4))[1].reshape(STEPS, -1) for name in ("state", "following"))
    surprise = 1 + DISCOUNT * later * ~data["fell"] - value
    advantage, carried = np.zeros_like(surprise), 0
    for t in reversed(range(STEPS)):
        advantage[t] = carried = surprise[t] + DISCOUNT * DECAY * ~data["over"][t] * carried
    return {**data, "return": advantage + value, "advantage": (advantage - advantage.mean()) / advantage.std()}


def score(choose, episodes=100, seed=1):
    """The return of each episode from a fresh start, where choose(states) gives the actions."""
    carts = Carts(episodes, np.random.default_rng(seed))
    lengths, running = np.zeros(episodes), np.ones(episodes, bool)
    while running.any():
        lengths += running
        running &= ~carts.step(choose(carts.state))[2]
    return lengths


def likelier(agent):
    """The choice of the action that the policy takes more often."""
    return lambda state: agent.forward(state, training=False)[0].argmax(axis=1)


def train(seed):
    """An agent, and its mean score before."""
    rng, state = np.random.default_rng(seed), bp.Input(4)
    policy, value = (bp.Dense(64, activation="tanh")(bp.Dense(64, activation="tanh")(state)) for _ in range(2))
    agent = bp.Network(state, [bp.Dense(2)(policy), bp.Dense(1)(value)], seed=seed)
    carts, optimizer, before = Carts(CARTS, rng), bp.Adam(clip_norm=0.5), score(likelier(agent)).mean()
    trainer = bp.Trainer(agent, ppo, optimizer)
    for turn in range(ROLLOUTS):
        optimizer.learning_rate = RATE * (1 - turn / ROLLOUTS)
        data = with_advantages(agent, roll_out(agent, carts, rng))
        rows = {name: values.reshape(STEPS * CARTS, *values.shape[2:]) for name, values in data.items()}
        targets = {name: rows[name] for name in ("action", "log_old", "advantage", "return")}
        trainer.fit(rows["state"], targets, epochs=EPOCHS, batch_size=BATCH, seed=turn, progress=False)
    return agent, before


def main(seeds=range(3)):
    """Prints what each seed reaches."""
    missing, scores = [], []
    for seed in seeds:
        agent, before = train(seed)
        scores.append(score(likelier(agent)))
        missing.append([LONGEST - before, LONGEST - scores[-1].mean()])
        print(f"seed {seed}: upright for {before:.0f} steps before, {scores[-1].mean():.0f} of {LONGEST} after")
    return {"loss": np.mean(missing, axis=0), "scores": scores}


if __name__ == "__main__":
    main()
