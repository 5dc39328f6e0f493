"""Models of tables: frames of any kind, what columns are, training, files, and what is refused."""

import datetime
import json

import numpy as np
import pytest

import backpass as bp
from backpass.tables import Schema, TableModel

ROWS = 240
NAN = float("nan")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    size = rng.uniform(1, 9, ROWS)
    colour = rng.choice(["red", "blue", "green"], ROWS).astype(object)
    day = np.datetime64("2020-01-01") + rng.integers(0, 900, ROWS)
    price = 2 * size + 5.0 * (colour == "red") + (day - np.datetime64("2020-01-01")).astype(float) / 300
    sold = rng.random(ROWS) < 0.5
    size[::17] = np.nan
    colour[::13] = None
    return {"size": size, "colour": colour, "day": day, "sold": sold, "price": price}


@pytest.fixture(scope="module")
def model(table):
    return TableModel(seed=1, epochs=120).fit(table, "price")


# Frames.


def frames(table):
    pandas, polars, arrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    frame = pandas.DataFrame(table)
    yield "dict", table
    yield "pandas", frame
    yield "pandas, categorical", frame.astype({"colour": "category"})
    yield "pandas, nullable", frame.convert_dtypes()
    yield "polars", polars.from_pandas(frame)
    yield "arrow", arrow.Table.from_pandas(frame)
    yield "list of dicts", [{name: values[i] for name, values in table.items()} for i in range(ROWS)]


def test_all_kinds_of_frames_are_the_same_table(table, model):
    wanted = model.predict(table)
    schema = Schema.learn({name: values for name, values in table.items() if name != "price"})
    for name, frame in frames(table):
        np.testing.assert_array_equal(model.predict(frame), wanted, err_msg=name)
        columns = {column.name: column.kind for column in Schema.learn(frame).columns}
        assert columns | {"price": "number"} == columns, name
        assert {c.name: c.kind for c in schema.columns} | {"price": "number"} == columns, name


def test_arrays_are_tables():
    x = np.arange(12.0).reshape(4, 3)
    assert [column.name for column in Schema.learn(x).columns] == ["x0", "x1", "x2"]
    structured = np.array([(1.0, "a"), (2.0, "b")], dtype=[("n", float), ("c", "U1")])
    assert [(c.name, c.kind) for c in Schema.learn(structured).columns] == [("n", "number"), ("c", "category")]
    mixed = Schema.learn(np.array([[1, "a"], [2, "b"]], dtype=object))
    assert [column.kind for column in mixed.columns] == ["number", "category"]


# Columns.


def test_what_columns_are():
    schema = Schema.learn(
        {
            "whole": [1, 2, 3],
            "real": [1.5, None, NAN],
            "text": ["a", "b", "a"],
            "truth": [True, False, None],
            "date": [datetime.date(2020, 1, 1), None, datetime.date(2021, 1, 1)],
            "gone": [None, None, None],
            "code": [7, 8, 7],
        },
        categorical=["code"],
    )
    assert {c.name: c.kind for c in schema.columns} == {
        "whole": "number", "real": "number", "text": "category", "truth": "category", "date": "date",
        "code": "category",
    }  # fmt: skip
    assert schema.left_out == ("gone",)
    assert [c.name for c in schema.columns if c.missing] == ["real", "truth", "date"]
    assert [c.categories for c in schema.categories] == [("a", "b"), ("False", "True"), ("7", "8")]
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert again == schema


def test_values_as_the_network_gets_them():
    schema = Schema.learn({"n": [1, None], "d": [np.datetime64("1970-01-03"), None], "c": ["x", "y"]})
    days = np.array(["1970-01-02", "NaT", "NaT"], "datetime64[D]")
    numbers, codes = schema.encode({"c": ["y", "z", None], "n": ["4.5", "", 2], "d": days})
    np.testing.assert_array_equal(numbers, np.array([[4.5, 1], [NAN, NAN], [2, NAN]], np.float32))
    np.testing.assert_array_equal(codes, [[2], [0], [0]])
    assert numbers.dtype == np.float32
    assert codes.dtype == np.int32


def test_dates_are_read_from_texts():
    schema = Schema.learn({"d": np.array(["2020-01-01"], "datetime64[D]")})
    days = [schema.encode({"d": values})[0][0, 0] for values in (["1970-01-11"], [datetime.date(1970, 1, 11)])]
    assert days == [10, 10]


def test_three_and_three_point_zero_are_one_category():
    schema = Schema.learn({"c": [3, 4, 3]}, categorical=["c"])
    np.testing.assert_array_equal(schema.encode({"c": [3.0, 4.0, NAN]})[1], [[1], [2], [0]])


