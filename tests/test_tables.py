"""Tables of pandas and polars: numbers of every kind side by side, and columns by their names."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import backpass as bp


def mixed():
    frame = pd.DataFrame({
        "age": [31, 42, 25, 60],
        "height": pd.Series([1.5, 1.75, 2.0, 1.25], dtype="float32"),
        "member": [True, False, True, True],
        "visits": pd.Series([1, 2, 3, 4], dtype="Int64"),
        "active": pd.Series([True, True, False, False], dtype="boolean"),
        "score": pd.Series([0.5, 0.25, 1.0, 2.0], dtype="Float64"),
        "grade": pd.Series([1, 0, 1, 2], dtype="int8").astype("category"),
        "any": pd.Series([1, 2.5, True, 0], dtype=object),
        "town": ["a", "b", "a", "c"],
    })  # fmt: skip
    return pd.get_dummies(frame, columns=["town"])


NUMBERS = [
    [31, 1.5, 1, 1, 1, 0.5, 1, 1, 1, 0, 0],
    [42, 1.75, 0, 2, 1, 0.25, 0, 2.5, 0, 1, 0],
    [25, 2.0, 1, 3, 0, 1.0, 1, 1, 1, 0, 0],
    [60, 1.25, 1, 4, 0, 2.0, 2, 0, 0, 0, 1],
]


@pytest.fixture
def model():
    return bp.Sequential(bp.Dense(2), input_shape=11, dtype="float64", seed=0)


def settings(**changes):
    return {"loss": bp.CrossEntropy(), "optimizer": bp.SGD(1e-4), "seed": 0, **changes}


def test_a_table_of_many_kinds_is_its_numbers(model):
    np.testing.assert_array_equal(model.forward(mixed()), model.forward(NUMBERS))
    graph = bp.Graph([rows := bp.input((4, 11), "float64")], [rows])
    np.testing.assert_array_equal(graph(mixed())[0], NUMBERS)


@pytest.mark.parametrize(
    "dtype", ["int64", "Int64", "boolean", "bool", "category", "float64", "Float64", "int8[pyarrow]"]
)
def test_a_column_is_labels(model, dtype):
    labels = pd.Series([0, 1, 1, 0]).astype(dtype)
    twin = copy.deepcopy(model)
    model.fit(mixed(), labels, **settings())
    twin.fit(NUMBERS, [0, 1, 1, 0], **settings())
    np.testing.assert_array_equal(model.flat_parameters, twin.flat_parameters)


def test_everything_may_be_a_table_at_once(model):
    labels, weight = pd.DataFrame({"y": [0, 1, 1, 0]}), pd.Series([1, 2, 3, 4], dtype="Int64")
    twin = copy.deepcopy(model)
    options = {"validation_split": 0.5, "stratify": True, "class_weight": "balanced"}
    model.fit(mixed(), labels, sample_weight=weight, **settings(**options))
    twin.fit(NUMBERS, [0, 1, 1, 0], sample_weight=[1, 2, 3, 4], **settings(**options))
    np.testing.assert_array_equal(model.flat_parameters, twin.flat_parameters)
    assert model.evaluate(mixed(), labels) == twin.evaluate(NUMBERS, [0, 1, 1, 0])


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        (["a", "b", "c", "d"], TypeError, r"x column 'bad' holds strings, such as 'a': encode them"),
        (pd.Series([1, None, 3, 4], dtype="Int64"), ValueError, r"x column 'bad' has a missing value in row 1"),
        (pd.Series([True, None] * 2, dtype="boolean"), ValueError, r"x column 'bad' has a missing value in row 1"),
        (pd.Series([1, 2, None, 3], dtype=object), ValueError, r"x column 'bad' has a missing value in row 2"),
        ([1.0, 2.0, 3.0, np.nan], ValueError, r"x column 'bad' has a missing value in row 3"),
        (pd.Series(["a", "b", "a", "b"], dtype="category"), TypeError, r"x column 'bad' holds strings"),
        (pd.to_datetime(["2020-01-01"] * 4), TypeError, r"x column 'bad' holds dates.*days since"),
        (pd.Series([1, 2, 3, "4"], dtype=object), TypeError, r"x column 'bad' holds strings"),
        ([1j, 2, 3, 4], TypeError, r"x column 'bad' holds"),
    ],
)  # fmt: skip
def test_what_is_no_number_names_its_column(model, column, error, message):
    before = model.flat_parameters.copy()
    with pytest.raises(error, match=rf"^\[fit\] {message}"):
        model.fit(mixed().assign(active=column).rename(columns={"active": "bad"}), [0, 1, 1, 0], **settings())
    np.testing.assert_array_equal(model.flat_parameters, before)


def test_a_nan_passes_where_data_are_not_checked(model):
    frame = mixed().assign(age=[np.nan, 1, 2, 3])
    assert np.isnan(model.forward(frame)[0]).all()
    assert np.isnan(model.evaluate(frame, [0, 1, 1, 0], loss=bp.CrossEntropy(), check_finite=False)["loss"])


# Names of columns.


def trained(x=None):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 0.0]}) if x is None else x
    model = bp.Sequential(bp.Dense(1), seed=0)
    model.fit(frame, [1.0, 2.0, 3.0], loss="mse", optimizer="adam")
    return model, frame


CALLS = {
    "predict": lambda model, x: model.predict(x),
    "forward": lambda model, x: model.forward(x),
    "evaluate": lambda model, x: model.evaluate(x, [1.0, 2.0, 3.0]),
    "fit": lambda model, x: model.fit(x, [1.0, 2.0, 3.0], loss="mse", optimizer="adam"),
    "partial_fit": lambda model, x: model.partial_fit(x, [1.0, 2.0, 3.0]),
    "step": lambda model, x: bp.Trainer(model, "mse", "adam").step(x, [1.0, 2.0, 3.0]),
    "value_and_grad": lambda model, x: model.value_and_grad(x, [1.0, 2.0, 3.0], "mse"),
}


@pytest.mark.parametrize("call", CALLS)
def test_columns_in_another_order_are_refused(call):
    model, frame = trained()
    CALLS[call](model, frame)
    CALLS[call](model, frame.to_numpy())  # without names nobody can tell
    before = model.flat_parameters.copy()
    for columns, message in [
        (["b", "a"], r"x has its columns in another order than in training, which was 'a', 'b'"),
        (["a"], r"x has no column 'b'"),
        (["a", "b", "c"], r"x has columns that the model was not trained with: 'c'"),
    ]:
        with pytest.raises(ValueError, match=rf"^\[\w+\] {message}"):
            CALLS[call](model, frame.reindex(columns=columns, fill_value=1.0))
    np.testing.assert_array_equal(model.flat_parameters, before)


def test_validation_data_have_the_order_of_training():
    model, frame = trained()
    model.fit(frame, [1.0] * 3, loss="mse", optimizer="adam", validation_data=(frame, [1.0] * 3))
    with pytest.raises(ValueError, match="another order"):
        model.fit(frame, [1.0] * 3, loss="mse", optimizer="adam", validation_data=(frame[["b", "a"]], [1.0] * 3))


def test_chunks_have_the_order_of_the_first():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [0.0, 1.0]})
    model = bp.Sequential(bp.Dense(1), seed=0)
    good = bp.Stream(lambda: iter([(frame, [1.0, 2.0]), (frame, [1.0, 2.0])]))
    model.fit(good, loss="mse", optimizer="adam")
    for chunks in ([frame, frame[["b", "a"]]], [frame[["b", "a"]]]):
        with pytest.raises(ValueError, match="another order"):
            model.fit(bp.Stream(lambda chunks=chunks: ((x, [1.0, 2.0]) for x in chunks)), loss="mse", optimizer="adam")
    with pytest.raises(ValueError, match="another order"):
        model.predict(frame[["b", "a"]])


def test_a_refused_fit_leaves_no_names():
    model = bp.Sequential(bp.Dense(1), input_shape=2, seed=0)
    frame = pd.DataFrame({"a": [1.0], "b": [0.0]})
    with pytest.raises(ValueError, match="rows"):
        model.fit(frame, [1.0, 2.0], loss="mse", optimizer="adam")
    model.forward(frame[["b", "a"]])


def test_copies_and_pickles_know_the_names():
    model, frame = trained()
    for twin in (copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):
        with pytest.raises(ValueError, match="another order"):
            twin.predict(frame[["b", "a"]])


def test_numbers_as_names_of_columns_say_nothing():
    model, frame = trained(pd.DataFrame(np.ones((3, 2))))
    model.predict(frame[[1, 0]])


def test_several_inputs_have_names_of_their_own():
    left, right = bp.Input(2, name="left"), bp.Input(1, name="right")
    model = bp.Network([left, right], bp.Dense(1)(bp.concat([left, right], 1)), seed=0)
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [0.0, 1.0], "c": [2.0, 0.5]})
    x = {"left": frame[["a", "b"]], "right": frame[["c"]]}
    model.fit(x, [1.0, 2.0], loss="mse", optimizer="adam")
    model.predict(x)
    with pytest.raises(ValueError, match="another order"):
        model.predict({**x, "left": frame[["b", "a"]]})


# Polars.


def test_polars_is_read_as_pandas_is(model):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(np.array(NUMBERS), schema=list(mixed().columns))
    frame = frame.with_columns(polars.col("member").cast(bool), polars.col("age").cast(polars.Int8))
    np.testing.assert_array_equal(model.forward(frame), model.forward(NUMBERS))
    model.fit(frame, polars.Series([0, 1, 1, 0]), **settings())
    with pytest.raises(ValueError, match="another order"):
        model.predict(frame[frame.columns[::-1]])
    with pytest.raises(ValueError, match=r"column 'age' has a missing value in row 0"):
        model.predict(frame.with_columns(polars.Series("age", [None, 1, 2, 3])))
    with pytest.raises(TypeError, match=r"column 'age' holds strings"):
        model.predict(frame.with_columns(polars.Series("age", ["a", "b", "c", "d"])))


def test_neither_is_imported_by_us():
    code = "import backpass as bp, sys; bp.Sequential(bp.Dense(1)).fit([[1.0]], [1.0], loss='mse', optimizer='adam'); "
    code += "assert not {'pandas', 'polars'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
