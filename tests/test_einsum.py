"""einsum, tensordot and their kin, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from registry import generator

PATTERNS = [
    ("ij->ji", (3, 4)),
    ("ij", (3, 4)),
    ("ba", (3, 4)),
    ("ij->", (3, 4)),
    ("ijk->k", (2, 3, 4)),
    ("ii->i", (3, 3)),
    ("ii", (0, 0)),
    ("aabb->ab", (2, 2, 3, 3)),
    ("aaa->a", (3, 3, 3)),
    ("...ii->...i", (2, 3, 4, 4)),
    ("i,i", (4,), (4,)),
    ("i,i->i", (4,), (4,)),
    ("i,j->ij", (4,), (3,)),
    ("i,j->ji", (4,), (3,)),
    ("i,j", (4,), (3,)),
    (",ij->ij", (), (2, 3)),
    (",->", (), ()),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,jk->ki", (2, 3), (3, 4)),
    ("ji,jk->ik", (3, 2), (3, 4)),
    ("ij,kj->ik", (2, 3), (4, 3)),
    ("ij,j", (2, 3), (3,)),
    ("j,ji->i", (3,), (3, 2)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("ij,ij->i", (2, 3), (2, 3)),
    ("ij,i->ij", (2, 3), (2,)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bij,bjk->ikb", (2, 3, 4), (2, 4, 5)),
    ("ijb,bjk->bik", (3, 4, 2), (2, 4, 5)),
    ("bij,jk->bik", (2, 3, 4), (4, 5)),
    ("bi,boi->bo", (2, 3), (2, 4, 3)),
    ("bhid,bhjd->bhij", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("bihd,bjhd->bhij", (2, 4, 3, 5), (2, 6, 3, 5)),
    ("abcd,dcba->", (2, 3, 4, 5), (5, 4, 3, 2)),
    ("abcd,cdef->abef", (2, 3, 4, 5), (4, 5, 3, 2)),
    ("abcd,dcef->efab", (2, 3, 4, 5), (5, 4, 3, 2)),
    ("ijk,ilm,njm,nlk,abc->", (2, 3, 4), (2, 3, 5), (4, 3, 5), (4, 3, 4), (2, 2, 2)),
    ("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 5), (5, 6)),
    ("i,ij,j->", (3,), (3, 4), (4,)),
    ("ij,ik,il->jkl", (5, 2), (5, 3), (5, 4)),
    ("...ij,...jk->...ik", (2, 3, 4), (5, 1, 4, 3)),
    ("...,...", (2, 3), (3,)),
    ("i...,...i->...", (3, 2), (4, 2, 3)),
    ("...i->...", (2, 3, 4)),
    ("ij,kl->ijkl", (2, 3), (4, 5)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    (" i j , j k -> i k ", (2, 3), (3, 4)),
    ("iij,jk->ik", (3, 3, 2), (2, 4)),
    ("ij,jj->i", (2, 3), (3, 3)),
    ("Ab,bA->A", (2, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 4)),
]


def inputs_of(arrays):
    return [bp.input(array.shape, "float64", f"x{at}") for at, array in enumerate(arrays)]


@pytest.mark.parametrize(("subscripts", "shapes"), [(pattern[0], pattern[1:]) for pattern in PATTERNS])
def test_patterns_equal_those_of_numpy(subscripts, shapes):
    rng = generator(subscripts, *shapes)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    expected = np.einsum(subscripts, *arrays)
    inputs = inputs_of(arrays)
    y = bp.einsum(subscripts, *inputs)
    g = rng.standard_normal(expected.shape)
    seed = bp.input(g.shape, "float64", "seed")
    value, *slopes = bp.Graph([*inputs, seed], [y, *bp.gradients(y, inputs, seed)])(*arrays, g)
    assert y.shape == value.shape == expected.shape
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
    for array, slope in zip(arrays, slopes, strict=True):  # linear in each operand
        assert slope.shape == array.shape
        np.testing.assert_allclose((slope * array).sum(), (g * expected).sum(), rtol=1e-10, atol=1e-10)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_subscripts(data):
    letters = "abcde"
    sizes = {letter: data.draw(st.integers(0, 4)) for letter in letters}
    operand = st.text(letters, min_size=0, max_size=4)
    operands = data.draw(st.lists(operand, min_size=1, max_size=3))
    used = sorted({letter for axes in operands for letter in axes})
    output = "".join(data.draw(st.permutations(used)))[: data.draw(st.integers(0, len(used)))]
    subscripts = ",".join(operands) + "->" + output
    rng = generator(subscripts)
    arrays = [rng.standard_normal([sizes[letter] for letter in axes]) for axes in operands]
    inputs = inputs_of(arrays)
    (value,) = bp.Graph(inputs, [bp.einsum(subscripts, *inputs)])(*arrays)
    np.testing.assert_allclose(value, np.einsum(subscripts, *arrays), rtol=1e-10, atol=1e-11)


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_tensordot_over_any_axes(data):
    rank_a, rank_b = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 4))
    count = data.draw(st.integers(0, min(rank_a, rank_b)))
    axes_a = data.draw(st.permutations(range(rank_a)))[:count]
    axes_b = data.draw(st.permutations(range(rank_b)))[:count]
    shape_a, shape_b = ([data.draw(st.integers(0, 4)) for _ in range(rank)] for rank in (rank_a, rank_b))
    for of_a, of_b in zip(axes_a, axes_b, strict=True):
        shape_b[of_b] = shape_a[of_a]
    rng = generator(rank_a, rank_b, count)
    arrays = [rng.standard_normal(shape) for shape in (shape_a, shape_b)]
    negative = [axis - rank_a for axis in axes_a]
    inputs = inputs_of(arrays)
    y = bp.tensordot(*inputs, axes=(negative, axes_b))
    (value,) = bp.Graph(inputs, [y])(*arrays)
    np.testing.assert_allclose(value, np.tensordot(*arrays, axes=(axes_a, axes_b)), rtol=1e-12, atol=1e-12)


def test_what_is_a_product_of_matrices_becomes_one():
    def kinds(subscripts, *shapes):
        inputs = [bp.input(shape, name=f"x{at}") for at, shape in enumerate(shapes)]
        return [op.kind for op in bp.Graph(inputs, [bp.einsum(subscripts, *inputs)]).ops if op.kind != "input"]

    assert kinds("ij,jk->ik", (3, 4), (4, 5)) == ["matmul"]
    assert kinds("ij,kj->ik", (3, 4), (5, 4)) == ["matmul"]
    assert kinds("ji,jk->ik", (4, 3), (4, 5)) == ["matmul"]
    assert kinds("bij,bkj->bik", (2, 3, 4), (2, 5, 4)) == ["batch_matmul"]
    assert kinds("bij,bjk->bki", (2, 3, 4), (2, 4, 5)) == ["batch_matmul"]
    assert kinds("bi,bi->b", (3, 4), (3, 4)) == ["multiply", "sum"]


def test_products_over_and_beside_the_batch_of_a_network():
    rng = generator("batch")
    x, w = rng.standard_normal((6, 3, 4)), rng.standard_normal((4, 5))
    a, b = bp.Input((3, 4), dtype="float64", name="a"), bp.input((4, 5), "float64", "b")
    for subscripts, others in (("nij,jk->nik", [b]), ("nij,jk->nki", [b]), ("nij,nkj->nik", [a]), ("nij->n", [])):
        y = bp.einsum(subscripts, a, *others)
        known = {t.id: values for t, values in ((a, x), (b, w)) if t is a or any(t is other for other in others)}
        used, arrays = [t for t in (a, b) if t.id in known], [*known.values()]
        (value,) = bp.Graph(used, [y])(*arrays)
        theirs = [x if other is a else w for other in others]
        np.testing.assert_allclose(value, np.einsum(subscripts, x, *theirs), rtol=1e-12, atol=1e-12)
    for subscripts in ("nij,nik->jk", "nij,nkl->ijkl", "nij,nkj->jik"):  # summed over it
        (value,) = bp.Graph([a], [bp.einsum(subscripts, a, a)])(x)
        np.testing.assert_allclose(value, np.einsum(subscripts, x, x), rtol=1e-12, atol=1e-12)


def test_dot_is_a_method_too():
    x = bp.input((3,), "float64")
    assert bp.Graph([x], [x.dot(x)])([1.0, 2.0, 3.0])[0] == 14


@pytest.mark.parametrize(
    ("subscripts", "shapes", "message"),
    [
        ("ij,jk->ik", [(3, 4)], r"einsum.*names 2 operands, got 1"),
        ("ij", [(3, 4, 5)], r"einsum.*does not name the axes of \(3, 4, 5\)"),
        ("...ijk", [(3, 4)], r"einsum.*does not name"),
        ("ij->ik", [(3, 4)], r"einsum.*no operand.*has axis k"),
        ("ij->ii", [(3, 4)], r"einsum.*names i twice"),
        ("ii->i", [(3, 4)], r"einsum.*axes i differ"),
        ("ij,jk", [(3, 4), (5, 6)], r"einsum.*axis j has sizes 4 and 5"),
        ("i?", [(3, 4)], r"einsum.*takes letters"),
        ("i1", [(3, 4)], r"einsum.*takes letters"),
        ("......", [(3, 4)], r"einsum"),
    ],
)
def test_subscripts_that_do_not_fit_are_refused(subscripts, shapes, message):
    with pytest.raises(ValueError, match=message):
        bp.einsum(subscripts, *(bp.input(shape) for shape in shapes))


def test_other_products_refuse_what_does_not_fit():
    a, b = bp.input((2, 3), name="a"), bp.input((4, 5), name="b")
    with pytest.raises(ValueError, match=r"tensordot.*axis 1 of \(2, 3\) does not fit axis 0 of \(4, 5\)"):
        bp.tensordot(a, b, 1)
    with pytest.raises(ValueError, match=r"tensordot.*3 axes do not fit"):
        bp.tensordot(a, b, 3)
    with pytest.raises(ValueError, match=r"tensordot.*as many axes of both, got 1 and 2"):
        bp.tensordot(a, b, ([0], [0, 1]))
    with pytest.raises(ValueError, match=r"vdot.*as many elements"):
        bp.vdot(a, b)
    with pytest.raises(ValueError, match=r"kron.*one rank"):
        bp.kron(a, bp.input((2,)))
    with pytest.raises(TypeError, match=r"einsum.*operands must be tensors, got ndarray.*bp\.constant"):
        bp.einsum("i,i", bp.input((2,)), np.ones(2))
