"""Losses from the literature, composed as in docs/losses.md: value and gradient against their formulas."""

import numpy as np
import pytest

import backpass as bp

ROWS = 9


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class DPO(bp.Loss):
    """Of log-probabilities (rows, 2) of the chosen and the rejected answer (Rafailov et al. 2023)."""

    def __init__(self, beta):
        self.beta = beta

    def forward(self, prediction, target):
        ratio = prediction - target["log_reference"]
        margin = bp.slice(ratio, 1, 0, 1) - bp.slice(ratio, 1, 1, 2)
        return bp.softplus(-self.beta * margin)


class RewardModel(bp.JointLoss):
    """Of scores of the better and the worse answer (Bradley and Terry 1952)."""

    def forward(self, predictions, target=None):
        return bp.softplus(predictions[1] - predictions[0])


@pytest.mark.row("L6")
@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_dpo(rng, beta):
    policy, reference = rng.standard_normal((2, ROWS, 2)) * 3 - 5
    value, grad = DPO(beta).value_and_grad(policy, {"log_reference": reference})
    margin = (policy - reference)[:, 0] - (policy - reference)[:, 1]
    assert value == pytest.approx(-np.log(sigmoid(beta * margin)).mean(), rel=1e-13)
    slope = -beta * sigmoid(-beta * margin) / ROWS
    np.testing.assert_allclose(grad, np.stack([slope, -slope], axis=1), rtol=1e-12)


@pytest.mark.row("L6")
def test_dpo_prefers_the_chosen_answers(rng):
    x, reference = rng.standard_normal((64, 4)), rng.standard_normal((64, 2)) - 5
    model = bp.Sequential(bp.Dense(16, activation="tanh"), bp.Dense(2), input_shape=4, seed=0)
    y = {"log_reference": reference}
    history = model.fit(x, y, loss=DPO(0.5), optimizer=bp.Adam(0.02), epochs=100, progress=False)
    ratio = model.predict(x) - reference
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    assert (ratio[:, 0] > ratio[:, 1]).all()


@pytest.mark.row("L6")
def test_a_reward_model(rng):
    better, worse = rng.standard_normal((2, ROWS, 1))
    value, grads = RewardModel().value_and_grad([better, worse], None)
    assert value == pytest.approx(-np.log(sigmoid(better - worse)).mean(), rel=1e-13)
    slope = -sigmoid(worse - better) / ROWS
    np.testing.assert_allclose(grads[0], slope, rtol=1e-12)
    np.testing.assert_allclose(grads[1], -slope, rtol=1e-12)


def test_a_reward_model_learns_whom_to_prefer(rng):
    """One network scores both answers."""
    better, worse = bp.Input(3, name="better"), bp.Input(3, name="worse")
    score = bp.Dense(1)
    model = bp.Network([better, worse], [score(better), score(worse)], seed=0)
    quality = np.array([1.0, -2.0, 0.5])
    pairs = rng.standard_normal((200, 2, 3))
    first = (pairs[:, 0] @ quality > pairs[:, 1] @ quality)[:, None]
    x = {"better": np.where(first, pairs[:, 0], pairs[:, 1]), "worse": np.where(first, pairs[:, 1], pairs[:, 0])}
    model.fit(x, (), loss=RewardModel(), optimizer=bp.Adam(0.05), epochs=50, progress=False)
    weights = model.parameters()["0.weight"][0]
    assert weights @ quality / np.linalg.norm(weights) / np.linalg.norm(quality) > 0.98


class PPO(bp.Loss):
    """Schulman et al. 2017, equation 7, with its sign turned."""

    def forward(self, prediction, target):
        log_new = bp.take_label(prediction, target["actions"]) - bp.log_sum_exp(prediction)
        ratio = bp.exp(log_new - target["log_old"])
        clipped = 0.8 + bp.relu(ratio - 0.8) - bp.relu(ratio - 1.2)
        return -bp.minimum(ratio * target["advantages"], clipped * target["advantages"])


def test_ppo(rng):
    logits, actions = rng.standard_normal((ROWS, 3)), rng.integers(0, 3, ROWS)
    advantages = rng.standard_normal(ROWS)
    log = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    log_old = log[np.arange(ROWS), actions] + rng.choice([-0.5, -0.1, 0.1, 0.5], ROWS)
    y = {"actions": actions, "advantages": advantages, "log_old": log_old}
    value, grad = PPO().value_and_grad(logits, y)
    ratio = np.exp(log[np.arange(ROWS), actions] - log_old)
    gain = np.minimum(ratio * advantages, np.clip(ratio, 0.8, 1.2) * advantages)
    assert value == pytest.approx(-gain.mean(), rel=1e-12)
    free = ratio * advantages <= np.clip(ratio, 0.8, 1.2) * advantages  # where the ratio itself counts
    taken = np.eye(3)[actions]
    expected = -(free * ratio * advantages)[:, None] * (taken - np.exp(log)) / ROWS
    np.testing.assert_allclose(grad, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_info_nce_is_cross_entropy_of_finding_the_second_view(rng, temperature):
    class InfoNCE(bp.JointLoss):
        def forward(self, predictions, target=None):
            first, second, negatives = predictions
            same = bp.sum(first * second, 1, keepdims=True)
            other = bp.sum(bp.reshape(first, (None, 1, 3)) * negatives, 2)
            logits = bp.concat([same, other], axis=1) / temperature
            return bp.log_sum_exp(logits) - bp.sum(same, 1) / temperature

    first, second, negatives = (rng.standard_normal(shape) for shape in ((ROWS, 3), (ROWS, 3), (ROWS, 5, 3)))
    logits = np.concatenate([(first * second).sum(1, keepdims=True), np.einsum("ni,nki->nk", first, negatives)], axis=1)
    value, grads = InfoNCE().value_and_grad([first, second, negatives], None)
    expected, slope = bp.CrossEntropy().value_and_grad(logits / temperature, np.zeros(ROWS, int))
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(grads[1], slope[:, :1] * first / temperature, rtol=1e-10, atol=1e-14)
    assert [grad.shape for grad in grads] == [(ROWS, 3), (ROWS, 3), (ROWS, 5, 3)]
