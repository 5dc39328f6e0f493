"""Many matrix products at once: any leading dimensions, any storage, as NumPy's; and how they are computed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from registry import DTYPES, ISAS, generator, using_isa


def computed(outputs, inputs, arrays):
    return bp.Graph(inputs, outputs)(*arrays)


def leading_shapes(data):
    """Two shapes that broadcast."""
    full = data.draw(st.lists(st.integers(0, 3), max_size=3))
    return tuple(
        tuple(data.draw(st.sampled_from([dim, 1])) for dim in full[data.draw(st.integers(0, len(full))) :])
        for _ in range(2)
    )


@given(data=st.data(), sizes=st.tuples(*[st.integers(0, 20)] * 3), transposes=st.tuples(st.booleans(), st.booleans()))
@settings(max_examples=150, deadline=None)
def test_leading_dimensions_broadcast_as_in_numpy(data, sizes, transposes):
    m, k, n = sizes
    leading = leading_shapes(data)
    rng = generator(*sizes)
    a = rng.standard_normal((*leading[0], *((k, m) if transposes[0] else (m, k))))
    b = rng.standard_normal((*leading[1], *((n, k) if transposes[1] else (k, n))))
    x, y = bp.input(a.shape, "float64", "a"), bp.input(b.shape, "float64", "b")
    product = bp.matmul(x, y, *transposes)
    left = a.swapaxes(-1, -2) if transposes[0] else a
    right = b.swapaxes(-1, -2) if transposes[1] else b
    expected = left @ right
    g = rng.standard_normal(expected.shape)
    seed = bp.input(g.shape, "float64", "seed")
    value, slope, bend = computed([product, *bp.gradients(product, [x, y], seed)], [x, y, seed], [a, b, g])
    assert product.shape == value.shape == expected.shape
    np.testing.assert_allclose(value, expected, rtol=0, atol=1e-12)
    # d sum(g Y) is linear in each operand: <dA, A> = <g, Y> = <dB, B>.
    np.testing.assert_allclose((slope * a).sum(), (g * expected).sum(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose((bend * b).sum(), (g * expected).sum(), rtol=1e-10, atol=1e-10)
    assert (slope.shape, bend.shape) == (a.shape, b.shape)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((1000, 8, 8), (1000, 8, 8)),
        ((64, 16, 16), (64, 16, 16)),
        ((100, 30, 1), (100, 1, 50)),
        ((3, 300, 70), (3, 70, 600)),
        ((2, 5000, 3), (2, 3, 40)),
        ((2, 3, 5000), (2, 5000, 4)),
    ],
)
def test_every_size_at_every_instruction_set(isa, dtype, left, right):
    rng = generator(isa, dtype, left)
    a, b = rng.standard_normal(left).astype(dtype), rng.standard_normal(right).astype(dtype)
    x, y = bp.input(left, dtype, "a"), bp.input(right, dtype, "b")
    with using_isa(isa):
        (value,) = computed([x @ y], [x, y], [a, b])
    exact = a.astype(np.float64) @ b.astype(np.float64)
    limit = 2e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(value, exact, rtol=0, atol=limit * np.sqrt(left[-1]) * 10)


@pytest.mark.parametrize("shape", [(40, 9, 13), (3, 150, 530)])
def test_what_follows_is_fused(shape):
    """An addition, relu and the total, of products that are whole blocks and of those that are cut."""
    rng = generator(shape)
    products, m, n = shape
    a, b = rng.standard_normal((products, m, 6)), rng.standard_normal((products, 6, n))
    bias, other = rng.standard_normal(n), rng.standard_normal(shape)
    arrays = [a, b, bias, other]
    inputs = [bp.input(array.shape, "float64", f"x{at}") for at, array in enumerate(arrays)]
    y = bp.relu(inputs[0] @ inputs[1] + inputs[2]) * inputs[3]
    value, total = computed([y, bp.sum(y)], inputs, arrays)
    expected = np.maximum(a @ b + bias, 0) * other
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(total, expected.sum(), rtol=1e-10)


def test_a_matrix_that_all_products_share_gets_its_gradient_from_one():
    x, w = bp.input((7, 5, 4), "float64", "x"), bp.input((4, 3), "float64", "w")
    gradients = bp.gradients(bp.sum(bp.square(x @ w)), [w])
    assert "batch_matmul" not in [op.kind for op in bp.Graph([x, w], gradients).ops]
    u = bp.input((2, 1, 4, 3), "float64", "u")
    y = bp.input((2, 6, 5, 4), "float64", "y")
    shared = bp.Graph([y, u], bp.gradients(bp.sum(bp.square(y @ u)), [u]))
    assert [op.kind for op in shared.ops].count("sum") == 0


def test_products_behind_the_batch_of_a_network():
    """Attention without layers: every row of the batch has matrices of its own."""
    x = bp.Input((6, 4), dtype="float64")
    w = bp.parameter((4, 4), "float64", "w", "glorot_uniform")
    scores = bp.softmax(bp.matmul(x @ w, x, transpose_b=True))
    model = bp.Network(x, scores @ x, seed=3)
    assert (scores @ x).shape == (None, 6, 4)
    array = generator("attention").standard_normal((5, 6, 4))
    kernel = model.parameters()["w"]
    logits = array @ kernel @ array.swapaxes(1, 2)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    expected = weights / weights.sum(-1, keepdims=True) @ array
    np.testing.assert_allclose(model.predict(array), expected, rtol=1e-12, atol=1e-13)
    history = model.fit(array, np.roll(array, 1, 1), loss=bp.MSE(), optimizer=bp.Adam(1e-2), epochs=20)
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_bits_do_not_depend_on_threads(threads):
    rng = generator("bits")
    a, b = rng.standard_normal((50, 40, 30)).astype("float32"), rng.standard_normal((50, 30, 20)).astype("float32")
    x, y = bp.input(a.shape, "float32", "a"), bp.input(b.shape, "float32", "b")
    graph = bp.Graph([x, y], [bp.sum(x @ y), x @ y])
    before = bp.get_threads()
    try:
        bp.set_threads(1)
        alone = graph(a, b)
        bp.set_threads(threads)
        together = graph(a, b)
    finally:
        bp.set_threads(before)
    for one, many in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize(
    ("left", "right", "transposes", "message"),
    [
        ((2, 3, 4), (2, 5, 6), (), r"matmul.*inner dimensions differ.*4.*5"),
        ((2, 3, 4), (3, 4, 6), (), r"matmul.*leading dimensions do not broadcast"),
        ((3,), (4,), (), r"matmul.*inner dimensions differ"),
        ((3,), (4, 5), (), r"matmul.*inner dimensions differ"),
        ((), (4, 5), (), r"matmul.*multiplied with \*"),
        ((4,), (4, 5), (True,), r"matmul.*a vector cannot be transposed"),
        ((3, 4), (2, None, 4), (), r"batch"),
        ((2, 3, 4), (None, 4, 5), (), r"matmul.*leading dimensions do not broadcast"),
        ((2, 1, 3, 4), (None, 4, 5), (), r"matmul.*the batch can only be the first dimension"),
    ],
)
def test_what_does_not_fit_is_refused(left, right, transposes, message):
    with pytest.raises(ValueError, match=message):
        bp.matmul(bp.input(left, name="a"), bp.input(right, name="b"), *transposes)


@pytest.mark.parametrize(
    ("left", "right", "shapes"),
    [
        ((0, 2, 1, 3), (0, 2, 3, 1), ((2, 5, 3, 4), (2, 6, 3, 4))),  # attention's heads
        ((2, 0, 1), None, ((5, 4, 3), (3, 4, 6))),
        ((0, 2, 1), (0, 2, 1), ((3, 4, 5), (3, 6, 4))),
        ((1, 2, 0), (2, 1, 0), ((4, 3, 5), (6, 4, 3))),  # neither side of a lies side by side
        ((1, 0), None, ((4, 5), (3, 4, 6))),
        ((1, 0), (1, 0), ((4, 5), (6, 4))),
    ],
)
def test_transposed_operands(left, right, shapes):
    rng = generator(left, shapes)
    a, b = rng.standard_normal(shapes[0]), rng.standard_normal(shapes[1])
    x, y = bp.input(a.shape, "float64", "a"), bp.input(b.shape, "float64", "b")
    product = bp.transpose(x, left) @ (bp.transpose(y, right) if right else y)
    expected = a.transpose(left) @ (b.transpose(right) if right else b)
    g = rng.standard_normal(expected.shape)
    seed = bp.input(g.shape, "float64", "seed")
    value, slope, bend = computed([product, *bp.gradients(product, [x, y], seed)], [x, y, seed], [a, b, g])
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose((slope * a).sum(), (g * expected).sum(), rtol=1e-10)
    np.testing.assert_allclose((bend * b).sum(), (g * expected).sum(), rtol=1e-10)


def calls_of(build, *shapes):
    """What a plan runs, of a network whose parameters have these shapes."""
    x = bp.Input((), dtype="float64")
    parameters = [bp.parameter(shape, "float64", f"p{at}") for at, shape in enumerate(shapes)]
    model = bp.Network(x, x * bp.sum(build(*parameters)), seed=0)
    return [call.name for call in model.plan(4).calls]


def test_what_is_transposed_or_repeated_is_read_where_it_lies():
    def attention(q, k):
        return bp.transpose(q, (0, 2, 1, 3)) @ bp.transpose(k, (0, 2, 3, 1))

    assert "copy" not in calls_of(attention, (2, 5, 3, 4), (2, 6, 3, 4))
    assert "copy" not in calls_of(lambda a, b: bp.broadcast_to(a, (3, 4, 5)) @ b, (4, 5), (3, 5, 2))
    assert "copy" not in calls_of(lambda a: a @ bp.transpose(a, (1, 0)), (4, 5))
    assert "copy" in calls_of(lambda a, b: bp.transpose(a, (2, 0, 1)) @ b, (4, 3, 5), (5, 3, 6))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 3, 4, 6), (40, 7, 9, 33), (3, 300, 20, 40), (2, 1, 5, 7), (1, 6, 5, 7)])
def test_an_ensemble_adds_a_bias_of_each_member(dtype, shape):
    """(members, rows, in) x (members, in, out) + (members, 1, out): in the product's own call."""
    members, rows, inputs, outputs = shape
    rng = generator("ensemble", shape)
    bias = (members, 1, outputs)
    shapes = ((members, rows, inputs), (members, inputs, outputs), bias, bias)
    arrays = [rng.standard_normal(size).astype(dtype) for size in shapes]
    x, w, b, c = (bp.input(array.shape, dtype, f"x{at}") for at, array in enumerate(arrays))
    y = bp.relu(x @ w + b) * c
    grads = bp.gradients(bp.sum(bp.square(y)), [x, w, b, c])
    value, *slopes = computed([y, *grads], [x, w, b, c], arrays)
    for i in range(members):
        one = [bp.input(array[i].shape, dtype, f"x{at}") for at, array in enumerate(arrays)]
        z = bp.relu(one[0] @ one[1] + one[2]) * one[3]
        alone, *expected = computed([z, *bp.gradients(bp.sum(bp.square(z)), one)], one, [array[i] for array in arrays])
        limit = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-11}
        np.testing.assert_allclose(value[i], alone, **limit)
        for slope, theirs in zip(slopes, expected, strict=True):
            np.testing.assert_allclose(slope[i], theirs, **limit)


