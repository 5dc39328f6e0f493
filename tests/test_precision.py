"""Precision of matrix products: what is asked for, what the machine computes, and what it says."""

import numpy as np
import pytest

import backpass as bp
from backpass import _machine
from registry import generator, using_isa

CAPPED = [isa for isa in bp.available_isas() if isa != "amx"]
needs_amx = pytest.mark.skipif("amx" not in bp.available_isas(), reason="this machine has no AMX")


@pytest.fixture
def untold(monkeypatch):
    """As in a process that has not been warned yet."""
    monkeypatch.setattr(_machine, "_told_of_precision", False)


def network(precision):
    x = bp.Input(4)
    return bp.Network(x, bp.Dense(2)(x), precision=precision)


@pytest.mark.row("P2")
@pytest.mark.parametrize("make", [lambda p: bp.Sequential(bp.Dense(3), precision=p), network], ids=["layers", "graph"])
@pytest.mark.parametrize("precision", ["high", "medium"])
def test_a_precision_that_the_machine_lacks_is_told_of_once(make, precision, untold):
    with using_isa(CAPPED[-1]):
        with pytest.warns(UserWarning, match=f'precision "{precision}" is computed as "highest": .* AMX-BF16') as told:
            make(precision)
        assert told[0].filename == __file__
        make(precision)


def test_nothing_is_said_where_nothing_is_missing(untold):
    with using_isa(CAPPED[-1]):
        bp.Sequential(bp.Dense(3))
        bp.Sequential(bp.Dense(3), precision="medium", dtype="float64")


def trained(precision, isa, width=300, epochs=2):
    rng = generator("precision")
    x = rng.standard_normal((1024, 200)).astype(np.float32)
    y = np.tanh(x @ rng.standard_normal((200, 3)).astype(np.float32) / 14)
    with using_isa(isa):
        layers = [bp.Dense(width, activation="relu"), bp.Dense(width, activation="tanh"), bp.Dense(3)]
        model = bp.Sequential(*layers, seed=0, input_shape=200, precision=precision)
        history = model.fit(x, y, loss=bp.MSE(), optimizer=bp.Adam(), epochs=epochs, batch_size=512, seed=0)
        plan = str(bp.Trainer(model, bp.MSE(), bp.Adam()).plan(512))
    return history["loss"][-1], model.flat_parameters.copy(), plan


@pytest.mark.row("P2")
@pytest.mark.filterwarnings("ignore:.*is computed as")
@pytest.mark.parametrize("precision", ["high", "medium"])
def test_without_the_instructions_every_precision_is_the_highest(precision):
    _, expected, _ = trained("highest", CAPPED[-1])
    _, parameters, plan = trained(precision, CAPPED[-1])
    np.testing.assert_array_equal(parameters, expected)
    assert "amx" not in plan


@needs_amx
@pytest.mark.row("P2")
@pytest.mark.parametrize(("precision", "path"), [("high", "amx x3"), ("medium", "amx x1")])
def test_training_with_less_precision_ends_at_the_same_loss(precision, path):
    if bp._core.reduced_precision_gap():
        pytest.skip("this process may not use AMX")
    expected, _, _ = trained("highest", CAPPED[-1], width=1000, epochs=20)
    loss, _, plan = trained(precision, "amx", width=1000, epochs=20)
    assert path in plan
    assert loss == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("precision", "bound"), [("highest", 2.0**-22), ("high", 2.0**-15), ("medium", 2.0**-6)])
@pytest.mark.parametrize("scale", [0, 20])
def test_products_have_the_precision_that_is_asked_for(precision, bound, scale):
    """Also where rows differ by 40 decades."""
    rng = generator("products")
    a, b = (rng.standard_normal((1024, 700)).astype(np.float32) for _ in range(2))
    a *= np.float32(10) ** rng.uniform(-scale, scale, (1024, 1)).astype(np.float32)
    with using_isa(bp.available_isas()[-1]):
        x, w = bp.input(a.shape), bp.input(b.shape)
        (product,) = bp.Graph([x, w], [bp.matmul(x, w, transpose_b=True, precision=precision)])(a, b)
    error = np.abs(product - a.astype(np.float64) @ b.T.astype(np.float64))
    assert (error / (np.abs(a).astype(np.float64) @ np.abs(b).T)).max() < bound


def test_what_bfloat16_cannot_split_is_computed_as_float32():
    """Infinities and numbers near the ends of the range: where they stand, a lower precision is as the highest."""
    rng = generator("ends")
    a, b = (rng.standard_normal((256, 256)).astype(np.float32) for _ in range(2))
    a[3, 5], a[100, 7], b[1, 9] = np.inf, 3e37, 1e-39
    with using_isa(bp.available_isas()[-1]):
        x, w = bp.input(a.shape), bp.input(b.shape)
        products = [bp.matmul(x, w, precision=p) for p in ("highest", "high", "medium")]
        highest, *lower = bp.Graph([x, w], products)(a, b)
    for product in lower:
        np.testing.assert_array_equal(product[3], highest[3])
        np.testing.assert_allclose(product[100], highest[100], rtol=1e-5)
        assert np.isfinite(np.delete(product, 3, axis=0)).all()
