"""Backpropagation through whole networks: central differences, the exposed traces, counts, second derivatives."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
import reference
from registry import ACTIVATIONS, BATCH_SIZES, DTYPES, ISAS, KINKS, LOSSES, by_name, distance_to, generator, using_isa

FEATURES, OUTPUTS = 4, 3
HIDDEN = [name for name in ACTIVATIONS if name != "softmax"]


def mlp(activation, depth, dtype="float64", width=5, seed=1):
    """`depth` dense layers, the activation between them."""
    layers = []
    for _ in range(depth - 1):
        layers += [bp.Dense(width), ACTIVATIONS[activation]()]
    model = bp.Sequential(*layers, bp.Dense(OUTPUTS), input_shape=(FEATURES,), seed=seed, dtype=dtype)
    rng = generator(activation, depth, seed)
    for name, value in model.parameters().items():
        if name.endswith("bias"):
            value[:] = rng.uniform(-0.3, 0.3, value.shape)
    return model


def as_reference(model, activation):
    """The same network for the reference, in float64."""
    weights = [value.astype(np.float64) for value in model.parameters().values()]
    layers = [reference.Layer(w, b, activation) for w, b in zip(weights[::2], weights[1::2], strict=True)]
    layers[-1].activation = "identity"
    return layers


def off_kinks(layers, rng, batch):
    """Rows for which no pre-activation is close to a kink."""
    x = rng.uniform(-2, 2, (64 * batch + 200, FEATURES))
    trace = reference.forward(layers, x)[1]
    distances = [distance_to(KINKS.get(layer.activation, ()), z) for layer, z in zip(layers, trace.z, strict=True)]
    return x[np.min(distances, axis=0) > 0.02][:batch]


def gradients_of(model, loss, x, y):
    """Value, gradient to the input, gradient to all parameters."""
    value, grad = loss.value_and_grad(model.forward(x), y)
    model.zero_grad()
    dx = model.backward(grad)
    return value, dx, model.flat_gradients.copy()


def numerical_gradient_of(model, loss, x, y):
    before = model.flat_parameters.copy()

    def cost(values):
        model.flat_parameters[:] = values
        return loss.value_and_grad(model.predict(x), y)[0]

    gradient = reference.numerical_gradient(cost, before)
    model.flat_parameters[:] = before
    return gradient


@pytest.mark.row("A1")
@pytest.mark.row("A13")
@pytest.mark.parametrize("depth", range(1, 7))
@pytest.mark.parametrize("activation", HIDDEN)
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_gradients_of_mlps_equal_central_differences(case, activation, depth):
    rng = generator(case.name, activation, depth)
    model = mlp(activation, depth)
    x = off_kinks(as_reference(model, activation), rng, 3)
    y = case.target(rng, len(x), OUTPUTS)
    _, dx, grad = gradients_of(model, case.make(), x, y)
    assert reference.relative_error(grad, numerical_gradient_of(model, case.make(), x, y)) < 1e-7
    of_input = reference.numerical_gradient(lambda v: case.make().value_and_grad(model.predict(v), y)[0], x)
    assert reference.relative_error(dx, of_input) < 1e-7


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
    np.testing.assert_allclose(y, expected, atol=limit)
    np.testing.assert_allclose(dx, expected_dx, atol=limit)
    ours = list(model.gradients().values())
    for at, expected_grad in enumerate(itertools.chain.from_iterable(zip(weight_grads, bias_grads, strict=True))):
        np.testing.assert_allclose(ours[at], expected_grad, atol=max(1, batch / 4) * limit)


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
@pytest.mark.parametrize("case", **by_name(LOSSES))
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
    np.testing.assert_allclose(by_hand_dx, dx, rtol=1e-9, atol=1e-11)
    assert ours.keys() == grads.keys()
    for name, expected in grads.items():
        np.testing.assert_allclose(ours[name], expected, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(model.gradients()[name], expected, rtol=1e-9, atol=1e-11)


# What backprop shows.


@pytest.fixture
def shown():
    """What backprop of a network shows, and what the reference has: loss, trace, gradients."""
    layers = [bp.Dense(5, activation="sigmoid"), bp.Dense(4, activation="tanh"), bp.Dense(OUTPUTS)]
    model = bp.Sequential(*layers, input_shape=(FEATURES,), seed=2, dtype="float64")
    rng = generator("shown")
    x, y = rng.standard_normal((6, FEATURES)), rng.standard_normal((6, OUTPUTS))
    layers = as_reference(model, "sigmoid")
    layers[1].activation = "tanh"
    output, trace = reference.forward(layers, x)
    return (
        model.backprop(x, y, bp.HalfMSE()),
        trace,
        reference.backward(layers, trace, reference.half_mse(output, y)[1]),
    )


@pytest.mark.row("A3")
def test_backprop_shows_every_z_and_a(shown):
    layers, trace, _ = shown
    assert len(layers) == len(trace.z)
    for layer, z, a in zip(layers, trace.z, trace.a[1:], strict=True):
        np.testing.assert_allclose(layer["z"], z, atol=1e-13)
        np.testing.assert_allclose(layer["a"], a, atol=1e-13)


@pytest.mark.row("A6")
def test_backprop_shows_delta_and_its_outer_products(shown):
    layers, trace, (deltas, weight_grads, bias_grads, _) = shown
    for layer, a, delta, dw, db in zip(layers, trace.a[:-1], deltas, weight_grads, bias_grads, strict=True):
        np.testing.assert_allclose(layer["delta"], delta, atol=1e-13)
        np.testing.assert_allclose(layer["weight"], dw, atol=1e-13)
        np.testing.assert_allclose(layer["bias"], db, atol=1e-13)
        outer = sum(np.outer(delta[row], a[row]) for row in range(len(delta)))
        np.testing.assert_allclose(layer["weight"], outer, atol=1e-13)


@pytest.mark.row("A3")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_backprop_shows_every_activation(activation):
    """Alone and as Dense(activation=...)."""
    model = bp.Sequential(
        bp.Dense(5), ACTIVATIONS[activation](), bp.Dense(OUTPUTS, activation=activation),
        input_shape=(FEATURES,), seed=2, dtype="float64",
    )  # fmt: skip
    rng = generator(activation, "shown")
    layers = model.backprop(rng.standard_normal((6, FEATURES)), rng.standard_normal((6, OUTPUTS)), bp.MSE())
    for layer in layers[1:]:
        np.testing.assert_allclose(layer["a"], reference.activate(activation, layer["z"]), atol=1e-13)


@pytest.mark.row("A3")
def test_backprop_updates_nothing():
    model = mlp("tanh", 2)
    before = model.flat_parameters.copy()
    model.backprop(np.ones((2, FEATURES)), np.ones((2, OUTPUTS)), bp.MSE())
    np.testing.assert_array_equal(model.flat_parameters, before)


# The flat gradient.


@pytest.mark.row("A20")
def test_the_flat_gradient_holds_all_parameters_and_round_trips():
    model = mlp("tanh", 3)
    assert model.flat_gradients.shape == model.flat_parameters.shape == (model.n_parameters,)
    assert sum(value.size for value in model.gradients().values()) == model.n_parameters
    model.flat_gradients[:] = np.arange(model.n_parameters)
    joined = np.concatenate([value.ravel() for value in model.gradients().values()])
    np.testing.assert_array_equal(joined, np.arange(model.n_parameters))
    model.gradients()["0.weight"][:] = -1
    assert np.count_nonzero(model.flat_gradients == -1) == model.gradients()["0.weight"].size


@pytest.mark.row("A21")
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_the_batch_gradient_is_the_mean_of_those_of_its_rows(case):
    rng = generator(case.name)
    model = mlp("tanh", 3)
    x, y = rng.standard_normal((9, FEATURES)), case.target(rng, 9, OUTPUTS)
    whole = gradients_of(model, case.make(), x, y)[2]
    rows = [gradients_of(model, case.make(), x[i : i + 1], y[i : i + 1])[2] for i in range(9)]
    np.testing.assert_allclose(whole, np.mean(rows, axis=0), atol=1e-14)


@pytest.mark.row("A22")
def test_gradients_add_up_until_they_are_reset():
    model = mlp("tanh", 2)
    x, grad = np.ones((2, FEATURES)), np.ones((2, OUTPUTS))
    model.forward(x)
    model.backward(grad)
    once = model.flat_gradients.copy()
    model.forward(x)
    model.backward(grad)
    np.testing.assert_array_equal(model.flat_gradients, 2 * once)
    model.zero_grad()
    assert not model.flat_gradients.any()
    model.forward(x)
    model.backward(grad)
    np.testing.assert_array_equal(model.flat_gradients, once)


# What it costs: counted in calls and floating-point operations of the plan.


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
def test_backward_costs_at_most_three_times_forward():
    for widths in ([64, 256, 256, 10], [512] * 6, [8, 1024, 1]):
        _, plan = training_plan(widths)
        cost = {
            phase: sum(call.flops for call in plan.calls if call.phase == phase) for phase in ("forward", "backward")
        }
        assert 1 < cost["backward"] / cost["forward"] <= 3


@pytest.mark.row("A19")
def test_cost_is_linear_in_the_number_of_parameters():
    sizes, costs = [], []
    for width in (64, 128, 256, 512, 1024):
        n, plan = training_plan([width] * 4)
        sizes.append(n)
        costs.append(sum(call.flops for call in plan.calls))
    slope = np.polyfit(np.log(sizes), np.log(costs), 1)[0]
    assert 0.9 < slope < 1.1


# Checking gradients.


@pytest.mark.row("C1")
@pytest.mark.parametrize("activation", HIDDEN)
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_gradcheck_passes_what_is_right(case, activation):
    rng = generator(case.name, activation)
    model = mlp(activation, 3)
    x = off_kinks(as_reference(model, activation), rng, 4)
    before = model.flat_parameters.copy()
    assert bp.gradcheck(model, case.make(), x, case.target(rng, len(x), OUTPUTS)) < 1e-6
    np.testing.assert_array_equal(model.flat_parameters, before)


def planted(bug):
    """A network with a right output and a wrong gradient: `bug` mixes x @ w with a copy that nothing flows through."""
    x = bp.Input(FEATURES, dtype="float64")
    w = bp.parameter((FEATURES, OUTPUTS), "float64", "w", "glorot_uniform")
    z = x @ w
    return bp.Network(x, bp.tanh(bug(z, bp.stop_gradient(z))), seed=1)


@pytest.mark.row("C1")
@pytest.mark.row("C7")
@pytest.mark.parametrize(
    ("bug", "caught"),
    [
        (lambda z, dead: z, False),
        (lambda z, dead: 2 * dead - z, True),  # the sign of the gradient
        (lambda z, dead: 0.5 * z + 0.5 * dead, True),  # its scale
        (lambda z, dead: 1.001 * z - 0.001 * dead, True),
        (lambda z, dead: dead, True),  # no gradient at all
    ],
    ids=["right", "sign", "scale", "slightly off", "missing"],
)
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_gradcheck_catches_what_is_wrong(case, bug, caught):
    rng = generator(case.name, "planted")
    x, y = rng.standard_normal((5, FEATURES)), case.target(rng, 5, OUTPUTS)
    error = bp.gradcheck(planted(bug), case.make(), x, y)
    assert error > 1e-4 if caught else error < 1e-6


# Second derivatives.


def hessian_vector_by_differences(gradient, w, v):
    """d/dt grad(w + t v), extrapolated."""

    def difference(h):
        return (gradient(w + h * v) - gradient(w - h * v)) / (2 * h)

    h = 1e-3
    d1, d2, d4 = difference(h), difference(h / 2), difference(h / 4)
    return (16 * (4 * d4 - d2) / 3 - (4 * d2 - d1) / 3) / 15


SECOND = [name for name in HIDDEN if name not in KINKS]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("activation", SECOND)
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_hvp_equals_differences_of_the_gradient(case, activation, isa):
    rng = generator(case.name, activation, "hvp")
    with using_isa(isa):
        model, loss = mlp(activation, 3), case.make()
        x, y = rng.standard_normal((5, FEATURES)), case.target(rng, 5, OUTPUTS)
        v, w = rng.standard_normal(model.n_parameters), model.flat_parameters.copy()

        def gradient(values):
            model.flat_parameters[:] = values
            return gradients_of(model, loss, x, y)[2]

        expected = hessian_vector_by_differences(gradient, w, v)
        model.flat_parameters[:] = w
        product = bp.hvp(model, loss, x, y, v)
    assert product.shape == (model.n_parameters,)
    assert reference.relative_error(product, expected) < 1e-7


def test_the_hessian_is_symmetric():
    rng = generator("symmetric")
    model = mlp("gelu", 3)
    x, y = rng.standard_normal((5, FEATURES)), rng.integers(0, OUTPUTS, 5)
    u, v = rng.standard_normal((2, model.n_parameters))
    left = u @ bp.hvp(model, bp.CrossEntropy(), x, y, v)
    assert left == pytest.approx(v @ bp.hvp(model, bp.CrossEntropy(), x, y, u), rel=1e-11)


@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_hvp_through_dropout_with_fixed_masks(case):
    rng = generator(case.name, "dropout")
    model = bp.Sequential(
        bp.Dense(6), bp.Tanh(), bp.Dropout(0.4), bp.Dense(6), bp.GELU(), bp.Dropout(0.2), bp.Dense(OUTPUTS),
        input_shape=(FEATURES,), seed=3, dtype="float64",
    )  # fmt: skip
    loss, x, y = case.make(), rng.standard_normal((5, FEATURES)), case.target(rng, 5, OUTPUTS)
    v, w = rng.standard_normal(model.n_parameters), model.flat_parameters.copy()

    def gradient(values):
        model.flat_parameters[:] = values
        _, grad = loss.value_and_grad(model.forward(x, random_step=7), y)
        model.zero_grad()
        model.backward(grad)
        return model.flat_gradients.copy()

    expected = hessian_vector_by_differences(gradient, w, v)
    model.flat_parameters[:] = w
    assert reference.relative_error(bp.hvp(model, loss, x, y, v, random_step=7), expected) < 1e-7
