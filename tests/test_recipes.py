"""The recipes of docs/extending.md, applied to a copy of the sources: each step has its place, and the result works."""

import ast
import os
import platform
import re
import runpy
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from conftest import shell

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "extending.md"
COPIED = ("csrc", "python", "tests", "CMakeLists.txt")

if not PAGE.is_file():
    pytest.skip("the documentation is not here", allow_module_level=True)


@dataclass(frozen=True)
class Step:
    """What one step of a recipe says: the text `body` comes `place` ("after", ...) the anchor; "new" makes a file."""

    path: str
    place: str
    anchor: str
    body: str

    @property
    def file_name(self):
        return self.path.rpartition("/")[2]


FENCE = r"\n\n```\w+\n(.*?)```$"
INSERTION = re.compile(r"^In `(\S+)`, (after|before|in place of) `([^`]+)`:" + FENCE, re.MULTILINE | re.DOTALL)
NEW_FILE = re.compile(r"^New file `(\S+)`:" + FENCE, re.MULTILINE | re.DOTALL)


def steps_of(page):
    """The steps in order, by recipe: the headings of the second level."""
    recipes = {}
    for section in page.partition("\n# In the core\n")[2].split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        found = [(m.start(), Step(m[1], m[2], m[3], m[4])) for m in INSERTION.finditer(text)]
        found += [(m.start(), Step(m[1], "new", "", m[2])) for m in NEW_FILE.finditer(text)]
        recipes[title] = [step for _, step in sorted(found, key=lambda pair: pair[0])]
    return recipes


RECIPES = steps_of(PAGE.read_text(encoding="utf-8"))
STEPS = [step for steps in RECIPES.values() for step in steps]


def applied(step, text):
    """The text of a file after a step; its anchor stands there once."""
    count = text.count(step.anchor)
    assert count == 1, f"{step.path}: {step.anchor!r} stands there {count} times"
    if step.place == "in place of":
        return text.replace(step.anchor, step.body.rstrip("\n"))
    begin = text.index(step.anchor)
    at = text.rindex("\n", 0, begin) + 1 if step.place == "before" else text.index("\n", begin) + 1
    return text[:at] + step.body + text[at:]


def apply(step, root):
    path = root / step.path
    if step.place == "new":
        assert not path.exists(), f"{step.path} is there already"
        path.write_text(step.body, encoding="utf-8")
    else:
        path.write_text(applied(step, path.read_text(encoding="utf-8")), encoding="utf-8")


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """The sources with every recipe applied."""
    root = tmp_path_factory.mktemp("extended")
    unwanted = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, root / name)
    for step in STEPS:
        apply(step, root)
    return root


# What the page says.


def test_every_code_block_is_a_step():
    """None is overlooked because its sentence is written in another way."""
    core = PAGE.read_text(encoding="utf-8").partition("\n# In the core\n")[2]
    assert len(STEPS) == core.count("\n```") / 2
    assert {title.partition(":")[0] for title in RECIPES} == set(MOST_FILES)


# How many files of core, Python and tests each kind of thing may touch: the places that cannot be one.
MOST_FILES = {
    "An activation": 6,
    "An op": 9,
    "A layer": 4,
    "A loss": 5,
    "An optimizer": 8,
    "A schedule": 4,
    "A metric": 3,
    "An instruction set": 4,
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_touches_few_files(recipe):
    files = {step.path for step in RECIPES[recipe]}
    assert len(files) <= MOST_FILES[recipe.partition(":")[0]], sorted(files)


INSERTIONS = [step for step in STEPS if step.place != "new"]


@pytest.mark.parametrize("step", INSERTIONS, ids=lambda step: f"{step.file_name} {step.anchor}")
def test_the_place_stands_once_in_the_file_as_it_is(step):
    applied(step, (ROOT / step.path).read_text(encoding="utf-8"))


def test_python_files_remain_python(extended):
    for path in {step.path for step in STEPS if step.path.endswith((".py", ".pyi"))}:
        ast.parse((extended / path).read_text(encoding="utf-8"), path)


def names(pattern, ending):
    """What steps for files of this ending declare."""
    return {name for step in STEPS if step.path.endswith(ending) for name in re.findall(pattern, step.body)}


def test_the_stub_and_the_bindings_gain_the_same_names():
    bound = names(r'(?:m\.def|unary)\(\s*"(\w+)"', "bindings/shapes.cc")
    bound |= names(r'(?s)\.name = "(\w+)"[^}]*?\.doc', "elementwise.h")
    assert bound == names(r"^def (\w+)", ".pyi") == {"isru", "reverse"}


@pytest.mark.parametrize("name", ["isru", "cauchy"])
def test_derivatives_of_the_reference_equal_differences(extended, name):
    reference = runpy.run_path(str(extended / "tests" / "reference.py"))
    z = np.array([[-30.0, -1.3, 0.2, 2.5, 40.0]])
    if name == "isru":
        f, slope = (lambda z: reference["isru"](z).sum()), reference["isru_derivative"](z)
    else:
        f, slope = (lambda z: reference["cauchy"](z, z - z)[0]), reference["cauchy"](z, z - z)[1]
    np.testing.assert_allclose(slope, reference["numerical_gradient"](f, z), rtol=0, atol=1e-11)


# What comes out.


@pytest.fixture(scope="module")
def program(extended, tmp_path_factory):
    """tests/recipes/check.cc with the extended core; at -O1, which changes no bit. Warnings are errors."""
    if "BACKPASS_RECIPES" not in os.environ:
        pytest.skip("set BACKPASS_RECIPES=1 to build what they add: that takes minutes")
    if not shutil.which("cmake") or not shutil.which("c++"):
        pytest.skip("needs cmake and a C++ compiler")
    folder = tmp_path_factory.mktemp("extended_build")
    shell("cmake", "-S", extended, "-B", folder, "-DBACKPASS_WERROR=ON", "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG")
    shell("cmake", "--build", folder, "--parallel", "2", "--target", "backpass")
    include, source = extended / "csrc" / "include", ROOT / "tests" / "recipes" / "check.cc"
    flags = ["-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", "-fopenmp"]
    shell("c++", *flags, "-I", include, source, folder / "libbackpass.a", "-o", folder / "check")
    return folder / "check"


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_what_a_recipe_adds_works(program, recipe):
    name = recipe.rpartition(": ")[2]
    if name == "zen" and platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("an instruction set of x86-64")
    print(shell(program, name))