# Training.


def test_numbers_are_predicted(table, model):
    assert model.evaluate(table)["r2"] > 0.9
    assert model.predict(table).shape == (ROWS,)
    with pytest.raises(ValueError, match="there are no classes"):
        model.predict_probabilities(table)


@pytest.mark.parametrize("preset", ["mlp", "tabm"])
def test_classes_are_predicted(table, preset):
    wanted = np.where(table["price"] > np.median(table["price"]), "dear", "cheap")
    given = {name: values for name, values in table.items() if name != "price"}
    model = TableModel(preset, seed=0, epochs=40, hidden=(32,)).fit(given, wanted)
    assert model.target.classes == ("cheap", "dear")
    scores = model.evaluate(given, wanted)
    assert scores["accuracy"] > 0.85
    assert scores["auc"] > 0.9
    p = model.predict_probabilities(given)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(model.predict(given), np.array(model.target.classes)[p.argmax(axis=1)])


@pytest.mark.parametrize("values", [[True, False] * 20, [0, 1] * 20, ["a", "b"] * 20, [1.5, 2.5] * 20], ids=str)
def test_the_task_follows_from_the_target(values):
    model = TableModel(epochs=1).fit({"x": np.arange(40.0)}, values)
    assert model.target.is_class == (not isinstance(values[0], float))
    assert TableModel(epochs=1).fit({"x": np.arange(40.0)}, values, task="classification").target.is_class
    if model.target.is_class:
        assert type(model.predict({"x": [1.0]})[0].item()) is type(values[0])


@pytest.mark.parametrize("preset", ["mlp", "tabm"])
def test_the_same_seed_gives_the_same_model_on_any_number_of_threads(table, preset):
    one, other = (TableModel(preset, seed=3, epochs=5, hidden=(16,), threads=n).fit(table, "price") for n in (1, 2))
    np.testing.assert_array_equal(one.predict(table), other.predict(table))
    third = TableModel(preset, seed=4, epochs=5, hidden=(16,)).fit(table, "price")
    assert (third.predict(table) != one.predict(table)).any()


def test_several_networks_are_one_whose_predictions_are_their_mean(table):
    model = TableModel(seed=0, epochs=5, n_ensembles=3).fit(table, "price")
    assert len(model.histories) == 3
    assert len({tuple(history["val_loss"]) for history in model.histories}) == 3  # of other rows each
    assert len(model.network.parameters()) == 3 * len(TableModel(epochs=1).fit(table, "price").network.parameters())


def test_weights_of_rows_count():
    x, y = np.zeros((200, 1)), np.repeat([0.0, 1.0], 100)
    weight = np.where(y == 1, 3.0, 1.0)
    model = TableModel(epochs=200, seed=0, dropout=0.0, weight_decay=0.0).fit(x, y, sample_weight=weight)
    assert model.predict([[0.0]])[0] == pytest.approx(0.75, abs=0.06)


def test_rows_to_end_by_may_be_given(table):
    rows = {name: values[:60] for name, values in table.items()}
    model = TableModel(seed=0, epochs=3).fit(table, "price", validation=(rows,))
    again = TableModel(seed=0, epochs=3).fit(table, "price", validation=(rows, rows["price"]))
    assert model.histories[0]["val_loss"] == again.histories[0]["val_loss"]


@pytest.mark.parametrize("preset", ["mlp", "tabm"])
def test_outliers_and_constants_do_no_harm(preset):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 3))
    y = x[:, 0] + 0.1 * rng.standard_normal(300)
    x[:, 1] = 5.0
    x[::50, 2] = 1e30
    model = TableModel(preset, seed=0, epochs=60, hidden=(32,)).fit(x, y)
    assert model.evaluate(x, y)["r2"] > 0.85
    assert np.isfinite(model.predict([[1e30, -1e30, 0.0]])).all()


# Files.


@pytest.mark.parametrize("preset", ["mlp", "tabm"])
def test_one_file_holds_all_of_it(table, tmp_path, preset):
    model = TableModel(preset, seed=0, epochs=3, n_ensembles=2, hidden=(16,)).fit(table, "price")
    path = tmp_path / "m.safetensors"
    model.save(path)
    again = TableModel.load(path)
    assert again.schema == model.schema
    assert again.target == model.target
    np.testing.assert_array_equal(again.predict(table), model.predict(table))
    raw = model.schema.encode(table)
    np.testing.assert_array_equal(bp.load(path).predict([*raw])[:, 0], model.predict(table))
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]


