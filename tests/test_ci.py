"""The script that runs the suite from nothing: what it may go on without, and what not."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "run"

if not SCRIPT.is_file() or not shutil.which("bash"):
    pytest.skip("the script is not here", allow_module_level=True)

# Stands for every program: notes what it was asked for, and fails where that begins with $REFUSED.
PROGRAM = """#!/bin/sh
asked="$(basename "$0") $*"
echo "$asked" >> "$LOG"
case "$asked" in "$REFUSED"*) exit 1 ;; esac
if [ "$1 $2" = "-m venv" ]; then mkdir -p "$3/bin" && : > "$3/bin/activate"; fi
"""


def run(folder, refused, **variables):
    """The exit status, and what was run."""
    for name in ("python3", "python", "pip", "ruff", "mypy", "apt-get"):
        (folder / name).write_text(PROGRAM)
        (folder / name).chmod(0o755)
    log = folder / "log"
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", SCRIPT], env={"PATH": path, "LOG": str(log), "REFUSED": refused, **variables}, capture_output=True
    )
    return done.returncode, log.read_text()


@pytest.mark.row("C3")
@pytest.mark.parametrize("refused", ["pip install --quiet torch", "ruff check", "mypy", "python -m pytest"])
def test_in_ci_nothing_that_proves_something_may_be_missing(tmp_path, refused):
    status, asked = run(tmp_path, refused, CI="true")
    assert status != 0
    assert asked.splitlines()[-1].startswith(refused)


@pytest.mark.row("C3")
def test_in_ci_the_comparisons_are_installed_before_the_tests_run(tmp_path):
    status, asked = run(tmp_path, "nothing", CI="true")
    assert status == 0
    assert -1 < asked.find("pip install --quiet torch") < asked.find("python -m pytest")


def test_at_home_the_comparisons_are_left_out(tmp_path):
    status, asked = run(tmp_path, "nothing")
    assert status == 0
    assert "torch" not in asked
    assert "python -m pytest" in asked
