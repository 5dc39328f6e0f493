"""The documentation: its examples run, and what it quotes and names is there."""

import doctest
import importlib
import inspect
import re
import textwrap
from pathlib import Path

import pytest

import backpass as bp
import reference
from registry import ACTIVATIONS, ALL_LOSSES, using_isa

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
OTHERS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md", "csrc/README.md"]
MAPS = [path for path in [*(ROOT / name for name in OTHERS), *PAGES] if path.is_file()]

if not PAGES:
    pytest.skip("the documentation is not here", allow_module_level=True)


def text_of(page):
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def prose(text):
    """Without code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def named(text):
    """What stands between single backticks."""
    return set(re.findall(r"`([^`\n]+)`", prose(text)))


def by_page(pages):
    return {"argvalues": pages, "ids": [str(path.relative_to(ROOT)).removeprefix("docs/") for path in pages]}


# Examples.

# At least; no page may lose them unnoticed.
EXAMPLES = {"mathematics.md": 60, "plan.md": 15, "extending.md": 25, "training.md": 50}


@pytest.mark.row("D3")
@pytest.mark.parametrize("page", **by_page(PAGES))
def test_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with using_isa(bp.isa()):
        result = doctest.testfile(str(page), module_relative=False)
    assert result.failed == 0
    assert result.attempted >= EXAMPLES.get(page.name, 0)


@pytest.mark.parametrize("page", **by_page(PAGES))
def test_every_block_of_examples_is_python(page):
    """And ends in an empty line, or doctest takes the fence behind it for output."""
    for language, body in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        if body.startswith(">>>"):
            assert language == "python"
            assert body.endswith("\n\n"), f"an empty line is missing behind\n{body}"


# Quotations.


def excerpts():
    found = re.findall(
        r"^`tests/reference\.py`, `(\w+)`:\n\n```python\n(.*?)^```", text_of("mathematics.md"), re.M | re.S
    )
    return [pytest.param(name, textwrap.dedent(body), id=name) for name, body in found]


@pytest.mark.parametrize(("name", "body"), excerpts())
def test_what_is_quoted_stands_in_the_reference(name, body):
    lines = inspect.getsource(getattr(reference, name)).splitlines()
    size = len(body.splitlines())
    windows = ("\n".join(lines[i : i + size]) for i in range(len(lines) - size + 1))
    assert body.strip("\n") in map(textwrap.dedent, windows)


def test_every_equation_is_quoted():
    quoted = {param.values[0] for param in excerpts()}
    assert quoted >= {"dense_forward", "activation_backward", "dense_backward", "backward", "half_mse", "sgd"}


def first_cells(heading):
    """The names in the first column of the table below a heading."""
    section = text_of("mathematics.md").partition(f"\n{heading}\n")[2].partition("\n# ")[0].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def test_the_tables_hold_every_activation_and_loss():
    assert first_cells("# Activations") == {*ACTIVATIONS}
    assert first_cells("# Losses") == {type(case.make()).__name__ for case in ALL_LOSSES}


def test_what_is_explained_of_a_plan_stands_in_the_plan():
    """`relu@0:1024`: a value, where it lies, how large it is."""
    text = text_of("plan.md")
    places = {name for name in named(text) if re.fullmatch(r"[\w .]+@(\w+\+)?\d+:\d+", name)}
    printed = " ".join(re.findall(r"^```python.*?^```", text, re.M | re.S))
    assert len(places) > 8
    assert [place for place in places if f" {place}" not in printed] == []


# Names.


@pytest.mark.parametrize("page", **by_page(MAPS))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text(encoding="utf-8"))):
        if not re.match(r"https?:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target


def anchors(text):
    """What links to headings call them: lower case, spaces as hyphens, other marks dropped."""
    headings = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", **by_page(MAPS))
def test_links_to_headings_lead_to_one(page):
    for target, anchor in re.findall(r"\]\(([^)\s#]*)#([^)\s]+)\)", prose(page.read_text(encoding="utf-8"))):
        if not re.match(r"https?:", target):
            there = page.parent / target if target else page
            assert anchor in anchors(there.read_text(encoding="utf-8")), f"{target}#{anchor}"


def exists(path):
    """A path from the root, or as the maps of the core and of the benchmarks have it; with * for anything."""
    return any(next(folder.glob(path), None) for folder in (ROOT, ROOT / "csrc", ROOT / "bench"))


@pytest.mark.parametrize("page", **by_page(MAPS))
def test_files_that_are_named_exist(page):
    """`csrc/plan/compile/fuse.cc`, or within csrc/ `plan/compile/fuse.cc`; not those that a recipe makes."""
    text = page.read_text(encoding="utf-8")
    made = set(re.findall(r"^New file `([^`]+)`:", text, re.MULTILINE))
    for name in named(text) - made:
        if re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/([\w*-]+\.(h|cc|c|py|pyi|md|cmake|txt))?", name):
            assert exists(name.rstrip("/")), name


@pytest.mark.parametrize("page", **by_page(MAPS))
def test_functions_that_are_named_exist(page):
    """`bp.gradcheck`, `reference.forward`, `model.backprop`, and tests as `tests/test_x.py::test_y`."""
    owners = {"bp": bp, "reference": reference, "model": bp.Sequential, "trainer": bp.Trainer}
    for name in named(page.read_text(encoding="utf-8")):
        if match := re.match(r"(\w+)\.(?!cc\b|h\b)(\w+)\b(?!\.)", name):
            owner, member = match.groups()
            assert owner not in owners or hasattr(owners[owner], member), name
        if match := re.fullmatch(r"(tests/test_\w+\.py)::(test_\w+)", name):
            assert f"def {match[2]}(" in (ROOT / match[1]).read_text(encoding="utf-8"), name


# What each trap is shown by: rows of the list of capabilities.
TRAPS = {"Is backpropagation": "A27", "Must everything": "A29", "Does backward": "A3", "Is the update": "A6"}


@pytest.mark.row("D13")
@pytest.mark.parametrize("trap", TRAPS)
def test_the_four_traps_lead_to_tests_of_their_rows(trap):
    text = text_of("mathematics.md").partition("\n# Four traps\n")[2].partition("\n# ")[0]
    paragraphs = [part for part in text.split("\n\n") if part.strip().startswith("**")]
    assert len(paragraphs) == len(TRAPS)
    (paragraph,) = (part for part in paragraphs if part.strip().startswith(f"**{trap}"))
    named = re.findall(r"`tests/(test_\w+)\.py::(test_\w+)`", paragraph)
    assert any(TRAPS[trap] in rows_of(importlib.import_module(module), test) for module, test in named)


def rows_of(module, test):
    """The marks of a test, and of its module."""
    marks = [*getattr(getattr(module, test), "pytestmark", []), *as_list(getattr(module, "pytestmark", []))]
    return {row for mark in marks if mark.name == "row" for row in mark.args}


def as_list(value):
    return value if isinstance(value, list) else [value]
