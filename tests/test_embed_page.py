"""docs/cpp.md: its program is the one in docs/examples/cpp, builds against an installed library, and prints that."""

import re
import shutil
from pathlib import Path

import pytest

import backpass as bp
from conftest import shell

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "examples" / "cpp"

if not FOLDER.is_dir():
    pytest.skip("the documentation is not here", allow_module_level=True)

PAGE = (ROOT / "docs" / "cpp.md").read_text(encoding="utf-8")


def shape_of(text):
    """With a # for every number: digits differ between processors and standard libraries."""
    return re.sub(r"\d+(\.\d+)?(e-\d+)?", "#", text)


def test_the_page_shows_the_program():
    assert f"```cpp\n{(FOLDER / 'circle.cc').read_text(encoding='utf-8')}```\n" in PAGE


@pytest.mark.slow
def test_the_program_builds_runs_and_prints_what_the_page_says(core_prefix, tmp_path, monkeypatch):
    shell("cmake", "-S", FOLDER, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={core_prefix}")
    shell("cmake", "--build", tmp_path)
    monkeypatch.chdir(tmp_path)
    printed = shell(tmp_path / "circle")
    assert f"```\n{shape_of(printed)}```\n" in shape_of(PAGE)
    assert float(re.search(r"test accuracy: (\S+)", printed)[1]) > 0.95
    assert bp.load("circle.safetensors").predict([[0.0, 0.0]]).argmax() == 1


def snippets():
    """What stands in the page as C++ beside the program, as functions of what it has."""
    blocks = re.findall(r"^```cpp\n(.*?)^```", PAGE, re.M | re.S)
    return [block for block in blocks if "int main" not in block]


@pytest.mark.slow
def test_what_else_the_page_shows_compiles(core_prefix, tmp_path):
    assert len(snippets()) >= 3
    given = (
        "bp::Network& network, bp::Trainer& trainer, const float* pointer, const std::vector<float>& values, "
        "const bp::ArrayView& x, const bp::ArrayView& y"
    )
    parts = [f"void part{i}({given}) {{\n{block}}}\n" for i, block in enumerate(snippets())]
    source = tmp_path / "parts.cc"
    head = "#include <backpass/backpass.h>\n\n#include <atomic>\n\nnamespace bp = backpass;\n"
    source.write_text(head + "".join(parts))
    shell("c++", "-std=c++20", "-fsyntax-only", "-I", core_prefix / "include", source)


def test_a_project_that_holds_the_library_configures(tmp_path):
    if not shutil.which("cmake") or not shutil.which("c++"):
        pytest.skip("needs cmake and a C++ compiler")
    lines = [
        "cmake_minimum_required(VERSION 3.20)",
        "project(outer LANGUAGES CXX)",
        f"add_subdirectory({ROOT} backpass)",
        f"add_executable(circle {FOLDER / 'circle.cc'})",
        "target_link_libraries(circle PRIVATE backpass::backpass)",
    ]
    (tmp_path / "CMakeLists.txt").write_text("\n".join(lines) + "\n")
    shell("cmake", "-S", tmp_path, "-B", tmp_path / "build")
