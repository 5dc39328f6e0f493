"""Every public function by every hostile input: each call ends by itself, with a result or an error that is ours.

Each runs in a child process, several one after the other (`hostile/`). A model used beforehand predicts the same bits
after each of them. Some pairs run always, all of them at night.
"""

import zlib

import pytest

from hostile import runner, surface
from hostile.arguments import EVERY
from hostile.expected import EXPECTED

ALWAYS = ("None", "-1", "2**62", "10**30", "raising __array__")
ONE_IN = 6  # of the others


def is_quick(case):
    return case[1] != EVERY and (
        case[2] in (*ALWAYS, "") or zlib.crc32(" ".join(case).encode("utf-8", "replace")) % ONE_IN == 0
    )


def problems(cases):
    """What is wrong, a line each; without what is known."""
    wrong = runner.run_all(cases)
    known = {case for case in wrong if any(all(map(matches, case, entry)) for entry in EXPECTED)}
    return [f"{' | '.join(case)}: {said}" for case, said in wrong.items() if case not in known]


def matches(text, wanted):
    return wanted in (text, "*")


def test_hostile_inputs():
    assert not problems([case for case in surface.cases() if is_quick(case)])


@pytest.mark.nightly
def test_all_hostile_inputs():
    assert not problems([case for case in surface.cases() if not is_quick(case)])


def test_what_ends_or_stops_a_child_is_known(monkeypatch):
    monkeypatch.setattr(runner, "SILENCE", 2)
    good = ("cpu_info", "", "")
    wrong = runner.run([good, ("test: abort", "", ""), good, ("test: stop", "", ""), ("test: error", "", ""), good])
    assert wrong[("test: abort", "", "")].startswith("ends the process: -6")
    assert wrong[("test: stop", "", "")] == "hangs: silent for 2 s"
    assert wrong[("test: error", "", "")] == "SystemError: of the test"
    assert len(wrong) == 3
