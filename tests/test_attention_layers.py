"""Layers of attention, with PyTorch's weights by their names."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from registry import generator

torch = pytest.importorskip("torch", reason="what is compared with is not installed")


def loaded(module, layer, places):
    """A network of the layer with the module's weights."""
    output = layer(*places[: len(places) - 1], lengths=places[-1]) if places[-1].dtype == "int32" else layer(*places)
    model = bp.Network(list(places) if len(places) > 1 else places[0], output, seed=0, dtype="float64")
    model.load_state_dict({f"0.{name}": value.detach().numpy() for name, value in module.state_dict().items()})
    return model


def check(module, layer, arrays, theirs, lengths=None):
    """Values, and gradients of inputs and parameters, against `theirs(*tensors)`."""
    places = [bp.input((None, *x.shape[1:]), "float64") for x in arrays]
    if lengths is not None:
        places.append(bp.input((None,), "int32"))
    model = loaded(module, layer, places)
    given_x = [torch.tensor(x, requires_grad=True) for x in arrays]
    wanted = theirs(*given_x)
    ours = [bp.tensor(x, requires_grad=True) for x in arrays]
    found = model([*ours, *([] if lengths is None else [bp.tensor(lengths)])] if len(places) > 1 else ours[0])
    np.testing.assert_allclose(found.numpy(), wanted.detach().numpy(), rtol=1e-9, atol=1e-10)
    by = generator("by").standard_normal(wanted.shape)
    (wanted * torch.tensor(by)).sum().backward()
    bp.sum(found * by).backward()
    for own, other in zip(ours, given_x, strict=True):
        np.testing.assert_allclose(own.grad.numpy(), other.grad.numpy(), rtol=1e-8, atol=1e-10)
    grads = {name: weight.grad.numpy() for name, weight in zip(model.parameters(), model.weights, strict=True)}
    for name, weight in module.named_parameters():
        np.testing.assert_allclose(grads[f"0.{name}"], weight.grad.numpy(), rtol=1e-8, atol=1e-10, err_msg=name)


def drawn(*shapes):
    rng = generator("layers", *map(str, shapes))
    return [rng.standard_normal(shape) for shape in shapes]


def padding(lengths, time):
    return torch.arange(time) >= torch.tensor(lengths)[:, None]


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans())
def test_self_attention(batch, time, heads, per_head, causal, bias):
    width = heads * per_head
    module = torch.nn.MultiheadAttention(width, heads, bias=bias, batch_first=True, dtype=torch.float64)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(time, dtype=torch.float64) if causal else None

    def theirs(x):
        return module(x, x, x, attn_mask=mask, is_causal=causal, need_weights=False)[0]

    check(module, bp.MultiheadAttention(heads, causal=causal, bias=bias), drawn((batch, time, width)), theirs)


@pytest.mark.parametrize("sizes", [(6, 6), (4, 6), (4, 3)], ids=str)
def test_attention_to_others(sizes):
    kdim, vdim = sizes
    module = torch.nn.MultiheadAttention(6, 2, kdim=kdim, vdim=vdim, batch_first=True, dtype=torch.float64)
    arrays = drawn((3, 4, 6), (3, 5, kdim), (3, 5, vdim))
    lengths = np.array([2, 5, 1], "i4")

    def theirs(q, k, v):
        return module(q, k, v, key_padding_mask=padding(lengths, 5), need_weights=False)[0]

    layer = bp.MultiheadAttention(2)  # gradients of both add up, as theirs do
    check(module, layer, arrays, theirs, lengths)
    check(module, layer, arrays, lambda q, k, v: module(q, k, v)[0])


def test_keys_that_are_values():
    module = torch.nn.MultiheadAttention(6, 2, batch_first=True, dtype=torch.float64)
    check(module, bp.MultiheadAttention(2), drawn((3, 4, 6), (3, 5, 6)), lambda q, k: module(q, k, k)[0])


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_and_decoder_layers(norm_first, activation):
    options = {"dropout": 0.0, "activation": activation, "norm_first": norm_first}
    theirs = {"batch_first": True, "dtype": torch.float64}
    module = torch.nn.TransformerEncoderLayer(6, 2, 7, **options, **theirs)
    lengths = np.array([2, 4, 1], "i4")
    (x,) = drawn((3, 4, 6))
    layer = bp.TransformerEncoderLayer(2, 7, **options)
    check(module, layer, [x], module)
    check(module, layer, [x], lambda x: module(x, src_key_padding_mask=padding(lengths, 4)), lengths)
    module = torch.nn.TransformerDecoderLayer(6, 2, 7, **options, **theirs)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64)
    lengths = np.array([3, 5, 1], "i4")
    arrays = drawn((3, 4, 6), (3, 5, 6))

    def decoded(x, memory):
        return module(x, memory, tgt_mask=mask, memory_key_padding_mask=padding(lengths, 5))

    check(module, bp.TransformerDecoderLayer(2, 7, **options), arrays, decoded, lengths)


