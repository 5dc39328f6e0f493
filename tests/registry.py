"""What is under test: lists over which the properties run. A new layer, loss, optimizer or op is one line here."""

import functools
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

import backpass as bp
import reference
from op_case import OpCase
from registry_attention import ATTENTION
from registry_axes import ALONG_AXES, LOOKUPS, MOVES, REDUCE_AXES
from registry_decompositions import DECOMPOSITIONS
from registry_elementwise import ELEMENTWISE
from registry_images import CONVOLUTIONS, POOLING

DTYPES = ("float32", "float64")
ISAS = tuple(bp.available_isas())
BATCH_SIZES = (0, 1, 7)
# What rounding may change: some tens of units in the last place of a sum of a few dozen terms.
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


@contextmanager
def using_isa(name):
    """Plans compiled inside run on this instruction set."""
    before = bp.isa()
    bp.set_isa(name)
    try:
        yield
    finally:
        bp.set_isa(before)


def generator(*key):
    """Random numbers that depend on what is tested, and not on what ran before."""
    return np.random.default_rng([sum(str(part).encode()) * (at + 1) for at, part in enumerate(key)])


# ---------------------------------------------------------------------------------------------------------------------
# Layers.

# Layers that apply one function of the core's list, by the function's name; and how the others are made.
PLAIN = {name: layer for name, layer, _, _ in bp._core.plain_activations()}
ACTIVATIONS = {name: getattr(bp, layer) for name, layer in PLAIN.items()} | {
    "identity": bp.Identity,
    "leaky_relu": bp.LeakyReLU,
    "gelu": bp.GELU,
    "gelu_tanh": lambda: bp.GELU("tanh"),
    "elu": bp.ELU,
    "selu": bp.SELU,
    "hardtanh": bp.Hardtanh,
    "relu6": bp.ReLU6,
    "softmax": bp.Softmax,
}
ACTIVATIONS = {name: ACTIVATIONS[name] for name in (*reference.ACTIVATIONS, "softmax")}  # in one order


def kinks_of(name):
    return () if name == "softmax" else reference.ACTIVATIONS[name].kinks


def distance_to(kinks, z):
    """How far each row of z (n, ...) is from the nearest kink; 1 where there is none."""
    far = np.ones((len(z), 1))
    return np.concatenate([far, *(np.abs(z - kink).reshape(len(z), -1) for kink in kinks)], axis=1).min(axis=1)


@dataclass(frozen=True)
class LayerCase:
    """A layer, and what it computes: activation(x W^T + b), or activation(x) where it has no units."""

    name: str
    make: object
    units: int | None = None
    activation: str = "identity"
    settings: tuple = ()  # of the activation

    @property
    def kinks(self):
        return self.settings if self.activation == "hardtanh" and self.settings else kinks_of(self.activation)

    def forward(self, parameters, x):
        return reference.activate(self.activation, self._z(parameters, x), *self.settings)

    def backward(self, parameters, x, grad):
        """The gradient to the input, and those of the parameters by name."""
        delta = reference.activation_backward(self.activation, self._z(parameters, x), grad, *self.settings)
        if self.units is None:
            return delta, {}
        dx, weight_grad, bias_grad = reference.dense_backward(x, parameters["0.weight"], delta)
        grads = {"0.weight": weight_grad, "0.bias": bias_grad}
        return dx, {name: grads[name] for name in parameters}

    def _z(self, parameters, x):
        if self.units is None:
            return x
        return reference.dense_forward(x, parameters["0.weight"], parameters.get("0.bias", np.zeros(self.units)))


LAYERS = (
    LayerCase("Dense", lambda: bp.Dense(5), 5),
    LayerCase("Dense of one unit", lambda: bp.Dense(1), 1),
    LayerCase("Dense without bias", lambda: bp.Dense(5, bias=False), 5),
    LayerCase("Dense wider than a tile", lambda: bp.Dense(67), 67),
    *(LayerCase(f"Dense {a}", lambda a=a: bp.Dense(4, activation=a), 4, a) for a in ACTIVATIONS),
    *(LayerCase(f"{a} alone", layer, None, a) for a, layer in ACTIVATIONS.items()),
    LayerCase("ELU with alpha", lambda: bp.ELU(0.3), None, "elu", (0.3,)),
    LayerCase("Hardtanh with bounds", lambda: bp.Hardtanh(-0.5, 1.5), None, "hardtanh", (-0.5, 1.5)),
    LayerCase("Dropout of nothing", lambda: bp.Dropout(0.0)),
)


