"""Parity with PyTorch and scikit-learn on the same weights: outputs, gradients, a hundred steps of training."""

import itertools

import numpy as np
import pytest

import backpass as bp
from registry import ACTIVATIONS, ALL_LOSSES, LOSSES, OPS, OPTIMIZERS, PLAIN, by_name, generator

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.row("C3")


class Sine(torch.nn.Module):
    """PyTorch has no layer for it."""

    def forward(self, x):
        return torch.sin(x)


TORCH_ACTIVATIONS = {name: getattr(torch.nn, layer, Sine) for name, layer in PLAIN.items()} | {
    "identity": torch.nn.Identity,
    "leaky_relu": torch.nn.LeakyReLU,
    "gelu": torch.nn.GELU,
    "gelu_tanh": lambda: torch.nn.GELU("tanh"),
    "elu": torch.nn.ELU,
    "selu": torch.nn.SELU,
    "hardtanh": torch.nn.Hardtanh,
    "relu6": torch.nn.ReLU6,
    "softmax": lambda: torch.nn.Softmax(dim=-1),
}


def close(ours, theirs, limit=1e-10):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=limit, atol=limit)


def twins(activation, widths=(6, 9, 8, 4), seed=1):
    """The same network twice; the names of the parameters agree."""
    ours, theirs = [], []
    for inputs, units in itertools.pairwise(widths):
        ours += [bp.Dense(units, weight_init="glorot_uniform"), ACTIVATIONS[activation]()]
        theirs += [torch.nn.Linear(inputs, units, dtype=torch.float64), TORCH_ACTIVATIONS[activation]()]
    model = bp.Sequential(*ours[:-1], input_shape=widths[:1], seed=seed, dtype="float64")
    twin = torch.nn.Sequential(*theirs[:-1])
    twin.load_state_dict({name: torch.tensor(value) for name, value in model.parameters().items()})
    return model, twin


def to_torch(array):
    return torch.tensor(array)


def sample(case, rows=13, features=6, outputs=4):
    rng = generator(case.name)
    return rng.standard_normal((rows, features)), case.target(rng, rows, outputs)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_outputs_losses_and_gradients(case, activation):
    model, twin = twins(activation)
    x, y = sample(case)
    prediction = model.forward(x)
    value, grad = case.make().value_and_grad(prediction, y)
    dx = model.backward(grad)

    their_x = to_torch(x).requires_grad_()
    their_prediction = twin(their_x)
    their_value = case.torch(torch, their_prediction, to_torch(y))
    their_value.backward()
    close(prediction, their_prediction)
    close(value, their_value)
    close(dx, their_x.grad)
    for name, parameter in twin.named_parameters():
        close(model.gradients()[name], parameter.grad)


THEIRS = [case for case in OPTIMIZERS if hasattr(torch.optim, case.kind)]
# Every optimizer with two of the losses, every loss with several optimizers.
PAIRS = [(LOSSES[(i + shift) % len(LOSSES)], case) for i, case in enumerate(THEIRS) for shift in (0, 3)]


