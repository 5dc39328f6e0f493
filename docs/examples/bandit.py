"""REINFORCE on a bandit: the gradient of an expected reward from samples alone (Williams 1992).

The score function, grad log p(arm) times the reward, is right in the mean: over 100,000 samples it agrees with the
exact gradient, which is known here. Subtracting a baseline keeps the mean and lowers the variance. Then it learns.
"""

import numpy as np

import backpass as bp

REWARDS = np.array([1.0, 1.5, 0.5, 2.0])  # in the mean, of each arm
SAMPLES = 100_000


def weighted_score(logits, arm, gain):
    """Its gradient by the logits estimates that of the expected reward; arm and gain are of one sample."""
    return bp.log_softmax(logits)[arm] * gain


def expected(logits, rewards):
    """The exact value that the samples estimate."""
    return bp.sum(bp.softmax(logits) * rewards)


exact = bp.value_and_grad(expected)
sample_gradients = bp.vmap(bp.grad(weighted_score), in_axes=(None, 0, 0))


def play(logits, count, rng):
    """Arms that a policy draws, and their noisy rewards."""
    probabilities = np.exp(logits - logits.max())
    arms = rng.choice(len(REWARDS), size=count, p=probabilities / probabilities.sum())
    return arms, REWARDS[arms] + rng.standard_normal(count)


def estimate(logits, baseline, rng):
    """Mean and standard error of the gradient over the samples."""
    arms, rewards = play(logits, SAMPLES, rng)
    gradients = sample_gradients(logits, arms, rewards - baseline)
    return gradients.mean(axis=0), gradients.std(axis=0) / np.sqrt(SAMPLES)


def main():
    """Compares with the exact gradient; then 200 steps of 100 samples."""
    rng, logits = np.random.default_rng(0), np.array([0.5, -0.5, 0.2, 0.0])
    (value, gradient), result = exact(logits, REWARDS), {}
    for name, baseline in (("plain", 0.0), ("baseline", value)):
        mean, error = estimate(logits, baseline, rng)
        off = np.abs((mean - gradient) / error).max()
        print(f"{name}: at most {off:.1f} standard errors off; the largest of them is {error.max():.1e}")
        result[name] = {"mean": mean, "error": error}
    rewards = []
    for _ in range(200):
        arms, gains = play(logits, 100, rng)
        logits = logits + sample_gradients(logits, arms, gains - gains.mean()).mean(axis=0)
        rewards.append(gains.mean())
    print(f"mean reward from {rewards[0]:.2f} to {np.mean(rewards[-20:]):.2f} of {REWARDS.max()}")
    return {"loss": [2 - rewards[0], 2 - np.mean(rewards[-20:])], "exact": gradient, "rewards": rewards, **result}


if __name__ == "__main__":
    main()
