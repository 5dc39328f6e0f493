"""A graph computes in one real type: constants take that of what they stand beside, and all else says what to do."""

import numpy as np
import pytest

import backpass as bp

OTHER = {"float32": "float64", "float64": "float32"}


@pytest.mark.parametrize("value", [2, 2.5, [1, 2], [0.5], np.array([1, 2]), np.array([0.5]), np.float32([0.5]),
                                   np.array([True, False]), np.array([0.5], np.float16)])  # fmt: skip
def test_constants_have_the_type_that_tensors_have(value):
    assert bp.constant(value).dtype == bp.tensor(value).dtype
    assert bp.constant(value, dtype="float64").dtype == "float64"


MADE = {
    "a number": lambda dtype: bp.constant(0.1, dtype=dtype),
    "an array": lambda dtype: bp.constant([0.1, 0.2, 0.3], dtype=dtype),
    "eye": lambda dtype: bp.eye(3, dtype=dtype),
    "one_hot": lambda dtype: bp.one_hot([0, 2, 1], 3, dtype=dtype),
    "linspace": lambda dtype: bp.linspace(0.0, 1.0, 3, dtype=dtype),
    "some function of them": lambda dtype: bp.exp(
        bp.tril(bp.ones((3, 3), dtype=dtype)) * bp.constant(0.3, dtype=dtype)
    ),
    "compared": lambda dtype: bp.arange(3)[:, None] == bp.arange(3)[None, :],
    "cast": lambda dtype: bp.cast(bp.arange(3), dtype),
}
USES = {
    "product": lambda x, c: x * c,
    "the other way round": lambda x, c: c + x,
    "where": lambda x, c: bp.where(c > 0.5, x, c),
    "matmul": lambda x, c: x @ (c + bp.zeros((3, 3), dtype=c.dtype)),
    "maximum": lambda x, c: bp.maximum(c, x),
}


@pytest.mark.parametrize("dtype", OTHER)
@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("use", USES)
def test_constants_take_the_type_of_what_they_stand_beside(dtype, made, use):
    """With all digits that they had."""
    x = bp.input((3, 3), dtype, "x")
    value = np.linspace(-1, 1, 9).reshape(3, 3).astype(dtype)
    results = [bp.Graph([x], [USES[use](x, MADE[made](own))])(value)[0] for own in (OTHER[dtype], dtype)]
    assert results[0].dtype == dtype
    np.testing.assert_array_equal(*results)


def test_two_constants_have_that_of_the_first():
    assert (bp.constant(1.0, dtype="float64") + bp.constant(1.0)).dtype == "float64"
    assert (bp.constant(1.0) + bp.constant(1.0, dtype="float64")).dtype == "float32"


def test_labels_are_compared_in_a_network_of_either_type(rng):
    def loss(prediction, y):
        return bp.where(y["class"] == 1, bp.square(prediction[:, 0]), bp.abs(prediction[:, 0]))

    for dtype in OTHER:
        model = bp.Sequential(bp.Dense(1), input_shape=3, dtype=dtype, seed=0)
        model.value_and_grad(rng.standard_normal((4, 3)), {"class": np.arange(4) % 2}, loss)


REFUSED = {
    "two inputs": (lambda x, y: x + y, r"\[add\] types differ: float32 and float64: a graph computes in one real type"),
    "matmul": (lambda x, y: x @ y, r"\[matmul\] types differ.*one real type"),
    "where": (lambda x, y: bp.where(x, y, y), r"\[where\] types differ"),
    "random": (lambda x, y: y * bp.random_normal((2, 2)), r"\[multiply\] types differ"),
    "of an input": (lambda x, y: y * bp.exp(x), r"\[multiply\] types differ"),
    "cast": (
        lambda x, y: bp.cast(x, "float64"),
        r"\[cast\] takes constants.*tensor\(value, dtype\) begins another one",
    ),
    "astype": (lambda x, y: x.astype("float64"), r"\[cast\] takes constants"),
    "to integers": (lambda x, y: bp.cast(bp.constant(1.5), "int32"), r"\[cast\] takes constants"),
    "integers": (
        lambda x, y: x @ bp.ones((2, 2), dtype="int32"),
        r"types differ.*cast\(\) makes real numbers of int32",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_two_real_types_are_refused(kind):
    call, message = REFUSED[kind]
    with pytest.raises(ValueError, match=message):
        call(bp.input((2, 2), "float32", "x"), bp.input((2, 2), "float64", "y"))
