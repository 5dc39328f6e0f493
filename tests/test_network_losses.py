"""Losses of several outputs: their sum, their weights, what a fit of them reports."""

import numpy as np
import pytest

import backpass as bp
from backpass._core import set_sharing_cut
from registry import DTYPES
from test_networks import LOSSES, ROWS, assert_same, fit, two_by_two


@pytest.fixture
def model():
    return two_by_two()


@pytest.fixture
def x(rng):
    return [rng.standard_normal((ROWS, 2)), rng.standard_normal((ROWS, 3))]


@pytest.fixture
def y(rng):
    return [rng.integers(0, 3, ROWS), rng.standard_normal((ROWS, 1))]


# Losses.


def test_the_loss_is_the_sum_over_outputs(model, x, y):
    parts = [loss.value_and_grad(out, target)[0] for loss, out, target in zip(LOSSES, model.predict(x), y, strict=True)]
    assert model.evaluate(x, y, loss=LOSSES)["loss"] == pytest.approx(sum(parts), rel=1e-14)
    assert model.value_and_grad(x, y, LOSSES)[0] == pytest.approx(sum(parts), rel=1e-14)
    assert fit(model, x, y, optimizer=bp.SGD(0.0), batch_size=ROWS)["loss"] == pytest.approx([sum(parts)], rel=1e-14)


@pytest.mark.row("L4")
def test_losses_have_weights_and_are_reported_by_head(model, x, y):
    parts = [loss.value_and_grad(out, target)[0] for loss, out, target in zip(LOSSES, model.predict(x), y, strict=True)]
    total = 2.0 * parts[0] + 0.3 * parts[1]
    expected = {"loss": total, "loss_0": parts[0], "loss_1": parts[1]}
    assert model.evaluate(x, y, loss=LOSSES, loss_weights=[2.0, 0.3]) == pytest.approx(expected, rel=1e-13)
    history = fit(model, x, y, optimizer=bp.SGD(0.0), batch_size=ROWS, loss_weights=[2.0, 0.3], validation_data=(x, y))
    for name, value in expected.items():
        assert history[name] == history["val_" + name] == pytest.approx([value], rel=1e-13)
    assert model.evaluate(x, y) == pytest.approx(expected, rel=1e-13)  # the last fit's loss and weights
    trainer = bp.Trainer(model, LOSSES, bp.SGD(0.1), loss_weights=[2.0, 0.3])
    assert trainer.evaluate(x, y) == pytest.approx(expected, rel=1e-13)
    assert trainer.step(x, y) == pytest.approx(total, rel=1e-13)


def test_the_gradient_is_the_weighted_sum(x, y):
    models = [two_by_two() for _ in range(3)]
    starts = models[0].flat_parameters.copy()
    for model, weights in zip(models, ([1.0, 0.0], [0.0, 1.0], [2.0, 0.3]), strict=True):
        bp.Trainer(model, LOSSES, bp.SGD(1.0), loss_weights=weights).step(x, y)
    steps = [model.flat_parameters - starts for model in models]
    np.testing.assert_allclose(steps[2], 2.0 * steps[0] + 0.3 * steps[1], rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("weights", "error"), [([1.0], ValueError), ([1.0] * 3, ValueError), ([1.0, np.inf], ValueError), (2.0, TypeError),
                           (["a", 1.0], TypeError)],
)  # fmt: skip
def test_there_is_a_weight_for_each_output(model, x, y, weights, error):
    before = model.flat_parameters.copy()
    for call in (
        lambda: model.evaluate(x, y, loss=LOSSES, loss_weights=weights),
        lambda: fit(model, x, y, loss_weights=weights),
        lambda: bp.Trainer(model, LOSSES, bp.SGD(0.1), loss_weights=weights).step(x, y),
    ):
        with pytest.raises(error, match="loss_weights"):
            call()
    np.testing.assert_array_equal(model.flat_parameters, before)


def test_one_loss_serves_all_outputs(model, x, rng):
    y = [rng.standard_normal((ROWS, 3)), rng.standard_normal((ROWS, 1))]
    value, grads = model.value_and_grad(x, y, bp.MSE())
    same, same_grads = model.value_and_grad(x, y, [bp.MSE(), bp.MSE()])
    assert value == same
    assert_same(grads.values(), same_grads.values())


def test_weights_of_rows_are_those_of_every_loss(model, x, y):
    """Integer weights count rows."""
    counts = np.array([1, 2, 0, 1, 3, 1, 1])
    value, grads = model.value_and_grad(x, y, LOSSES, counts)
    repeated = [part.repeat(counts, axis=0) for part in (*x, *y)]
    expected, expected_grads = model.value_and_grad(repeated[:2], repeated[2:], LOSSES)
    assert value == pytest.approx(expected, rel=1e-13)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, expected_grads[name], rtol=0, atol=1e-14)


@pytest.mark.parametrize("losses", [[], [bp.MSE()] * 3])
def test_there_is_one_loss_or_one_for_each_output(model, x, y, losses):
    for call in (
        lambda: model.evaluate(x, y, loss=losses),
        lambda: fit(model, x, y, loss=losses),
        lambda: bp.Trainer(model, losses, bp.SGD(0.1)).step(x, y),
        lambda: model.value_and_grad(x, y, losses),
    ):
        with pytest.raises(ValueError, match="loss"):
            call()


def test_metrics_need_one_output(model, x, y):
    before = model.flat_parameters.copy()
    for call in (
        lambda: model.evaluate(x, y, loss=LOSSES, metrics="mae"),
        lambda: fit(model, x, y, metrics=["mae"]),
    ):
        with pytest.raises(ValueError, match=r"\[metrics\] need a network of one output, this one has 2"):
            call()
    np.testing.assert_array_equal(model.flat_parameters, before)
    last = model.graph.outputs[1]
    assert "mae" in bp.Network(model.graph.inputs, last, seed=0).evaluate(x, y[1], loss=bp.MSE(), metrics="mae")


@pytest.fixture(params=[1, 2])
def threads(request):
    """Every stage is shared, however small."""
    set_sharing_cut(False)
    yield request.param
    set_sharing_cut(True)


# Training.


@pytest.mark.row("A25")
@pytest.mark.parametrize("dtype", DTYPES)
def test_fit_is_a_loop_of_steps_to_the_bit(x, y, dtype, threads):
    by_fit, by_steps = two_by_two(dtype), two_by_two(dtype)
    fit(by_fit, x, y, epochs=5, shuffle=False, threads=threads)
    trainer = bp.Trainer(by_steps, LOSSES, bp.Adam(0.05), threads=1)
    for _ in range(5):
        for begin in range(0, ROWS, 3):
            trainer.step(*([part[begin : begin + 3] for part in parts] for parts in (x, y)))
    np.testing.assert_array_equal(by_fit.flat_parameters, by_steps.flat_parameters)


@pytest.mark.row("A14")
def test_a_graph_with_branch_and_merge_trains(model, x, y):
    losses = fit(model, x, y, epochs=300)["loss"]
    assert losses[-1] < 0.05 * losses[0]
    assert (model.predict(x)[0].argmax(axis=1) == y[0]).all()