# ---------------------------------------------------------------------------------------------------------------------
# Losses.


@dataclass(frozen=True)
class LossCase:
    name: str
    make: object
    value_and_grad: object  # of the reference
    takes_labels: bool = False
    torch: object = None  # torch, prediction, target -> loss
    draw: object = lambda rng, shape: rng.standard_normal(shape)  # numbers that fit as targets
    columns: int = 1  # of a prediction, for each of a target
    adapt: object = lambda prediction: prediction  # numbers to a prediction that the loss allows

    def target(self, rng, rows, outputs):
        """A target that fits: labels, or numbers."""
        return rng.integers(0, outputs, rows) if self.takes_labels else self.draw(rng, (rows, outputs))

    def prediction(self, rng, rows, outputs):
        """For a target of as many outputs."""
        return self.adapt(rng.standard_normal((rows, self.columns * outputs)))


def far_targets(rng, shape):
    """Farther than any prediction in these tests comes, on either side: no error is near a kink."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(60, 70, shape)


def counts(rng, shape):
    return rng.poisson(2.0, shape).astype(np.float64)


def with_variances(prediction):
    """The right half made positive."""
    means, raw = np.split(prediction, 2, axis=1)
    return np.concatenate([means, 0.1 + raw**2], axis=1)


def gaussian_nll_of_torch(torch, p, y):
    return torch.nn.functional.gaussian_nll_loss(p[:, : y.shape[1]], y, p[:, y.shape[1] :])


def focal_of_torch(gamma, alpha):
    def loss(torch, p, y):
        surprise = torch.nn.functional.cross_entropy(p, y, reduction="none")
        return (alpha * (1 - torch.exp(-surprise)) ** gamma * surprise).mean()

    return loss


LOSSES = (
    LossCase("MSE", bp.MSE, reference.mse, torch=lambda torch, p, y: torch.nn.functional.mse_loss(p, y)),
    LossCase("HalfMSE", bp.HalfMSE, reference.half_mse, torch=lambda torch, p, y: ((p - y) ** 2).sum(1).mean() / 2),
    LossCase("MAE", bp.MAE, reference.mae, torch=lambda torch, p, y: torch.nn.functional.l1_loss(p, y),
             draw=far_targets),
    LossCase("Huber of large errors", bp.Huber, reference.huber, draw=far_targets,
             torch=lambda torch, p, y: torch.nn.functional.huber_loss(p, y)),
    LossCase("Huber of small errors", lambda: bp.Huber(50.0), functools.partial(reference.huber, delta=50.0),
             torch=lambda torch, p, y: torch.nn.functional.huber_loss(p, y, delta=50.0)),
    LossCase("BinaryCrossEntropy", bp.BinaryCrossEntropy, reference.binary_cross_entropy,
             torch=lambda torch, p, y: torch.nn.functional.binary_cross_entropy_with_logits(p, y),
             draw=lambda rng, shape: rng.uniform(0, 1, shape)),
    LossCase(
        "CrossEntropy",
        bp.CrossEntropy,
        reference.cross_entropy,
        takes_labels=True,
        torch=lambda torch, p, y: torch.nn.functional.cross_entropy(p, y),
    ),
)  # fmt: skip

# With these, losses are tested by themselves: in networks they would say nothing new.
ALL_LOSSES = (
    *LOSSES,
    LossCase("LogCosh", bp.LogCosh, reference.log_cosh, torch=lambda torch, p, y: torch.log(torch.cosh(p - y)).mean()),
    LossCase("Quantile", lambda: bp.Quantile(0.8), functools.partial(reference.quantile, q=0.8), draw=far_targets,
             torch=lambda torch, p, y: torch.maximum(0.8 * (y - p), -0.2 * (y - p)).mean()),
    LossCase("Poisson", bp.Poisson, reference.poisson, draw=counts,
             torch=lambda torch, p, y: torch.nn.functional.poisson_nll_loss(p, y)),
    LossCase("Poisson, full", lambda: bp.Poisson(full=True), functools.partial(reference.poisson, full=True),
             draw=counts, torch=lambda torch, p, y: torch.nn.functional.poisson_nll_loss(p, y, full=True)),
    LossCase("GaussianNLL", bp.GaussianNLL, reference.gaussian_nll, columns=2, adapt=with_variances,
             torch=gaussian_nll_of_torch),
    LossCase("BinaryCrossEntropy, weighted and smoothed", lambda: bp.BinaryCrossEntropy(2.5, 0.1),
             functools.partial(reference.binary_cross_entropy, pos_weight=2.5, label_smoothing=0.1),
             torch=lambda torch, p, y: torch.nn.functional.binary_cross_entropy_with_logits(
                 p, 0.9 * y + 0.05, pos_weight=torch.tensor(2.5, dtype=p.dtype)),
             draw=lambda rng, shape: rng.uniform(0, 1, shape)),
    LossCase("CrossEntropy, smoothed", lambda: bp.CrossEntropy(label_smoothing=0.1),
             functools.partial(reference.cross_entropy, label_smoothing=0.1), takes_labels=True,
             torch=lambda torch, p, y: torch.nn.functional.cross_entropy(p, y, label_smoothing=0.1)),
    LossCase("Focal", bp.Focal, reference.focal, takes_labels=True, torch=focal_of_torch(2.0, 1.0)),
    LossCase("Focal, other settings", lambda: bp.Focal(1.5, alpha=0.25),
             functools.partial(reference.focal, gamma=1.5, alpha=0.25), takes_labels=True,
             torch=focal_of_torch(1.5, 0.25)),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# Optimizers.


@dataclass(frozen=True)
class OptimizerCase:
    """The same settings for us, the reference and PyTorch."""

    name: str
    kind: str
    settings: dict = field(default_factory=dict)

    def make(self):
        return getattr(bp, self.kind)(**self.settings)

    def update(self, w, grad, state):
        return reference.OPTIMIZERS[self.kind](w, grad, state, **self.settings)

    def torch(self, torch, parameters):
        settings = {
            {"learning_rate": "lr", "learning_rate_decay": "lr_decay"}.get(k, k): v for k, v in self.settings.items()
        }
        return getattr(torch.optim, self.kind)(parameters, **settings)


OPTIMIZERS = (
    OptimizerCase("SGD", "SGD", {"learning_rate": 0.1}),
    OptimizerCase("SGD, weight decay", "SGD", {"learning_rate": 0.1, "weight_decay": 0.02}),
    OptimizerCase("momentum", "SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    OptimizerCase("momentum, weight decay", "SGD", {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.02}),
    OptimizerCase("nesterov", "SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    OptimizerCase(
        "nesterov, weight decay",
        "SGD",
        {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.02},
    ),
    OptimizerCase("Adam", "Adam", {"learning_rate": 1e-2}),
    OptimizerCase("Adam, other betas", "Adam", {"learning_rate": 1e-2, "betas": (0.8, 0.95), "eps": 1e-6}),
    OptimizerCase("Adam, weight decay", "Adam", {"learning_rate": 1e-2, "weight_decay": 0.05}),
    OptimizerCase("AdamW", "AdamW", {"learning_rate": 1e-2, "weight_decay": 0.05}),
    OptimizerCase(
        "AdamW, other betas",
        "AdamW",
        {"learning_rate": 2e-2, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.3},
    ),
    OptimizerCase("RMSprop", "RMSprop", {"learning_rate": 1e-2}),
    OptimizerCase("RMSprop, other alpha", "RMSprop", {"learning_rate": 2e-3, "alpha": 0.9, "eps": 1e-3}),
    OptimizerCase("RMSprop, momentum", "RMSprop", {"learning_rate": 1e-3, "momentum": 0.9}),
    OptimizerCase(
        "RMSprop, momentum, weight decay",
        "RMSprop",
        {"learning_rate": 1e-3, "momentum": 0.8, "weight_decay": 0.05},
    ),
    OptimizerCase("dampening", "SGD", {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.02}),
    OptimizerCase("RMSprop, centered", "RMSprop", {"learning_rate": 1e-3, "centered": True, "eps": 1e-4}),
    OptimizerCase(
        "RMSprop, centered, momentum",
        "RMSprop",
        {"learning_rate": 1e-3, "centered": True, "alpha": 0.9, "eps": 1e-3, "momentum": 0.5},
    ),
    OptimizerCase("AMSGrad", "Adam", {"learning_rate": 1e-2, "betas": (0.8, 0.9), "amsgrad": True}),
    OptimizerCase("AMSGrad, decoupled", "AdamW", {"learning_rate": 1e-2, "weight_decay": 0.1, "amsgrad": True}),
    OptimizerCase("NAdam", "NAdam", {"learning_rate": 1e-2}),
    OptimizerCase("NAdam, weight decay", "NAdam", {"betas": (0.8, 0.95), "weight_decay": 0.05, "momentum_decay": 0.1}),
    OptimizerCase("RAdam", "RAdam", {"learning_rate": 1e-2}),
    OptimizerCase("RAdam, weight decay", "RAdam", {"betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.05}),
    OptimizerCase("Adamax", "Adamax", {"learning_rate": 1e-2}),
    OptimizerCase("Adamax, weight decay", "Adamax", {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.05}),
    OptimizerCase("Adagrad", "Adagrad", {"learning_rate": 0.05}),
    OptimizerCase(
        "Adagrad, all settings",
        "Adagrad",
        {"learning_rate_decay": 0.1, "weight_decay": 0.05, "initial_accumulator_value": 0.3, "eps": 1e-3},
    ),
    OptimizerCase("Adadelta", "Adadelta", {}),
    OptimizerCase("Adadelta, weight decay", "Adadelta", {"learning_rate": 0.5, "rho": 0.8, "weight_decay": 0.05}),
    OptimizerCase("Lion", "Lion", {"learning_rate": 1e-2}),
    OptimizerCase("Lion, weight decay", "Lion", {"learning_rate": 1e-2, "betas": (0.8, 0.95), "weight_decay": 0.1}),
)


# ---------------------------------------------------------------------------------------------------------------------
# Graph ops.


def rows(a):
    """Sum of the last axis, kept."""
    return a.sum(-1, keepdims=True)


def transposed(a, whether=True):
    """The last two axes the other way round, of NumPy's arrays and PyTorch's."""
    return a.swapaxes(-1, -2) if whether else a


def unary(name, reference_function, torch=None, **domain):
    return OpCase(
        name, getattr(bp, name), reference_function, torch=torch or (lambda t, x: getattr(t, name)(x)), **domain
    )


def functional(name):
    return lambda torch, x: getattr(torch.nn.functional, name)(x)


def getattr_of(name):
    """PyTorch's function of a name, wherever it is."""
    names = {"log_sigmoid": "logsigmoid"}
    return lambda torch, x: getattr(torch if name == "sin" else torch.nn.functional, names.get(name, name))(x)


