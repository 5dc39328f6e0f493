"""Weights from elsewhere and back: by name, from arrays, files and PyTorch; all of them or none."""

import numpy as np
import pytest

import backpass as bp
from registry import DTYPES, generator

REAL_TYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def small_model(dtype="float32", seed=1):
    return bp.Sequential(bp.Dense(5), bp.ReLU(), bp.Dropout(0.1), bp.Dense(2), input_shape=3, seed=seed, dtype=dtype)


def whole_numbers(model, dtype):
    """Small enough for any type."""
    rng = generator("whole")
    return {name: rng.integers(0, 100, value.shape).astype(dtype) for name, value in model.parameters().items()}


def assert_holds(model, arrays):
    assert list(model.parameters()) == list(arrays)
    for name, value in model.parameters().items():
        np.testing.assert_array_equal(value, arrays[name])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_state_dict_is_a_copy_that_brings_the_weights_back(dtype):
    model = small_model(dtype)
    kept, before = model.state_dict(), model.flat_parameters.copy()
    assert list(kept) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    model.flat_parameters[:] = 7
    assert kept["0.weight"].dtype == dtype
    model.load_weights(kept)
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("source", REAL_TYPES)
def test_arrays_of_any_real_type_are_cast(source, dtype):
    model = small_model(dtype)
    arrays = whole_numbers(model, source)
    model.load_weights(arrays)
    assert_holds(model, arrays)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("source", REAL_TYPES)
