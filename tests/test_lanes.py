"""Lanes: rows of a large batch that walk through a step on their own give what all rows together give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from registry import DTYPES, ISAS, using_isa
from test_determinism import sharing_everything
from test_recompute import FEATURES, NETWORKS

FEW = 200  # so few rows are never cut


def dense(*widths, activation="tanh", **options):
    hidden = [bp.Dense(width, activation=activation) for width in widths[1:-1]]
    return bp.Sequential(*hidden, bp.Dense(widths[-1]), input_shape=widths[0], seed=1, **options)


def normed():
    """Row by row, with several calls between two products."""
    x = bp.Input(7)
    y = bp.LayerNorm()(bp.Dense(12, activation="gelu")(x))
    y = bp.concat([y * bp.sigmoid(y), bp.softmax(y)], axis=1)
    return bp.Network(x, bp.Dense(3)(bp.Dense(9)(y) + bp.Dense(9)(x)), seed=1, dtype="float64")


def moments():
    """Rows meet a sum over all rows: no lane has what it needs."""
    x = bp.Input(FEATURES)
    y = bp.Dense(4, activation="tanh")(x)
    return bp.Network(x, bp.Dense(3)(bp.matmul(y, bp.matmul(y, y, transpose_a=True))), seed=1)


ROWWISE = {
    "dense": lambda: dense(7, 16, 16, 3, dtype="float64"),
    "relu": lambda: dense(7, 31, 8, 3, activation="relu", dtype="float64"),
    "one": lambda: dense(7, 1, 3, dtype="float64"),
    "wide": lambda: dense(7, 150, 150, 3, dtype="float64"),  # its middle product is too large for lanes
    "normed": normed,
}


def data(features, rows):
    rng = np.random.default_rng(rows)
    return rng.standard_normal((rows, features)), rng.standard_normal((rows, 3))


def gradients(model, x, y, loss=None, **options):
    """The loss and the gradient of a step that moves nothing."""
    trainer = bp.Trainer(model, loss or bp.MSE(), bp.SGD(1e-30), **options)
    value = trainer.step(x, y)
    return value, model.flat_gradients.copy()


def test_a_step_of_a_tall_batch_is_one_walk_by_lanes():
    model = dense(8, 32, 32, 4, activation="relu")
    plan = bp.Trainer(model, bp.MSE(), bp.Adam()).plan(1024)
    together = [call for call in plan.calls if call.stage == 0]
    assert all(call.in_lanes and call.tasks == 16 for call in together), str(plan)
    assert {call.name for call in together} == {"gather", "matmul", "column_sum"}
    assert len([call for call in together if call.name == "matmul"]) == 3 + 5
    assert {call.name for call in plan.calls if call.stage == 1} == {"add_lanes"}
    assert plan.stages == 3
    assert not any(call.in_lanes for call in bp.Trainer(model, bp.MSE(), bp.Adam()).plan(FEW).calls)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(ROWWISE)), rows=st.one_of(st.integers(256, 700), st.integers(1000, 9000)))
def test_the_gradient_is_the_mean_over_parts_of_the_batch(name, rows):
    model = ROWWISE[name]()
    x, y = data(7, rows)
    value, grad = gradients(model, x, y)
    parts = [slice(begin, begin + FEW) for begin in range(0, rows, FEW)]
    values, grads = zip(*(gradients(model, x[part], y[part]) for part in parts), strict=True)
    shares = np.array([len(x[part]) for part in parts]) / rows
    assert value == pytest.approx(shares @ np.array(values), rel=1e-12)
    np.testing.assert_allclose(grad, shares @ np.array(grads), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("rows", [256, 1037])
def test_labels_weights_and_rows_that_are_ignored(rows):
    rng = np.random.default_rng(0)
    x, y, weight = rng.standard_normal((rows, 6)), rng.integers(0, 4, rows), rng.random(rows)
    y[::5] = -1
    loss = bp.CrossEntropy(ignore_index=-1, label_smoothing=0.1)
    model = dense(6, 20, 4, dtype="float64")
    trainer = bp.Trainer(model, loss, bp.SGD(1e-30))
    value = trainer.step(x, y, sample_weight=weight)
    whole = model.flat_gradients.copy()
    kept = np.flatnonzero(y >= 0)
    total = np.zeros_like(whole)
    for begin in range(0, len(kept), FEW):
        part = kept[begin : begin + FEW]
        trainer.step(x[part], y[part], sample_weight=weight[part])
        total += model.flat_gradients * weight[part].sum()
    np.testing.assert_allclose(whole, total / weight[kept].sum(), rtol=1e-9, atol=1e-13)
    assert np.isfinite(value)


@pytest.mark.parametrize("name", sorted({**NETWORKS, "moments": moments}))
def test_walking_on_changes_no_bits(name):
    """With recomputation no call joins the stage of another; masks, statistics and host functions are the same."""
    rows, make = 300, {**NETWORKS, "moments": moments}[name]
    results = []
    for options in ({}, {"recompute": True}):
        model = make()
        x, y = data(FEATURES, rows)
        trainer = bp.Trainer(model, bp.MSE(), bp.SGD(0.01), **options)
        losses = [trainer.step(x, y) for _ in range(3)]
        results.append((losses, model.flat_parameters.copy(), model.flat_gradients.copy(), trainer.plan(rows)))
    (first, weight, grad, lanes), (second, *others, apart) = results
    assert first == second
    for ours, expected in zip((weight, grad), others, strict=True):
        np.testing.assert_array_equal(ours, expected)
    assert any(call.in_lanes for call in lanes.calls)
    assert lanes.stages < apart.stages


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_lanes_have_the_same_bits_for_any_number_of_threads(isa, dtype):
    def trained(threads):
        model = bp.Sequential(
            bp.Dense(40, activation="gelu"), bp.Dropout(0.2), bp.LayerNorm(), bp.Dense(24), bp.BatchNorm(), bp.ReLU(),
            bp.Dense(5), input_shape=9, seed=2, dtype=dtype,
        )  # fmt: skip
        rng = np.random.default_rng(3)
        x, y = rng.standard_normal((1500, 9)), rng.integers(0, 5, 1500)
        history = model.fit(
            x, y, loss=bp.CrossEntropy(), optimizer=bp.Adam(), epochs=2, batch_size=601, seed=4, threads=threads,
            progress=False,
        )  # fmt: skip
        return model.flat_parameters.copy(), history["loss"]

    with using_isa(isa), sharing_everything():
        first = trained(1)
        for threads in (2, 3, 8):
            for ours, expected in zip(trained(threads), first, strict=True):
                np.testing.assert_array_equal(ours, expected)


@pytest.mark.row("A25")
def test_by_hand_is_a_step():
    model = dense(6, 16, 16, 3)
    x, y = (a.astype("f") for a in data(6, 333))
    _, grad = gradients(model, x, y)
    by_hand = dense(6, 16, 16, 3)
    by_hand.backward(reference.mse(by_hand.forward(x), y)[1])
    np.testing.assert_allclose(by_hand.flat_gradients, grad, rtol=2e-5, atol=1e-7)


def test_the_error_does_not_grow_with_the_rows():
    """All rows are alike, so that every sum has one sign."""
    rows = 200_000
    model, exact = dense(3, 4, 1), dense(3, 4, 1, dtype="float64")
    x, y = np.tile([0.3, -0.7, 0.9], (rows, 1)), np.full((rows, 1), 2.0)
    (_, grad), (_, expected) = gradients(model, x, y), gradients(exact, x, y)
    np.testing.assert_allclose(grad, expected, rtol=4e-6)


def test_a_batch_that_is_gathered_into_one_update():
    """Accumulation adds to gradients that are there: no sums of lanes."""
    whole, parts = dense(6, 16, 3, dtype="float64"), dense(6, 16, 3, dtype="float64")
    x, y = data(6, 1200)
    fit = {"loss": bp.MSE(), "shuffle": False, "progress": False}
    whole.fit(x, y, batch_size=1200, optimizer=bp.SGD(0.1), **fit)
    parts.fit(x, y, batch_size=400, optimizer=bp.SGD(0.1), accumulate=3, **fit)
    np.testing.assert_allclose(parts.flat_parameters, whole.flat_parameters, rtol=1e-12)
