"""Layers of one's own that cannot be: what is said, and that nothing changed."""

import copy
import pickle

import numpy as np
import pytest

import backpass as bp
from backpass._core import set_sharing_cut
from test_host_layers import HostLinear
from test_own_layers import FEATURES, ROWS, UNITS, Linear, fit, model_of


@pytest.fixture
def shared():
    """Every stage is shared between workers, however small."""
    set_sharing_cut(False)
    yield
    set_sharing_cut(True)


@pytest.fixture
def x(rng):
    return rng.standard_normal((ROWS, FEATURES))


@pytest.fixture
def y(rng):
    return rng.standard_normal((ROWS, 2))


@pytest.mark.parametrize("exists", [False, True])
def test_numpy_code_cannot_be_saved_and_no_file_is_touched(exists, tmp_path):
    path = tmp_path / "model.safetensors"
    if exists:
        path.write_bytes(b"kept")
    model = model_of(HostLinear(UNITS))
    with pytest.raises(ValueError, match=r'"HostLinear" is computed by the host program, so it cannot be saved'):
        model.save(path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([b"kept"] if exists else [])
    with pytest.raises(ValueError, match=r'"HostLinear" is computed by the host program'):
        pickle.dumps(model)


def test_gradients_of_ones_own_cannot_be_saved(tmp_path):
    x = bp.input((None, 3))
    model = bp.Network(x, bp.checkpoint(bp.tanh)(bp.Dense(2)(x)))
    with pytest.raises(ValueError, match=r'"custom" is part of the program, so it cannot be saved'):
        model.save(tmp_path / "model.safetensors")


def test_weights_beside_numpy_code_can_be_kept(x):
    model, other = model_of(HostLinear(UNITS)), model_of(HostLinear(UNITS), seed=2)
    other.load_weights(model.state_dict())
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    np.testing.assert_array_equal(copy.deepcopy(model).predict(x), model.predict(x))


def test_numpy_code_has_no_second_derivative(x, y):
    model = model_of(HostLinear(UNITS))
    with pytest.raises(ValueError, match=r"HostLinear.* has no derivative"):
        bp.hvp(model, bp.MSE(), x, y, np.ones(model.n_parameters))


def raise_error(result):
    raise LookupError("from the layer")


FAULTS = {
    "an exception": (raise_error, LookupError, "from the layer"),
    "another shape": (lambda y: y[:, :1], ValueError, r"\[HostLinear\] must give float64 \(\d, 5\), got .* \(\d, 1\)"),
    "a vector": (lambda y: y[0], ValueError, r"\[HostLinear\] must give"),
    "a string": (lambda y: "1", TypeError, r"\[HostLinear\] its result must be an array of real numbers, got a string"),
    "complex numbers": (lambda y: y * 1j, TypeError, r"\[HostLinear\] its result .* got dtype complex128"),
    "an object": (lambda y: object(), TypeError, r"\[HostLinear\] its result"),
}
BACKWARD_FAULTS = {
    "an exception": (raise_error, LookupError, "from the layer"),
    "a gradient too few": (
        lambda grads: grads[:2],
        ValueError,
        r"\[HostLinear\] backward must give 3 gradients, got 2",
    ),
    "one array": (lambda grads: grads[0], ValueError, r"\[HostLinear\] backward must give 3 gradients, got 1"),
    "another shape": (
        lambda grads: (grads[0][:1], *grads[1:]),
        ValueError,
        r"\[HostLinear backward\] must give float64",
    ),
    "strings": (lambda grads: "abc", TypeError, "got a string"),
    "complex numbers": (lambda grads: tuple(1j * grad for grad in grads), TypeError, "got dtype complex128"),
}

FORWARD = {
    "predict": lambda model, x, y: model.predict(x),
    "evaluate": lambda model, x, y: model.evaluate(x, y, loss=bp.MSE()),
}
TRAINING = {
    "step": lambda model, x, y: bp.Trainer(model, bp.MSE(), bp.SGD(0.1)).step(x, y),
    "fit": lambda model, x, y: fit(model, x, y, threads=1),
    "fit with two threads": lambda model, x, y: fit(model, x, y, threads=2),
}
GRADIENTS = {
    "value_and_grad": lambda model, x, y: model.value_and_grad(x, y, bp.MSE()),
    "by hand": lambda model, x, y: model.backward(model.forward(x)),
}


def fails_and_recovers(call, x, y, what, fault, error, message):
    """The error passes on as it is; parameters stay, and the model is as usable as before."""
    layer = HostLinear(UNITS)
    model, twin = model_of(layer), model_of(HostLinear(UNITS))
    layer._fault[what] = fault
    with pytest.raises(error, match=message):
        call(model, x, y)
    layer._fault.clear()
    np.testing.assert_array_equal(model.flat_parameters, twin.flat_parameters)
    assert fit(model, x, y, epochs=2, threads=2) == fit(twin, x, y, epochs=2)


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", [*FORWARD, *TRAINING, *GRADIENTS])
def test_what_fails_in_forward_passes_on_and_changes_nothing(call, fault, x, y):
    fails_and_recovers({**FORWARD, **TRAINING, **GRADIENTS}[call], x, y, "forward", *FAULTS[fault])


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("fault", BACKWARD_FAULTS)
@pytest.mark.parametrize("call", [*TRAINING, *GRADIENTS])
def test_what_fails_in_backward_passes_on_and_changes_nothing(call, fault, x, y):
    fails_and_recovers({**TRAINING, **GRADIENTS}[call], x, y, "backward", *BACKWARD_FAULTS[fault])


@pytest.mark.parametrize("result", ["list", "float32"])
def test_results_of_other_real_types_are_cast(x, result):
    layer = HostLinear(UNITS)
    model, twin = model_of(layer), model_of(HostLinear(UNITS))
    layer._fault["forward"] = lambda y: y.tolist() if result == "list" else y.astype(np.float32)
    np.testing.assert_allclose(model.predict(x), twin.predict(x), rtol=0, atol=1e-6)


def layer_with(**methods):
    return type("Own", (bp.Layer,), methods)()


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        (layer_with(), NotImplementedError, r"\[Own\] a layer of your own needs forward\(self, x\)"),
        (layer_with(forward=lambda self, x: np.ones(3)), TypeError, r"\[Own\] forward must give a tensor, got ndarray"),
        (layer_with(forward=lambda self, x: None), TypeError, r"\[Own\] forward must give a tensor, got NoneType"),
        (layer_with(forward=lambda self, x: 1 / 0), ZeroDivisionError, "division by zero"),
        (
            layer_with(forward=lambda self, x: x * self.parameter("w", (FEATURES,)) * self.parameter("w", (1,))),
            ValueError,
            "its w is",
        ),
        (layer_with(forward=lambda self, x: x * self.parameter("w", (FEATURES,), "glorot")), ValueError, "glorot"),
    ],
    ids=["no forward", "an array", "nothing", "an exception", "a parameter of two shapes", "an unknown initializer"],
)
def test_a_layer_that_cannot_be_built_says_why(layer, error, message):
    with pytest.raises(error, match=message):
        bp.Sequential(layer, input_shape=FEATURES)


def test_parameters_are_made_while_a_layer_is_called():
    with pytest.raises(RuntimeError, match=r"parameter\(\) works only while the layer is called"):
        Linear(3).parameter("weight", (3, 3))
