"""Loops as users of PyTorch and Keras write them, changed in the import line and the names of layers."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp
import backpass.optimizers as optim
from backpass import _core
from registry import DTYPES, generator


def data(rows=16, inputs=3, outputs=2, dtype="float32"):
    rng = generator("eager training")
    return rng.standard_normal((rows, inputs)).astype(dtype), rng.standard_normal((rows, outputs)).astype(dtype)


def made(*layers, dtype="float32"):
    layers = layers or (bp.Dense(8, activation="tanh"), bp.Dense(2))
    return bp.Sequential(*layers, input_shape=3, seed=3, dtype=dtype)


@pytest.mark.row("X1")
def test_a_loop_of_pytorch():
    X = bp.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    Y = bp.tensor([[0.0], [1.0], [1.0], [0.0]])

    model = bp.Sequential(
        bp.Dense(8),
        bp.Tanh(),
        bp.Dense(1),
        input_shape=2,
        seed=1,
    )
    criterion = bp.MSE()
    optimizer = optim.Adam(model.parameters(), lr=0.05)

    model.train()
    losses = []
    for epoch in range(300):  # noqa: B007 (as it is written)
        optimizer.zero_grad()
        output = model(X)
        loss = criterion(output, Y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if losses[-1] < 1e-3:
            break

    model.eval()
    with bp.no_grad():
        predicted = (model(X) > bp.constant(0.5, (4, 1))).numpy()
    assert losses[-1] < 1e-3
    assert epoch < 299
    assert predicted.tolist() == Y.tolist()


@pytest.mark.row("X2")
def test_a_loop_of_keras():
    x_train, y_train = bp.datasets.load_digits()
    x_train, y_train = x_train[:512].astype("float32"), y_train[:512]
    model = bp.Sequential([bp.Dense(32, activation="relu"), bp.Dense(10)], input_shape=64, seed=0)
    loss_fn = bp.CrossEntropy()
    optimizer = bp.Adam(learning_rate=3e-3)

    for _ in range(16):
        for begin in range(0, len(x_train), 64):
            x_batch, y_batch = x_train[begin : begin + 64], y_train[begin : begin + 64]
            with bp.GradientTape() as tape:
                logits = model(x_batch, training=True)
                loss_value = loss_fn(logits, y_batch)
            grads = tape.gradient(loss_value, model.trainable_variables)
            optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))

    assert float(loss_value) < 0.3
    logits = model(x_train, training=False)
    assert np.mean(np.argmax(logits, axis=1) == y_train) > 0.95


@pytest.mark.row("X1")
def test_regression_by_hand_as_in_pytorch():
    rng = np.random.default_rng(0)
    x = bp.tensor(rng.standard_normal((64, 2)), requires_grad=False)
    y = x @ bp.tensor([[2.0], [-3.0]], dtype="float64") + 0.5
    w = bp.tensor(np.zeros((2, 1)), requires_grad=True)
    b = bp.tensor(np.zeros(1), requires_grad=True)
    lr = 0.1
    for _ in range(200):
        loss = ((x @ w + b - y) ** 2).mean() if hasattr(bp.Tensor, "mean") else bp.mean((x @ w + b - y) ** 2)
        loss.backward()
        with bp.no_grad():
            w -= lr * w.grad
            b -= lr * b.grad
            w.grad.zero_()
            b.grad.zero_()
    np.testing.assert_allclose(w.numpy(), [[2], [-3]], atol=1e-6)
    np.testing.assert_allclose(b.numpy(), [0.5], atol=1e-6)


OPTIMIZERS = [bp.SGD(0.05), bp.SGD(0.05, momentum=0.9), bp.Adam(0.01), bp.AdamW(0.01, clip_norm=0.1)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_loop_has_the_bits_of_a_trainer(optimizer, dtype):
    for rows in (1, 16, 600):
        x, y = data(rows, dtype=dtype)
        by_loop, by_trainer = made(dtype=dtype), made(dtype=dtype)
        own, loss = copy.deepcopy(optimizer), bp.MSE()
        trainer = bp.Trainer(by_trainer, bp.MSE(), copy.deepcopy(optimizer))
        for _ in range(4):
            value = loss(by_loop(x), y)
            by_loop.zero_grad()
            value.backward()
            own.step(by_loop)
            assert float(value) == trainer.step(x, y)
        assert np.array_equal(by_loop.flat_parameters, by_trainer.flat_parameters)


def test_dropout_and_running_statistics_are_those_of_a_trainer():
    x, y = data(32)
    by_loop, by_trainer = (made(bp.Dense(8), bp.BatchNorm(), bp.Tanh(), bp.Dropout(0.5), bp.Dense(2)) for _ in range(2))
    optimizer, loss = bp.SGD(by_loop.parameters(), lr=0.1), bp.MSE()
    trainer = bp.Trainer(by_trainer, bp.MSE(), bp.SGD(0.1))
    for _ in range(5):
        value = loss(by_loop(x), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        assert float(value) == trainer.step(x, y)
    for name, array in by_trainer.state_dict().items():
        assert np.array_equal(array, by_loop.state_dict()[name]), name
    np.testing.assert_array_equal(by_loop(x, training=False).numpy(), by_trainer.predict(x))


def test_the_mode_of_a_call():
    x, _ = data()
    model = made(bp.Dense(8), bp.Dropout(0.5), bp.Dense(2))
    still = model.predict(x)

    def is_still(**how):
        return np.array_equal(model(x, **how).numpy(), still)

    assert not is_still()
    assert is_still(training=False)
    with bp.no_grad():
        assert is_still()
        assert not is_still(training=True)
    assert model.eval() is model
    assert is_still()
    model.train()
    with bp.no_grad():
        assert not is_still()


def test_values_asked_for_on_the_way_draw_the_same_masks():
    x, y = data()
    model, again = (made(bp.Dense(8), bp.Dropout(0.5), bp.Dense(2)) for _ in range(2))
    first, second = model(x), again(x)
    assert np.array_equal(first.numpy(), second.numpy())
    loss = bp.MSE()
    loss(first, y).backward()
    fresh = made(bp.Dense(8), bp.Dropout(0.5), bp.Dense(2))
    loss(fresh(x), y).backward()
    assert np.array_equal(model.flat_gradients, fresh.flat_gradients)


def test_gradients_accumulate_and_agree_with_those_by_hand():
    x, y = data(dtype="float64")
    model, loss = made(dtype="float64"), bp.MSE()
    for turn in (1, 2, 3):
        loss(model(x), y).backward()
        by_hand = made(dtype="float64")
        _, gradients = by_hand.value_and_grad(x, y, bp.MSE())
        for name, gradient in model.gradients().items() if turn > 1 else {}:
            np.testing.assert_allclose(gradient, turn * gradients[name], rtol=1e-12)


@pytest.mark.row("A15")
@pytest.mark.parametrize("dtype", DTYPES)
def test_recorded_op_by_op_or_compiled_the_same_comes_out(dtype):
    x, y = data(dtype=dtype)
    model = made(dtype=dtype)
    w = [bp.tensor(value, requires_grad=True) for value in model.parameters().values()]
    hidden = bp.tanh(bp.matmul(bp.tensor(x), w[0], transpose_b=True) + w[1])
    float(bp.sum(hidden))  # asked for on the way
    loss = bp.mean(bp.square(bp.matmul(hidden, w[2], transpose_b=True) + w[3] - y))
    loss.backward()
    value, gradients = model.value_and_grad(x, y, bp.MSE())
    limit = 1e-6 if dtype == "float32" else 1e-14
    assert float(loss) == pytest.approx(value, rel=limit)
    for leaf, gradient in zip(w, gradients.values(), strict=True):
        np.testing.assert_allclose(leaf.grad.numpy(), gradient, rtol=limit, atol=limit)


def test_what_was_recorded_before_a_step_is_of_the_weights_before_it():
    x, y = data()
    model = made()
    optimizer = bp.SGD(model.parameters(), lr=0.5)
    expected, before = model.predict(x), model(x)
    with bp.no_grad():
        also = model(x)
    bp.MSE()(model(x), y).backward()
    optimizer.step()
    np.testing.assert_allclose(before.numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(also.numpy(), expected, rtol=1e-6)
    assert not np.allclose(model(x).numpy(), expected)
    for change in (
        lambda: model.parameters()["0.weight"].fill(0),
        lambda: model.fit(x, y, loss="mse", optimizer="sgd", epochs=1),
        lambda: bp.Trainer(model, "mse", bp.SGD(0.1)).step(x, y),
        lambda: model.load_weights({name: value + 1 for name, value in model.state_dict().items()}),
        lambda: model.reset(5),
    ):
        third, expected = model(x), model.predict(x)
        change()
        np.testing.assert_allclose(third.numpy(), expected, rtol=1e-6)
        assert not np.array_equal(model.predict(x), expected)


def test_a_call_from_before_a_step_cannot_be_differentiated():
    x, y = data()
    model, other = made(), made()
    optimizer = bp.SGD(model.parameters(), lr=0.5)
    early, elsewhere = bp.MSE()(model(x), y), bp.MSE()(other(x), y)
    value = float(early)
    optimizer.step()
    with pytest.raises(ValueError, match="have changed since it was called"):
        early.backward()
    assert float(early) == value
    elsewhere.backward()


def test_shared_parameters_get_the_gradients_of_all_their_uses():
    x, y = data(dtype="float64")
    z = bp.Input(3, dtype="float64")
    body = made(bp.Dense(2), dtype="float64")
    whole = bp.Network(z, bp.tanh(body(z)))
    loss = bp.MSE()(body(x), y) + bp.MSE()(whole(x), y)
    loss.backward()
    both = body.flat_gradients.copy()
    apart = body.value_and_grad(x, y, bp.MSE())[1], whole.value_and_grad(x, y, bp.MSE())[1]
    expected = [a + b for a, b in zip(apart[0].values(), apart[1].values(), strict=True)]
    np.testing.assert_allclose(both, np.concatenate([each.ravel() for each in expected]), rtol=1e-12)


def test_two_networks_in_turns():
    """A generator and a discriminator: what one learns leaves the other alone."""
    z, real = data(16, 3, 2)
    g, d = made(), bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(1), input_shape=2, seed=0)
    g_optimizer, d_optimizer = bp.Adam(g.parameters(), lr=0.01), bp.Adam(d.parameters(), lr=0.01)
    bce, ones, zeros = bp.BinaryCrossEntropy(), np.ones((16, 1)), np.zeros((16, 1))
    for _ in range(3):
        fake = g(z)
        d_optimizer.zero_grad()
        (bce(d(real), ones) + bce(d(fake.detach()), zeros)).backward()
        before = g.flat_parameters.copy()
        d_optimizer.step()
        assert np.array_equal(g.flat_parameters, before)
        before = d.flat_parameters.copy()
        g_optimizer.zero_grad()
        bce(d(fake), ones).backward()
        g_optimizer.step()
        assert np.array_equal(d.flat_parameters, before)
    assert abs(g.flat_gradients).max() > 0


def test_frozen_parameters_get_no_gradient():
    x, y = data()
    model = made()
    model.freeze("0.*")
    bp.MSE()(model(x), y).backward()
    assert not model.gradients()["0.weight"].any()
    assert model.gradients()["1.weight"].any()
    assert len(model.trainable_variables) == 2
    model.unfreeze()
    model.zero_grad()
    bp.MSE()(model(x), y).backward()
    assert model.gradients()["0.weight"].any()


def test_a_penalty_on_the_variables_of_a_model():
    x, y = data(dtype="float64")
    model = made(dtype="float64")
    loss = bp.MSE()(model(x), y) + 0.5 * sum(
        (bp.sum(w * w) for w in model.trainable_variables), bp.tensor(np.zeros(()))
    )
    loss.backward()
    _, gradients = made(dtype="float64").value_and_grad(x, y, bp.MSE())
    for name, w in model.parameters().items():
        np.testing.assert_allclose(model.gradients()[name], gradients[name] + w, rtol=1e-12)


def test_gradients_of_gradients_through_a_model():
    """A gradient penalty."""
    x, _ = data(dtype="float64")
    model = made(bp.Dense(8, activation="tanh"), bp.Dense(1), dtype="float64")
    points = bp.tensor(x)

    def penalty():
        with bp.GradientTape() as outer:
            with bp.GradientTape() as inner:
                inner.watch(points)
                y = bp.sum(model(points))
            slope = inner.gradient(y, points)
            value = bp.sum(bp.square(bp.norm(slope, axis=1) - 1))
        return value, outer

    value, tape = penalty()
    (gradient,) = tape.gradient(value, [model.trainable_variables[0]])
    weight, step = model.parameters()["0.weight"], 1e-6
    numeric = np.zeros_like(weight)
    for i in np.ndindex(*weight.shape):
        old = weight[i]
        weight[i] = old + step
        above = float(penalty()[0])
        weight[i] = old - step
        numeric[i] = (above - float(penalty()[0])) / (2 * step)
        weight[i] = old
    np.testing.assert_allclose(gradient.numpy(), numeric, rtol=1e-6, atol=1e-7)


def test_optimizers_of_leaves():
    w, b = bp.tensor([1.0, 2.0], requires_grad=True), bp.tensor(3.0, requires_grad=True)
    optimizer = bp.SGD([w, b], lr=0.25, momentum=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        (bp.sum(w * w) + b * b).backward()
        optimizer.step()
    assert w.tolist() == [0, 0]
    assert float(b) == 0
    assert float(bp.Adam(0.1).minimize(lambda: bp.sum((x - 2) ** 2), [x := bp.Variable([0.0])])) == 4
    assert x.tolist() == pytest.approx([0.1])


def test_a_model_is_called_before_it_has_shapes():
    x, y = data()
    model = bp.Sequential(bp.Dense(2), seed=0)
    bp.MSE()(model(x), y).backward()
    optimizer = bp.SGD(model, lr=0.1)
    optimizer.step()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(twin(x).numpy(), model(x).numpy())
    assert pickle.loads(pickle.dumps(optimizer)).steps == 1


def test_several_inputs_and_outputs():
    left, right = bp.Input(2, name="left"), bp.Input(3, name="right")
    hidden = bp.Dense(4, activation="tanh")(bp.concat([left, right], axis=1))
    model = bp.Network([left, right], [bp.Dense(1)(hidden), bp.Dense(2)(hidden)], seed=0)
    a, b = data(5, 2, 3)
    one, two = model([a, b])
    np.testing.assert_allclose(one.numpy(), model.predict([a, b])[0], rtol=1e-6)
    np.testing.assert_allclose(model({"right": b, "left": a})[1].numpy(), two.numpy(), rtol=1e-6)
    one, two = model([bp.tensor(a), bp.tensor(b)])
    (bp.MSE()(one, np.zeros((5, 1))) + bp.MSE()(two, np.zeros((5, 2)))).backward()
    _, gradients = model.value_and_grad([a, b], [np.zeros((5, 1)), np.zeros((5, 2))], bp.MSE())
    for name, gradient in model.gradients().items():
        np.testing.assert_allclose(gradient, gradients[name])


def test_losses_check_what_they_are_given():
    logits = bp.tensor(np.zeros((3, 4), np.float32), requires_grad=True)
    loss = bp.CrossEntropy()
    assert float(loss(logits, [0, 1, 2])) == pytest.approx(np.log(4))
    assert float(loss(logits, bp.tensor(np.array([0, 1, 2])))) == pytest.approx(np.log(4))
    assert float(bp.MSE()(logits, np.ones((3, 4)), sample_weight=[1, 0, 0])) == 1
    for target in ([0, 1, 4], [0, 1], np.zeros((3, 3))):
        with pytest.raises(ValueError, match="y"):
            loss(logits, target)
    with pytest.raises(ValueError, match=r"\[y\] expected shape \(batch, 4\), got \(1,\)"):
        loss(bp.Input(4), [0])
    model = made()
    with pytest.raises(ValueError, match=r"\[x\] expected shape \(batch, 3\), got \(2, 4\)"):
        model(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"\[x\] expected shape \(batch, 3\), got \(2, 4\)"):
        model(bp.tensor(np.zeros((2, 4))))
    with pytest.raises(ValueError, match="needs a model"):
        bp.Adam().step()
    with pytest.raises(ValueError, match="needs a model"):
        bp.Adam().zero_grad()
    with pytest.raises(ValueError, match="must be a leaf that requires a gradient"):
        bp.Adam([bp.tensor([1.0])])


def test_own_losses_are_recorded():
    def cube(prediction, target):
        return bp.mean(bp.abs(prediction - target) ** 3)

    class Own(bp.Loss):
        def forward(self, prediction, target):
            return bp.abs(prediction - target) ** 3

    x, y = data(dtype="float64")
    model = made(dtype="float64")
    own = Own()
    assert float(cube(model(x), y)) == pytest.approx(float(own(model(x), y)), rel=1e-12)
    before = _core.eager_cache()[1]
    for _ in range(3):
        own(model(x), y).backward()
    assert _core.eager_cache()[1] <= before + 1
