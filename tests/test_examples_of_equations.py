"""Examples that solve or learn differential equations: each reaches its figure."""

import numpy as np
import pytest

from example_runs import NAMES, module, result_of

if not NAMES:
    pytest.skip("the examples are not here", allow_module_level=True)


@pytest.mark.row("G25")
def test_the_heat_equation_is_solved_from_its_residual():
    result = result_of("heat")
    assert result["relative"] < 1e-3
    assert result["largest"] < 3e-3


@pytest.mark.row("G25")
def test_the_equation_of_burgers_is_solved_from_its_residual():
    assert result_of("burgers")["errors"][-1] < 1e-3


@pytest.mark.nightly
def test_new_points_bring_a_steep_front_near():
    """At the viscosity of the paper, to some thousandths."""
    burgers = module("burgers")
    errors = burgers.main(burgers.PAPER, points=4000)["errors"]
    assert errors[-1] < min(1e-2, errors[0] / 5)


def test_the_solution_of_cole_and_hopf_solves_the_equation_of_burgers():
    """By central differences, and where the waves start."""
    solution, viscosity, h = module("burgers").solution, 0.1 / np.pi, 1e-3
    x, t = np.meshgrid(np.linspace(-0.9, 0.9, 19), np.linspace(0.1, 0.9, 9))

    def u(dx=0.0, dt=0.0):
        return solution(x + dx, t + dt, viscosity)

    by_time, by_place = (u(dt=h) - u(dt=-h)) / (2 * h), (u(h) - u(-h)) / (2 * h)
    curvature = (u(h) - 2 * u() + u(-h)) / h**2
    np.testing.assert_allclose(by_time + u() * by_place, viscosity * curvature, rtol=0, atol=2e-3)
    assert np.abs(by_time).max() > 1
    np.testing.assert_allclose(solution(x, 0 * t, viscosity), -np.sin(np.pi * x), rtol=0, atol=1e-12)
    np.testing.assert_allclose(solution(np.sign(x), t, viscosity), 0, rtol=0, atol=1e-12)


@pytest.mark.row("A28")
def test_gradients_pass_through_a_solver_of_differential_equations():
    result = result_of("neural_ode")
    assert result["gradcheck"] < 1e-7
    assert result["error"] < 0.05
