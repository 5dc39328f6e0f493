"""Recurrent layers: forms that PyTorch has not, derivatives of derivatives, sizes, files, plans."""

import re

import numpy as np
import pytest

import backpass as bp
from registry import generator

KINDS = {
    "RNN": lambda **more: bp.RNN(4, **more),
    "RNN relu": lambda **more: bp.RNN(4, nonlinearity="relu", **more),
    "LSTM": lambda **more: bp.LSTM(4, **more),
    "GRU": lambda **more: bp.GRU(4, **more),
    "GRU, reset before": lambda **more: bp.GRU(4, reset_after=False, **more),
}
SMOOTH = [kind for kind in KINDS if kind != "RNN relu"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru_before(x, w, r, b, c, h):
    """Cho et al. 2014: the reset gate stands before the product."""
    z = x @ w.T + b
    n = h.shape[1]
    gates = sigmoid(z[:, : 2 * n] + h @ r[: 2 * n].T + c[: 2 * n])
    reset, update = gates[:, :n], gates[:, n:]
    new = np.tanh(z[:, 2 * n :] + (reset * h) @ r[2 * n :].T + c[2 * n :])
    return (1 - update) * new + update * h


def model_of(kind, steps=5, features=3, seed=0, lengths=False, **more):
    x = bp.Input((steps, features), dtype="float64")
    if not lengths:
        made = KINDS[kind](**more)(x)
        return bp.Network(x, list(made) if isinstance(made, tuple) else made, seed=seed)
    ends = bp.Input((), dtype="int32")
    made = KINDS[kind](**more)(x, lengths=ends)
    return bp.Network([x, ends], list(made) if isinstance(made, tuple) else made, seed=seed)


def gradients_of(model, x, y):
    f, parameters = model.functional()
    return list(bp.grad(lambda p: bp.sum(bp.square(f(p, x) - y)))(parameters).values())


def test_a_gru_whose_reset_gate_stands_before_the_product():
    model = model_of("GRU, reset before")
    w, r, b, c = model.parameters().values()
    x = generator("gru").standard_normal((2, 5, 3))
    h, expected = np.zeros((2, 4)), []
    for t in range(5):
        h = gru_before(x[:, t], w, r, b, c, h)
        expected.append(h)
    np.testing.assert_allclose(model.predict(x), np.stack(expected, 1), atol=1e-13)


@pytest.mark.row("G6")
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_through_twenty_steps_are_central_differences(kind):
    model = model_of(kind, steps=20, num_layers=2, bidirectional=True)
    x = generator(kind).standard_normal((3, 20, 3))
    assert bp.gradcheck(model, bp.MSE(), x, np.ones((3, 20, 8))) < 1e-6


@pytest.mark.row("G7")
@pytest.mark.parametrize("kind", KINDS)
def test_backpropagation_through_time_is_that_of_the_unfolded_network(kind):
    """Cells called step by step are the layer, and so are their gradients."""
    make = {"RNN": bp.RNNCell, "RNN relu": lambda n: bp.RNNCell(n, nonlinearity="relu"), "LSTM": bp.LSTMCell,
            "GRU": bp.GRUCell, "GRU, reset before": lambda n: bp.GRUCell(n, reset_after=False)}[kind]  # fmt: skip
    cell, x = make(4), bp.Input((6, 3), dtype="float64")
    state, steps = (), []
    for t in range(6):
        made = cell(x[:, t], *state)
        state = made if isinstance(made, tuple) else (made,)
        steps.append(bp.reshape(state[0], (None, 1, 4)))
    unfolded = bp.Network(x, bp.concat(steps, 1), seed=0)
    model = model_of(kind, steps=6)
    for ours, theirs in zip(model.parameters().values(), unfolded.parameters().values(), strict=True):
        ours[:] = theirs
    data, target = generator(kind).standard_normal((5, 6, 3)), np.ones((5, 6, 4))
    np.testing.assert_allclose(model.predict(data), unfolded.predict(data), atol=1e-10)
    grads = [gradients_of(m, data, target) for m in (model, unfolded)]
    for ours, theirs in zip(*grads, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", SMOOTH)
def test_second_derivatives_are_differences_of_the_first(kind, reverse):
    model = model_of(kind, steps=4, go_backwards=reverse, lengths=True)
    f, parameters = model.functional()
    ends = np.array([4, 0, 2], "int32")
    x, rng = generator(kind).standard_normal((3, 4, 3)), generator("direction", kind)
    direction = {name: rng.standard_normal(value.shape) for name, value in parameters.items()}

    def loss(p, x):
        return bp.sum(bp.square(f(p, x, ends)))

    gradients = bp.grad(loss, argnums=(0, 1))

    def along(p, x):
        return sum(bp.sum(gradients(p, x)[0][name] * d) for name, d in direction.items())

    made = bp.grad(along, argnums=(0, 1))(parameters, x)
    h = 1e-5
    up, down = ({n: p + s * h * direction[n] for n, p in parameters.items()} for s in (1, -1))
    above, below = gradients(up, x), gradients(down, x)
    for name in parameters:
        np.testing.assert_allclose(made[0][name], (above[0][name] - below[0][name]) / (2 * h), atol=1e-7, err_msg=name)
    np.testing.assert_allclose(made[1], (above[1] - below[1]) / (2 * h), atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_forward_and_backward_by_hand(kind):
    model = model_of(kind, num_layers=2, bidirectional=True)
    x, grad = generator(kind).standard_normal((3, 5, 3)), np.ones((3, 5, 8))
    f, parameters = model.functional()
    expected = bp.grad(lambda p: bp.sum(f(p, x)))(parameters)
    np.testing.assert_array_equal(model.forward(x), model.predict(x))
    model.backward(grad)
    for name, value in model.gradients().items():
        np.testing.assert_allclose(value, expected[name], atol=1e-12, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_maps_over_rows_and_over_weights(kind):
    f, parameters = model_of(kind, steps=3).functional()
    x = generator(kind).standard_normal((4, 2, 3, 3))
    many = {name: np.stack([value * (1 + 0.1 * i) for i in range(4)]) for name, value in parameters.items()}
    grad = bp.grad(lambda p, x: bp.sum(bp.square(f(p, x))))
    for axes, p in ((None, parameters), (0, many)):
        got = bp.vmap(grad, in_axes=(axes, 0))(p, x)
        for i in range(4):
            one = grad({name: value[i] for name, value in many.items()} if axes == 0 else parameters, x[i])
            for name, value in one.items():
                np.testing.assert_allclose(got[name][i], value, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_steps_keep_their_states_and_give_zeros(kind):
    model = model_of(kind, lengths=True, return_state=True, bidirectional=True)
    x = generator(kind).standard_normal((3, 5, 3))
    y, h, *_ = model.predict([x, np.array([0, 5, -2], "int32")])
    assert not y[[0, 2]].any()
    assert not h[[0, 2]].any()
    full = model_of(kind, return_state=True, bidirectional=True).predict(x)
    np.testing.assert_array_equal(y[1], full[0][1])


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_and_no_rows(kind):
    model = model_of(kind, steps=1)
    assert model.predict(np.zeros((0, 1, 3))).shape == (0, 1, 4)
    assert bp.gradcheck(model, bp.MSE(), np.ones((2, 1, 3)), np.zeros((2, 1, 4))) < 1e-6
    f, parameters = model.functional()
    nothing = bp.grad(lambda p, x: bp.sum(f(p, x)))(parameters, np.zeros((0, 1, 3)))
    assert all(not grad.any() for grad in nothing.values())


@pytest.mark.parametrize("kind", KINDS)
def test_going_backwards_is_forwards_over_the_turned_series(kind):
    x = generator(kind).standard_normal((2, 5, 3))
    back, forward = model_of(kind, go_backwards=True), model_of(kind)
    np.testing.assert_array_equal(back.predict(x), forward.predict(x[:, ::-1].copy())[:, ::-1])


@pytest.mark.parametrize("kind", KINDS)
def test_last_states_are_each_direction_s_own(kind):
    x = generator(kind).standard_normal((2, 5, 3))
    last = model_of(kind, bidirectional=True, return_sequences=False).predict(x)
    all_steps = model_of(kind, bidirectional=True).predict(x)
    np.testing.assert_array_equal(last, np.concatenate([all_steps[:, -1, :4], all_steps[:, 0, 4:]], 1))


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_saved_and_described(kind, tmp_path):
    layer = KINDS[kind](num_layers=2, dropout=0.5, bidirectional=True, return_sequences=False)
    model = bp.Sequential(layer, bp.Dense(2), input_shape=(5, 3), dtype="float64", seed=0)
    x = generator(kind).standard_normal((4, 5, 3))
    model.save(tmp_path / "m.safetensors")
    loaded = bp.load(tmp_path / "m.safetensors")
    assert loaded.layers == model.layers
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert eval(repr(layer), vars(bp)) == layer
    assert type(layer).__name__ in str(model.summary())
    assert model.output_shape == (2,)


def test_values_start_as_pytorch_s():
    model = model_of("LSTM")
    for values in model_of("LSTM", features=700, num_layers=2).parameters().values():
        assert np.abs(values).max() <= 0.5
        assert np.abs(values).max() > 0.4
    assert list(model.parameters()) == [f"0.{n}_l0" for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    started = bp.GRU(4, weight_init="glorot_uniform", recurrent_init="orthogonal", bias_init="zeros")
    keras = bp.Sequential(started, input_shape=(5, 3), seed=0).parameters()
    r = keras["0.weight_hh_l0"]
    np.testing.assert_allclose(r.T @ r, np.eye(4), atol=1e-6)
    assert not keras["0.bias_hh_l0"].any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bits_for_any_number_of_threads(kind):
    x, y = generator(kind).standard_normal((70, 9, 3)), np.ones((70, 9, 8))
    before = bp.get_threads()
    bp._core.set_sharing_cut(False)
    made = []
    try:
        for threads in (1, 2, 3):
            bp.set_threads(threads)
            model = model_of(kind, steps=9, bidirectional=True)
            trainer = bp.Trainer(model, bp.MSE(), bp.Adam(0.01))
            for _ in range(3):
                trainer.step(x, y)
            made.append(model.flat_parameters.copy())
    finally:
        bp.set_threads(before)
        bp._core.set_sharing_cut(True)
    assert made[0].tobytes() == made[1].tobytes() == made[2].tobytes()


def test_the_plan_of_a_thousand_steps_fits_a_screen():
    model = bp.Sequential(bp.LSTM(8, return_sequences=False), bp.Dense(1), input_shape=(1000, 2), seed=0)
    plan = str(bp.Trainer(model, bp.MSE(), bp.Adam(0.01)).plan(16))
    assert len(plan.splitlines()) < 60
    assert len(re.findall("lstm 8, 1000 steps of 16 rows", plan)) == 2  # there and back


@pytest.mark.parametrize("recompute", [False, True])
def test_recomputation_and_narrow_values(recompute):
    model = bp.Sequential(bp.LSTM(8, num_layers=3), bp.Dense(2), input_shape=(12, 3), dtype="float32", seed=0)
    x, y = generator("narrow").standard_normal((16, 12, 3)), np.zeros((16, 12, 2))
    plain = bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(x, y)
    again = bp.Sequential(bp.LSTM(8, num_layers=3), bp.Dense(2), input_shape=(12, 3), dtype="float32", seed=0)
    how = {"recompute": True} if recompute else {"activation_dtype": "bfloat16"}
    trainer = bp.Trainer(again, bp.MSE(), bp.SGD(0.1), **how)
    assert trainer.step(x, y) == pytest.approx(plain, rel=1e-2)
    np.testing.assert_allclose(again.flat_parameters, model.flat_parameters, atol=0 if recompute else 1e-2)


def test_layers_on_tensors_that_have_values():
    layer = bp.LSTM(4, return_state=True)
    x = bp.tensor(generator("eager").standard_normal((2, 5, 3)).astype("float32"))
    y, h, c = layer(x)
    assert (y.shape, h.shape, c.shape) == ((2, 5, 4), (2, 1, 4), (2, 1, 4))
    first, h, c = layer(x[:, :2])
    second, *_ = layer(x[:, 2:], h, c)
    np.testing.assert_allclose(
        np.concatenate([np.asarray(first), np.asarray(second)], 1), np.asarray(y), rtol=1e-5, atol=1e-6
    )
    bp.sum(y).backward()
    assert all(np.any(np.asarray(w.grad)) for w in layer.parameters())
    short, *_ = layer(x, lengths=[3, 5])
    assert not np.asarray(short)[0, 3:].any()


def test_between_layers_elements_are_dropped_anew_in_each_step():
    x = bp.Input((50, 2))
    model = bp.Network(x, bp.RNN(8, num_layers=2, dropout=0.5, recurrent_init="zeros")(x), seed=0)
    data = np.ones((1, 50, 2))  # without recurrence, all steps are alike but for what is dropped
    alike = model.predict(data)
    np.testing.assert_array_equal(alike, np.broadcast_to(alike[:, :1], alike.shape))
    dropped = model.forward(data)
    assert len(np.unique(dropped[0], axis=0)) > 25


def test_a_sequential_model_takes_no_layer_that_gives_states():
    with pytest.raises(ValueError, match=r"\[LSTM 0\] gives its final states too, .*: call it in a Network"):
        bp.Sequential(bp.LSTM(4, return_state=True), input_shape=(5, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: bp.LSTM(4)(x[:, 0]), r"takes numbers \(batch, steps, features\), got float32 \(batch, 3\)"),
        (lambda x: bp.LSTM(4)(x, bp.Input((1, 4))), "or x and two first states, h and c, got 2 inputs"),
        (lambda x: bp.GRU(4)(x, bp.Input((2, 4))), r"first states must be float32 \(batch, 1, 4\)"),
        (lambda x: bp.GRU(4)(x, lengths=bp.Input((2,), dtype="int32")), "lengths must be one integer for each row"),
        (lambda x: bp.GRU(0)(x), "hidden_size must be positive, got 0"),
        (lambda x: bp.RNN(4, nonlinearity="gelu")(x), "nonlinearity"),
        (lambda x: bp.RNN(4, dropout=1.0)(x), "dropout must be at least 0 and below 1"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(bp.Input((5, 3)))
