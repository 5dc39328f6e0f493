"""Examples whose models are functions and equations: each reaches its figure."""

import numpy as np
import pytest

from example_runs import NAMES, result_of

if not NAMES:
    pytest.skip("the examples are not here", allow_module_level=True)


@pytest.mark.row("G25")
def test_the_heat_equation_is_solved_from_its_residual():
    result = result_of("heat")
    assert result["relative"] < 1e-3
    assert result["largest"] < 3e-3


@pytest.mark.row("A28")
def test_gradients_pass_through_a_solver_of_differential_equations():
    result = result_of("neural_ode")
    assert result["gradcheck"] < 1e-7
    assert result["error"] < 0.05


@pytest.mark.row("A28")
def test_gradients_pass_through_two_turns_of_routing():
    result = result_of("routing")
    assert result["gradcheck"] < 1e-7
    assert result["accuracy"] > 0.93


@pytest.mark.row("A31")
@pytest.mark.parametrize("baseline", ["plain", "baseline"])
def test_score_function_gradients_are_unbiased(baseline):
    result = result_of("bandit")
    estimate = result[baseline]
    assert (np.abs(estimate["mean"] - result["exact"]) < 3 * estimate["error"]).all()


@pytest.mark.row("A31")
def test_a_baseline_lowers_the_variance_and_the_best_arm_is_found():
    result = result_of("bandit")
    assert (result["baseline"]["error"] < result["plain"]["error"]).all()
    assert np.mean(result["rewards"][-20:]) > 1.9