def activation(name):
    """An activation of the core's list, by the reference and by PyTorch's function of the same name."""
    formula, _, kinks = reference.ACTIVATIONS[name]
    return unary(name, formula, getattr_of(name), off_kinks=bool(kinks))


UNARY = (
    OpCase("negate", lambda x: -x, lambda x: -x),
    unary("abs", np.abs, off_kinks=True),
    unary("sign", np.sign, off_kinks=True),
    unary("step", lambda x: np.where(x > 0, 1.0, 0.0), off_kinks=True, torch=lambda t, x: (x > 0) * 1.0 + 0 * x),
    unary("square", np.square),
    unary("sqrt", np.sqrt, low=0.2),
    unary("exp", np.exp),
    unary("log", np.log, low=0.2),
    unary("erf", reference.erf),
    *(activation(name) for name in PLAIN),
    unary("leaky_relu", reference.leaky_relu, off_kinks=True, torch=functional("leaky_relu")),
    unary("gelu", reference.gelu, torch=functional("gelu")),
    OpCase("gelu_tanh", lambda x: bp.gelu(x, "tanh"), reference.gelu_tanh,
           torch=lambda t, x: t.nn.functional.gelu(x, approximate="tanh")),
    unary("elu", reference.elu, off_kinks=True, torch=functional("elu")),
    OpCase("elu with alpha", lambda x: bp.elu(x, 0.3), lambda x: reference.elu(x, 0.3), off_kinks=True,
           torch=lambda t, x: t.nn.functional.elu(x, 0.3)),
    unary("selu", reference.selu, off_kinks=True),
    unary("hardtanh", reference.hardtanh, off_kinks=True, torch=functional("hardtanh")),
    OpCase("hardtanh with bounds", lambda x: bp.hardtanh(x, -1.5, 0.5),
           lambda x: reference.hardtanh(x, -1.5, 0.5), off_kinks=True,
           torch=lambda t, x: t.nn.functional.hardtanh(x, -1.5, 0.5)),
    unary("relu6", reference.relu6, low=-8.0, high=8.0, off_kinks=True, torch=functional("relu6")),
)  # fmt: skip

