"""Graphs made at random, of layers of every kind, and the same in PyTorch."""

import functools

import pytest

import backpass as bp
from registry import ACTIVATIONS, LOSSES, generator

torch = pytest.importorskip("torch")
F = torch.nn.functional

SIZES = (1, 2, 3, 5, 7, 17)

IN_TORCH = {
    "identity": lambda z: z,
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),  # their own is off by 2e-9 at 20
    "elu": F.elu,
    "selu": F.selu,
    "silu": F.silu,
    "mish": F.mish,
    "sin": torch.sin,
    "softsign": F.softsign,
    "log_sigmoid": F.logsigmoid,
    "hardtanh": F.hardtanh,
    "relu6": F.relu6,
    "softmax": lambda z: torch.softmax(z, -1),
}


def hyperbola(z):
    return bp.sqrt(z * z + 1) - 1


def swish(z):
    return z * bp.sigmoid(1.5 * z)


def steeper(z):
    return bp.maximum(z, 0.2 * z)


# Functions composed of ops, and layers with settings: what `Dense(activation=...)` takes beside names.
OTHERS = (
    (hyperbola, lambda z: torch.sqrt(z * z + 1) - 1),
    (swish, lambda z: z * torch.sigmoid(1.5 * z)),
    (steeper, lambda z: torch.maximum(z, 0.2 * z)),
    (bp.tanh, torch.tanh),
    (bp.LeakyReLU(0.5), lambda z: F.leaky_relu(z, 0.5)),
    (bp.LeakyReLU(-0.25), lambda z: F.leaky_relu(z, -0.25)),
    (bp.ELU(1.5), lambda z: F.elu(z, 1.5)),
    (bp.Hardtanh(-0.1, 0.7), lambda z: F.hardtanh(z, -0.1, 0.7)),
)


def linear(name, activation, parameters, x):
    """A Dense layer of this name in PyTorch."""
    return activation(F.linear(x, parameters[f"{name}.weight"], parameters.get(f"{name}.bias")))


def residual(parts, parameters, x):
    return x + functools.reduce(lambda y, part: part(parameters, y), parts, x)


class Dag:
    """A random function, in our words and in PyTorch's.

    It is a list of steps, each on values that are there already. Values have numbers: first come the inputs, then one
    for each step. What no step reads is an output, so that every layer has its influence.
    """

    def __init__(self, layers, rng, names=tuple(ACTIVATIONS), others=OTHERS):
        self.rng, self.names, self.others = rng, names, others
        self.inputs = [self._one_of(SIZES) for _ in range(rng.integers(1, 4))]
        self.widths = list(self.inputs)
        self.steps = []  # (the values that it reads, ours, theirs), theirs with the parameters as first argument
        self.text = []
        self.dense = []  # (width of the input, units, ours, theirs): to be called again
        self.layers = 0  # so far: what the next one is called
        while self.layers < layers:
            getattr(self, self._one_of(["_dense", "_dense", "_again", "_activation", "_residual", "_dropout"]))()
            if rng.random() < 0.5:
                self._merge()
        self.outputs = self._ends()

    def run(self, inputs, parameters=None):
        """The outputs: tensors of ours, or with parameters by name PyTorch's."""
        values = list(inputs)
        for reads, ours, theirs in self.steps:
            given = [values[at] for at in reads]
            values.append(ours(*given) if parameters is None else theirs(parameters, *given))
        return [values[at] for at in self.outputs]

    def network(self, dtype):
        inputs = [bp.Input(width, dtype=dtype, name=f"x{at}") for at, width in enumerate(self.inputs)]
        model = bp.Network(inputs, self.run(inputs), seed=1)
        for name, value in model.parameters().items():
            if name.endswith("bias"):
                value[:] = self.rng.uniform(-0.5, 0.5, value.shape)
        return model

    def __repr__(self):
        return f"inputs of {self.inputs}; {'; '.join(self.text)}; outputs {self.outputs}"

    def _one_of(self, choices):
        return choices[self.rng.integers(len(choices))]

    def _value(self):
        return int(self.rng.integers(len(self.widths)))

    def _add(self, text, reads, width, ours, theirs):
        self.text.append(f"{len(self.widths)} = {text} of {', '.join(map(str, reads))}")
        self.steps.append((reads, ours, theirs))
        self.widths.append(width)
        return len(self.widths) - 1

    def _add_layer(self, at, width, layer, theirs, text="{}"):
        self.layers += 1
        return self._add(text.format(layer), (at,), width, layer, theirs)

    def _named(self):
        name = self._one_of(self.names)
        return name, IN_TORCH[name]

    def _make_dense(self, name, units):
        kind = self._one_of(["none", "name", "layer", *(["other"] if self.others else [])])
        ours, theirs = (None, IN_TORCH["identity"]) if kind == "none" else self._named()
        if kind == "layer":
            ours = ACTIVATIONS[ours]()
        elif kind == "other":
            ours, theirs = self._one_of(self.others)
        layer = bp.Dense(units, activation=ours, bias=bool(self.rng.random() < 0.7))
        return layer, functools.partial(linear, name, theirs)

    def _dense(self):
        at, units = self._value(), self._one_of(SIZES)
        layer, theirs = self._make_dense(self.layers, units)
        self.dense.append((self.widths[at], units, layer, theirs))
        self._add_layer(at, units, layer, theirs)

    def _again(self):
        """A layer that has been called before: it uses its parameters once more."""
        known = [(at, *dense) for dense in self.dense for at, width in enumerate(self.widths) if width == dense[0]]
        if known:
            at, _, units, layer, theirs = self._one_of(known)
            self._add_layer(at, units, layer, theirs, "once more {}")

    def _activation(self):
        at = self._value()
        name, theirs = self._named()
        layer = ACTIVATIONS[name]()
        settings = [other for other in self.others if isinstance(other[0], bp.Layer)]
        if settings and self.rng.random() < 0.3:
            layer, theirs = self._one_of(settings)
        self._add_layer(at, self.widths[at], layer, lambda parameters, x: theirs(x))

    def _residual(self):
        at = self._value()
        widths = self._one_of(SIZES), self.widths[at]
        parts = [self._make_dense(f"{self.layers}.{k}", width) for k, width in enumerate(widths)]
        layer = bp.Residual(*(ours for ours, _ in parts))
        self._add_layer(at, self.widths[at], layer, functools.partial(residual, [theirs for _, theirs in parts]))

    def _dropout(self):
        at = self._value()
        self._add_layer(at, self.widths[at], bp.Dropout(0.0), lambda parameters, x: x)

    def _merge(self):
        """Two values by elements, where their widths are the same or one is a column; else side by side."""
        pair = self._value(), self._value()
        narrow, wide = sorted(self.widths[at] for at in pair)
        sign = self._one_of("+-*|") if narrow in (1, wide) else "|"
        mixed = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}
        if sign == "|":
            self._concat(pair)
        else:
            self._add(sign, pair, wide, mixed[sign], lambda parameters, a, b: mixed[sign](a, b))

    def _concat(self, reads):
        width = sum(self.widths[at] for at in reads)
        ours = lambda *xs: bp.concat(xs, 1)  # noqa: E731
        return self._add("|", reads, width, ours, lambda parameters, *xs: torch.cat(xs, 1))

    def _ends(self):
        read = {at for reads, _, _ in self.steps for at in reads}
        ends = [at for at in range(len(self.inputs), len(self.widths)) if at not in read]
        return [self._concat(ends)] if len(ends) > 1 and self.rng.random() < 0.5 else ends


