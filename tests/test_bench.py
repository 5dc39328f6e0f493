"""The benchmark: what it proves before it times, what it writes. Nothing here depends on how long anything took."""

import json
import os
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import backpass as bp

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "bench" / "train").is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.append(str(ROOT))

from bench.around.memory import measure as memory_of  # noqa: E402
from bench.gemm import cases as products  # noqa: E402
from bench.gemm.contender import load_contender as load_product  # noqa: E402
from bench.gemm.verify import error_of, tolerance  # noqa: E402
from bench.machine import higher, working_sets  # noqa: E402
from bench.measure import Effort, Timing, interleaved, paired  # noqa: E402
from bench.outcome import disturbed, is_asked_for  # noqa: E402
from bench.size.run import Swept  # noqa: E402
from bench.size.sweeps import SWEEPS, windows  # noqa: E402
from bench.table import Table  # noqa: E402
from bench.train.cases import CASES, Problem, make_problem  # noqa: E402
from bench.train.contender import load_contender  # noqa: E402
from bench.train.contest import hold  # noqa: E402
from bench.train.verify import Reference, prove  # noqa: E402


def bench(*arguments, module="bench", cwd=ROOT):
    folders = [str(Path(bp.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))},
        timeout=120,
    )


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """One case of each task, with one peer that every installation has."""
    folder = tmp_path_factory.mktemp("bench")
    options = ["--quick", "--threads", 1, "--peers", "numpy", "--json", folder / "out.json"]
    options += [
        "--markdown",
        folder / "out.md",
        *(["--picture", folder / "out.png"] if find_spec("matplotlib") else []),
    ]
    names = ["tiny-xor", "float32-dW-128x128x128", "depth", "overhead", "scalar"]
    return folder, bench("all", *options, "--cases", *names)


def test_all_tasks_write_what_they_measured(everything):
    folder, result = everything
    assert result.returncode == 0, result.stderr
    book = json.loads((folder / "out.json").read_text())
    assert book["environment"]["threads"] == 1
    assert book["environment"]["versions"]["numpy"] == np.__version__
    assert {*book["limits"]["bandwidth"]} == {"L1", "L2", "L3", "memory"}
    case = book["train"]["tiny-xor"]
    assert case["best_peer"] == "numpy"
    assert case["flops"] > 0
    assert case["contenders"]["backpass-step"]["status"] == "equal"
    assert {*case["scaling"]} == {"1", "default"}
    assert {*book["gemm"]["float32-dW-128x128x128"]["timings"]} == {"backpass-call", "backpass-plan", "numpy"}
    assert [*book["size"]["depth"]["timings"]["backpass-fit"]][:3] == ["1", "2", "3"]
    assert {*book["around"]["overhead"]["online"]} == {"ratio", "native", "python"}
    assert {*book["functions"]["scalar"]["timings"]} == {"backpass"}
    beside = book["neighbours"]["tiny-xor"]
    assert [*beside] == ["1", "2"]
    assert {*beside["1"]["speedups"]} == {"step", "predict", "by hand", "fit"}


def test_the_tables_are_written_as_markdown(everything):
    text = (everything[0] / "out.md").read_text()
    for words in (bp.isa(), np.__version__, "| tiny-xor |", "| float32-dW-128x128x128 |", "| speedup |"):
        assert words in text


def test_each_task_has_a_picture(everything):
    pytest.importorskip("matplotlib")
    for task in ("train", "gemm", "size", "neighbours", "functions", "around"):
        assert (everything[0] / f"out-{task}.png").read_bytes().startswith(b"\x89PNG")


def test_equality_is_proven_without_timing():
    result = bench("train", "--check", "--threads", 1, "--peers", "numpy", "--cases", "online", "rl-64")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("equal") == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--cases", "no-such"], "unknown cases: no-such"),
        (["gemm", "--peers", "fortran"], "unknown peers: fortran"),
        (["train", "--threads", "0"], "--threads"),
        (["train", "--json", "no/such/folder/out.json"], "out.json is no file that could be written"),
        (["train", "--redraw", Path(__file__)], "test_bench.py is no file that backpass bench --json has written"),
        (["fly"], "fly"),
    ],
)
def test_mistakes_end_before_anything_is_measured(arguments, words):
    result = bench(*arguments)
    assert result.returncode != 0
    assert words in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(find_spec("backpass.bench") is None, reason="the package lies in its sources")
def test_the_installed_package_has_the_command(tmp_path):
    result = bench("bench", "gemm", "--check", "--threads", 1, "--cases", "float64-dX-128x128x128", "--peers", "numpy",
                   module="backpass", cwd=tmp_path)  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "equal" in result.stdout


# What is wrong is seen.


class Broken(load_contender("numpy")):
    """Makes one mistake, which its name tells."""

    mistake = ""

    def sgd(self):
        self.learning_rate *= 1.1 if self.mistake == "rate" else 1
        super().sgd()

    def backward(self):
        super().backward()
        if self.mistake == "bias":
            self.gradients[1][:] = 0


@pytest.mark.parametrize("mistake", ["", "rate", "bias"])
def test_a_wrong_step_is_not_timed(mistake):
    problem = make_problem(CASES["mnist-small"], 1)
    contender = Broken(problem)
    contender.mistake = mistake
    assert prove(contender, Reference.of(problem, eps_hat=False)).holds == (not mistake)


