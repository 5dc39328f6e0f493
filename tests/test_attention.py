"""Attention: against its definition in NumPy, PyTorch's functions and modules, and itself without batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import backpass as bp
from registry import generator

torch = pytest.importorskip("torch", reason="what is compared with is not installed")


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True, initial=-np.inf))
    return e / e.sum(-1, keepdims=True)


def reference(q, k, v, keep=None, bias=0.0, scale=None):
    """Rows that may look at nothing are zeros."""
    scores = q @ np.swapaxes(k, -1, -2) * (scale or 1 / np.sqrt(q.shape[-1])) + bias
    keep = np.broadcast_to(True if keep is None else keep, scores.shape)
    weights = np.zeros_like(scores)
    for at in np.ndindex(scores.shape[:-1]):
        if keep[at].any():
            weights[at][keep[at]] = softmax(scores[at][keep[at]])
    return weights @ v


def drawn(*shapes, key=""):
    rng = generator("attention", key, *map(str, shapes))
    return [rng.standard_normal(shape) for shape in shapes]


@given(st.integers(0, 3), st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.booleans())
def test_it_is_its_definition(batch, heads, queries, keys, features, causal):
    keys = queries if causal else keys
    q, k, v = drawn((batch, heads, queries, features), (batch, heads, keys, features), (batch, heads, keys, 3))
    lengths = generator(batch, keys).integers(0, keys + 1, batch)
    keep = np.arange(keys) < lengths[:, None, None, None]
    if causal:
        keep = keep & np.tri(queries, dtype=bool)
    found = bp.attention(*map(bp.tensor, (q, k, v)), causal=causal, lengths=lengths.astype("i4"))
    np.testing.assert_allclose(found.numpy(), reference(q, k, v, keep), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("options", [
    {}, {"is_causal": True}, {"scale": 0.3}, {"attn_mask": "keep"}, {"attn_mask": "bias"},
], ids=str)  # fmt: skip
def test_pytorch_gives_the_same_values_and_gradients(options):
    keys = 5 if "is_causal" in options else 6
    arrays = drawn((2, 3, 5, 4), (2, 3, keys, 4), (2, 3, keys, 2))
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    ours = [bp.tensor(x, requires_grad=True) for x in arrays]
    options, own = dict(options), {}
    if "is_causal" in options:
        own["causal"] = True
    elif options.get("attn_mask") == "keep":
        mask = generator("keep").random((2, 1, 5, 6)) < 0.6
        mask[..., 0] = True
        options["attn_mask"], own["keep"] = torch.tensor(mask), mask
    elif options.get("attn_mask") == "bias":
        bias = generator("bias").standard_normal((1, 3, 5, 6))
        bias[..., 3] = -np.inf
        options["attn_mask"], own["bias"] = torch.tensor(bias), bias
    own |= {"scale": options["scale"]} if "scale" in options else {}
    wanted = torch.nn.functional.scaled_dot_product_attention(*theirs, **options)
    found = bp.attention(*ours, **own)
    np.testing.assert_allclose(found.numpy(), wanted.detach().numpy(), rtol=1e-10, atol=1e-12)
    by = drawn((2, 3, 5, 2), key="by")[0]
    (wanted * torch.tensor(by)).sum().backward()
    bp.sum(found * by).backward()
    for own_x, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(own_x.grad.numpy(), other.grad.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("way", ["lengths", "keep", "bias"])
def test_a_query_that_may_look_at_nothing_gives_zeros_and_gets_no_gradient(way):
    q, k, v = (bp.tensor(x, requires_grad=True) for x in drawn((2, 1, 3, 4), (2, 1, 5, 4), (2, 1, 5, 4)))
    lengths = np.array([0, 4], "i4")
    mask = np.arange(5) < lengths[:, None, None, None]
    options = {"lengths": lengths, "keep": mask, "bias": np.where(mask, 0.0, -np.inf)}
    y = bp.attention(q, k, v, **{way: options[way]})
    bp.sum(y * y).backward()
    assert not y.numpy()[0].any()
    assert y.numpy()[1].all()
    for x in (q, k, v):
        assert not x.grad.numpy()[0].any()
        assert np.isfinite(x.grad.numpy()).all()
        assert x.grad.numpy()[1].any()


@pytest.mark.parametrize("way", ["keep", "bias"])
def test_a_query_that_loses_all_that_is_not_ahead_does_not_look_ahead(way):
    q, k, v = (bp.tensor(x, requires_grad=True) for x in drawn((2, 1, 4, 3), (2, 1, 4, 3), (2, 1, 4, 3)))
    mask = np.ones((2, 1, 1, 4))
    mask[0, ..., :2] = 0  # filled up on the left
    options = {"keep": mask, "bias": np.where(mask, 0.0, -np.inf)}
    y = bp.attention(q, k, v, causal=True, **{way: options[way]})
    bp.sum(y * y).backward()
    may = (mask > 0) & np.tri(4, dtype=bool)
    np.testing.assert_allclose(y.numpy(), reference(q.numpy(), k.numpy(), v.numpy(), may), rtol=1e-10, atol=1e-12)
    assert not y.numpy()[0, :, :2].any()
    assert not q.grad.numpy()[0, :, :2].any()
    assert not k.grad.numpy()[0, :, :2].any()


def test_derivatives_of_second_order_agree_with_differences():
    q, k, v = drawn((1, 4, 2), (1, 4, 2), (1, 4, 2))
    lengths = np.array([3], "i4")

    def slope(q):
        return bp.grad(lambda q: bp.sum(bp.attention(q, k, v, causal=True, lengths=lengths) ** 2))(q)

    by = drawn((1, 4, 2), key="by")[0]
    found = bp.grad(lambda q: bp.sum(slope(q) * by))(q)
    step = 1e-5
    for at in np.ndindex(q.shape):
        there, back = q.copy(), q.copy()
        there[at] += step
        back[at] -= step
        difference = ((np.asarray(slope(there)) - np.asarray(slope(back))) * by).sum() / (2 * step)
        np.testing.assert_allclose(found[at], difference, rtol=1e-6, atol=1e-8)


def test_vmap_is_the_batch():
    q, k, v = drawn((4, 5, 2), (4, 5, 2), (4, 5, 2))
    one = bp.vmap(lambda q, k, v: bp.attention(q, k, v, causal=True))(q, k, v)
    np.testing.assert_allclose(one, bp.attention(*map(bp.tensor, (q, k, v)), causal=True).numpy(), atol=1e-14)


def test_weights_are_dropped_in_training_alone():
    x = bp.input((None, 6, 4), dtype="float64")
    model = bp.Network(x, bp.attention(x, x, x, dropout=0.5), seed=0)
    given_x = drawn((3, 6, 4))[0]
    np.testing.assert_allclose(model.predict(given_x), reference(given_x, given_x, given_x), atol=1e-12)
    first, second = model.forward(given_x), model.forward(given_x)
    assert (first != second).any()


@pytest.mark.parametrize(("call", "message"), [
    (lambda q, k, v: bp.attention(q, k[..., :2], v), r"\[attention\] q and k need as many features, got \(2, 3, 4\)"),
    (lambda q, k, v: bp.attention(q, k, v[:, :2]), r"\[attention\] k and v need as many rows"),
    (lambda q, k, v: bp.attention(q, k, v, causal=True), r"\[attention\] causal is for as many queries as keys"),
    (lambda q, k, v: bp.attention(q, k, v, keep=np.ones((5, 7))), r"keep must broadcast to .*got \(5, 7\)"),
    (lambda q, k, v: bp.attention(q, k, v, bias=np.ones((2, 2, 3, 5))), r"\[attention\] bias must broadcast to"),
    (lambda q, k, v: bp.attention(q, k, v, dropout=1.0), r"\[attention\] dropout must be at least 0 and below 1"),
    (lambda q, k, v: bp.attention(q, k, v, scale=0.0), r"\[attention\] scale must not be 0"),
    (lambda q, k, v: bp.attention(q, k, v, scale=float("nan")), r"\[attention\] scale must be finite"),
    (lambda q, k, v: bp.attention(q, k, v, lengths=[1, 2, 3]), r"\[attention\] lengths must be one for each"),
    (lambda q, k, v: bp.attention(q, k, v, lengths=[[1, 2]]), r"\[attention\] lengths must be int32 \(batch\)"),
    (lambda q, k, v: bp.attention(q[0, 0], k, v), r"\[attention\] q must have shape \(..., time, features\)"),
    (lambda q, k, v: bp.rotary(q[..., :3]), r"\[rotary\] needs an even number of features"),
    (lambda q, k, v: bp.rotary(q, base=-1.0), r"\[rotary\] base must be positive and finite"),
], ids=range(13))  # fmt: skip
def test_what_does_not_fit_is_refused(call, message):
    q, k, v = map(bp.tensor, drawn((2, 3, 4), (2, 5, 4), (2, 5, 4)))
    with pytest.raises(ValueError, match=message):
        call(q, k, v)


def test_rotary_products_depend_on_how_far_rows_are_apart():
    q, k = (np.broadcast_to(x, (8, 6)) for x in drawn((1, 6), (1, 6)))
    products = bp.rotary(bp.tensor(q)).numpy() @ bp.rotary(bp.tensor(k)).numpy().T
    for far in range(-7, 8):
        line = np.diagonal(products, far)
        np.testing.assert_allclose(line, line[0], rtol=1e-10)
    later = bp.rotary(bp.tensor(q), offset=3).numpy()
    np.testing.assert_allclose(later[:5], bp.rotary(bp.tensor(q)).numpy()[3:], rtol=1e-12)