def test_other_files_are_refused(tmp_path, table, model):
    bp.Sequential(bp.Dense(1), input_shape=2, seed=0).save(tmp_path / "plain")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").write_bytes(b"")
    for name in ("plain", "text", "empty"):
        with pytest.raises(ValueError, match="is no model of a table"):
            TableModel.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        TableModel.load(tmp_path / "nothing")
    with pytest.raises(RuntimeError, match="must be fitted"):
        TableModel().save(tmp_path / "new")
    assert not (tmp_path / "new").exists()


# What is refused.


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"day": None}, "has no column 'day'"),
        ({"size": ["1", "two"] * (ROWS // 2)}, "column 'size', row 1: 'two' is not a number"),
        ({"day": ["2020-01-31", "soon"] * (ROWS // 2)}, "column 'day', row 1: 'soon' is not a date"),
        ({"size": [float("inf")] * ROWS}, "column 'size', row 0: inf is not finite in float32"),
    ],
)
def test_tables_that_do_not_fit_are_refused(table, model, bad, message):
    given = {name: values for name, values in (table | bad).items() if values is not None}
    with pytest.raises(ValueError, match=message):
        model.predict(given)


X = {"x": np.arange(20.0)}
REFUSED = {
    "preset": (lambda: TableModel("best"), "preset must be one of 'mlp', 'tabm'"),
    "hidden": (lambda: TableModel(hidden=(0,)), "hidden must be positive"),
    "fraction": (lambda: TableModel(validation_fraction=1.0), "must be within 0 and 1"),
    "epochs": (lambda: TableModel(epochs=0), "epochs"),
    "no such target": (lambda: TableModel().fit(X, "y"), "has no column 'y'"),
    "rows": (lambda: TableModel().fit(X, np.arange(3.0)), "the target has 3 rows, the table 20"),
    "lengths": (lambda: TableModel().fit({"a": [1, 2], "b": [1]}, "b"), "equal rows"),
    "one class": (lambda: TableModel().fit(X, ["a"] * 20), "one class only, 'a'"),
    "no value": (lambda: TableModel().fit(X, [None, *"abababababababababa"]), "no value in row 0"),
    "infinite": (lambda: TableModel().fit(X, [*range(19), np.inf]), "not finite in row 19"),
    "task": (lambda: TableModel().fit(X, np.arange(20.0), task="ranking"), "task must be"),
    "nothing there": (lambda: TableModel().fit({"x": [None] * 20}, np.arange(20.0)), "nothing but missing"),
    "one row": (lambda: TableModel().fit({"x": [1.0]}, [1.0]), "at least 2, got 1"),
    "two targets": (lambda: TableModel().fit(X, np.ones((20, 2))), r"one value in each row.*\(20, 2\)"),
    "huge": (lambda: TableModel().fit(X, np.arange(20.0) * 1e300), "not finite in row 1, in float32"),
    "tiny": (lambda: TableModel().fit(X, np.arange(20.0) * 1e-300), "which is nothing in float32; scale it"),
    "no rows": (lambda: TableModel().fit({"x": []}, []), "must have rows"),
    "categorical": (lambda: TableModel(categorical=["z"]).fit(X, np.arange(20.0)), "names 'z', which is no column"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()


def test_a_fit_that_fails_leaves_the_model_as_it_was():
    model = TableModel(epochs=2).fit(X, np.arange(20.0) / 7)
    before = model.predict(X)
    with pytest.raises(ValueError, match="the target has 3 rows"):
        model.fit({"y": np.arange(20.0)}, np.arange(3.0))
    np.testing.assert_array_equal(model.predict(X), before)


def test_arrays_have_the_columns_that_were_learned():
    model = TableModel(epochs=2).fit(np.arange(60.0).reshape(20, 3), np.arange(20.0) / 7)
    with pytest.raises(ValueError, match="learned from 3 columns without names, got 4"):
        model.predict(np.ones((2, 4)))
    with pytest.raises(ValueError, match="has no column 'x2'"):
        model.predict(np.ones((2, 2)))


def test_durations_are_numbers_of_days():
    schema = Schema.learn({"x": np.array([3600, 7200, "NaT"], "timedelta64[s]")})
    np.testing.assert_array_equal(
        schema.encode({"x": np.array([36, "NaT"], "timedelta64[h]")})[0], np.float32([[1.5], [np.nan]])
    )


def test_it_must_be_fitted_first():
    with pytest.raises(RuntimeError, match="must be fitted"):
        TableModel().predict({"x": [1.0]})
