"""Gradients of dense networks against central differences and the reference, array by array."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from mlps import FEATURES, OUTPUTS, as_reference, gradients_of, mlp, off_kinks
from registry import ACTIVATIONS, ALL_LOSSES, BATCH_SIZES, DTYPES, ISAS, by_name, generator, kinks_of, using_isa

# The wider the step, the less the differences of small gradients lose to rounding; kinks must lie outside of it.
STEP, STEP_NEAR_KINKS, DISTANCE = 3e-2, 2e-3, 0.03


@pytest.mark.row("A1")
@pytest.mark.row("A13")
@pytest.mark.parametrize("depth", range(1, 7))
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("case", **by_name(ALL_LOSSES))
def test_gradients_of_mlps_equal_central_differences(case, activation, depth):
    """Of every parameter array and of the input, each relative to its own norm, however small that is."""
    rng, loss = generator(case.name, activation, depth), case.make()
    model = mlp(activation, depth, width=4, columns=case.columns)
    x = off_kinks(as_reference(model, activation), rng, 3, DISTANCE)
    y = case.target(rng, len(x), OUTPUTS)
    _, dx, _ = gradients_of(model, loss, x, y)
    step = STEP_NEAR_KINKS if kinks_of(activation) else STEP
    for array, grad in [(x, dx), *zip(model.parameters().values(), model.gradients().values(), strict=True)]:

        def cost(values, array=array):
            array[:] = values
            return loss.value_and_grad(model.predict(x), y)[0]

        kept = array.copy()
        numerical = reference.numerical_gradient(cost, kept, step)
        array[:] = kept
        assert reference.relative_error(grad, numerical) < 1e-6


@pytest.mark.row("A2")
@pytest.mark.row("A6")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("batch", [*BATCH_SIZES, 64, 1000])
def test_forward_and_gradients_equal_the_reference(batch, isa, dtype):
    with using_isa(isa):
        model = mlp("tanh", 4, dtype, width=23)
        layers = as_reference(model, "tanh")
        rng = generator(batch)
        x, grad = rng.uniform(-1, 1, (batch, FEATURES)), rng.uniform(-1, 1, (batch, OUTPUTS))
        y = model.forward(x)
        dx = model.backward(grad)
    expected, trace = reference.forward(layers, x.astype(dtype).astype(np.float64))
    _, weight_grads, bias_grads, expected_dx = reference.backward(layers, trace, grad.astype(dtype).astype(np.float64))
    limit = 1e-6 if dtype == "float32" else 1e-12
    assert reference.relative_error(y, expected) < limit
    assert reference.relative_error(dx, expected_dx) < limit
    expected_grads = itertools.chain.from_iterable(zip(weight_grads, bias_grads, strict=True))
    for grad, expected_grad in zip(model.gradients().values(), expected_grads, strict=True):
        assert reference.relative_error(grad, expected_grad) < limit


def random_layers(rng, count):
    """Layers in any order: dense ones as numbers of units, activations as names."""
    return [
        int(rng.integers(1, 20)) if rng.random() < 0.5 else str(rng.choice(list(ACTIVATIONS))) for _ in range(count)
    ]


def follow(description, model, x, loss, y, weight):
    """What the reference makes of such layers: loss, gradient to the input, gradients by name."""
    values, a = [], x
    for at, layer in enumerate(description):
        values.append(a)
        if isinstance(layer, int):
            a = reference.dense_forward(a, model.parameters()[f"{at}.weight"], model.parameters()[f"{at}.bias"])
        else:
            a = reference.activate(layer, a)
    value, grad = loss(a, y, weight)
    grads = {}
    for at, layer in reversed(list(enumerate(description))):
        if isinstance(layer, int):
            weights = model.parameters()[f"{at}.weight"]
            grad, grads[f"{at}.weight"], grads[f"{at}.bias"] = reference.dense_backward(values[at], weights, grad)
        else:
            grad = reference.activation_backward(layer, values[at], grad)
    return value, grad, grads


@pytest.mark.row("A1")
@given(layers=st.integers(1, 9), rows=st.integers(1, 40), features=st.integers(1, 20), data=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("case", **by_name([case for case in ALL_LOSSES if case.columns == 1]))
def test_random_networks(case, layers, rows, features, data):
    """Layers in any order, trained and by hand, give the gradients of the reference."""
    rng = np.random.default_rng(data)
    description = random_layers(rng, layers)
    made = [bp.Dense(layer) if isinstance(layer, int) else ACTIVATIONS[layer]() for layer in description]
    model = bp.Sequential(*made, input_shape=(features,), seed=data, dtype="float64")
    x = rng.uniform(-1, 1, (rows, features))
    y, weight = case.target(rng, rows, model.predict(x).shape[1]), rng.uniform(0.5, 2, rows)
    value, dx, grads = follow(description, model, x, case.value_and_grad, y, weight)

    loss, ours = model.value_and_grad(x, y, case.make(), weight)
    _, grad_output = case.make().value_and_grad(model.forward(x), y, weight)
    model.zero_grad()
    by_hand_dx = model.backward(grad_output)
    assert loss == pytest.approx(value, rel=1e-11, abs=1e-12)
    # A gradient that vanishes, behind a softmax over one unit say, is rounding of those behind it.
    floor = 1e-5 * max(np.linalg.norm(grad) for grad in (grad_output, *grads.values()))
    assert reference.relative_error(by_hand_dx, dx, floor) < 1e-9
    assert ours.keys() == grads.keys()
    for name, expected in grads.items():
        assert reference.relative_error(ours[name], expected, floor) < 1e-9
        assert reference.relative_error(model.gradients()[name], expected, floor) < 1e-9