def test_files_of_any_real_type_are_cast(source, dtype, tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    model = small_model(dtype)
    arrays = whole_numbers(model, source)
    safetensors.save_file(arrays, tmp_path / "weights.safetensors")
    model.load_weights(tmp_path / "weights.safetensors")
    assert_holds(model, arrays)


def test_a_file_of_ours_is_cast_too(tmp_path):
    single, double = small_model("float32"), small_model("float64")
    single.save(tmp_path / "single.safetensors")
    double.load_weights(tmp_path / "single.safetensors")
    np.testing.assert_array_equal(double.flat_parameters, single.flat_parameters)
    double.save(tmp_path / "double.safetensors")
    single.load_weights(str(tmp_path / "double.safetensors"))
    np.testing.assert_array_equal(double.flat_parameters, single.flat_parameters)


def test_arrays_in_any_layout():
    model = small_model()
    arrays = whole_numbers(model, "float32")
    strange = dict(arrays)
    strange["0.weight"] = np.asfortranarray(arrays["0.weight"])
    strange["0.bias"] = np.repeat(arrays["0.bias"], 2)[::2]
    strange["3.weight"] = np.flip(np.flip(arrays["3.weight"]).copy())
    strange["3.bias"] = arrays["3.bias"].astype(">f4")
    model.load_weights(strange)
    assert_holds(model, arrays)
    model.load_weights({name: value.tolist() for name, value in arrays.items()})
    assert_holds(model, arrays)


def test_views_of_the_model_itself_can_change_places():
    model = bp.Sequential(bp.Dense(3), bp.Dense(3), input_shape=3, seed=0)
    before, views = model.state_dict(), model.parameters()
    swapped = {
        name: views[other] for name, other in zip(views, ["1.weight", "1.bias", "0.weight", "0.bias"], strict=True)
    }
    model.load_weights(swapped)
    np.testing.assert_array_equal(views["0.weight"], before["1.weight"])
    np.testing.assert_array_equal(views["1.weight"], before["0.weight"])


BAD = {
    "a missing name": (lambda a: a.pop("3.bias"), ValueError, r'\[load_weights\] "3.bias" is missing'),
    "an unknown name": (lambda a: a.update(more=1.0), ValueError, r'\[load_weights\] "more" is no parameter'),
    "a name that is no string": (lambda a: a.update({0: 1.0}), TypeError, r"names must be strings, got 0"),
    "a transposed array": (
        lambda a: a.update({"3.weight": a["3.weight"].T}),
        ValueError,
        r'"3.weight" must have shape \(2, 5\), got \(5, 2\)',
    ),
    "one dimension more": (lambda a: a.update({"3.bias": a["3.bias"][None]}), ValueError, r'"3.bias" must have shape'),
    "None": (lambda a: a.update({"3.bias": None}), TypeError, '"3.bias" must be an array of real numbers, got None'),
    "strings": (lambda a: a.update({"3.bias": ["1", "2"]}), TypeError, '"3.bias" must be an array of real numbers'),
    "complex numbers": (lambda a: a.update({"3.bias": np.ones(2) * 1j}), TypeError, '"3.bias".*complex128'),
    "objects": (lambda a: a.update({"3.bias": np.array([1, None])}), TypeError, '"3.bias".*object'),
    "dates": (lambda a: a.update({"3.bias": np.zeros(2, "M8[s]")}), TypeError, '"3.bias".*datetime64'),
    "a number too large": (
        lambda a: a.update({"3.bias": np.array([1.0, 1e39])}),
        ValueError,
        '"3.bias" has a number that is too large for float32',
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_named_and_changes_nothing(case):
    spoil, error, message = BAD[case]
    model = small_model()
    arrays, before = whole_numbers(model, "float64"), model.flat_parameters.copy()
    spoil(arrays)
    with pytest.raises(error, match=message):
        model.load_weights(arrays)
    np.testing.assert_array_equal(model.flat_parameters, before)


@pytest.mark.parametrize("case", ["a missing name", "an unknown name", "a transposed array", "a number too large"])
def test_files_that_do_not_fit_are_refused_alike(case, tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    spoil, error, message = BAD[case]
    model = small_model()
    arrays, before = whole_numbers(model, "float64"), model.flat_parameters.copy()
    spoil(arrays)
    path = tmp_path / "weights.safetensors"
    safetensors.save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, path)
    with pytest.raises(error, match=message):
        model.load_weights(path)
    np.testing.assert_array_equal(model.flat_parameters, before)


def test_numbers_that_were_never_finite_pass():
    model = small_model()
    arrays = whole_numbers(model, "float64")
    arrays["3.bias"][:] = [np.inf, np.nan]
    model.load_weights(arrays)
    assert_holds(model, arrays)


@pytest.mark.parametrize("source", [None, 3, [("0.weight", 1)]])
def test_a_source_is_a_path_or_a_mapping(source):
    with pytest.raises(TypeError, match=r"\[load_weights\] source must be a path or a mapping"):
        small_model().load_weights(source)


def test_a_model_without_shapes_cannot_take_weights():
    with pytest.raises(RuntimeError, match="no shapes"):
        bp.Sequential(bp.Dense(2)).load_weights({})


# PyTorch.


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def torch_model(torch, dtype):
    """The layers of small_model, with weights of its own."""
    torch.manual_seed(5)
    layers = torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(5, 2)
    return torch.nn.Sequential(*layers).to(getattr(torch, dtype)).eval()


def assert_same_predictions(torch, model, theirs, dtype):
    x = generator("torch").standard_normal((11, 3)).astype(dtype)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    limit = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(model.predict(x), expected, rtol=limit, atol=limit)


def assert_same_state(torch, one, other):
    assert list(one) == list(other)
    for name, value in one.items():
        assert value.dtype == other[name].dtype
        assert torch.equal(value, other[name])


@pytest.mark.row("X1")
@pytest.mark.parametrize("dtype", DTYPES)
def test_from_torch_and_back_by_name(torch, dtype):
    theirs = torch_model(torch, dtype)
    model = small_model(dtype)
    model.load_weights(theirs.state_dict())
    assert_same_predictions(torch, model, theirs, dtype)
    model.load_weights(dict(theirs.named_parameters()))  # these require gradients
    assert_same_predictions(torch, model, theirs, dtype)

    back = {name: torch.from_numpy(value) for name, value in model.state_dict().items()}
    assert_same_state(torch, back, theirs.state_dict())
    fresh = torch_model(torch, dtype)
    torch.nn.init.zeros_(fresh[0].weight)
    fresh.load_state_dict(back)
    assert_same_state(torch, fresh.state_dict(), theirs.state_dict())


@pytest.mark.row("X1")
@pytest.mark.parametrize("dtype", DTYPES)
def test_from_torch_and_back_by_file(torch, dtype, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    theirs = torch_model(torch, dtype)
    safetensors.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    model = small_model(dtype)
    model.load_weights(tmp_path / "theirs.safetensors")
    assert_same_predictions(torch, model, theirs, dtype)

    model.save(tmp_path / "ours.safetensors")
    back = safetensors.load_file(tmp_path / "ours.safetensors")
    fresh = torch_model(torch, dtype)
    torch.nn.init.zeros_(fresh[0].weight)
    fresh.load_state_dict(back)
    assert_same_state(torch, fresh.state_dict(), theirs.state_dict())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("source", ["float16", "bfloat16", "float32", "float64"])
def test_files_of_torch_in_another_type(torch, source, dtype, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    theirs = torch_model(torch, source)
    safetensors.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    model = small_model(dtype)
    model.load_weights(tmp_path / "theirs.safetensors")
    assert_holds(model, {name: value.to(getattr(torch, dtype)).numpy() for name, value in theirs.state_dict().items()})


def test_a_tensor_that_numpy_cannot_read_is_named(torch):
    model = small_model()
    tensors = {name: torch.from_numpy(value) for name, value in model.state_dict().items()}
    tensors["3.bias"] = tensors["3.bias"].to(torch.bfloat16)
    with pytest.raises(TypeError, match=r'\[load_weights\] "3.bias" cannot be read as an array'):
        model.load_weights(tensors)


def test_arrays_that_offer_dlpack_alone(torch):
    class Exporter:
        def __init__(self, tensor):
            self._tensor = tensor

        def __dlpack__(self, **options):
            return self._tensor.__dlpack__(**options)

        def __dlpack_device__(self):
            return self._tensor.__dlpack_device__()

    theirs = torch_model(torch, "float32")
    model = small_model()
    model.load_weights({name: Exporter(value) for name, value in theirs.state_dict().items()})
    assert_same_predictions(torch, model, theirs, "float32")
