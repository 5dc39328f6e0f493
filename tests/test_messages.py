"""Messages of the core, which people read in C++ and in Python."""

import re
from pathlib import Path

import pytest

CORE = Path(__file__).parents[1] / "csrc"
ROOMS = ("base", "kernels", "graph", "plan", "nn", "optim", "train", "eager", "io")
# What nobody writes in C++.
PYTHON = re.compile(
    r"\b(None|True|False|bp|np|dict|tuple|kwargs)\b|\.astype|\.reshape\(|\w=(True|False|None)\b|\[None\]|\*\w+\)"
)


def texts():
    """Whole literals of calls that fail, with their place."""
    for room in ROOMS:
        for path in sorted(path for path in (CORE / room).rglob("*") if path.suffix in (".cc", ".h")):
            for call in re.findall(r"(?:fail|message|_error)\((.*?)\);", path.read_text(), re.S):
                yield path.name, " ".join(re.findall(r'"((?:[^"\\]|\\.)*)"', call))


def test_messages_of_the_core_speak_no_python():
    if not CORE.is_dir():
        pytest.skip("the sources are not here")
    said = list(texts())
    assert len(said) > 500
    assert [(name, text) for name, text in said if PYTHON.search(text)] == []
