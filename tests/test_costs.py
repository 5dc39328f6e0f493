"""What a step costs: counted in calls and floating-point operations of the plan."""

import numpy as np
import pytest

import backpass as bp


def training_plan(widths, batch=64):
    layers = [bp.Dense(width, activation="relu") for width in widths[1:-1]]
    model = bp.Sequential(*layers, bp.Dense(widths[-1]), input_shape=(widths[0],), seed=1)
    return model.n_parameters, bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).plan(batch)


def matmuls(plan, phase):
    return [call for call in plan.calls if call.name == "matmul" and call.phase == phase]


@pytest.mark.row("A3")
@pytest.mark.row("A18")
@pytest.mark.parametrize("width", [2, 30, 400])
def test_one_forward_and_one_backward_give_all_gradients(width):
    """Whatever the number of parameters: a product per layer forward, two backward, none for the input's gradient."""
    _, plan = training_plan([10, width, width, width, 5])
    assert len(matmuls(plan, "forward")) == 4
    assert len(matmuls(plan, "backward")) == 2 * 4 - 1


@pytest.mark.row("A19")
def test_backward_costs_little_more_than_two_forwards():
    """Two products for one; the first layer has no gradient to its input."""
    for widths in ([64, 256, 256, 10], [512] * 6, [8, 1024, 1], [16] * 20):
        _, plan = training_plan(widths)
        cost = {
            phase: sum(call.flops for call in plan.calls if call.phase == phase) for phase in ("forward", "backward")
        }
        assert 1 < cost["backward"] / cost["forward"] <= 2.1


@pytest.mark.row("A19")
def test_cost_is_linear_in_the_number_of_parameters():
    sizes, costs = [], []
    for width in (64, 128, 256, 512, 1024):
        n, plan = training_plan([width] * 4)
        sizes.append(n)
        costs.append(sum(call.flops for call in plan.calls))
    slope = np.polyfit(np.log(sizes), np.log(costs), 1)[0]
    assert 0.95 < slope < 1.05
