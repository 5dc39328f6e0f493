"""Crews under ThreadSanitizer, on threads that it can see: libgomp's it cannot."""

import shutil
from pathlib import Path

import pytest

from conftest import shell

pytestmark = pytest.mark.nightly


def test_two_workers_have_no_race(tmp_path):
    if not shutil.which("cmake") or not shutil.which("c++"):
        pytest.skip("needs cmake and a C++ compiler")
    flags = "-fsanitize=thread -g -DBACKPASS_PLAIN_THREADS"
    options = [
        "-DBACKPASS_BUILD_TESTS=ON",
        f"-DCMAKE_CXX_FLAGS={flags}",
        "-DCMAKE_CXX_FLAGS_RELEASE=-O1",
        "-DCMAKE_EXE_LINKER_FLAGS=-fsanitize=thread",
    ]
    shell("cmake", "-S", Path(__file__).resolve().parent.parent, "-B", tmp_path, *options)
    shell("cmake", "--build", tmp_path, "--parallel", "2", "--target", "test_crew")
    shell("env", "TSAN_OPTIONS=halt_on_error=1", tmp_path / "tests" / "cpp" / "test_crew")
