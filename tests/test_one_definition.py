"""One name, one type: the whole core linked at once, which sees two types of one name in two files.

Each file is compiled on its own, so that a header that a file forgot to include is seen too.
"""

import shutil
from pathlib import Path

import pytest

from conftest import shell

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not all(map(shutil.which, ("cmake", "g++", "gcc-ar"))), reason="needs cmake and GCC"),
]

TWINS = ["namespace n { struct Twin { int a; ~Twin(); }; Twin::~Twin() {} int %s(Twin t) { return t.a; } }",
         "namespace n { struct Twin { double b; ~Twin(); }; double %s(Twin t) { return t.b; } }"]  # fmt: skip
FLAGS = ["-O1", "-flto", "-Werror=odr", "-Werror=lto-type-mismatch"]


def link(folder, *objects):
    shell("g++", *FLAGS, "-fPIC", "-shared", "-fopenmp", *objects, "-o", folder / "whole.so")


def test_no_type_is_defined_twice(tmp_path):
    tools = {"CXX_COMPILER": "g++", "AR": "gcc-ar", "RANLIB": "gcc-ranlib"}
    options = [f"-DCMAKE_{name}={shutil.which(tool)}" for name, tool in tools.items()]
    options += ["-DBACKPASS_UNITY=OFF", "-DBACKPASS_WERROR=ON"]
    shell("cmake", "-S", ROOT, "-B", tmp_path, *options, f"-DCMAKE_CXX_FLAGS_RELEASE={' '.join(FLAGS)}")
    shell("cmake", "--build", tmp_path, "--parallel", "2", "--target", "backpass")
    link(tmp_path, "-Wl,--whole-archive", tmp_path / "libbackpass.a", "-Wl,--no-whole-archive")


def test_two_types_of_one_name_are_seen(tmp_path):
    objects = []
    for number, text in enumerate(TWINS):
        (tmp_path / f"twin{number}.cc").write_text(text % f"use{number}")
        objects.append(tmp_path / f"twin{number}.o")
        shell("g++", *FLAGS, "-fPIC", "-c", tmp_path / f"twin{number}.cc", "-o", objects[-1])
    with pytest.raises(AssertionError, match="odr"):
        link(tmp_path, *objects)