@pytest.fixture
def double_by_default():
    """NAdam keeps the product of its momenta in PyTorch's default type."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.row("O2")
@pytest.mark.row("O4")
@pytest.mark.row("O5")
@pytest.mark.row("O6")
@pytest.mark.row("O7")
@pytest.mark.row("O8")
@pytest.mark.parametrize(("case", "optimizer"), PAIRS, ids=lambda each: each.name)
def test_a_hundred_steps(case, optimizer, double_by_default):
    model, twin = twins("tanh")
    x, y = sample(case)
    trainer, theirs = bp.Trainer(model, case.make(), optimizer.make()), optimizer.torch(torch, twin.parameters())
    for _ in range(100):
        value = trainer.step(x, y)
        theirs.zero_grad()
        their_value = case.torch(torch, twin(to_torch(x)), to_torch(y))
        their_value.backward()
        theirs.step()
        close(value, their_value)
    for name, parameter in twin.named_parameters():
        close(model.parameters()[name], parameter)


@pytest.mark.parametrize("case", **by_name(ALL_LOSSES))
def test_losses(case):
    rng = generator(case.name, "alone")
    prediction, y = case.prediction(rng, 9, 4), case.target(rng, 9, 4)
    value, grad = case.make().value_and_grad(prediction, y)
    p = to_torch(prediction).requires_grad_()
    their_value = case.torch(torch, p, to_torch(y))
    their_value.backward()
    close(value, their_value)
    close(grad, p.grad)


@pytest.mark.parametrize("case", **by_name(ALL_LOSSES))
def test_sample_weights(case):
    """A weighted mean over rows, spelled out."""
    rng = generator(case.name, "weights")
    prediction, y, weight = case.prediction(rng, 7, 4), case.target(rng, 7, 4), rng.uniform(0.1, 2, 7)
    value, grad = case.make().value_and_grad(prediction, y, weight)
    p = to_torch(prediction).requires_grad_()
    rows = torch.stack([case.torch(torch, p[i : i + 1], to_torch(y[i : i + 1])) for i in range(7)])
    their_value = (rows * to_torch(weight)).sum() / weight.sum()
    their_value.backward()
    close(value, their_value)
    close(grad, p.grad)


@pytest.mark.row("L3")
@pytest.mark.parametrize("ignored", [None, -100, 1])
@pytest.mark.parametrize("smoothing", [0.0, 0.15])
@pytest.mark.parametrize("class_weight", [None, [0.5, 2.0, 1.0, 3.0]])
@pytest.mark.parametrize("target", ["labels", "rows"])
def test_cross_entropy_with_all_settings(target, class_weight, smoothing, ignored):
    rng = generator("settings")
    logits, labels = rng.standard_normal((12, 4)), rng.integers(0, 4, 12)
    if ignored is not None:
        labels[::3] = ignored
    y = labels if target == "labels" else rng.dirichlet(np.ones(4), 12)
    value, grad = bp.CrossEntropy(smoothing, ignored, class_weight).value_and_grad(logits, y)
    p = to_torch(logits).requires_grad_()
    weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float64)
    their_value = torch.nn.functional.cross_entropy(
        p,
        to_torch(y),
        weight,
        label_smoothing=smoothing,
        ignore_index=-100 if ignored is None or target == "rows" else ignored,
    )
    their_value.backward()
    close(value, their_value)
    close(grad, p.grad)


@pytest.mark.parametrize("settings", [{}, {"log_input": False}, {"full": True}, {"log_input": False, "eps": 0.1}])
def test_poisson(settings):
    rng = generator("poisson")
    p, y = rng.uniform(0.1, 3, (7, 3)), rng.poisson(2.0, (7, 3)).astype(np.float64)
    value, grad = bp.Poisson(**settings).value_and_grad(p, y)
    theirs = to_torch(p).requires_grad_()
    their_value = torch.nn.PoissonNLLLoss(**settings)(theirs, to_torch(y))
    their_value.backward()
    close(value, their_value)
    close(grad, theirs.grad)


@pytest.mark.parametrize("full", [False, True])
def test_gaussian_nll_clamps_as_theirs(full):
    rng = generator("gaussian")
    mean, variance, y = rng.standard_normal((8, 2)), rng.uniform(0, 0.2, (8, 2)), rng.standard_normal((8, 2))
    value, grad = bp.GaussianNLL(eps=0.1, full=full).value_and_grad(np.concatenate([mean, variance], axis=1), y)
    m, v = to_torch(mean).requires_grad_(), to_torch(variance).requires_grad_()
    their_value = torch.nn.GaussianNLLLoss(eps=0.1, full=full)(m, to_torch(y), v)
    their_value.backward()
    close(value, their_value)
    close(grad, torch.cat([m.grad, v.grad], 1))


@pytest.mark.parametrize("case", **by_name(OPS))
def test_ops_and_their_derivatives(case):
    """Value, gradient, and gradient of the gradient."""
    arrays = case.inputs(generator(case.name, "torch"))
    inputs = [bp.input(array.shape, "float64", f"x{at}") for at, array in enumerate(arrays)]
    y = case.build(*inputs)
    grads = bp.gradients(bp.sum(bp.square(y)), inputs)
    total = sum((bp.sum(bp.square(grad)) for grad in grads), bp.constant(0.0, (), "float64"))
    results = bp.Graph(inputs, [y, *grads, *bp.gradients(total, inputs)])(*arrays)

    theirs = [to_torch(array).requires_grad_() for array in arrays]
    value = in_torch(case, theirs)
    their_grads = torch.autograd.grad((value**2).sum(), theirs, create_graph=True)
    their_total = sum((grad**2).sum() for grad in their_grads) + 0 * sum((x * x).sum() for x in theirs)
    second = torch.autograd.grad(their_total, theirs)
    theirs_rough = case.name in ("lgamma", "digamma", "polygamma")  # PyTorch's trigamma has nine digits
    for ours, expected in zip(results, [value, *their_grads, *second], strict=True):
        close(ours, expected, 1e-8 if theirs_rough else 1e-10)


def in_torch(case, inputs):
    """The op in PyTorch; where the case has no word for it, its own operators do."""
    return case.torch(torch, *inputs) if case.torch else case.reference(*inputs)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "gelu_tanh", "softplus", "sigmoid", "silu", "mish"])
@pytest.mark.parametrize("case", **by_name(LOSSES))
def test_hessian_vector_products(case, activation):
    model, twin = twins(activation)
    x, y = sample(case)
    vector = generator("vector").standard_normal(model.n_parameters)
    parameters = [dict(twin.named_parameters())[name] for name in model.parameters()]
    cost = case.torch(torch, twin(to_torch(x)), to_torch(y))
    grads = torch.autograd.grad(cost, parameters, create_graph=True)
    flat = torch.cat([grad.reshape(-1) for grad in grads])
    product = torch.autograd.grad(flat @ to_torch(vector), parameters)
    close(bp.hvp(model, case.make(), x, y, vector), torch.cat([part.reshape(-1) for part in product]))


def test_scikit_learn_trains_to_the_same_weights():
    """MLPClassifier: two classes of softmax by logistic output do not fit ours, three do; full batch, plain SGD."""
    neural = pytest.importorskip("sklearn.neural_network")
    rng = generator("sklearn")
    x, y = rng.standard_normal((40, 5)), rng.integers(0, 3, 40)
    theirs = neural.MLPClassifier(
        (7,), activation="tanh", solver="sgd", alpha=0.0, batch_size=40, learning_rate_init=0.2, momentum=0.0,
        nesterovs_momentum=False, shuffle=False, random_state=1,
    )  # fmt: skip
    theirs.partial_fit(x, y, classes=[0, 1, 2])
    model = bp.Sequential(bp.Dense(7), bp.Tanh(), bp.Dense(3), input_shape=(5,), dtype="float64")
    for at, (weight, bias) in zip((0, 2), zip(theirs.coefs_, theirs.intercepts_, strict=True), strict=True):
        model.parameters()[f"{at}.weight"][:] = weight.T
        model.parameters()[f"{at}.bias"][:] = bias
    trainer = bp.Trainer(model, bp.CrossEntropy(), bp.SGD(0.2))
    for _ in range(50):
        trainer.step(x, y)
        theirs.partial_fit(x, y)
    softmax = bp.Sequential(bp.Softmax(), input_shape=(3,), dtype="float64")
    np.testing.assert_allclose(softmax.predict(model.predict(x)), theirs.predict_proba(x), rtol=0, atol=1e-10)
    np.testing.assert_allclose(model.parameters()["0.weight"], theirs.coefs_[0].T, rtol=0, atol=1e-10)
