"""The benchmark on tables: its list, its folds and intervals, and that its quick mode runs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "bench" / "tables").is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.append(str(ROOT))

from bench.tables.folds import available, folds, interval, standardized  # noqa: E402
from bench.tables.prepare import numbers  # noqa: E402
from bench.tables.tables import CASES, MissingTableError  # noqa: E402

BY_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_tables_are_what_the_list_says(case):
    try:
        x, y = case.load()
    except MissingTableError as missing:
        pytest.skip(str(missing))
    assert x.shape == (case.rows, case.columns)
    assert case.rows > 100
    assert case.target not in x
    assert np.isfinite(y).all()
    if case.task == "classes":
        assert set(y) == set(range(y.max() + 1))


def test_the_list_is_long_enough_and_names_each_table_once():
    assert len(BY_NAME) == len(CASES) >= 20
    assert {case.task for case in CASES} == {"classes", "numbers"}


def test_a_table_that_is_not_there_is_skipped_with_a_line(tmp_path, capsys):
    assert [*available(["power plant"], tmp_path)] == []
    assert "power plant: skipped, needs --data FOLDER with uci/power-plant.txt" in capsys.readouterr().err


def test_folds_hold_out_each_row_once_in_each_repeat_and_keep_the_shares_of_classes():
    _, y = BY_NAME["wine"].load()
    splits = list(folds(BY_NAME["wine"], y, 2))
    assert len(splits) == 6
    assert np.bincount(np.concatenate([test for _, test in splits])).tolist() == [2] * len(y)
    for train, test in splits:
        assert not set(train) & set(test)
        np.testing.assert_allclose(np.bincount(y[test]) / len(test), np.bincount(y) / len(y), atol=0.02)


def test_targets_and_columns_are_scaled_by_training_rows_alone():
    x, y = BY_NAME["diabetes"].load()
    train = np.arange(300)
    target, columns = standardized(BY_NAME["diabetes"], y, train), numbers().fit(x.iloc[train]).transform(x)
    np.testing.assert_allclose([target[train].mean(), target[train].std()], [0, 1], atol=1e-12)
    np.testing.assert_allclose(columns[train].mean(axis=0), 0, atol=1e-12)
    assert abs(target.mean()) > 1e-3


def test_the_interval_is_that_of_paired_differences():
    mean, spread = interval([1.0, 2.0, 3.0, 4.0])
    assert mean == 2.5
    assert spread == pytest.approx(3.182446 * np.std([1, 2, 3, 4], ddof=1) / 2, rel=1e-6)


@pytest.mark.parametrize("module", ["bench.tables", "bench.tables.presets"])
def test_the_quick_mode_runs(module):
    command = [sys.executable, "-m", module, "--quick", "--tables", "wine", "diabetes"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [row for row in done.stdout.splitlines() if row.startswith(("| wine", "| diabetes"))]
    assert len(rows) == 2
