"""Where random numbers come from when functions, tensors, models and threads run."""

import numpy as np
import pytest

import backpass as bp


def drawn_by(f, *args):
    bp.manual_seed(3)
    return [np.asarray(f(*args)) for _ in range(2)]


def test_functions_draw_anew_each_call_and_again_by_manual_seed():
    f = bp.compile(lambda x: x + bp.random_normal((5,), dtype="float64"))
    g = bp.grad(lambda x: bp.sum(x * bp.random_uniform((5,), dtype="float64")))
    x = np.zeros(5)
    for function in (f, g):
        first, second = drawn_by(function, x)
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal(drawn_by(function, x), [first, second])
    bp.manual_seed(3)
    assert not np.array_equal(f(x), bp.compile(lambda x: x + bp.random_normal((5,), dtype="float64"))(x))


def test_a_seed_of_its_own():
    f = bp.compile(lambda x: x * bp.random_bernoulli(0.5, (100,), "float64"), seed=1)
    x = np.ones(100)
    first, second = f(x), f(x)
    bp.manual_seed(9)
    f.step = 0
    np.testing.assert_array_equal(f(x), first)
    np.testing.assert_array_equal(f(x), second)


def test_a_map_draws_for_each_element():
    f = bp.vmap(lambda x: x + bp.random_uniform((3,), dtype="float64"))
    assert len(np.unique(f(np.zeros((100, 3))))) == 300
    permuted = bp.vmap(lambda x: bp.take(x, bp.random_permutation(10, "float64")))(np.tile(np.arange(10.0), (8, 1)))
    assert len(np.unique(permuted, axis=0)) > 1
    np.testing.assert_array_equal(np.sort(permuted, axis=1), np.tile(np.arange(10.0), (8, 1)))
    logits = np.log(np.tile([0.25, 0.75], (40_000, 1)))
    assert abs(np.mean(bp.vmap(bp.random_categorical)(logits)) - 0.75) < 0.01


def test_eager_tensors_are_drawn_once():
    bp.manual_seed(0)
    x = bp.tensor(np.ones(4), requires_grad=True)
    noise = bp.random_normal((4,), dtype="float64")
    y = x * noise
    np.testing.assert_array_equal(y.numpy(), noise.numpy())
    np.testing.assert_array_equal((x + noise).numpy(), noise.numpy() + 1)
    bp.sum(y).backward()
    np.testing.assert_array_equal(x.grad.numpy(), noise.numpy())


def test_each_turn_of_an_eager_loop_draws_anew_and_compiles_nothing():
    x = bp.tensor(np.zeros(3))
    bp.manual_seed(1)
    first = [(x + bp.random_normal((3,), 0.0, 2.0, "float64")).numpy() for _ in range(5)]
    assert len(np.unique(first)) == 15
    before = bp._core.eager_cache()
    bp.manual_seed(1)
    again = [(x + bp.random_normal((3,), 0.0, 2.0, "float64")).numpy() for _ in range(5)]
    np.testing.assert_array_equal(again, first)
    assert bp._core.eager_cache() == before


def test_eager_dropout_draws_anew():
    x = bp.tensor(np.ones(200))
    first, second = (bp.dropout(x, 0.5).numpy() for _ in range(2))
    assert set(np.unique(first)) == {0.0, 2.0}
    assert not np.array_equal(first, second)


def test_values_without_any_array():
    assert bp.tensor(bp.random_uniform((2, 3))).shape == (2, 3)
    value = (bp.random_uniform((1000,), 2.0, 3.0) * 2).numpy()
    assert 4 <= value.min() < value.max() <= 6
    np.testing.assert_array_equal(bp.zeros(3).numpy(), [0, 0, 0])
    with pytest.raises(TypeError, match="no elements while a graph is built"):
        bp.Input(3).numpy()


@pytest.mark.parametrize("factor", [None, 2.0])
def test_a_tensor_with_a_value_is_no_part_of_a_graph(factor):
    x, value = bp.Input(3), bp.tensor(np.ones(3, "f4"))
    value = value if factor is None else value * factor
    value.numpy()
    with pytest.raises(ValueError, match="a tensor that has a value"):
        bp.Graph([x], [x + value])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_for_any_number_of_threads_and_instruction_set(dtype):
    x = bp.input((3000, 70), dtype)
    graph = bp.Graph([x], [bp.random_uniform((3000, 70), dtype=dtype) + x, bp.random_categorical(x)])
    at, threads, isa = np.zeros((3000, 70), dtype), bp.get_threads(), bp.isa()
    results = []
    try:
        for each in bp.available_isas():
            bp.set_isa(each)
            for count in (1, 3):
                bp.set_threads(count)
                results.append(bp.Graph([x], graph.outputs)(at, seed=4))
    finally:
        bp.set_isa(isa)
        bp.set_threads(threads)
    for uniform, chosen in results:
        np.testing.assert_array_equal(uniform, results[0][0])
        assert (chosen != results[0][1]).mean() < 1e-4


class Noisy(bp.Layer):
    def forward(self, x):
        return x * bp.random_bernoulli(0.5, (None, 8)) + 0.1 * bp.random_normal((None, 8))


def test_models_draw_in_training_by_their_seed():
    x, y = np.random.default_rng(0).normal(size=(64, 4)).astype("f4"), np.ones((64, 1), "f4")
    weights = []
    for threads in (1, 2):
        model = bp.Sequential(bp.Dense(8), Noisy(), bp.Dense(1), input_shape=4, seed=5)
        losses = model.fit(x, y, loss=bp.MSE(), optimizer=bp.SGD(0.01), epochs=3, batch_size=16, threads=threads)
        weights.append((model.flat_parameters.copy(), list(losses["loss"])))
    np.testing.assert_array_equal(weights[0][0], weights[1][0])
    assert weights[0][1] == weights[1][1]


def test_files_keep_what_draws(tmp_path):
    model = bp.Network(x := bp.Input(3), x + bp.random_uniform((None, 3)) + bp.random_normal((None, 3)), seed=0)
    model.save(tmp_path / "model.backpass")
    again = bp.load(tmp_path / "model.backpass")
    at = np.zeros((10, 3), "f4")
    assert np.unique(model.predict(at)).size == 30
    np.testing.assert_array_equal(again.predict(at), model.predict(at))
    assert np.unique(model.predict(np.zeros((3000, 3), "f4"))).size > 8900  # each tile of rows draws for itself
