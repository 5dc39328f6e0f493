"""`backpass train FILE`, `predict`, `evaluate` and `inspect`, as a person would use them."""

import io
import json
import re
import sys

import numpy as np
import pytest

import backpass as bp
from backpass.tables import TableModel
from backpass.tables._files import read_table, write_table
from backpass.tools import _cli

ROWS = 240


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    size, town = rng.uniform(20, 120, ROWS), rng.choice(["Ulm", "Bonn", "Kiel"], ROWS)
    rent = size * 11 + 200 * (town == "Bonn") + rng.normal(0, 20, ROWS)
    lines = ["number,size,town,built,rent,dear"]
    for i in range(ROWS):
        shown = "" if i % 19 == 0 else f"{size[i]:.1f}"
        lines.append(f"{i},{shown},{town[i]},2001-0{i % 9 + 1}-11,{rent[i]:.2f},{'yes' if rent[i] > 800 else 'no'}")
    (folder / "flats.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def command(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)

    def run(*arguments, status=0):
        assert _cli.main(list(arguments)) == status, capsys.readouterr()
        captured = capsys.readouterr()
        return captured.err if status else captured.out

    return run


@pytest.fixture(scope="module")
def trained(folder):
    path = folder / "m.safetensors"
    status = _cli.main(["train", str(folder / "flats.csv"), "--target", "rent", "--out", str(path), "--quiet"])
    assert status == 0
    return path


def test_train_says_what_it_does_and_how_good_it_is(command, folder):
    out = command("train", "flats.csv", "--target", "rent", "--epochs", "60")
    for words in (
        "flats.csv: 240 rows, 5 columns beside the target",
        "target 'rent': numbers from",
        "guessed from its values",
        "warning: column 'number' looks like a name or number of the row",
        "48 rows held out: at random",
        "linear",
        "trivial",
        "what matters most",
        "flats.safetensors",
        "flats.html",
    ):
        assert words in out
    found = {
        line.split()[0]: float(line.split()[1]) for line in out.splitlines() if line.startswith(("mlp", "lin", "tri"))
    }
    assert found["mlp"] > 0.9
    assert found["trivial"] < 0.1
    assert TableModel.load(folder / "flats.safetensors").target.name == "rent"


def test_train_as_json_says_nothing_else(command, folder):
    told = json.loads(
        command("train", "flats.csv", "--target", "dear", "--json", "--no-report", "--out", "d.safetensors")
    )
    assert told["task"] == "classification"
    assert told["classes"] == ["no", "yes"]
    assert told["scores"]["mlp"]["accuracy"] > 0.85
    assert next(iter(told["importances"])) in ("size", "rent")
    assert not (folder / "d.html").exists()


def test_predictions_go_where_they_are_asked_for(command, trained, folder):
    model, table = TableModel.load(trained), read_table(folder / "flats.csv")
    assert command("predict", str(trained), "flats.csv", "-o", "out.csv") == ""  # what it says goes to stderr
    np.testing.assert_allclose(read_table(folder / "out.csv")["rent"], model.predict(table), rtol=1e-6)
    lines = command("predict", str(trained), "flats.csv").splitlines()
    assert lines[0] == "rent"
    assert len(lines) == ROWS + 1


def test_classes_come_with_probabilities(command):
    command("train", "flats.csv", "--target", "dear", "--quiet", "--no-report", "--out", "c.safetensors")
    command("predict", "c.safetensors", "flats.csv", "-o", "p.csv", "--probabilities", "--quiet")
    found = read_table("p.csv")
    np.testing.assert_allclose(found["p(no)"] + found["p(yes)"], 1, atol=1e-5)
    assert set(found["dear"]) == {"yes", "no"}


def test_evaluate_and_inspect(command, trained):
    scores = json.loads(command("evaluate", str(trained), "flats.csv", "--json"))
    assert scores["r2"] > 0.9
    assert "r2 " in command("evaluate", str(trained), "flats.csv")
    shown = command("inspect", str(trained))
    assert re.search(r"^size\s+number\s+some missing$", shown, re.M)
    assert re.search(r"^town\s+category\s+3", shown, re.M)
    assert "predicts rent: numbers" in shown


def test_a_model_is_exported(command, trained, folder):
    onnx = pytest.importorskip("onnx")
    assert "e.onnx" in command("export", str(trained), "-o", "e.onnx")
    assert len(onnx.load(folder / "e.onnx").graph.input) == 2
    assert "nothing.safetensors" in command("export", "nothing.safetensors", status=1)


def test_a_model_is_exported_as_a_program(command, trained, folder):
    assert "for NumPy: p.py" in command("export", str(trained), "--to", "numpy", "-o", "p.py")
    assert "def predict(input_0, input_1):" in (folder / "p.py").read_text()
    said = command("export", str(trained), "--to", "c", "--int8", "-o", "2 rents.h")
    assert re.search(r"bytes of weights, rents_predict works in [\d,]+ bytes: 2 rents.h", said)
    assert "static const int8_t rents_" in (folder / "2 rents.h").read_text()
    command("export", str(trained), "--to", "c", "--name", "flat", "-o", "f.h")
    assert "int flat_predict(const float *input_0, const int32_t *input_1" in (folder / "f.h").read_text()
    assert "--int8 and --name are for --to c" in command("export", str(trained), "--int8", status=1)


def test_standard_input_is_a_table(command, folder, monkeypatch):
    text = (folder / "flats.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    out = command("train", "-", "--target", "rent", "--epochs", "3", "--no-report", "--out", "s.safetensors")
    assert "240 rows" in out


@pytest.mark.parametrize("split", [("--time", "built"), ("--group", "town")], ids=lambda pair: pair[0])
def test_other_splits(command, split):
    arguments = ("train", "flats.csv", "--target", "rent", "--epochs", "2", "--json", "--no-report")
    told = json.loads(command(*arguments, *split, "--out", "t.safetensors"))
    assert split[1] in told["split"]
    assert 0 < told["held_out_rows"] < ROWS


# The report.


def test_the_report_is_a_page_by_itself(command, folder):
    command("train", "flats.csv", "--target", "dear", "--epochs", "20", "--quiet", "--out", "r.safetensors")
    page = (folder / "r.html").read_text()
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)
    assert page.count("<svg") == page.count("</svg>") == 2
    for words in (
        "dear of flats.csv",
        "What is taken for what",
        "Can probabilities be believed",
        "prefers-color-scheme",
        "looks like a name or number of the row",
        "backpass train flats.csv --target dear",
    ):
        assert words in page


def test_what_stands_in_a_table_is_text_in_the_report(command, folder):
    lines = ["<script>alert(1)</script>,y"] + [f"{i % 7}.5,{'a&b' if i % 2 else '<i>'}" for i in range(60)]
    (folder / "html.csv").write_text("\n".join(lines))
    command("train", "html.csv", "--target", "y", "--epochs", "2", "--quiet", "--out", "h.safetensors")
    page = (folder / "h.html").read_text()
    assert "<script" not in page
    assert "<i>" not in page.replace("<i>linear</i>", "").replace("<i>trivial</i>", "")
    assert "&lt;script&gt;alert(1)" in page


# Files.


def test_endings_that_cannot_be_read_are_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"a table ends in \.csv"):
        write_table(tmp_path / "m.safetensors", {"a": np.arange(2.0)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".json", ".jsonl", ".parquet", ".arrow"])