PAIR = ((3, 5), (3, 5))
BINARY = (
    OpCase("add", lambda a, b: a + b, lambda a, b: a + b, PAIR),
    OpCase("subtract", lambda a, b: a - b, lambda a, b: a - b, PAIR),
    OpCase("multiply", lambda a, b: a * b, lambda a, b: a * b, PAIR),
    OpCase("divide", lambda a, b: a / b, lambda a, b: a / b, PAIR, low=0.3),
    OpCase("maximum", bp.maximum, np.maximum, PAIR, off_kinks=True, torch=lambda t, a, b: t.maximum(a, b)),
    OpCase("minimum", bp.minimum, np.minimum, PAIR, off_kinks=True, torch=lambda t, a, b: t.minimum(a, b)),
)

BROADCAST = (
    OpCase("add a row", lambda a, b: a + b, lambda a, b: a + b, ((3, 5), (5,))),
    OpCase("multiply by a column", lambda a, b: a * b, lambda a, b: a * b, ((3, 5), (3, 1))),
    OpCase("divide a row by a column", lambda a, b: a / b, lambda a, b: a / b, ((1, 5), (3, 1)), low=0.3),
    OpCase("subtract a scalar tensor", lambda a, b: a - b, lambda a, b: a - b, ((2, 3, 4), ())),
    OpCase("multiply in three dimensions", lambda a, b: a * b, lambda a, b: a * b, ((2, 1, 4), (3, 1))),
    OpCase("number on the right", lambda a: (a + 2) * 3 - 1, lambda a: (a + 2) * 3 - 1),
    OpCase("number on the left", lambda a: 2 - 3 * a, lambda a: 2 - 3 * a),
    OpCase("divide a number", lambda a: 2 / a, lambda a: 2 / a, low=0.3),
    OpCase("divide by a number", lambda a: a / 3, lambda a: a / 3),
)

