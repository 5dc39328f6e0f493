"""A label at each position of a sequence: losses, gradients, metrics, and what is refused."""

import numpy as np
import pytest

import backpass as bp
from registry import generator

ROWS, TIME, CLASSES = 5, 4, 3


def data(dtype="float64"):
    rng = generator("positions")
    logits = rng.standard_normal((ROWS, TIME, CLASSES)).astype(dtype)
    return logits, rng.integers(0, CLASSES, (ROWS, TIME))


SETTINGS = {
    "plain": {},
    "ignored": {"ignore_index": 1},
    "smooth": {"label_smoothing": 0.2},
    "weighted": {"class_weight": (1.0, 0.5, 2.0)},
    "all": {"ignore_index": 0, "label_smoothing": 0.1, "class_weight": (1.0, 0.5, 2.0)},
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_loss_of_all_positions_as_rows(name, weighted):
    logits, labels = data()
    loss = bp.CrossEntropy(**SETTINGS[name])
    weight = np.arange(1.0, ROWS + 1) if weighted else None
    value, grad = loss.value_and_grad(logits, labels, weight)
    flat = None if weight is None else np.repeat(weight, TIME)
    wanted, wanted_grad = loss.value_and_grad(logits.reshape(-1, CLASSES), labels.ravel(), flat)
    np.testing.assert_allclose(value, wanted, rtol=1e-13)
    np.testing.assert_allclose(grad, wanted_grad.reshape(grad.shape), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
def test_focal_takes_them_too(weighted):
    logits, labels = data()
    weight = np.arange(1.0, ROWS + 1) if weighted else None
    value, grad = bp.Focal().value_and_grad(logits, labels, weight)
    flat = None if weight is None else np.repeat(weight, TIME)
    wanted, wanted_grad = bp.Focal().value_and_grad(logits.reshape(-1, CLASSES), labels.ravel(), flat)
    np.testing.assert_allclose(value, wanted, rtol=1e-13)
    np.testing.assert_allclose(grad, wanted_grad.reshape(grad.shape), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", SETTINGS)
def test_pytorch_gives_the_same(name):
    torch = pytest.importorskip("torch", reason="what is compared with is not installed")
    logits, labels = data()
    settings = dict(SETTINGS[name])
    if "class_weight" in settings:
        settings["weight"] = torch.tensor(settings.pop("class_weight"), dtype=torch.float64)
    wanted = torch.nn.functional.cross_entropy(torch.tensor(logits).movedim(-1, 1), torch.tensor(labels), **settings)
    value, _ = bp.CrossEntropy(**SETTINGS[name]).value_and_grad(logits, labels)
    np.testing.assert_allclose(value, wanted.item(), rtol=1e-12)


def test_eager_loops_take_them():
    logits, labels = data()
    x = bp.tensor(logits, requires_grad=True)
    loss = bp.CrossEntropy()(x, labels)
    loss.backward()
    wanted, grad = bp.CrossEntropy().value_and_grad(logits, labels)
    np.testing.assert_allclose(loss.item(), wanted, rtol=1e-13)
    np.testing.assert_allclose(x.grad.numpy(), grad, rtol=1e-12, atol=1e-15)


def model_of(width):
    return bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(CLASSES), input_shape=(TIME, width), seed=0)


@pytest.mark.parametrize("ignored", [None, 2])
def test_fit_and_evaluate_count_positions(ignored):
    rng = generator("fit")
    x = rng.standard_normal((40, TIME, 6)).astype("f4")
    y = x[..., :CLASSES].argmax(-1)
    model, loss = model_of(6), bp.CrossEntropy(ignore_index=ignored)
    model.fit(x, y, loss=loss, optimizer=bp.Adam(0.02), epochs=60, batch_size=16)
    logs = model.evaluate(x, y, loss=loss, metrics=["accuracy", "top_2"])
    said, counts = model.predict(x).argmax(-1), y != ignored
    np.testing.assert_allclose(logs["accuracy"], (said == y)[counts].mean(), rtol=1e-6)
    assert logs["accuracy"] > 0.9
    assert logs["top_2"] >= logs["accuracy"]
    wanted = loss.value_and_grad(model.predict(x), y)[0]
    np.testing.assert_allclose(logs["loss"], wanted, rtol=1e-5)


def test_a_step_is_that_of_rows():
    rng = generator("step")
    x, y = rng.standard_normal((8, TIME, 6)).astype("f4"), rng.integers(0, CLASSES, (8, TIME))
    one, other = model_of(6), bp.Sequential(*model_of(6).layers, input_shape=6, seed=0)
    a = bp.Trainer(one, bp.CrossEntropy(), bp.SGD(0.1)).step(x, y)
    b = bp.Trainer(other, bp.CrossEntropy(), bp.SGD(0.1)).step(x.reshape(-1, 6), y.ravel())
    np.testing.assert_allclose(a, b, rtol=1e-6)
    for name, weight in one.state_dict().items():
        np.testing.assert_allclose(weight, other.state_dict()[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("y", "message"), [
    (np.full((ROWS, TIME), CLASSES), rf"labels must be in \[0, {CLASSES}\), got {CLASSES} in row 0"),
    (np.array([[0, 1, 2, -1]] * ROWS), rf"labels must be in \[0, {CLASSES}\), got -1 in row 0"),
    (np.zeros((ROWS, TIME + 1), int), r"\[y\] expected shape"),
    (np.zeros(ROWS, int), r"\[y\] expected shape"),
    (np.full((ROWS, TIME), 0.5), r"labels must be whole numbers in"),
], ids=["beyond", "negative", "long", "rows", "halves"])  # fmt: skip
def test_what_is_no_label_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        bp.CrossEntropy().value_and_grad(data()[0], y)
