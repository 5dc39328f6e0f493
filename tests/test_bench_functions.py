"""The benchmark of transformed functions: its programs are right, and what is wrong is seen."""

import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "bench" / "functions").is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.append(str(ROOT))

from bench.functions.cases import CASES, LEFT_OUT, make_problem  # noqa: E402
from bench.functions.libraries import LIBRARIES, backpass, leaves  # noqa: E402
from bench.functions.programs import loss_of, program  # noqa: E402
from bench.functions.run import TOLERANCE, error_of, hold  # noqa: E402

NUMPY = replace(backpass(), tanh=np.tanh, mean=np.mean)


def test_the_network_of_the_hessian_has_200_parameters():
    assert sum(p.size for p in make_problem(CASES["hessian"]).parameters) == 200


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # which torch.func gives of itself
@pytest.mark.parametrize("name", CASES)
def test_all_libraries_compute_the_same(name):
    names = [library for library in LIBRARIES if find_spec(library) and library not in LEFT_OUT.get(name, ())]
    found = hold(make_problem(CASES[name]), names, None)
    assert not found["wrong"], found["errors"]


def test_gradient_and_hvp_are_central_differences():
    problem = make_problem(CASES["hvp"], "float64")
    gradient = leaves(program(backpass(), replace(problem, case=CASES["gradient"]))())
    loss, step = loss_of(NUMPY), 1e-5
    ends = [[p + sign * step * v for p, v in zip(problem.parameters, problem.vector, strict=True)] for sign in (1, -1)]
    slope = (loss(ends[0], problem.x, problem.y) - loss(ends[1], problem.x, problem.y)) / (2 * step)
    inner = sum(np.sum(g * v) for g, v in zip(gradient, problem.vector, strict=True))
    np.testing.assert_allclose(inner, slope, rtol=1e-6)
    moved = [leaves(program(backpass(), replace(problem, case=CASES["gradient"], parameters=end))()) for end in ends]
    product = leaves(program(backpass(), problem)())
    assert error_of(product, [(a - b) / (2 * step) for a, b in zip(*moved, strict=True)]) < 1e-6


def test_one_wrong_array_is_seen():
    right = [np.ones((2, 3)), np.ones(4)]
    assert error_of(right, right) == 0
    assert error_of([right[0], 1.01 * right[1]], right) > TOLERANCE
    assert error_of(right[:1], right) == np.inf
    assert not error_of([right[0], np.full(4, np.nan)], right) <= TOLERANCE
