"""The list of capabilities in rows.txt: which rows have tests, which have none."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def listed():
    """The rows of each section, in order."""
    text = re.sub(r"^#.*\n", "", (HERE / "rows.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = re.findall(r"^\[(\w[\w ]*):.*\]\n([^\[]*)", text, re.MULTILINE)
    return {name: body.split() for name, body in sections}


def marked():
    """The rows that tests name, by file."""
    marks = {}
    for path in HERE.glob("test_*.py"):
        for arguments in re.findall(r"mark\.row\(([^)]*)\)", path.read_text(encoding="utf-8")):
            for row in re.findall(r'"([^"]*)"', arguments):
                marks.setdefault(row, []).append(path.name)
    return marks


LISTED, MARKED = listed(), marked()


def test_every_row_stands_in_one_section():
    assert [*LISTED] == ["shown", "in part", "benchmark", "context", "missing"]
    rows = [row for section in LISTED.values() for row in section]
    assert len(rows) == len({*rows})
    assert all(re.fullmatch(r"[A-Z]\d+", row) for row in rows)


@pytest.mark.parametrize("section", ["shown", "in part"])
def test_rows_that_are_shown_have_tests(section):
    assert [row for row in LISTED[section] if row not in MARKED] == []


def test_rows_of_other_sections_have_none():
    """A test that shows a row moves it up."""
    others = [*LISTED["benchmark"], *LISTED["context"], *LISTED["missing"]]
    assert {row: MARKED[row] for row in others if row in MARKED} == {}


def test_marks_name_rows_of_the_list():
    known = {row for section in LISTED.values() for row in section}
    assert {row: files for row, files in MARKED.items() if row not in known} == {}


def test_rows_without_a_test_are_told(record_property):
    """Listed here, so that they are seen: with -rP the run prints them."""
    record_property("rows without a test", " ".join(LISTED["missing"]))
    print("in part:", *LISTED["in part"])
    print("no test yet:", *LISTED["missing"])
