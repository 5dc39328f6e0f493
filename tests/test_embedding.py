"""Rows of tables by integers: values, gradients, and indices that are not there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from registry import DTYPES, generator


def table(dtype="float64", rows=7, units=3, **options):
    return bp.Sequential(bp.Embedding(rows, units, **options), input_shape=4, seed=2, dtype=dtype)


@pytest.mark.row("G17")
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_and_their_gradients(dtype, rng):
    model, indices = table(dtype), rng.integers(0, 7, (5, 4))
    grad = rng.standard_normal((5, 4, 3)).astype(dtype)
    weight = model.parameters()["0.weight"]
    np.testing.assert_array_equal(model.forward(indices), weight[indices])
    model.backward(grad)
    expected = np.zeros((7, 3))
    np.add.at(expected, indices, grad)
    np.testing.assert_allclose(model.gradients()["0.weight"], expected, rtol=1e-5 if dtype == "float32" else 1e-13)


@given(rows=st.integers(0, 30), n=st.integers(1, 5000), units=st.integers(1, 40), data=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_any_table(rows, n, units, data):
    rng = np.random.default_rng(data)
    x = bp.Input((), dtype="int32")
    model = bp.Network(x, bp.Embedding(n, units)(x), seed=0, dtype="float64")
    indices, grad = rng.integers(0, n, rows), rng.standard_normal((rows, units))
    np.testing.assert_array_equal(model.forward(indices), model.parameters()["0.weight"][indices])
    model.backward(grad)
    expected = np.zeros((n, units))
    np.add.at(expected, indices, grad)
    np.testing.assert_allclose(model.gradients()["0.weight"], expected, rtol=1e-12, atol=1e-13)


@pytest.mark.row("G17")
def test_gradients_equal_central_differences(rng):
    model = bp.Sequential(bp.Embedding(6, 3), bp.Flatten(), bp.Dense(4, activation="tanh"), bp.Dense(2), seed=0)
    assert bp.gradcheck(model, bp.MSE(), rng.integers(0, 6, (5, 2)), rng.standard_normal((5, 2))) < 1e-7


def test_weights_start_normal():
    weight = bp.Sequential(bp.Embedding(1000, 100), input_shape=1, seed=0).parameters()["0.weight"]
    assert abs(weight.mean()) < 0.01
    assert abs(weight.std() - 1) < 0.01


def test_trajectory_equals_that_of_pytorch(rng):
    torch = pytest.importorskip("torch")
    model = bp.Sequential(bp.Embedding(7, 3, padding_idx=2), bp.Flatten(), bp.Dense(2), input_shape=4, seed=0,
                          dtype="float64")  # fmt: skip
    model.parameters()["0.weight"][2] = 0
    theirs = torch.nn.Sequential(torch.nn.Embedding(7, 3, padding_idx=2), torch.nn.Flatten(), torch.nn.Linear(12, 2))
    theirs = theirs.double()
    theirs.load_state_dict({name: torch.tensor(value) for name, value in model.state_dict().items()})
    trainer = bp.Trainer(model, bp.MSE(), bp.Adam(1e-2))
    optimizer = torch.optim.Adam(theirs.parameters(), lr=1e-2)
    for _ in range(100):
        x, y = rng.integers(0, 7, (9, 4)), rng.standard_normal((9, 2))
        trainer.step(x, y)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(y)).backward()
        optimizer.step()
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(value, theirs.state_dict()[name].numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.row("C5")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("bad", [7, -1, 2**31 - 1, 2**33 + 1, -(2**40)])
def test_an_index_outside_the_table_is_an_error_that_changes_nothing(bad, threads):
    model = bp.Sequential(bp.Embedding(7, 3), bp.Flatten(), bp.Dense(1), input_shape=2, seed=0)
    before, indices, y = model.flat_parameters.copy(), np.array([[1, 2], [3, bad]]), [0.0, 0.0]
    for call in (
        lambda: model.predict(indices, threads=threads),
        lambda: model.forward(indices),
        lambda: model.evaluate(indices, y, loss=bp.MSE()),
        lambda: bp.Trainer(model, bp.MSE(), bp.SGD(0.1), threads=threads).step(indices, y),
        lambda: model.fit(indices, y, loss=bp.MSE(), optimizer=bp.SGD(0.1), threads=threads),
    ):
        with pytest.raises(ValueError, match=r"\[Embedding\] indices must be in \[0, 7\), got"):
            call()
    np.testing.assert_array_equal(model.flat_parameters, before)
    assert model.predict([[1, 2]]).shape == (1, 1), "and the model works on"


def test_numbers_that_are_not_integers_are_refused():
    model = bp.Sequential(bp.Embedding(7, 3), input_shape=2, seed=0)
    with pytest.raises(TypeError, match="must be an array of integers, got float64"):
        model.predict([[1.0, 2.0]])


def test_take_ignores_one_index_and_differentiates_twice():
    t, i = bp.input((4, 2), "float64", "t"), bp.input((5,), "int32", "i")
    taken = bp.take(t, i, ignore=-100)
    (slope,) = bp.gradients(bp.sum(taken * taken * taken), [t])
    (curvature,) = bp.gradients(bp.sum(slope), [t])
    values, indices = np.arange(8.0).reshape(4, 2), [3, -100, 0, 3, 1]
    y, first, second = bp.Graph([t, i], [taken, slope, curvature])(values, indices)
    np.testing.assert_array_equal(y, np.where(np.array(indices)[:, None] < 0, 0, values[np.maximum(indices, 0)]))
    count = np.array([[1], [1], [0], [2]])
    np.testing.assert_array_equal(first, count * 3 * values**2)
    np.testing.assert_array_equal(second, count * 6 * values)


def test_constants_with_elements(tmp_path):
    x = bp.Input(3)
    model = bp.Network(x, (x - bp.constant([1.0, 2.0, 3.0])) * bp.constant([[1, 10, 100]]), seed=0)
    model.save(tmp_path / "model.safetensors")
    for each in (model, bp.load(tmp_path / "model.safetensors")):
        np.testing.assert_array_equal(each.predict([[2.0, 4.0, 6.0]]), [[1, 20, 300]])
    np.testing.assert_array_equal(model.forward([[0.0, 0.0, 0.0]]), [[-1, -20, -300]])
    np.testing.assert_array_equal(model.backward([[1.0, 1.0, 1.0]]), [[1, 10, 100]])
    with pytest.raises(TypeError, match="value must be real numbers"):
        bp.constant(["a"])


def test_branches(rng):
    a, b = bp.Input(3, name="a"), bp.Input(3, name="b")
    model = bp.Network([a, b], [bp.Concat()(a, b), bp.Add()(a, b, a), bp.Multiply()(a, b), bp.Concat(1)(b)], seed=0)
    x, y = rng.standard_normal((2, 5, 3)).astype(np.float32)
    joined, total, product, same = model.predict([x, y])
    np.testing.assert_array_equal(joined, np.concatenate([x, y], 1))
    np.testing.assert_array_equal(total, x + y + x)
    np.testing.assert_array_equal(product, x * y)
    np.testing.assert_array_equal(same, y)
    with pytest.raises(ValueError, match=r"\[Concat\]|\[concat\]"):
        bp.Concat(5)(a, b)
    with pytest.raises(ValueError, match=r"\[Add\] needs at least one input"):
        bp.Add()()


def test_saved_and_loaded(tmp_path):
    model = bp.Sequential(bp.Embedding(9, 2, padding_idx=0), bp.Flatten(), bp.Dense(1), input_shape=3, seed=0)
    model.save(tmp_path / "model.safetensors")
    again = bp.load(tmp_path / "model.safetensors")
    assert again.layers == model.layers
    indices = generator("indices").integers(0, 9, (4, 3))
    np.testing.assert_array_equal(again.predict(indices), model.predict(indices))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bp.Embedding(0, 3), r"\[Embedding\] num_embeddings must be positive, got 0"),
        (lambda: bp.Embedding(3, 2, padding_idx=3), r"\[Embedding\] padding_idx must be in \[0, 3\), got 3"),
        (lambda: bp.Embedding(3, 2)(bp.Input(2)), r"\[Embedding\] takes integers: an input of dtype int32"),
        (lambda: bp.take(bp.Input(2), bp.Input(2, dtype="int32"), ignore=-1), r"\[take\] takes rows of a table"),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Sparse tables.


def sparse_pair(optimizer, dtype="float64", shared=False, padding_idx=None):
    """The same model twice, its table by rows and dense, each with an optimizer of its own."""
    models = []
    for sparse in (True, False):
        x = bp.Input(4, dtype="int32")
        table = bp.Embedding(50, 3, sparse=sparse, padding_idx=padding_idx)
        rows = bp.Flatten()(table(x))
        if shared:
            rows = bp.concat([rows, bp.Flatten()(table(x[:, :2]))], axis=1)
        models.append(bp.Network(x, bp.Dense(2)(bp.tanh(rows)), seed=4, dtype=dtype))
    return [(model, bp.Trainer(model, bp.MSE(), optimizer())) for model in models]


@pytest.mark.row("G17")
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("optimizer", [lambda: bp.SGD(0.1), lambda: bp.Adagrad(0.1)], ids=["SGD", "Adagrad"])
def test_by_rows_as_dense_where_no_gradient_means_no_step(optimizer, shared, rng):
    (sparse, step), (dense, dense_step) = sparse_pair(optimizer, shared=shared, padding_idx=3)
    for _ in range(20):
        x, y = rng.integers(0, 50, (9, 4)), rng.standard_normal((9, 2))
        assert step.step(x, y) == pytest.approx(dense_step.step(x, y), rel=1e-12)
    np.testing.assert_allclose(sparse.flat_parameters, dense.flat_parameters, rtol=1e-12, atol=1e-14)


def test_a_network_of_sparse_tables_alone_has_not_stopped_learning():
    """Their gradients are not among those that read zero; a warning would be an error here."""
    x = bp.Input(1, dtype="int32")
    model = bp.Network(x, bp.sum(bp.Embedding(5, 3, sparse=True)(x), axis=-1), seed=0)
    history = model.fit([[0], [3]], [1.0, 2.0], loss=bp.MSE(), optimizer=bp.SGD(0.1), epochs=9, progress=False)
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.row("G17")
def test_lazy_adam_equals_that_of_pytorch(rng):
    torch = pytest.importorskip("torch")
    (model, trainer), _ = sparse_pair(lambda: bp.Adam(0.01, eps=1e-16))  # PyTorch's lazy one scales eps otherwise
    weight = torch.nn.Parameter(torch.tensor(model.parameters()["0.weight"]))
    others = [torch.nn.Parameter(torch.tensor(model.parameters()[name])) for name in ("2.weight", "2.bias")]
    lazy, full = (
        torch.optim.SparseAdam([weight], lr=0.01, eps=1e-16),
        torch.optim.Adam(others, lr=0.01, eps=1e-16),
    )
    for _ in range(100):
        x, y = rng.integers(0, 50, (3, 4)), rng.standard_normal((3, 2))
        before = model.parameters()["0.weight"].copy()
        trainer.step(x, y)
        untouched = np.setdiff1d(np.arange(50), x)
        np.testing.assert_array_equal(model.parameters()["0.weight"][untouched], before[untouched])
        lazy.zero_grad()
        full.zero_grad()
        rows = torch.nn.functional.embedding(torch.tensor(x), weight, sparse=True).flatten(1)
        output = torch.nn.functional.linear(torch.tanh(rows), *others)
        torch.nn.functional.mse_loss(output, torch.tensor(y)).backward()
        lazy.step()
        full.step()
    np.testing.assert_allclose(model.parameters()["0.weight"], weight.detach(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(model.parameters()["2.weight"], others[0].detach(), rtol=1e-10, atol=1e-10)


def test_the_cost_follows_the_batch():
    """Bytes and operations of a step do not depend on the rows of the table."""

    def cost(rows):
        model = bp.Sequential(bp.Embedding(rows, 8, sparse=True), bp.Flatten(), bp.Dense(1), input_shape=2, seed=0)
        calls = bp.Trainer(model, bp.MSE(), bp.Adam()).plan(16).calls
        return sum(call.bytes for call in calls), sum(call.flops for call in calls)

    assert cost(100) == cost(1_000_000)


def test_by_rows_the_number_of_threads_changes_no_bit(rng):
    x, y = rng.integers(0, 400, (600, 8)), rng.standard_normal(600)
    results = []
    for threads in (1, 2, 3):
        model = bp.Sequential(bp.Embedding(400, 32, sparse=True), bp.Flatten(), bp.Dense(1), input_shape=8, seed=0)
        model.fit(x, y, loss=bp.MSE(), optimizer=bp.Adam(), epochs=2, batch_size=200, threads=threads)
        results.append(model.flat_parameters.tobytes())
    assert results[0] == results[1] == results[2]


def test_gradients_by_hand_are_those_of_the_whole_table(rng):
    (sparse, trainer), (dense, _) = sparse_pair(lambda: bp.SGD(0.1))
    x, y = rng.integers(0, 50, (9, 4)), rng.standard_normal((9, 2))
    _, first = sparse.value_and_grad(x, y, bp.MSE())
    _, second = dense.value_and_grad(x, y, bp.MSE())
    np.testing.assert_allclose(first["0.weight"], second["0.weight"], rtol=1e-12)
    trainer.step(x, y)
    assert bp.gradcheck(sparse, bp.MSE(), x, y) < 1e-7


def test_a_frozen_table_and_a_loaded_one(tmp_path, rng):
    (model, trainer), _ = sparse_pair(lambda: bp.SGD(0.1))
    x, y = rng.integers(0, 50, (9, 4)), rng.standard_normal((9, 2))
    model.save(tmp_path / "model.safetensors")
    again = bp.load(tmp_path / "model.safetensors")
    trainer.step(x, y)
    bp.Trainer(again, bp.MSE(), bp.SGD(0.1)).step(x, y)
    np.testing.assert_array_equal(again.flat_parameters, model.flat_parameters)
    assert [call.name for call in bp.Trainer(again, bp.MSE(), bp.SGD(0.1)).plan(4).calls].count("sort_rows") == 1
    model.freeze("0.weight")
    before = model.parameters()["0.weight"].copy()
    trainer.step(x, y)
    np.testing.assert_array_equal(model.parameters()["0.weight"], before)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: bp.SGD(0.1, momentum=0.9),
        lambda: bp.Adam(weight_decay=0.1),
        lambda: bp.RMSprop(),
        lambda: bp.SGD(0.1, clip_norm=1.0),
    ],
    ids=["momentum", "decay", "RMSprop", "clipping"],
)
def test_what_cannot_go_by_rows_says_so(optimizer, rng):
    (model, trainer), _ = sparse_pair(optimizer)
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match=r'"0.weight" is sparse: it takes SGD without momentum'):
        trainer.step(rng.integers(0, 50, (9, 4)), rng.standard_normal((9, 2)))
    np.testing.assert_array_equal(model.flat_parameters, before)


def test_sparse_tables_do_not_accumulate(rng):
    (model, _), _ = sparse_pair(lambda: bp.SGD(0.1))
    before = model.flat_parameters.copy()
    with pytest.raises(ValueError, match=r'\[accumulate\] "0.weight" is sparse'):
        model.fit(rng.integers(0, 50, (9, 4)), rng.standard_normal((9, 2)), loss=bp.MSE(), optimizer=bp.SGD(0.1),
                  batch_size=3, accumulate=2)  # fmt: skip
    np.testing.assert_array_equal(model.flat_parameters, before)
