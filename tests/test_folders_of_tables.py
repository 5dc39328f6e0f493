"""Folders of Parquet files: rows that pass by, what is held out, the command line, and what is refused."""

import json

import numpy as np
import pytest

from backpass.tables import ParquetFolder, TableModel
from backpass.tables import _folders as folders
from backpass.tables._files import write_table
from backpass.tools import _cli

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
ROWS, FILES = 1200, 4


def drawn(rows, seed):
    rng = np.random.default_rng(seed)
    x, town = rng.uniform(0, 9, rows), rng.choice(["Ulm", "Bonn", "Kiel"], rows).astype(object)
    rent = 3 * x + 5.0 * (town == "Bonn") + rng.normal(0, 0.3, rows)
    return {"size": x, "town": town, "rent": rent, "dear": np.where(rent > 15, "yes", "no").astype(object)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("flats")
    table = drawn(ROWS, 0)
    order = np.argsort(table["rent"])  # the worst case: files that are sorted by the target
    for i, rows in enumerate(np.array_split(order, FILES)):
        table_of_file = arrow.table({name: values[rows] for name, values in table.items()})
        parquet.write_table(table_of_file, path / f"part-{i}.parquet", row_group_size=100)
    (path / "notes.txt").write_text("no table")
    return path


def without(table, *names):
    return {name: column for name, column in table.items() if name not in names}


def test_all_rows_are_for_one_thing_and_always_the_same(folder):
    given = ParquetFolder(folder, test=0.2, seed=3)
    assert (given.rows, len(given.groups), given.names) == (ROWS, FILES * 3, ("size", "town", "rent", "dear"))
    shares = folders.Shares.of(given, 0.15)
    test, held_out = given.test_rows(), given.kept(shares.test, shares.held_out)
    passed = [np.concatenate([part["rent"] for part in given.passing(shares.held_out, seed)]) for seed in (0, 1)]
    assert sorted([*test["rent"], *held_out["rent"], *passed[0]]) == pytest.approx(sorted(drawn(ROWS, 0)["rent"]))
    assert len(test["rent"]) / ROWS == pytest.approx(0.2, abs=0.04)
    assert len(held_out["rent"]) / ROWS == pytest.approx(0.12, abs=0.03)
    assert sorted(passed[0]) == sorted(passed[1])
    assert passed[0].tolist() != passed[1].tolist()
    assert ParquetFolder(folder, test=0.2, seed=3).test_rows()["rent"].tolist() == test["rent"].tolist()


def test_memory_holds_no_more_than_some_rows(folder, monkeypatch):
    monkeypatch.setattr(folders, "MOST_KEPT", 100)
    monkeypatch.setattr(folders, "CHUNK", 30)
    given = ParquetFolder(folder, test=0.5)
    shares = folders.Shares.of(given, 0.5)
    for low, high in ((0, shares.test), (shares.test, shares.held_out), (shares.sample, 1)):
        assert 50 < len(given.kept(low, high)["rent"]) <= 100
    assert max(len(numbers) for _, numbers in given.chunks()) == 30


@pytest.mark.parametrize("preset", ["mlp", "tabm", "realmlp"])
def test_it_learns_numbers_from_files_that_are_sorted_by_them(folder, preset):
    model = TableModel(preset, epochs=30, hidden=(32,), seed=0).fit(ParquetFolder(folder), "rent")
    new = drawn(400, 1)
    assert model.evaluate(without(new, "dear") | {"dear": np.where(new["rent"] > 15, "yes", "no")})["r2"] > 0.9
    assert model.target.middle == pytest.approx(drawn(ROWS, 0)["rent"].mean())
    assert model.target.spread == pytest.approx(drawn(ROWS, 0)["rent"].std())
    assert model.predict_interval(new).shape == (400, 2)


def test_it_learns_classes_the_same_each_time(folder):
    models = [TableModel(epochs=12, seed=0, threads=n).fit(ParquetFolder(folder), "dear") for n in (1, 2)]
    assert models[0].target.classes == ("no", "yes")
    assert models[0].evaluate(drawn(400, 1))["accuracy"] > 0.95
    outputs = [model.predict_probabilities(drawn(50, 1)) for model in models]
    np.testing.assert_array_equal(*outputs)


def test_the_command_line_takes_a_folder(folder, tmp_path, capsys):
    given = ["train", str(folder), "--target", "rent", "--epochs", "20", "--out", str(tmp_path / "m.safetensors")]
    assert _cli.main([*given, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == ROWS
    assert told["held_out_rows"] == pytest.approx(0.2 * ROWS, abs=50)
    assert told["scores"]["mlp"]["r2"] > 0.9
    assert (tmp_path / "m.html").exists()
    write_table(tmp_path / "new.csv", without(drawn(5, 2), "rent"))
    assert _cli.main(["predict", str(tmp_path / "m.safetensors"), str(tmp_path / "new.csv")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_what_is_refused(folder, tmp_path, capsys):
    with pytest.raises(ValueError, match="there is no Parquet file in this folder"):
        ParquetFolder(tmp_path)
    (tmp_path / "a.parquet").write_bytes((folder / "part-0.parquet").read_bytes())
    parquet.write_table(arrow.table({"size": [1.0]}), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"b\.parquet: column 'dear' is not in all files"):
        ParquetFolder(tmp_path)
    (tmp_path / "b.parquet").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"b\.parquet: "):
        ParquetFolder(tmp_path)
    with pytest.raises(ValueError, match="has no column 'price'; it has 'size', 'town'"):
        TableModel().fit(ParquetFolder(folder), "price")
    with pytest.raises(ValueError, match="takes no sample_weight, no validation and no n_ensembles"):
        TableModel(n_ensembles=2).fit(ParquetFolder(folder), "rent")
    for option in (["--time", "size"], ["--group", "town"], ["--ensembles", "2"]):
        assert _cli.main(["train", str(folder), "--target", "rent", *option]) == 1
        assert capsys.readouterr().err.startswith("backpass: ")
