"""The tests that are written in C++: file formats, and damage that they must survive; states of training."""

import pytest

from conftest import shell

pytestmark = pytest.mark.slow

NAMES = [
    "test_crew",
    "test_handles",
    "test_io",
    "test_metrics",
    "test_model_file",
    "test_numbers",
    "test_own_training",
    "test_states",
]


@pytest.mark.parametrize("name", NAMES)
def test_cpp(core_build, name):
    shell(core_build / "tests" / "cpp" / name)