MATMUL = (
    OpCase("matmul", lambda a, b: a @ b, lambda a, b: a @ b, ((3, 4), (4, 5))),
    OpCase(
        "matmul, b transposed",
        lambda a, b: bp.matmul(a, b, transpose_b=True),
        lambda a, b: a @ b.T,
        ((3, 4), (5, 4)),
    ),
    OpCase(
        "matmul, a transposed",
        lambda a, b: bp.matmul(a, b, transpose_a=True),
        lambda a, b: a.T @ b,
        ((4, 3), (4, 5)),
    ),
    OpCase("matmul of rank 3", lambda a, b: a @ b, lambda a, b: a @ b, ((2, 3, 4), (4, 5))),
    OpCase("matmul with itself", lambda a: a @ a, lambda a: a @ a, ((4, 4),)),
    *(OpCase(name, lambda a, b: a @ b, lambda a, b: a @ b, shapes) for name, shapes in {
        "matmul of many": ((2, 3, 4), (2, 4, 5)),
        "matmul, b repeated": ((2, 3, 3, 4), (2, 1, 4, 2)),
        "matmul, both repeated": ((2, 1, 3, 4), (3, 4, 2)),
        "matmul, a for all of b": ((3, 4), (5, 4, 2)),
        "matmul, b in more dimensions": ((3, 4), (1, 4, 2)),
        "matmul of one inner dimension": ((6, 3, 1), (6, 1, 5)),
        "matmul of no inner dimension": ((2, 3, 0), (2, 0, 5)),
        "matmul wider than a tile": ((2, 17, 19), (2, 19, 33)),
        "matmul of vectors": ((4,), (4,)),
        "matmul of a vector": ((4,), (2, 4, 3)),
        "matmul with a vector": ((2, 3, 4), (4,)),
    }.items()),
    *(OpCase(f"matmul of many, {name} transposed", lambda a, b, t=t: bp.matmul(a, b, *t),
             lambda a, b, t=t: transposed(a, t[0]) @ transposed(b, t[1]), shapes)
      for name, t, shapes in (
          ("a", (True, False), ((2, 4, 3), (2, 4, 5))),
          ("b", (False, True), ((2, 3, 4), (5, 4))),
          ("a for all, b", (False, True), ((3, 4), (2, 5, 4))),
          ("both", (True, True), ((2, 4, 3), (1, 5, 4))),
      )),
    OpCase("matmul of two, both transposed", lambda a, b: bp.matmul(a, b, True, True), lambda a, b: a.T @ b.T,
           ((4, 3), (5, 4))),
)  # fmt: skip


