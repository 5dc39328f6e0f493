"""mutate.py knows every derivative rule and update kernel; and, where asked for, that the suite notices some of them.

BACKPASS_MUTATE=2 builds all and tries two of them, chosen anew each day; `python tests/mutate.py` tries all.
"""

import datetime
import os
import random
import re

import pytest

import mutate

SITES = mutate.find_sites()
NAMES = {site.name for site in SITES}
CSRC = mutate.ROOT / "csrc"


def enumerators(path, enum):
    """The names in `enum class X : ... { ... };`, in order."""
    body = re.search(rf"enum class {enum}\b.*?\{{(.*?)\}};", (CSRC / path).read_text(), re.DOTALL)[1]
    return re.findall(r"\w+", re.sub(r"//.*", "", body))


# Constant almost everywhere; and `copy`, which is made while a graph is compiled, when it has been differentiated.
FLAT = {
    *("sign", "step", "copy", "floor", "ceil", "round", "trunc", "isnan", "isinf", "isfinite"),
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
    *("logical_and", "logical_or", "logical_xor", "logical_not"),
}
# Kinds through which nothing flows: leaves, numbers that are drawn, choices.
ROWS = re.findall(
    r'\{OpKind::(\w+), "[^;]*?\b(nothing_flows|\w+_derivatives?),', (CSRC / "graph/op_rows.cc").read_text()
)
LEAVES = {kind for kind, rule in ROWS if rule == "nothing_flows"}


def test_every_elementwise_function_has_mutants():
    functions = enumerators("include/backpass/elementwise.h", "Elementwise")
    assert len(functions) > 30
    for function in functions:
        rules = {name for name in NAMES if re.fullmatch(rf"d {function}(, input \d)?", name)}
        assert rules or function in FLAT, function
        if function in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
            assert len(rules) == 2 or function == "add"
    for function in functions:
        if function.endswith("_grad"):
            assert f"kernel {function}" in NAMES, function


def test_every_kind_of_op_has_mutants():
    for kind in enumerators("graph/op.h", "OpKind"):
        if kind not in LEAVES | {"elementwise"}:
            assert any(name == f"d {kind}" or name.startswith(f"d {kind}, ") for name in NAMES), kind


def test_every_update_kernel_has_mutants_of_every_value():
    names = re.findall(r"^void (\w+)\(Updated<T> weight", (CSRC / "kernels/update-inl.h").read_text(), re.MULTILINE)
    assert set(names) - {"with_moments"} == set(enumerators("kernels/table.h", "UpdateRule"))
    for kernel in names:
        shared = kernel in ("adam", "amsgrad", "nadam", "radam")  # most of these is in with_moments
        assert sum(name.startswith(f"update {kernel},") for name in NAMES) >= (1 if shared else 4)


def test_sites_are_distinct_and_every_change_is_one():
    assert len(NAMES) == len(SITES)
    for site in SITES:
        source = (mutate.ROOT / site.path).read_text()
        kinds = [kind for kind, _ in site.changes]
        assert len(set(kinds)) == len(kinds) >= 1
        for _, text in site.changes:
            assert text != source[site.begin : site.end]
            for left, right in ("()", "{}", "[]"):
                assert text.count(left) - text.count(right) == 0, text


def test_every_change_is_one_number_of_the_choices():
    choices = "".join(mutate.with_choices().values())
    numbers = [int(number) for number in re.findall(r"backpass_mutant == (\d+) ", choices)]
    assert sorted(numbers) == list(mutate.mutants(SITES))


@pytest.mark.skipif("BACKPASS_MUTATE" not in os.environ, reason="set BACKPASS_MUTATE to a number of mutants to try")
def test_mutants_are_caught(tmp_path):
    every = mutate.mutants(SITES)
    numbers = random.Random(str(datetime.date.today())).sample(list(every), int(os.environ["BACKPASS_MUTATE"]))
    workshop = mutate.Workshop(tmp_path)
    workshop.build()
    assert workshop.passes(0)
    assert mutate.try_all({number: every[number] for number in numbers}, workshop) == []
