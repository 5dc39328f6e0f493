"""Examples that need gradients of examples, of steps, or second ones: each reaches its figure."""

import numpy as np
import pytest

import backpass as bp
from example_runs import NAMES, module, result_of

if not NAMES:
    pytest.skip("the examples are not here", allow_module_level=True)


def test_private_training_clips_each_gradient_and_still_learns():
    result = result_of("private")
    plain, private = result["plain"], result["private"]
    assert private["lengths"][:, 1].max() < 1 + 1e-6
    assert private["lengths"][:, 0].max() > 2
    assert plain["lengths"][:, 1].max() > 4
    assert plain["accuracy"] > 0.93
    assert private["accuracy"] > 0.87
    assert 4 < result["epsilon"] < 4.2


def test_clipped_gradients_are_those_of_the_rows_one_by_one(rng):
    private = module("private")
    x, labels, present = rng.uniform(size=(6, 64)), rng.integers(0, 10, 6), np.array([1, 1, 0, 1, 1, 0], bool)
    limit = float(np.median(private.summed(private.start, x, labels, present, 1e9)[1][present]))
    total, before, after = private.summed(private.start, x, labels, present, limit)
    expected = 0
    for row in np.flatnonzero(present):
        _, gradients = private.model.value_and_grad(x[row : row + 1], labels[row : row + 1], loss=bp.CrossEntropy())
        flat = np.concatenate([g.ravel() for g in gradients.values()])
        length = np.linalg.norm(flat)
        np.testing.assert_allclose([before[row], after[row]], [length, min(length, limit)], rtol=1e-5)
        expected = expected + flat * min(1, limit / length)
    found = np.concatenate([total[name].ravel() for name in gradients])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert before[present].min() < limit < before[present].max()


@pytest.mark.parametrize(("share", "noise"), [(0.01, 4.0), (0.1, 1.5), (0.5, 2.0)])
def test_privacy_is_counted_as_the_integral_says(share, noise):
    """The Renyi divergence of the mixture from the Gaussian, by quadrature, at the best whole order."""
    z, step = np.linspace(-100, 200, 300_001, retstep=True)
    log_density = -(z**2) / (2 * noise**2) - np.log(noise * np.sqrt(2 * np.pi))
    log_ratio = np.logaddexp(np.log1p(-share), np.log(share) + (2 * z - 1) / (2 * noise**2))
    bounds = []
    for order in range(2, 65):
        divergence = (np.log(step) + np.logaddexp.reduce(log_density + order * log_ratio)) / (order - 1)
        bounds.append(1000 * divergence + np.log(1e5) / (order - 1))
    assert module("private").epsilon(1000, share, noise, 1e-5) == pytest.approx(min(bounds), rel=1e-6)


def test_privacy_agrees_with_the_literature():
    """Abadi et al. 2016, section 5: 10,000 steps at a share of 1 % with noise 4 are (1.26, 1e-5)-private."""
    assert module("private").epsilon(10_000, 0.01, 4.0, 1e-5) == pytest.approx(1.26, abs=0.005)


def test_newton_squares_the_error_where_descent_keeps_its_share():
    newton, descent = (result_of("newton")["errors"][name] for name in ("newton", "descent"))
    near = newton[3:8]
    assert near[0] > 1
    assert near[-1] < 1e-8
    assert (near[1:] < 0.5 * near[:-1] ** 2).all()
    assert newton[8] < 1e-13
    assert (descent[1:] < descent[:-1]).all()
    assert (descent[11:] > 0.99 * descent[10:-1]).all()
    assert descent[-1] > 0.5


def test_one_step_from_where_it_was_trained_to_start_beats_five_from_the_mean_of_the_tasks():
    learnt, averaged = result_of("maml")["maml"]["after"], result_of("maml")["all tasks"]["after"]
    assert learnt[1] < 0.25 * averaged[1]
    assert learnt[1] < 0.3 * averaged[5]
    assert learnt[5] < 0.6 * learnt[1]
    assert averaged[0] > 2
    assert learnt[0] > 2
