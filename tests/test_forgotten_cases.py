"""A kind of op that is forgotten in one place does not compile there: the recipe of an op, with one step left out."""

import shutil
import subprocess
from collections import defaultdict

import pytest

from test_recipes import RECIPES, ROOT, apply

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs GCC")

STEPS = [step for step in RECIPES["An op: reverse"] if step.path.startswith("csrc/")]
CASES = [step for step in STEPS if step.body.lstrip().startswith("case ")]
FLAGS = ["g++", "-std=c++20", "-fsyntax-only", "-fopenmp", "-Wswitch-enum", "-Werror"]


def compiled(path, root):
    include = ["-I", root / "csrc", "-I", root / "csrc" / "include"]
    return subprocess.run([*FLAGS, *include, root / path], capture_output=True, text=True)


def test_the_places_are_those_that_tell_kinds_apart():
    by_file = defaultdict(int)
    for step in CASES:
        by_file[step.file_name] += 1
    assert by_file == {"tensor.cc": 1, "gradients.cc": 1, "codegen.cc": 1, "role.cc": 1, "lower_calls.cc": 1,
                       "layer_info.cc": 1, "graph_json.cc": 1, "graph_build.cc": 1}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("left_out", CASES, ids=lambda step: f"{step.file_name} {step.anchor}")
def test_one_that_is_left_out_is_an_error_of_the_compiler(left_out, tmp_path):
    shutil.copytree(ROOT / "csrc", tmp_path / "csrc")
    for step in STEPS:
        if step is not left_out:
            apply(step, tmp_path)
    done = compiled(left_out.path, tmp_path)
    assert done.returncode != 0
    assert "'reverse' not handled in switch" in done.stderr.replace("‘", "'").replace("’", "'")
    apply(left_out, tmp_path)
    assert compiled(left_out.path, tmp_path).returncode == 0