def test_rows_that_repeat_differently_share_no_call():
    rng = generator("blocks")
    shapes = [(2, 3, 4, 5), (2, 3, 1, 5), (2, 1, 1, 5), (2, 3, 4, 1), (5,)]
    arrays = [rng.standard_normal(shape) for shape in shapes]
    inputs = [bp.input(shape, "float64", f"x{at}") for at, shape in enumerate(shapes)]

    def both(x, a, b, c, d):
        mixed = (a + b) * c  # of one block beside another, in one operation
        return (x + a) * b - mixed * x + d * a + a * (b + 0 * x)

    y = both(*inputs)
    value, *grads = computed([y, *bp.gradients(bp.sum(bp.tanh(y)), inputs)], inputs, arrays)
    np.testing.assert_allclose(value, both(*arrays), rtol=1e-12, atol=1e-12)
    slope = 1 - np.tanh(both(*arrays)) ** 2
    x, a, b, c, d = arrays
    np.testing.assert_allclose(grads[0], slope * (b - (a + b) * c), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(grads[1], (slope * (b - c * x + d + b)).sum(2, keepdims=True), rtol=1e-10, atol=1e-12)
    softmax = bp.softmax(inputs[0] + inputs[1])
    (rows,) = computed([bp.sum(softmax * inputs[2], -1)], inputs[:3], arrays[:3])
    e = np.exp(x + a)
    np.testing.assert_allclose(rows, (e / e.sum(-1, keepdims=True) * b).sum(-1), rtol=1e-12)


def test_the_bias_of_an_ensemble_is_part_of_its_product():
    names = calls_of(lambda x, w, b: bp.relu(x @ w + b), (8, 16, 4), (8, 4, 32), (8, 1, 32))
    assert names.count("matmul") == 1
    assert "copy" not in names