def test_encoder_and_decoder():
    options, theirs = {"dropout": 0.0}, {"batch_first": True, "dtype": torch.float64}
    norm = torch.nn.LayerNorm(6, dtype=torch.float64)
    one = torch.nn.TransformerEncoderLayer(6, 2, 7, **options, **theirs)
    module = torch.nn.TransformerEncoder(one, 2, norm, enable_nested_tensor=False)
    check(module, bp.TransformerEncoder(2, 2, 7, norm=True, **options), drawn((3, 4, 6)), module)
    one = torch.nn.TransformerDecoderLayer(6, 2, 7, **options, **theirs)
    module = torch.nn.TransformerDecoder(one, 2)
    layer = bp.TransformerDecoder(2, 2, 7, causal=False, **options)
    check(module, layer, drawn((3, 4, 6), (3, 5, 6)), module)


def test_masks_of_keys_and_of_pairs():
    (x,) = (a.astype("f4") for a in drawn((2, 4, 6)))
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], "f4")
    layer = bp.MultiheadAttention(2)
    place, keys, pairs = bp.Input((4, 6)), bp.Input(4), bp.Input((1, 4, 4))
    by_keys = bp.Network([place, keys], layer(place, keep=keys), seed=0)
    by_pairs = bp.Network([place, pairs], layer(place, keep=pairs), seed=0)
    of_all_heads = bp.Input((4, 4))
    by_three = bp.Network([place, of_all_heads], layer(place, keep=of_all_heads), seed=0)
    by_lengths = bp.Network([place, n := bp.Input((), dtype="int32")], layer(place, lengths=n), seed=0)
    wanted = by_keys.predict([x, mask])
    np.testing.assert_array_equal(by_pairs.predict([x, np.broadcast_to(mask[:, None, None], (2, 1, 4, 4))]), wanted)
    np.testing.assert_array_equal(by_three.predict([x, np.broadcast_to(mask[:, None], (2, 4, 4))]), wanted)
    np.testing.assert_array_equal(by_lengths.predict([x, np.array([2, 4], "i4")]), wanted)


@pytest.mark.parametrize("make", [
    lambda: bp.MultiheadAttention(2, causal=True, rotary=True),
    lambda: bp.PositionalEncoding(learned=True, dropout=0.1),
    lambda: bp.TransformerEncoderLayer(2, 5, activation="gelu", norm_first=True),
    lambda: bp.TransformerEncoder(2, 2, 5, norm=True),
], ids=["attention", "positions", "layer", "encoder"])  # fmt: skip
def test_they_train_check_and_are_saved(make, tmp_path):
    x, y = (a.astype("f4") for a in drawn((5, 3, 4), (5, 2)))
    model = bp.Sequential(make(), bp.Flatten(), bp.Dense(2), input_shape=(3, 4), seed=0)
    assert bp.gradcheck(model, bp.MSE(), x, y) < 1e-6
    model.fit(x, y, epochs=2, loss=bp.MSE(), optimizer=bp.Adam(1e-3), progress=False)
    model.save(tmp_path / "m.safetensors")
    other = bp.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    assert repr(other.layers[0]) == repr(model.layers[0])


def trained(threads):
    x = generator("bits").standard_normal((9, 16, 8)).astype("f4")
    model = bp.Sequential(bp.TransformerEncoder(2, 2, 16, causal=True), input_shape=(16, 8), seed=0)
    before = bp.get_threads()
    bp.set_threads(threads)
    try:
        model.fit(x, x, epochs=2, batch_size=4, loss=bp.MSE(), optimizer=bp.SGD(0.1), progress=False)
        return model.predict(x)
    finally:
        bp.set_threads(before)


def test_the_number_of_threads_changes_no_bits():
    one = trained(1)
    for threads in (2, 3):
        np.testing.assert_array_equal(trained(threads), one)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: bp.MultiheadAttention(3)(x), r"\[MultiheadAttention\] num_heads must divide the features of queries"),
    (lambda x: bp.MultiheadAttention(0)(x), r"\[MultiheadAttention\] num_heads must be positive"),
    (lambda x: bp.MultiheadAttention(2)(x, x, x, x), r"\[MultiheadAttention\] takes 1 to 3 sequences"),
    (lambda x: bp.MultiheadAttention(2)(bp.Input(4)), r"\[MultiheadAttention\] takes 1 to 3 sequences .*, got 0"),
    (lambda x: bp.TransformerDecoderLayer(2)(x), r"\[TransformerDecoderLayer\] takes 2 sequences .*, got 1"),
    (lambda x: bp.TransformerEncoderLayer(2, activation="no"), r"\[TransformerEncoderLayer\] .*activation"),
    (lambda x: bp.PositionalEncoding()(bp.Input(4)), r"\[PositionalEncoding\] takes a real sequence"),
], ids=range(7))  # fmt: skip
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(bp.Input((3, 4)))
