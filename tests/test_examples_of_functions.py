"""Examples whose models are functions: each reaches its figure."""

import numpy as np
import pytest

from example_runs import NAMES, result_of

if not NAMES:
    pytest.skip("the examples are not here", allow_module_level=True)


def test_fresh_sines_are_spread_as_the_paper_says():
    np.testing.assert_allclose(result_of("siren")["spread"], np.sqrt(0.5), rtol=0.1)


def test_sines_hold_an_image_in_fewer_numbers_than_it_has_pixels():
    result = result_of("siren")
    assert result["numbers"] < result["pixels"]
    assert result["sines"] > 38
    assert result["sines"] > result["relus"] + 10


def test_the_gradient_of_an_image_is_that_of_its_network():
    result = result_of("siren")
    assert result["off"] < 1e-6
    assert result["correlation"] > 0.75


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
