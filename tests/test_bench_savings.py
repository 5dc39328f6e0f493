"""What the benchmarks of the gradient compare: counted, and right. Nothing here depends on how long anything took."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "bench" / "around").is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.append(str(ROOT))

from bench.around import loop, naive, phases  # noqa: E402
from bench.measure import Effort  # noqa: E402

SHORT = Effort(2, 1e-6, 0.01, 2)


@pytest.mark.row("A18")
@pytest.mark.parametrize("width", [8, 83])
def test_the_naive_gradient_takes_a_forward_for_each_parameter(width):
    found = naive.measure(width, SHORT)
    assert found["forwards"] == found["parameters"] + 1
    assert 1e-6 < found["errors"]["naive"] < naive.TOLERANCE  # it is the same gradient, and another computation
    table = naive.table()
    assert len(naive.row(found)) == len(table.columns)


@pytest.mark.row("A18")
def test_the_sizes_go_from_a_hundred_parameters_to_a_hundred_thousand():
    sizes = [naive.Contest(width).model.n_parameters for width in naive.WIDTHS.values()]
    np.testing.assert_allclose(sizes, [*naive.WIDTHS], rtol=0.05)
    assert [*naive.WIDTHS] == [100, 1_000, 10_000, 100_000]


@pytest.mark.row("A19")
def test_phases_are_told_apart():
    found = [phases.measure(width, 2) for width in (32, 64)]
    assert [one["parameters"] for one in found] == [4 * 33 * 32, 4 * 65 * 64]
    assert all(1 < one["flops"] <= 2.1 for one in found)
    assert all(one["forward"] > 0 and one["backward"] > 0 for one in found)
    assert len(phases.row(32, found[0])) == len(phases.table().columns)


@pytest.mark.row("A19")
def test_the_slope_of_a_linear_cost_is_one():
    found = [{"parameters": n, "forward": 2e-9 * n, "backward": 5e-9 * n} for n in (10, 1000, 77777)]
    assert phases.slope(found) == pytest.approx(1, rel=1e-12)


@pytest.mark.row("D8")
@pytest.mark.parametrize("kind", loop.KINDS)
def test_a_loop_over_rows_is_compared_with_one_call(kind):
    found = loop.measure(kind, SHORT)
    assert found["loop"]["steps"] >= 1
    assert found["ratio"] > 0
    assert len(loop.row(kind, found)) == len(loop.table().columns)


def test_an_objective_is_asked_anew_at_every_point(monkeypatch):
    """It remembers the last one: asked for that again, it would compute nothing."""
    contest, count = naive.Contest(8), 0
    evaluate = type(contest.objective)._evaluated

    def counting(self, theta):
        nonlocal count
        count += 1
        return evaluate(self, theta)

    monkeypatch.setattr(type(contest.objective), "_evaluated", counting)
    contest.backprop(3)
    contest.backprop(4)
    assert count == 7