def test_a_reduced_precision_is_not_taken_for_the_highest():
    problem = make_problem(CASES["tabular"], 1)

    class Rounded(load_contender("numpy")):
        def forward(self):
            for value in self.values:
                value[...] = (value.view(np.uint32) & 0xFFFF0000).view(np.float32)  # bfloat16
            super().forward()

    assert not prove(Rounded(problem), Reference.of(problem, eps_hat=False)).holds


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("storage", products.STORAGES)
def test_products_of_all_are_right(storage, dtype):
    problem = products.make_problem(products.Case(5, 33, 7, storage, dtype), 1)
    a, b = problem.operands()
    for name in ("backpass-call", "backpass-plan", "numpy"):
        contender = load_product(name)(problem)
        contender.run(3)
        assert error_of(problem, contender.result()) <= tolerance(problem)
        np.testing.assert_allclose(contender.result(), a @ b, rtol=1e-4, atol=1e-4)


def test_one_wrong_element_of_a_product_is_seen():
    problem = products.make_problem(products.CASES["float32-forward-128x128x128"], 1)
    a, b = problem.operands()
    right = a @ b
    assert error_of(problem, right) <= tolerance(problem)
    right[17, 5] *= 1.1
    assert error_of(problem, right) > tolerance(problem)


def test_a_product_refuses_arrays_that_do_not_fit():
    a, b = np.zeros((2, 3)), np.zeros((3, 4))
    for out in (np.zeros((2, 5)), np.zeros((2, 4), np.float32), np.zeros((4, 2)).T):
        with pytest.raises(ValueError, match="MatrixProduct"):
            bp._core.MatrixProduct(a, b, out, False, False, "highest", 1)


def test_native_steps_are_those_of_the_trainer(model, data):
    other = deepcopy(model)
    x, y = data
    ours = bp.Trainer(model, bp.CrossEntropy(), bp.SGD(0.1))
    losses = [ours.step(x, y) for _ in range(4)]
    theirs = bp.Trainer(other, bp.CrossEntropy(), bp.SGD(0.1))
    theirs.step(x, y)
    assert bp._core.repeat_step(theirs._native, x, y, 3) == losses[-1]
    np.testing.assert_array_equal(model.flat_parameters, other.flat_parameters)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_limits_are_positive(dtype):
    assert bp._core.fma_peak(dtype, 0.001, 2) > 0
    assert all(bp._core.triad_bandwidth(size, 0.001, 1) > 0 for size in (1, 5000, 1 << 20))
    with pytest.raises(ValueError, match="seconds"):
        bp._core.fma_peak(dtype, 0, 1)


# How it is told.


def timing(*samples):
    return Timing(float(np.median(samples)), min(samples), max(samples), len(samples), 1, samples)


def test_a_slow_round_counts_once_in_a_paired_quotient():
    assert paired(timing(2.0, 200.0, 2.0), timing(1.0, 100.0, 1.0)) == 2


def test_every_round_has_a_sample_of_all():
    steps = {"a": 0, "b": 0}

    def runner(name):
        def run(count):
            steps[name] += count

        return run

    timings = interleaved({name: runner(name) for name in steps}, {"a": 1, "b": 7}, Effort(3, 1e-6, 1.0, 3))
    assert [len(timings[name].samples) for name in steps] == [3, 3]
    assert steps["b"] % 7 == 0  # whole calls


def test_jumps_beyond_the_work_are_named():
    swept = Swept(SWEEPS["width"], ["backpass-fit"], None)
    seconds = {64: 1.0, 65: 1.5, 96: 2.5, 128: 1.5}
    swept.take({("backpass-fit", size): timing(value) for size, value in seconds.items()})
    assert [(before, size) for before, size, _ in swept.cliffs()] == [(64, 65), (96, 128)]


def test_windows_of_sizes_share_their_ends():
    assert windows((1, 2, 3, 4, 5, 6, 7), 4) == [(1, 2, 3, 4), (4, 5, 6, 7)]
    assert windows((1,), 4) == [(1,)]


def test_names_of_peers():
    assert is_asked_for("torch-eager", ["torch"])
    assert is_asked_for("torch", ["torch"])
    assert not is_asked_for("torchlike", ["torch"])


def test_what_others_took_makes_figures_void():
    assert disturbed({"a": 0.01}) == []
    assert "b (20%)" in disturbed({"a": 0.01, "b": 0.2})[0]


def test_limits_are_the_best_that_was_seen():
    assert higher({"fma": {"1": 3.0, "2": 5.0}}, {"fma": {"1": 4.0, "2": 2.0}}) == {"fma": {"1": 4.0, "2": 5.0}}
    sizes = working_sets(2)
    assert sizes["L1"] < sizes["L2"] < sizes["memory"]


def test_a_table_is_the_same_in_markdown(capsys):
    table = Table("Title", ["case", "time"], "Note.").begin()
    table.add("tiny", "1.0")
    table.end()
    assert capsys.readouterr().out.split()[:3] == ["Title", "case", "time"]
    assert table.markdown() == "**Title**\n\n| case | time |\n| --- | ---: |\n| tiny | 1.0 |\n\nNote."


def test_a_contender_that_fails_is_reported_and_the_others_go_on():
    problem = make_problem(CASES["online"], 1)
    broken = replace(problem, y=problem.y[:0])
    assert isinstance(broken, Problem)
    entries = hold(broken, ["numpy"], None).entries
    assert entries["numpy"].status.startswith("failed")


def test_memory_is_measured_in_a_process_of_its_own():
    """Parameters, gradients and two moments of 5.8 million parameters at least."""
    assert 90e6 < memory_of("backpass-step", 1)["bytes"] < 300e6
