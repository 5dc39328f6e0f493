"""Streams from Arrow and Parquet: the rows of the table, and columns that do not fit."""

import subprocess
import sys

import numpy as np
import pytest

import backpass as bp
from test_streams import FIT, network, rows


def table(n=200):
    pyarrow = pytest.importorskip("pyarrow")
    x, y = rows(n)
    columns = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2].astype(np.float64), "d": x[:, 3], "kind": y}
    lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(x.ravel()), 4)
    return pyarrow.table({**columns, "weight": np.ones(n), "all": lists, "name": ["x"] * n})


def readers(folder):
    """The same rows from every kind of file."""
    import pyarrow.dataset
    import pyarrow.feather
    import pyarrow.parquet

    whole = table()
    pyarrow.parquet.write_table(whole, folder / "rows.parquet", row_group_size=64)
    pyarrow.parquet.write_table(whole.slice(0, 90), folder / "1.parquet")
    pyarrow.parquet.write_table(whole.slice(90), folder / "2.parquet")
    pyarrow.feather.write_feather(whole, folder / "rows.feather")
    letters = {"x": ["a", "b", "c", "d"], "y": "kind", "batch_rows": 50}
    return [
        bp.parquet(folder / "rows.parquet", **letters),
        bp.parquet([folder / "1.parquet", folder / "2.parquet"], **letters),
        bp.parquet(folder / "rows.parquet", x="all", y="kind", sample_weight="weight"),
        bp.arrow_file(folder / "rows.feather", **letters),
        bp.arrow_dataset(pyarrow.dataset.dataset(whole), **letters),
    ]


def test_arrow_files_give_the_rows_of_the_table(tmp_path):
    x, y = rows(200)
    theirs = network(0.0)
    pytest.importorskip("pyarrow")
    theirs.fit(x, y, optimizer=bp.Adam(), shuffle=False, **FIT)
    for reader in readers(tmp_path):
        ours = network(0.0)
        ours.fit(reader, optimizer=bp.Adam(), shuffle=False, **FIT)
        np.testing.assert_allclose(ours.flat_parameters, theirs.flat_parameters, rtol=1e-6, atol=1e-7)


def test_columns_that_do_not_fit_are_errors(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    pyarrow.parquet.write_table(table(), tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match=r"\[arrow\] column must be one of a, b.*got 'z'"):
        bp.parquet(tmp_path / "rows.parquet", x="z", y="kind")
    with pytest.raises(TypeError, match="x must be an array of real numbers"):
        network().fit(bp.parquet(tmp_path / "rows.parquet", x="name", y="kind"), optimizer=bp.Adam(), **FIT)
    with pytest.raises(FileNotFoundError):
        bp.parquet(tmp_path / "none.parquet", x="a", y="kind")


def test_without_pyarrow_the_error_names_the_extra():
    code = "import sys; sys.modules['pyarrow'] = None; import backpass as bp; bp.parquet('f', x='a', y='b')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "backpass[arrow]"' in done.stderr


# Columns of lists.


@pytest.mark.parametrize("fixed", [False, True])
def test_lists_that_would_move_rows_are_refused(fixed):
    pyarrow = pytest.importorskip("pyarrow")
    dataset = pytest.importorskip("pyarrow.dataset")

    broken = [[[1.0, 2.0], None, [3.0, 4.0]]] if fixed else [[[1.0], [2.0, 3.0, 4.0]], [[1.0, 2.0], None], [None]]
    for lists in broken:
        column = pyarrow.array(lists, pyarrow.list_(pyarrow.float64(), 2 if fixed else -1))
        data = dataset.dataset(pyarrow.table({"x": column, "y": np.zeros(len(lists))}))
        with pytest.raises(ValueError, match=r"^\[arrow\] lists in column 'x' must be of one length, got lengths"):
            list(bp.arrow_dataset(data, x="x", y="y").chunks())


def test_lists_of_a_slice_and_after_a_filter_are_its_own():
    pyarrow = pytest.importorskip("pyarrow")
    dataset = pytest.importorskip("pyarrow.dataset")

    for kind in (
        pyarrow.list_(pyarrow.int64()),
        pyarrow.large_list(pyarrow.int64()),
        pyarrow.list_(pyarrow.int64(), 2),
    ):
        column = pyarrow.array([[2 * i, 2 * i + 1] for i in range(6)], kind)
        data = dataset.dataset(pyarrow.table({"x": column, "y": np.arange(6.0)}).slice(1, 4))
        (x, y, _), *rest = bp.arrow_dataset(data.filter(dataset.field("y") > 1), x="x", y="y").chunks()
        assert (x.tolist(), y.tolist(), rest) == ([[4, 5], [6, 7], [8, 9]], [2, 3, 4], [])
        assert not list(bp.arrow_dataset(data.filter(dataset.field("y") > 9), x="x", y="y").chunks())


def test_columns_of_structs_and_of_lists_of_lists_are_refused():
    pyarrow = pytest.importorskip("pyarrow")
    dataset = pytest.importorskip("pyarrow.dataset")

    for column in ([{"a": 1.0, "b": 2.0}], [[[1.0]]]):
        data = dataset.dataset(pyarrow.table({"x": column, "y": [0.0]}))
        with pytest.raises(TypeError, match=r"^\[arrow\] column 'x' must hold numbers or lists of numbers, got"):
            list(bp.arrow_dataset(data, x="x", y="y").chunks())
