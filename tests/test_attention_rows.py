"""What attention must show: gradients of everything, heads as if each were alone, a GPT that learns a text by heart."""

import numpy as np
import pytest

import backpass as bp
from registry import generator


def drawn(*shapes):
    rng = generator("rows", *map(str, shapes))
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.row("G10")
@pytest.mark.parametrize("options", [{}, {"causal": True}, {"lengths": np.array([2, 4], "i4")}], ids=str)
def test_queries_keys_and_values_get_their_gradients(options):
    qkv, by = drawn((2, 4, 3), (2, 4, 3), (2, 4, 2)), drawn((2, 4, 2))[0]

    def value(*qkv):
        return bp.sum(bp.attention(*qkv, **options) * by)

    found = bp.grad(value, argnums=(0, 1, 2))(*qkv)
    at_values, step = bp.compile(value), 1e-6
    for which, grad in enumerate(found):
        for at in np.ndindex(grad.shape):
            moved = [[x.copy() for x in qkv] for _ in range(2)]
            moved[0][which][at] += step
            moved[1][which][at] -= step
            difference = (float(at_values(*moved[0])) - float(at_values(*moved[1]))) / (2 * step)
            np.testing.assert_allclose(grad[at], difference, rtol=1e-6, atol=1e-8)


@pytest.mark.row("G10")
def test_weights_get_their_gradients_and_nothing_looks_ahead():
    x, y = drawn((3, 5, 4), (3, 5, 4))
    model = bp.Sequential(bp.MultiheadAttention(2, causal=True), input_shape=(5, 4), seed=0, dtype="float64")
    assert bp.gradcheck(model, bp.MSE(), x, y) < 1e-7
    before = model.predict(x)
    later = x.copy()
    later[:, 3:] += 1
    np.testing.assert_array_equal(model.predict(later)[:, :3], before[:, :3])
    assert (model.predict(later)[:, 3:] != before[:, 3:]).any()


@pytest.mark.row("G11")
@pytest.mark.parametrize("heads", [1, 2, 3, 6])
def test_heads_are_as_each_alone(heads):
    (x,) = drawn((3, 5, 6))
    model = bp.Sequential(bp.MultiheadAttention(heads), input_shape=(5, 6), seed=0)
    model.load_state_dict({
        name: generator(name).standard_normal(value.shape) * 0.5 for name, value in model.state_dict().items()
    })  # fmt: skip
    w, b, out, out_bias = (
        model.state_dict()[f"0.{name}"]
        for name in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    )
    q, k, v = np.split(x @ w.T + b, 3, -1)
    made = []
    for q1, k1, v1 in zip(*(np.split(each, heads, -1) for each in (q, k, v)), strict=True):
        scores = q1 @ k1.transpose(0, 2, 1) / np.sqrt(6 / heads)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        made.append(e / e.sum(-1, keepdims=True) @ v1)
    wanted = np.concatenate(made, -1) @ out.T + out_bias
    np.testing.assert_allclose(model.predict(x.astype("f4")), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.row("G12")
def test_a_small_gpt_learns_a_text_by_heart():
    from pydoc_data.topics import topics

    text = next(topics[key] for key in sorted(topics) if len(topics[key]) > 1100)[:1025]
    letters = sorted(set(text))
    tokens = np.array([letters.index(c) for c in text], "i4")
    x, y = tokens[:-1].reshape(8, 128), tokens[1:].reshape(8, 128)
    blocks = bp.TransformerEncoder(2, 4, 128, 0.0, "gelu", norm_first=True, causal=True, norm=True)
    layers = [bp.Embedding(len(letters), 48), bp.PositionalEncoding(learned=True), blocks, bp.Dense(len(letters))]
    model = bp.Sequential(*layers, input_shape=128, seed=0)
    history = model.fit(x, y, loss="cross_entropy", optimizer=bp.Adam(4e-3), epochs=400, batch_size=8)
    assert history["loss"][-1] < 0.1
    made = model.generate(x[2, :16], 100, temperature=0)
    assert (made[1:] == y[2, :115]).mean() > 0.9
