"""What is forgotten of an op or a function does not compile: recipes without one step, lists with one entry more."""

import shutil
import subprocess

import pytest

from test_recipes import RECIPES, ROOT, apply

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs GCC")

RULES, KERNELS, ROWS = "csrc/graph/elementwise_rules.cc", "csrc/kernels/isa_scalar.cc", "csrc/graph/op_rows.cc"
FUSE, CODEGEN = "csrc/plan/compile/fuse.cc", "csrc/plan/compile/codegen.cc"
COMPOSED = "csrc/graph/update_rules.cc"
# The file that does not compile without the step whose text begins so, and what the compiler says.
LEFT_OUT = {
    '{OpKind::reverse, "reverse"': (ROWS, "one row for each kind"),
    "{.fn = Elementwise::isru,": (KERNELS, "one row for each function"),
    "{.fn = Elementwise::isru_grad,": (KERNELS, "one row for each function"),
    "case Elementwise::isru:": (RULES, "'isru' not handled in switch"),
    "case Elementwise::isru_grad:": (RULES, "'isru_grad' not handled in switch"),
    "else if constexpr (fn == Elementwise::isru)": (KERNELS, "an elementwise function without a kernel"),
    "else if constexpr (fn == Elementwise::isru_grad)": (KERNELS, "an elementwise function without a kernel"),
    "case UpdateRule::sign_sgd:\n      return {&": (KERNELS, "'sign_sgd' not handled in switch"),
    "case UpdateRule::sign_sgd:\n      return {step": (COMPOSED, "'sign_sgd' not handled in switch"),
}
NAMES = "An op: reverse", "An activation: isru", "An optimizer: SignSGD"
STEPS = [step for name in NAMES for step in RECIPES[name]]
CORE = [step for step in STEPS if step.path.startswith("csrc/")]

# A role, or a function of rows, that is new; and rows that lack something.
CHANGED = [
    ("op_row.h", "  lookup,", "  other,\n  lookup,", FUSE, "'other' not handled in switch"),
    ("op_row.h", "  lookup,", "  other,\n  lookup,", CODEGEN, "'other' not handled in switch"),
    ("op_row.h", "  put_label,\n", "  put_label,\n  other,\n", CODEGEN, "'other' not handled in switch"),
    ("op_rows.cc", "batched_slice, {}, slice_moves", "batched_slice", ROWS, "lacks what its role asks for"),
    ("op_rows.cc", "no_flops, batched_slice,", "no_flops, nullptr,", ROWS, "lacks what its role asks for"),
    ("op_rows.cc", "softmax_derivative,", "nullptr,", ROWS, "lacks what its role asks for"),
    ("op_rows.cc", "batched_row, RowFunction::center", "batched_row", ROWS, "lacks what its role asks for"),
]


def compiled(path, root, *more):
    include = ["-I", root / "csrc", "-I", root / "csrc" / "include"]
    flags = ["g++", "-std=c++20", "-fsyntax-only", "-fopenmp", "-Wswitch-enum", "-Werror"]
    done = subprocess.run([*flags, *more, *include, root / path], capture_output=True, text=True)
    return done.returncode == 0, done.stderr.replace("‘", "'").replace("’", "'")


@pytest.mark.slow
@pytest.mark.parametrize("begin", LEFT_OUT)
def test_a_step_that_is_left_out_is_an_error_of_the_compiler(begin, tmp_path):
    path, message = LEFT_OUT[begin]
    (left_out,) = (step for step in CORE if step.body.lstrip().startswith(begin))
    shutil.copytree(ROOT / "csrc", tmp_path / "csrc")
    for step in CORE:
        if step is not left_out:
            apply(step, tmp_path)
    passes, errors = compiled(path, tmp_path)
    assert not passes
    assert message in errors
    apply(left_out, tmp_path)
    assert compiled(path, tmp_path)[0]


@pytest.mark.slow
@pytest.mark.parametrize(("file", "old", "new", "path", "message"), CHANGED)
def test_what_a_list_or_a_row_lacks_is_an_error_of_the_compiler(file, old, new, path, message, tmp_path):
    shutil.copytree(ROOT / "csrc", tmp_path / "csrc")
    changed = tmp_path / "csrc" / "graph" / file
    text = changed.read_text()
    assert text.count(old) == 1
    changed.write_text(text.replace(old, new))
    passes, errors = compiled(path, tmp_path)
    assert not passes
    assert message in errors


@pytest.mark.slow
def test_the_lists_of_rows_compile_where_undefined_behaviour_is_looked_for():
    """GCC takes the address of a function for no constant there."""
    for path in (ROWS, RULES, KERNELS):
        passes, errors = compiled(path, ROOT, "-fsanitize=undefined")
        assert passes, errors
