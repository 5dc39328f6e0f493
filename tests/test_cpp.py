"""The tests that are written in C++: file formats, and damage that they must survive; states of training."""

import pytest

from conftest import CORE_TESTS, shell

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", CORE_TESTS)
def test_cpp(core_build, name):
    shell(core_build / "tests" / "cpp" / name)