def einsum(subscripts, *shapes):
    return OpCase(
        f"einsum {subscripts}",
        lambda *xs: bp.einsum(subscripts, *xs),
        lambda *xs: np.einsum(subscripts, *xs),
        shapes,
        torch=lambda t, *xs: t.einsum(subscripts, *xs),
    )


PRODUCTS = (
    OpCase("dot of vectors", bp.dot, np.dot, ((4,), (4,)), torch=lambda t, a, b: t.dot(a, b)),
    OpCase("dot of many", bp.dot, np.dot, ((2, 4), (3, 4, 2)), torch=lambda t, a, b: t.tensordot(a, b, ([1], [1]))),
    OpCase("vdot", bp.vdot, np.vdot, ((2, 3), (3, 2)), torch=lambda t, a, b: (a.flatten() * b.flatten()).sum()),
    OpCase("inner", bp.inner, np.inner, ((2, 4), (3, 4)), torch=lambda t, a, b: t.inner(a, b)),
    OpCase("outer", bp.outer, np.outer, ((4,), (3,)), torch=lambda t, a, b: t.outer(a, b)),
    OpCase("kron", bp.kron, np.kron, ((2, 3), (3, 2)), torch=lambda t, a, b: t.kron(a.contiguous(), b)),
    OpCase("tensordot", bp.tensordot, np.tensordot, ((2, 3, 4), (3, 4, 2)),
           torch=lambda t, a, b: t.tensordot(a, b, 2)),
    OpCase("tensordot of pairs", lambda a, b: bp.tensordot(a, b, ([0, -1], [1, 0])),
           lambda a, b: np.tensordot(a, b, ([0, -1], [1, 0])), ((2, 3, 4), (4, 2, 3)),
           torch=lambda t, a, b: t.tensordot(a, b, ([0, 2], [1, 0]))),
    einsum("ij,jk->ik", (3, 4), (4, 2)),
    einsum("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    einsum("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)),
    einsum("bi,bj->bij", (3, 4), (3, 2)),
    einsum("bi,bi->b", (3, 4), (3, 4)),
    einsum("...i,ij->...j", (2, 3, 4), (4, 5)),
    einsum("ii->i", (4, 4)),
    einsum("iji->j", (3, 4, 3)),
    einsum("ii", (4, 4)),
    einsum("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    einsum("i,j,k->kji", (2,), (3,), (4,)),
)  # fmt: skip


