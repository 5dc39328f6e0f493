"""Recurrent layers beside PyTorch's: outputs, final states and all gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backpass as bp
from registry import DTYPES, ISAS, generator, using_isa

torch = pytest.importorskip("torch", reason="PyTorch is what this is compared with")

KINDS = {
    "RNN": (bp.RNN, torch.nn.RNN, {}, {}),
    "RNN relu": (bp.RNN, torch.nn.RNN, {"nonlinearity": "relu"}, {"nonlinearity": "relu"}),
    "LSTM": (bp.LSTM, torch.nn.LSTM, {}, {}),
    "GRU": (bp.GRU, torch.nn.GRU, {}, {}),
}
FEATURES, HIDDEN = 3, 5


def pair(kind, dtype="float64", hidden=HIDDEN, features=FEATURES, **both):
    """Our layer as a function of its parameters, and PyTorch's module with the same."""
    ours, theirs, own, other = KINDS[kind]
    module = theirs(features, hidden, batch_first=True, **both, **other).to(getattr(torch, dtype))
    return ours(hidden, return_state=True, **both, **own), module


def arrays(module):
    return {name: value.detach().numpy().copy() for name, value in module.named_parameters()}


def model_of(layer, steps, states=(), lengths=False, dtype="float64", features=FEATURES):
    """A model of all results, its inputs and its parameters by the layer's own names."""
    inputs = [bp.Input(shape, dtype=dtype) for shape in ((steps, features), *states)]
    more = {"lengths": bp.Input((), dtype="int32")} if lengths else {}
    return bp.Network([*inputs, *more.values()], list(layer(*inputs, **more)), seed=0)


def theirs_of(module, x, states, lengths, weights):
    """Outputs, the gradients to parameters, x and states of sum of outputs times weights."""
    x, states = torch.tensor(x, requires_grad=True), [torch.tensor(s, requires_grad=True) for s in states]
    first = [s.transpose(0, 1).contiguous() for s in states]
    first = None if not first else first[0] if len(first) == 1 else tuple(first)
    given_x = x
    if lengths is not None:
        given_x = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), True, enforce_sorted=False)
    y, last = module(given_x, first)
    if lengths is not None:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, True, total_length=x.shape[1])
    outputs = [y, *(s.transpose(0, 1) for s in (last if isinstance(last, tuple) else (last,)))]
    sum((o * torch.tensor(w)).sum() for o, w in zip(outputs, weights, strict=True)).backward()
    grads = {name: p.grad.numpy() for name, p in module.named_parameters()}
    return [o.detach().numpy() for o in outputs], grads, [v.grad.numpy() for v in (x, *states)]


def compare(kind, rows, steps, key, states=False, lengths=None, atol=1e-10, dtype="float64", hidden=HIDDEN, **both):
    layer, module = pair(kind, dtype, hidden, **both)
    rng = generator("recurrent", key)
    count = both.get("num_layers", 1) * (2 if both.get("bidirectional") else 1)
    x = rng.standard_normal((rows, steps, FEATURES)).astype(dtype)
    kinds = 2 if kind == "LSTM" else 1
    first = [rng.standard_normal((rows, count, hidden)).astype(dtype) for _ in range(kinds)] if states else []
    width = hidden * (2 if both.get("bidirectional") else 1)
    shapes = [(rows, steps, width)] + [(rows, count, hidden)] * kinds
    weights = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    outputs, grads, of_inputs = theirs_of(module, x, first, lengths, weights)
    model = model_of(layer, steps, [s.shape[1:] for s in first], lengths is not None, dtype)
    f, parameters = model.functional()
    prefix = next(iter(parameters)).rsplit(".", 1)[0]
    parameters = {f"{prefix}.{name}": value for name, value in arrays(module).items()}
    more = [] if lengths is None else [np.asarray(lengths, "int32")]

    def total(p, x, *first):
        results = f(p, x, *first, *more)
        return sum(bp.sum(r * w) for r, w in zip(results, weights, strict=True))

    made = bp.compile(lambda p, x, *first: f(p, x, *first, *more))(parameters, x, *first)
    for ours, theirs in zip(made, outputs, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=atol)
    got = bp.grad(total, argnums=tuple(range(2 + len(first))))(parameters, x, *first)
    for name, theirs in grads.items():
        np.testing.assert_allclose(got[0][f"{prefix}.{name}"], theirs, atol=atol, err_msg=name)
    for ours, theirs in zip(got[1:], of_inputs, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=atol)


FORMS = [{}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 3, "bidirectional": True}, {"bias": False}]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_layers_and_their_gradients_are_pytorch_s(kind, form):
    compare(kind, 4, 6, (kind, form), states=True, **form)


@pytest.mark.parametrize("form", FORMS[:4], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_lengths_are_packed_sequences(kind, form):
    compare(kind, 5, 6, (kind, form), states=True, lengths=[3, 6, 1, 5, 2], **form)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_instruction_set_computes_the_same(kind, dtype, isa):
    with using_isa(isa):
        compare(kind, 37, 5, kind, atol=1e-9 if dtype == "float64" else 2e-4, dtype=dtype, hidden=19)


@settings(max_examples=40)
@given(kind=st.sampled_from(sorted(KINDS)), rows=st.integers(1, 40), steps=st.integers(1, 5), hidden=st.integers(1, 20),
       bidirectional=st.booleans(), states=st.booleans())  # fmt: skip
def test_any_shape_is_pytorch_s(kind, rows, steps, hidden, bidirectional, states):
    key = (rows, steps, hidden)
    compare(kind, rows, steps, key, states=states, hidden=hidden, bidirectional=bidirectional)


@pytest.mark.parametrize("kind", KINDS)
def test_many_units_go_in_several_passes(kind):
    compare(kind, 3, 3, kind, hidden=300, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_state_dicts_of_pytorch_are_loaded_and_given_by_their_names(kind):
    layer, module = pair(kind, "float32", num_layers=2, bidirectional=True)
    theirs = torch.nn.ModuleDict({"0": module}).state_dict()
    form = {"num_layers": 2, "bidirectional": True}
    model = bp.Sequential(type(layer)(HIDDEN, **form, **KINDS[kind][2]), input_shape=(4, FEATURES), seed=0)
    model.load_state_dict({name: value.numpy() for name, value in theirs.items()})
    assert list(model.state_dict()) == list(theirs)
    x = generator("state dict", kind).standard_normal((2, 4, FEATURES)).astype("float32")
    np.testing.assert_allclose(model.predict(x), module(torch.tensor(x))[0].detach(), atol=1e-6)
