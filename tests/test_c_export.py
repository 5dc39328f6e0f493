"""Models as C headers, compiled, beside what they predict themselves."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import backpass as bp
from backpass.exchange import to_c
from backpass.exchange._c_functions import BINARY, UNARY
from backpass.exchange._c_rows import ROWS, WHOLES
from backpass.exchange._graph import ARRAYS, CANNOT
from exported_models import MODELS, every_function, kinds_of_operations, layer_models, operation_models, table_model
from registry import generator

CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
pytestmark = pytest.mark.skipif(CC is None, reason="no C compiler is installed")
STRICT = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-pedantic", "-shared", "-fPIC"]
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


class Compiled:
    """Headers in one library; each with a function that takes pointers to its arrays."""

    def __init__(self, folder, headers):
        self.headers = headers
        lines = []
        for name, made in headers.items():
            (folder / f"{name}.h").write_text(made.text)
            real = re.search(r"(\w+) \*workspace\)", made.text).group(1)
            given = re.findall(r"const (\w+) \*input_\d", made.text)
            count = len(re.findall(r"\w+ \*output_\d", made.text))
            arguments = [f"(const {kind} *)in[{i}]" for i, kind in enumerate(given)]
            arguments += [f"({real} *)out[{i}]" for i in range(count)]
            lines.append(f'#include "{name}.h"\nint run_{name}(const void *const *in, void *const *out);')
            lines.append(
                f"int run_{name}(const void *const *in, void *const *out) {{ {real} work[{name.upper()}_WORKSPACE]; "
                f"return {name}_predict({', '.join(arguments)}, work); }}"
            )
        (folder / "all.c").write_text("\n".join(lines))
        subprocess.run([CC, *STRICT, "all.c", "-o", "all.so", "-lm"], cwd=folder, check=True)
        self.library = ctypes.CDLL(folder / "all.so")

    def predict(self, name, arrays, like):
        """Row by row."""
        made = [np.empty_like(output) for output in like]
        for row in range(len(arrays[0])):
            given = [np.ascontiguousarray(array[row : row + 1]) for array in arrays]
            inputs = (ctypes.c_void_p * len(given))(*(array.ctypes.data for array in given))
            outputs = (ctypes.c_void_p * len(made))(*(array[row : row + 1].ctypes.data for array in made))
            if self.library[f"run_{name}"](inputs, outputs):
                raise IndexError(name)
        return made


def outputs_of(model, arrays):
    wanted = model.predict(arrays if len(arrays) > 1 else arrays[0])
    return [np.ascontiguousarray(a) for a in (wanted if isinstance(wanted, (list, tuple)) else [wanted])]


@pytest.fixture(scope="module")
def cases():
    """By name: a model, and arrays to predict."""
    made = {f"layer_{name}": case for name, case in layer_models().items()}
    made |= {f"op_{name}": case for name, case in operation_models().items()}
    for name, make in MODELS.items():
        for dtype in ("float32", "float64"):
            model = make(dtype)
            x = generator(name).standard_normal((3, *model.input_shape)).astype(dtype)
            made[f"{name}_{dtype}".replace(" ", "_")] = (model, [x])
    return made


@pytest.fixture(scope="module")
def compiled(cases, tmp_path_factory):
    headers, refused = {}, {}
    for name, (model, _) in cases.items():
        try:
            headers[name] = to_c(model, name=name)
        except ValueError as error:
            refused[name] = str(error)
    return Compiled(tmp_path_factory.mktemp("c"), headers), refused


def test_compiled_headers_predict_the_same(cases, compiled):
    library, _ = compiled
    for name in library.headers:
        model, arrays = cases[name]
        wanted = outputs_of(model, arrays)
        tolerance = TOLERANCE[str(wanted[0].dtype)]
        for own, other in zip(library.predict(name, arrays, wanted), wanted, strict=True):
            np.testing.assert_allclose(own, other, rtol=tolerance, atol=tolerance, err_msg=name)


def test_what_is_refused_is_said(compiled):
    library, refused = compiled
    assert len(library.headers) > 3 * len(refused)
    for name, refusal in refused.items():
        assert re.search(r"\[to_c\] .*(cannot be exported|no C for it|predicts one row)|cannot be saved", refusal), name
        assert not name.startswith("layer_"), name


def test_every_kind_of_operation_has_words_or_a_reason():
    assert kinds_of_operations() == {"input", *ARRAYS} | set(ROWS) | set(WHOLES) | set(CANNOT)


def test_every_function_has_words_or_a_reason():
    assert every_function() - {"digamma", "polygamma"} <= set(UNARY) | set(BINARY)


@pytest.mark.parametrize("preset", ["mlp", "tabm", "realmlp"])
def test_models_of_tables_go_with_what_they_do_to_raw_values(preset, tmp_path):
    model, new = table_model(preset)
    given = list(model.schema.encode(new))
    wanted = [model.predict_probabilities(new)]
    found = Compiled(tmp_path, {"table": to_c(model, name="table")}).predict("table", given, wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_weights_in_8_bits_are_a_quarter_and_their_loss_is_measured(tmp_path):
    model = bp.Sequential(
        bp.Embedding(30, 16), bp.Conv1d(8, 3), bp.Flatten(), bp.Dense(6, activation="tanh"), bp.Dense(2), input_shape=9,
        seed=0)  # fmt: skip
    rows = np.random.default_rng(0).integers(0, 30, (20, 9)).astype(np.int32)
    whole, narrow = to_c(model, name="whole", rows=rows), to_c(model, name="narrow", weights="int8", rows=rows)
    assert whole.error == 0
    assert whole.bytes / 4 < narrow.bytes < whole.bytes / 3
    wanted = outputs_of(model, [rows])
    found = Compiled(tmp_path, {"narrow": narrow}).predict("narrow", [rows], wanted)
    off = np.abs(found[0] - wanted[0]).max()
    assert 0 < off < 0.02
    np.testing.assert_allclose(narrow.error, off, rtol=1e-3)


def test_an_index_outside_its_table_is_an_error(tmp_path):
    model = bp.Sequential(bp.Embedding(5, 3), bp.Flatten(), input_shape=2, seed=0)
    library = Compiled(tmp_path, {"m": to_c(model, name="m")})
    like = [np.zeros((1, 6), "f4")]
    assert np.isfinite(library.predict("m", [np.array([[0, 4]], np.int32)], like)).all()
    for index in (-1, 5, 2**31 - 1, -(2**31)):
        with pytest.raises(IndexError):
            library.predict("m", [np.array([[0, index]], np.int32)], like)


def test_a_header_may_be_included_twice_and_from_cpp(tmp_path):
    cpp = shutil.which("c++") or pytest.skip("no C++ compiler is installed")
    to_c(MODELS["images"]("float32"), tmp_path / "m.h")
    (tmp_path / "a.cc").write_text(
        '#include "m.h"\n#include "m.h"\nint main() { return MODEL_OUTPUT_0 == 2 ? 0 : 1; }\n'
    )
    subprocess.run([cpp, "-std=c++17", "-Wall", "-Wextra", "-Werror", "a.cc", "-o", "a"], cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "a"], check=True)


@pytest.mark.parametrize("name", ["", "2d", "a-b", "for ever", "é", None])
def test_names_are_names_in_c(name):
    model = bp.Sequential(bp.Dense(1), input_shape=1, seed=0)
    with pytest.raises(ValueError, match=r"\[to_c\] name must be one of C"):
        to_c(model, name=name)


def test_weights_are_of_a_kind():
    with pytest.raises(ValueError, match=r"\[to_c\] weights must be 'float' or 'int8', got 'int4'"):
        to_c(bp.Sequential(bp.Dense(1), input_shape=1, seed=0), weights="int4")


LOOKS = {
    "mean": lambda x: x - x.mean(axis=0),
    "softmax": lambda x: bp.softmax(x, axis=0),
    "cumsum": lambda x: bp.cumsum(x, axis=0),
    "flip": lambda x: bp.flip(x, axis=0) + x,
}


@pytest.mark.parametrize("name", LOOKS)
def test_what_looks_at_several_rows_is_refused(name):
    x = bp.input((None, 3))
    model = bp.Network(x, LOOKS[name](x), seed=0)
    with pytest.raises(ValueError, match=r"\[to_c\] .*the function predicts one row"):
        to_c(model)


def test_weights_of_8_bits_are_finite():
    model = bp.Sequential(bp.Dense(1), input_shape=1, seed=0)
    model.load_state_dict({"0.weight": np.array([[np.inf]]), "0.bias": np.zeros(1)})
    with pytest.raises(ValueError, match=r"\[to_c\] weights of 8 bits must be finite, and '0.weight' is not"):
        to_c(model, weights="int8")


def test_what_is_no_model_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(TypeError, match=r"\[to_c\] takes a model of backpass, got int"):
        to_c(3, tmp_path / "m.h")
    assert not list(tmp_path.iterdir())


def test_the_program_of_the_documentation_runs(tmp_path):
    page = Path(__file__).parents[1] / "docs" / "exchange.md"
    if not page.is_file():
        pytest.skip("the documentation is not here")
    model = bp.Sequential(bp.Dense(16, activation="gelu"), bp.Dense(3), bp.Softmax(), input_shape=4, seed=0)
    to_c(model, tmp_path / "iris.h", name="iris")
    (tmp_path / "a.c").write_text(re.search(r"```c\n(.*?)```", page.read_text(), re.S).group(1))
    subprocess.run([CC, *STRICT[:-2], "a.c", "-o", "a", "-lm"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "a"], check=True, capture_output=True, text=True).stdout
    wanted = model.predict(np.array([[0.1, 0.2, 0.3, 0.4]], "f4"))[0]
    np.testing.assert_allclose([float(word) for word in printed.split()], wanted, rtol=1e-4)