def definite(x):
    """x x^T + n: symmetric and positive definite, whatever x is."""
    n = x.shape[-1]
    return x @ transposed(x) + n * np.eye(n)


def definite_tensor(x):
    n = x.shape[-1]
    return bp.matmul(x, x, transpose_b=True) + bp.constant(n * np.eye(n), dtype=x.dtype)


def definite_of_torch(t, x):
    return x @ x.mT + x.shape[-1] * t.eye(x.shape[-1], dtype=x.dtype)


def shifted(x):
    """Far from singular, and not symmetric."""
    return x + 4 * np.eye(x.shape[-1])


def shifted_tensor(x):
    return x + bp.constant(4 * np.eye(x.shape[-1]), dtype=x.dtype)


def shifted_of_torch(t, x):
    return x + 4 * t.eye(x.shape[-1], dtype=x.dtype)


def triangle(x, lower=True, transpose_a=False, unit_diagonal=False):
    """What triangular_solve takes of a matrix."""
    read = np.tril(x) if lower else np.triu(x)
    if unit_diagonal:
        read = read - read * np.eye(x.shape[-1]) + np.eye(x.shape[-1])
    return transposed(read, transpose_a)


def solve_triangle_of_torch(t, x, b, lower, transpose_a, unit_diagonal):
    a = t.tril(x) if lower else t.triu(x)
    return t.linalg.solve_triangular(
        a.mT if transpose_a else a, b, upper=lower == transpose_a, unitriangular=unit_diagonal
    )


def solves_triangle(name, *shapes, **options):
    options = {"lower": True, "transpose_a": False, "unit_diagonal": False} | options
    return OpCase(
        f"triangular_solve, {name}",
        lambda x, b: bp.linalg.triangular_solve(shifted_tensor(x), b, **options),
        lambda x, b: np.linalg.solve(triangle(shifted(x), **options), b),
        shapes,
        torch=lambda t, x, b: solve_triangle_of_torch(t, shifted_of_torch(t, x), b, **options),
    )


def of_matrix(name, expected, theirs, shapes=((3, 3),), **domain):
    """A function of a matrix that is far from singular."""
    return OpCase(name, lambda x: getattr(bp.linalg, name.split(",")[0])(shifted_tensor(x)),
                  lambda x: expected(shifted(x)), shapes, torch=lambda t, x: theirs(t, shifted_of_torch(t, x)),
                  **domain)  # fmt: skip


LINALG = (
    *(OpCase(f"cholesky{name}", lambda x: bp.linalg.cholesky(definite_tensor(x)),
             lambda x: np.linalg.cholesky(definite(x)), (shape,),
             torch=lambda t, x: t.linalg.cholesky(definite_of_torch(t, x)))
      for name, shape in {"": (4, 4), " of many": (2, 3, 3), " of numbers": (3, 1, 1)}.items()),
    solves_triangle("lower", (3, 3), (3, 2)),
    solves_triangle("upper", (2, 3, 3), (2, 3, 2), lower=False),
    solves_triangle("lower transposed", (3, 3), (2, 3, 2), transpose_a=True),
    solves_triangle("upper transposed", (2, 3, 3), (3, 1), lower=False, transpose_a=True),
    solves_triangle("unit", (3, 3), (3, 2), unit_diagonal=True),
    solves_triangle("upper transposed unit", (3, 3), (3, 2), lower=False, transpose_a=True, unit_diagonal=True),
    *(OpCase(f"solve{name}", lambda x, b: bp.linalg.solve(shifted_tensor(x), b),
             lambda x, b: np.linalg.solve(shifted(x), b), shapes,
             torch=lambda t, x, b: t.linalg.solve(shifted_of_torch(t, x), b))
      for name, shapes in {"": ((3, 3), (3, 2)), " for a vector": ((3, 3), (3,)), " of many": ((2, 3, 3), (2, 3, 1)),
                           " for many": ((3, 3), (2, 3, 2))}.items()),
    of_matrix("inv", np.linalg.inv, lambda t, x: t.linalg.inv(x)),
    of_matrix("inv, of many", np.linalg.inv, lambda t, x: t.linalg.inv(x), ((2, 2, 3, 3),)),
    of_matrix("det", np.linalg.det, lambda t, x: t.linalg.det(x)),
    of_matrix("det, of many", np.linalg.det, lambda t, x: t.linalg.det(x), ((3, 2, 2),)),
    of_matrix("logdet", lambda x: np.linalg.slogdet(x)[1], lambda t, x: t.logdet(x), ((2, 3, 3),), low=-1.0, high=1.0),
    OpCase("slogdet", lambda x: bp.linalg.slogdet(shifted_tensor(x)).logabsdet,
           lambda x: np.linalg.slogdet(shifted(x)).logabsdet, ((2, 3, 3),),
           torch=lambda t, x: t.linalg.slogdet(shifted_of_torch(t, x)).logabsdet),
)  # fmt: skip

