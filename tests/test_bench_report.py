"""What the benchmark's tables say: speedups, of which larger is better."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "bench" / "train").is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.append(str(ROOT))

from bench.measure import Timing  # noqa: E402
from bench.neighbours.run import Found  # noqa: E402
from bench.table import times_as_fast  # noqa: E402
from bench.train.cases import CASES  # noqa: E402
from bench.train.contest import Entry, Result  # noqa: E402
from bench.train.report import contest_row  # noqa: E402
from bench.train.run import too_slow  # noqa: E402
from bench.train.scaling import default_against_best  # noqa: E402


def timing(seconds):
    return Timing(seconds, seconds, seconds, 1, 1, (seconds,))


@pytest.fixture
def result():
    seconds = {"backpass-step": 3.0, "backpass-fit": 2.0, "numpy": 4.0, "jax-jit": 5.0}
    return Result(CASES["online"], {name: Entry("equal", timing=timing(value)) for name, value in seconds.items()})


def test_a_lost_case_says_so():
    assert times_as_fast(2) == "2.00x"
    assert times_as_fast(0.998) == "1.00x"
    assert times_as_fast(0.8) == "0.80x lost"
    assert times_as_fast(None) == "-"


def test_a_speedup_is_the_time_of_the_best_peer_by_ours(result):
    assert result.speedup == 2
    assert contest_row(result, [*result.entries])[-2:] == ["numpy", "2.00x"]


def test_the_greatest_ratio_is_one_of_times(result):
    assert too_slow([result], 0.5) == []
    assert len(too_slow([result], 0.4)) == 1


def test_the_default_is_held_against_the_best_number_of_threads():
    assert default_against_best({"1": timing(4.0), "2": timing(3.0), "default": timing(6.0)}) == 0.5


def test_loops_beside_busy_processes_are_held_against_one_thread():
    many, one = timing(2.0), timing(1.0)
    found = Found({"step": (many, one)}, {"numpy": timing(6.0)})
    assert found.as_json()["speedups"] == {"step": 0.5}
    assert found.against_peers() == 3
