"""Examples that learn what to do: each reaches its figure."""

import numpy as np
import pytest

from example_runs import NAMES, module, result_of

if not NAMES:
    pytest.skip("the examples are not here", allow_module_level=True)


@pytest.mark.parametrize("name", ["cart_pole", "dqn"])
def test_the_pole_is_balanced_on_every_seed(name):
    scores = result_of(name)["scores"]
    assert [len(returns) for returns in scores] == [100] * 3
    assert min(np.mean(returns) for returns in scores) >= 475


def energy(state, world):
    """Of the cart and of a rod that turns about its end, by Lagrange's kinetic and potential terms."""
    _, speed, angle, turn = state.T
    kinetic = (world.CART + world.POLE) * speed**2 / 2 + 2 / 3 * world.POLE * (world.HALF_LENGTH * turn) ** 2
    kinetic += world.POLE * world.HALF_LENGTH * speed * turn * np.cos(angle)
    return kinetic + world.POLE * world.GRAVITY * world.HALF_LENGTH * np.cos(angle)


@pytest.mark.parametrize("force", [0.0, 10.0])
def test_the_energy_of_the_cart_changes_by_the_work_of_the_force(monkeypatch, force):
    world = module("cart_pole")
    monkeypatch.setattr(world, "FORCE", force)
    monkeypatch.setattr(world, "TIME_STEP", 1e-5)
    monkeypatch.setattr(world, "LIMITS", np.full(4, np.inf))
    monkeypatch.setattr(world, "LONGEST", 10**6)
    carts = world.Carts(3, np.random.default_rng(0))
    carts.state = before = np.array([[0, 0.5, 0.1, -0.4], [0, -0.3, -0.15, 0.5], [0.1, 0, 0.2, 0.0]])
    for _ in range(20_000):
        after, _, _ = carts.step(np.ones(3, int))
    work = force * (after[:, 0] - before[:, 0])
    np.testing.assert_allclose(energy(after, world) - energy(before, world), work, rtol=0, atol=3e-4)


def test_an_episode_ends_where_the_pole_falls_or_time_is_up(monkeypatch):
    world = module("cart_pole")
    carts = world.Carts(3, np.random.default_rng(0))
    carts.state = np.array([[2.39, 3, 0, 0], [0, 0, -0.2, -2], [0, 0, 0, 0]])
    carts.clock[:] = 7
    _, fell, over = carts.step(np.ones(3, int))
    assert fell.tolist() == over.tolist() == [True, True, False]
    assert np.abs(carts.state[:2]).max() <= 0.05
    assert carts.clock.tolist() == [0, 0, 8]
    carts.clock[2] = world.LONGEST - 1
    _, fell, over = carts.step(np.ones(3, int))
    assert not fell[2]
    assert over[2]
