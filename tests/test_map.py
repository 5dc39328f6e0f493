"""csrc/README.md: the map has every file of the core, in its folder, once, and nothing else."""

import re
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parent.parent / "csrc"
if not CORE.is_dir():
    pytest.skip("the sources are not here", allow_module_level=True)

MAP = (CORE / "README.md").read_text(encoding="utf-8")
FILES = sorted(str(path.relative_to(CORE)) for path in CORE.rglob("*") if path.is_file() and path.name != "README.md")


def mapped():
    """The files of the map: those in the first column of the table below the heading of a folder."""
    sections = re.findall(r"^### `(.+?)/`\n(.*?)(?=^#|\Z)", MAP, re.MULTILINE | re.DOTALL)
    for folder, section in sections:
        for cells in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE):
            yield from (name if folder == "csrc" else f"{folder}/{name}" for name in re.findall(r"`([^`]+)`", cells))


def test_the_map_has_every_file_once_and_nothing_else():
    assert sorted(mapped()) == FILES


def test_every_entry_says_what_it_holds():
    lines = re.findall(r"^\| `[^|]+ \|(.*)\|$", MAP.partition("\n## Files\n")[2], re.MULTILINE)
    assert len(lines) > 100
    assert all(line.strip() for line in lines)


def test_the_glossary_is_in_order():
    words = re.findall(r"^\| (\w+) \|", MAP.partition("\n## Glossary\n")[2].partition("\n## ")[0], re.MULTILINE)[1:]
    assert words == sorted(words)
    assert {"lane", "stage", "cluster", "settle", "narrow", "floor", "team", "crew", "spare"} <= {*words}