REDUCE = (
    OpCase("sum", lambda x: bp.sum(x), lambda x: x.sum()),
    OpCase("sum of columns", lambda x: bp.sum(x, [0]), lambda x: x.sum(0)),
    OpCase("sum of rows, kept", lambda x: bp.sum(x, [-1], True), rows),
    OpCase("sum of the outer axes", lambda x: bp.sum(x, [0, 2]), lambda x: x.sum((0, 2)), ((2, 3, 4),)),
    OpCase("mean", lambda x: bp.mean(x), lambda x: x.mean()),
    OpCase("norm", lambda x: bp.norm(x), lambda x: np.sqrt((x**2).sum()), torch=lambda t, x: t.linalg.vector_norm(x)),
    OpCase(
        "norm of rows",
        lambda x: bp.norm(x, 1),
        lambda x: np.sqrt((x**2).sum(1)),
        torch=lambda t, x: t.linalg.vector_norm(x, dim=1),
    ),
    OpCase("mean of rows", lambda x: bp.mean(x, [1]), lambda x: x.mean(1)),
)

LAYOUT = (
    OpCase("broadcast_to", lambda x: bp.broadcast_to(x, (3, 4, 5)), lambda x: x + np.zeros((3, 4, 5)), ((4, 1),),
           torch=lambda t, x: x.broadcast_to((3, 4, 5))),
    OpCase("reshape", lambda x: bp.reshape(x, (5, 3)), lambda x: x.reshape(5, 3)),
    OpCase("transpose", lambda x: bp.transpose(x, (2, 0, 1)), lambda x: x.transpose(2, 0, 1), ((2, 3, 4),),
           torch=lambda t, x: x.permute(2, 0, 1)),
    OpCase("slice", lambda x: bp.slice(x, 1, 1, 4), lambda x: x[:, 1:4]),
    OpCase("concat", lambda a, b: bp.concat([a, b, a], 1), lambda a, b: np.concatenate([a, b, a], 1), ((3, 2), (3, 4)),
           torch=lambda t, a, b: t.cat([a, b, a], 1)),
)  # fmt: skip

ALONG_ROWS = (
    OpCase("softmax", bp.softmax, reference.softmax, torch=lambda t, x: t.softmax(x, -1)),
    OpCase("log_sum_exp", bp.log_sum_exp, reference.log_sum_exp, torch=lambda t, x: t.logsumexp(x, -1)),
)

OPS = (
    *UNARY, *BINARY, *BROADCAST, *MATMUL, *PRODUCTS, *LINALG, *DECOMPOSITIONS, *REDUCE, *LAYOUT, *ALONG_ROWS,
    *ATTENTION, *CONVOLUTIONS, *POOLING, *REDUCE_AXES, *ALONG_AXES, *MOVES, *LOOKUPS, *ELEMENTWISE,
)  # fmt: skip


def by_name(cases):
    """Parameters of a test, told apart by their names."""
    return {"argvalues": cases, "ids": [case.name for case in cases]}