def test_tables_are_written_and_read_again(tmp_path, ending):
    if ending in (".parquet", ".arrow"):
        pytest.importorskip("pyarrow")
    columns = {"n": np.array([1.5, 2.0]), "t": np.array(["a, b", 'say "x"'], dtype=object), "i": np.array([1, 2])}
    write_table(tmp_path / f"t{ending}", columns)
    again = read_table(tmp_path / f"t{ending}")
    assert list(again) == ["n", "t", "i"]
    for name, values in columns.items():
        assert list(again[name]) == list(values)


def test_text_is_read_as_what_it_looks_like(tmp_path):
    text = '\ufeffa;b;c;d\r\n1;x;2020-01-31;1e3\r\n;NA;2021-02-28 10:00:00;-2\r\n3;"two\nlines";;?\r\n'
    (tmp_path / "t.csv").write_bytes(text.encode())
    read = read_table(tmp_path / "t.csv")
    np.testing.assert_array_equal(read["a"], [1, np.nan, 3])
    assert list(read["b"]) == ["x", None, "two\nlines"]
    assert read["c"].dtype.kind == "M"
    assert np.isnat(read["c"][2])
    np.testing.assert_array_equal(read["d"], [1000, -2, np.nan])


HOSTILE = {
    "empty": (b"", "there is nothing in it"),
    "names alone": (b"a,b\n", "no row to learn from"),
    "ragged": (b"a,b\n1,2\n3\n", "row 2 has 1 values, the first line names 2 columns"),
    "two of a name": (b"a,a\n1,2\n", "two columns are called 'a'"),
    "no name": (b"a,\n1,2\n", "column 2 has no name"),
    "NUL": (b"a,b\n1,\x00\n", "line 2 has a NUL character"),
    "Latin-1": ("a,b\n1,ä\n".encode("latin-1"), "line 2 is not UTF-8"),
    "one value": (b"a,b\n1,2\n1,3\n1,4\n", "one class only"),
    "no value": (b"a,b\n1,2\n,3\n2,4\n", "the target has no value in row 1"),
    "no such target": (b"b,c\n1,2\n", "there is no column 'a'"),
    "nothing known": (b"a,b\n1,\n2,\n3,\n1,\n2,\n", "nothing but missing values"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_bad_tables_end_in_one_line(command, folder, name):
    content, message = HOSTILE[name]
    (folder / "bad.csv").write_bytes(content)
    said = command(
        "train", "bad.csv", "--target", "a", "--task", "classification", "--out", "bad.safetensors", status=1
    )
    assert re.fullmatch(rf"backpass: [^\n]*{message}[^\n]*\n", said), said
    assert not (folder / "bad.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "flats.csv"), "--target says which column"),
        (("train", "flats.csv", "--target", "rant"), "did you mean 'rent'? It has 'number'"),
        (("train", "flats.csv", "--target", "zzz"), "there is no column 'zzz'; it has 'number'"),
        (("train", "flats.csv", "--target", "rent", "--out", "none/m.safetensors"), "there is no such folder"),
        (("train", "--target", "rent"), "which file"),
        (("train", "nothing.csv", "--target", "a"), "nothing.csv"),
        (("train", "flats.xlsx", "--target", "a"), "flats.xlsx"),
        (("predict", "flats.csv", "flats.csv"), "is no model of a table"),
        (("train", "flats.csv", "--target", "rent", "--time", "when"), "no column 'when' to split by"),
    ],
)
def test_mistakes_are_told_in_one_line(command, arguments, message):
    assert message in command(*arguments, status=1)


def test_a_bad_row_is_named_and_nothing_is_written(command, trained, folder):
    (folder / "new.csv").write_text("number,size,town,built,dear\n1,50,Ulm,2001-01-11,no\n2,big,Ulm,2001-01-11,no\n")
    said = command("predict", str(trained), "new.csv", "-o", "new_out.csv", status=1)
    assert "column 'size', row 1: 'big' is not a number" in said
    assert not (folder / "new_out.csv").exists()


def test_help_teaches_by_examples(capsys):
    with pytest.raises(SystemExit):
        _cli.main(["train", "--help"])
    assert "backpass train flats.csv --target rent" in capsys.readouterr().out


def test_the_model_is_one_of_backpass(trained):
    assert isinstance(bp.load(trained), bp.Network)
