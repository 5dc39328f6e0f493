"""Examples that solve or learn differential equations: each reaches its figure."""

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
