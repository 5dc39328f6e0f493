"""Generating sequences, and a small GPT on characters beside PyTorch's."""

import numpy as np
import pytest

import backpass as bp
from registry import generator


def model_of(table, time=4):
    x = bp.Input(time, dtype="int32")
    return bp.Network(x, bp.take(bp.constant(np.asarray(table, "f4")), x), seed=0)


TABLE = np.log([[0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2]])


def test_the_most_likely_follow_at_temperature_0():
    model = model_of(TABLE)
    made = model.generate([1], 7, temperature=0)
    assert made.dtype == np.int32
    assert made.tolist() == [1, 2, 0, 1, 2, 0, 1, 2]
    assert model.generate([[1], [0]], 3, temperature=0).tolist() == [[1, 2, 0, 1], [0, 1, 2, 0]]
    assert model.generate([1, 0, 2, 2, 1, 1], 2, top_k=1).tolist() == [1, 0, 2, 2, 1, 1, 2, 0]
    assert model.generate([1, 0], 0).tolist() == [1, 0]


@pytest.mark.parametrize(("settings", "wanted"), [
    ({}, [0.1, 0.6, 0.3]), ({"top_k": 2}, [0, 2 / 3, 1 / 3]), ({"top_p": 0.5}, [0, 1, 0]),
    ({"top_p": 0.7}, [0, 2 / 3, 1 / 3]), ({"temperature": 0.5}, [0.01 / 0.46, 0.36 / 0.46, 0.09 / 0.46]),
    ({"top_k": 2, "top_p": 0.6}, [0, 1, 0]), ({"temperature": 1e-9}, [0, 1, 0]),
], ids=str)  # fmt: skip
def test_tokens_have_their_probabilities(settings, wanted):
    made = model_of(TABLE).generate(np.zeros((20000, 1), int), 1, seed=3, **settings)
    found = np.bincount(made[:, 1], minlength=3) / len(made)
    np.testing.assert_allclose(found, wanted, atol=0.012)
    assert all(found[np.asarray(wanted) == 0] == 0)


def test_what_is_impossible_is_never_drawn_nor_is_heat_lost():
    table = np.array([[0.0, -np.inf, 0.0], [-np.inf, -np.inf, 0.0], [0.0, 0.0, -np.inf]])
    made = model_of(table).generate(np.zeros((500, 1), int), 2, seed=0)
    assert set(made[:, 1]) == {0, 2}
    assert set(made[made[:, 1] == 2, 2]) == {0, 1}
    assert model_of(TABLE).generate([1], 3, temperature=1e-310).tolist() == [1, 2, 0, 1]


def test_a_seed_draws_the_same():
    model = model_of(TABLE)
    one, other = (model.generate([0], 40, seed=1).tolist() for _ in range(2))
    assert one == other
    assert one != model.generate([0], 40, seed=2).tolist()


@pytest.mark.parametrize(("prompt", "settings", "message"), [
    ([], {}, r"\[generate\] prompt must be integers|one token at least"), ([0.5], {}, r"prompt must be integers"),
    ([3], {}, r"prompt must be tokens in \[0, 3\), got 3 to 3"), ([-1], {}, r"prompt must be tokens in"),
    ([0], {"temperature": -1.0}, r"temperature must be finite and not negative"),
    ([0], {"temperature": float("nan")}, r"temperature must be finite and not negative"),
    ([0], {"top_k": 0}, r"top_k must be positive"), ([0], {"top_p": 0.0}, r"top_p must be above 0 and at most 1"),
    ([0], {"top_p": 1.5}, r"top_p must be above 0 and at most 1"),
    ([0], {"n_tokens": -1}, r"n_tokens must be at least 0"),
], ids=range(10))  # fmt: skip
def test_what_does_not_fit_is_refused(prompt, settings, message):
    with pytest.raises(ValueError, match=message):
        model_of(TABLE).generate(prompt, **({"n_tokens": 1} | settings))


def test_other_models_are_refused():
    model = bp.Sequential(bp.Dense(2), input_shape=3, seed=0)
    with pytest.raises(ValueError, match=r"\[generate\] is for models that take integers \(rows, time\)"):
        model.generate([0], 1)
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="logits are not numbers"):
            model_of(np.full((3, 3), value)).generate([0], 1)


TIME, WIDTH, HEADS, BLOCKS = 32, 32, 4, 2


def characters():
    """Of a text that every Python has, as numbers below 96."""
    from pydoc_data.topics import topics

    text = "".join(topics[key] for key in sorted(topics))[:20000]
    return np.array([min(max(ord(c) - 32, 0), 95) for c in text], "i4")


@pytest.mark.filterwarnings("ignore:.*nested tensors:UserWarning")
def test_a_gpt_of_characters_learns_as_pytorchs():
    torch = pytest.importorskip("torch", reason="what is compared with is not installed")
    blocks = bp.TransformerEncoder(BLOCKS, HEADS, 4 * WIDTH, 0.0, "gelu", norm_first=True, causal=True, norm=True)
    layers = [bp.Embedding(96, WIDTH), bp.PositionalEncoding(learned=True), blocks, bp.Dense(96)]
    model = bp.Sequential(*layers, input_shape=TIME, seed=0)
    one = torch.nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
    parts = torch.nn.ModuleList([
        torch.nn.Embedding(96, WIDTH), torch.nn.ParameterDict({"weight": torch.nn.Parameter(torch.zeros(TIME, WIDTH))}),
        torch.nn.TransformerEncoder(one, BLOCKS, torch.nn.LayerNorm(WIDTH), enable_nested_tensor=False),
        torch.nn.Linear(WIDTH, 96),
    ])  # fmt: skip
    parts.load_state_dict({name: torch.tensor(value) for name, value in model.state_dict().items()})
    mask = torch.nn.Transformer.generate_square_subsequent_mask(TIME)
    trainer, theirs = bp.Trainer(model, bp.CrossEntropy(), bp.Adam(3e-3)), torch.optim.Adam(parts.parameters(), 3e-3)
    text, rng, ours, wanted = characters(), generator("text"), [], []
    for _ in range(60):
        begin = rng.integers(0, len(text) - TIME - 1, 16)[:, None] + np.arange(TIME)
        x, y = text[begin], text[begin + 1]
        ours.append(trainer.step(x, y))
        theirs.zero_grad()
        h = parts[2](parts[0](torch.tensor(x).long()) + parts[1]["weight"], mask=mask, is_causal=True)
        loss = torch.nn.functional.cross_entropy(parts[3](h).movedim(-1, 1), torch.tensor(y).long())
        loss.backward()
        theirs.step()
        wanted.append(loss.item())
    np.testing.assert_allclose(ours, wanted, rtol=0.01)
    assert ours[-1] < 0.8 * ours[0]
    made = model.generate(text[:5], 40, top_k=5, seed=0)
    assert made.shape == (45,)
    assert (made[:5] == text[:5]).all()