class Problem:
    """A graph with data, and with a loss for each output."""

    def __init__(self, layers, rows, seed, dtype="float64", **choices):
        rng = generator(layers, rows, seed)
        self.dag = Dag(layers, rng, **choices)
        self.model = self.dag.network(dtype)
        self.x = [rng.uniform(-1, 1, (rows, width)).astype(dtype) for width in self.dag.inputs]
        self.cases = [LOSSES[rng.integers(len(LOSSES))] for _ in self.dag.outputs]
        widths = [self.dag.widths[at] for at in self.dag.outputs]
        targets = [case.target(rng, rows, width) for case, width in zip(self.cases, widths, strict=True)]
        self.y = [y if case.takes_labels else y.astype(dtype) for case, y in zip(self.cases, targets, strict=True)]
        self.weight = rng.uniform(0.1, 2, rows).astype(dtype) if rng.random() < 0.4 else None
        self.losses = [case.make() for case in self.cases]

    def __repr__(self):
        return f"{self.dag!r}; losses {self.losses}; weighted {self.weight is not None}"

    def in_torch(self, parameters, inputs):
        """The outputs and the loss."""
        outputs = self.dag.run(inputs, parameters)
        weight = None if self.weight is None else torch.tensor(self.weight)
        parts = zip(self.cases, outputs, self.y, strict=True)
        return outputs, sum(loss_in_torch(case, p, torch.tensor(y), weight) for case, p, y in parts)

    def parameters_in_torch(self):
        return dict(zip(self.model.parameters(), leaves(self.model.state_dict().values()), strict=True))


def loss_in_torch(case, prediction, y, weight):
    """The mean over rows, or the weighted mean spelled out."""
    if weight is None:
        return case.torch(torch, prediction, y)
    rows = torch.stack([case.torch(torch, prediction[i : i + 1], y[i : i + 1]) for i in range(len(y))])
    return (rows * weight).sum() / weight.sum()


def leaves(arrays):
    return [torch.tensor(array).requires_grad_() for array in arrays]


def gradient_of(leaf):
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def one_or_list(arrays):
    """What a model takes: one array alone, or a list."""
    return arrays[0] if len(arrays) == 1 else arrays


def as_list(result):
    return result if isinstance(result, list) else [result]


def close(ours, theirs):
    """In float64 to 1e-10 of the largest element, or of 1e-5; in float32 to PyTorch's own tolerances."""
    ours, theirs = torch.as_tensor(ours), theirs.detach()
    if theirs.dtype == torch.float32:
        return torch.testing.assert_close(ours, theirs)
    scale = max(1e-5, theirs.abs().max().item())
    return torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=1e-10)


def all_close(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        close(one, other)
