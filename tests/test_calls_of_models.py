"""Models of several inputs that are called: on arrays, eager tensors and tensors of a graph, in every form."""

import numpy as np
import pytest

import backpass as bp

FORMS = {
    "one by one": lambda a, b: (a, b),
    "list": lambda a, b: ([a, b],),
    "tuple": lambda a, b: ((a, b),),
    "dict": lambda a, b: ({"right": b, "left": a},),
}


@pytest.fixture
def twin():
    left, right = bp.Input(2, name="left"), bp.Input(3, name="right")
    return bp.Network([left, right], bp.Dense(1)(bp.concat([left, right], axis=1)), seed=0)


@pytest.fixture
def rows(rng):
    return rng.standard_normal((5, 2)).astype(np.float32), rng.standard_normal((5, 3)).astype(np.float32)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("eager", [(False, False), (True, True), (True, False), (False, True)])
def test_arrays_and_eager_tensors_side_by_side(twin, rows, form, eager):
    given = [bp.tensor(part) if as_tensor else part for part, as_tensor in zip(rows, eager, strict=True)]
    np.testing.assert_array_equal(twin(*form(*given)).numpy(), twin.predict(list(rows)))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_tensors_of_a_graph(twin, rows, form):
    x = bp.Input(3)
    whole = bp.Network(x, twin(*form(x[:, :2], x)))
    expected = twin.predict([rows[1][:, :2], rows[1]])
    np.testing.assert_allclose(whole.predict(rows[1]), expected, rtol=1e-6)


@pytest.mark.parametrize("give", [lambda x: x, lambda x: [x], lambda x: {"x": x}], ids=["itself", "list", "dict"])
def test_one_input_in_every_form(give, rng):
    x = bp.Input(2, name="x")
    model = bp.Network(x, bp.Dense(1)(x), seed=0)
    rows = rng.standard_normal((3, 2)).astype(np.float32)
    np.testing.assert_array_equal(model(give(bp.tensor(rows))).numpy(), model.predict(rows))
    np.testing.assert_allclose(bp.Network(x, model(give(x))).predict(rows), model.predict(rows), rtol=1e-6)


def test_whole_numbers_beside_a_tensor_stay_whole(rng):
    token, x = bp.Input(1, dtype="int32", name="token"), bp.Input(2, name="x")
    model = bp.Network([token, x], bp.Flatten()(bp.Embedding(4, 2)(token)) * x, seed=0)
    tokens, rows = np.array([[3], [0]]), rng.standard_normal((2, 2)).astype(np.float32)
    np.testing.assert_array_equal(model(tokens, bp.tensor(rows)).numpy(), model.predict([tokens, rows]))
    with pytest.raises(TypeError, match=r"\[call\] x\[0\] must be an array of integers"):
        model(np.array([[0.5], [1.0]]), bp.tensor(rows))


def test_refusals(twin, rows):
    x = bp.Input(3)
    with pytest.raises(TypeError, match=r"\[call\] x must be tensors, or arrays alone, got ndarray beside a tensor"):
        twin(rows[0], x)
    with pytest.raises(ValueError, match=r"\[call\] x must hold 2 arrays, got 3"):
        twin(x, x, x)
    with pytest.raises(ValueError, match=r'\[call\] x has no "left"; the names are "left", "right"'):
        twin({"right": bp.tensor(rows[1]), "other": bp.tensor(rows[0])})
    with pytest.raises(ValueError, match=r"expected shape \(batch, 3\), got \(5, 2\)"):
        twin(bp.tensor(rows[0]), rows[0])
