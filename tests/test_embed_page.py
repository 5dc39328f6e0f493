"""docs/cpp.md and README: what they show in C++ builds against an installed library, and prints what the page says."""

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
README = (ROOT / "README.md").read_text(encoding="utf-8")


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


# What the snippets beside the program have.
GIVEN = (
    "bp::Network& network, bp::Trainer& trainer, const float* pointer, const std::vector<float>& values, "
    "const bp::ArrayView& x, const bp::ArrayView& y"
)
README_GIVEN = "const std::vector<float>& pixels, const std::vector<std::int32_t>& labels"


def snippets():
    """What README and page show as C++ beside the program, as functions of what they have."""
    blocks = re.findall(r"^```cpp\n(.*?)^```", PAGE, re.M | re.S)
    parts = [(GIVEN, block) for block in blocks if "int main" not in block]
    readme = re.search(r"^```cpp\n.*?namespace bp = backpass;\n(.*?)^```", README, re.M | re.S)[1]
    return [f"void part{i}({given}) {{\n{body}}}\n" for i, (given, body) in enumerate([*parts, (README_GIVEN, readme)])]


@pytest.mark.slow
def test_what_else_is_shown_compiles(core_prefix, tmp_path):
    assert len(snippets()) >= 4
    head = "#include <backpass/backpass.h>\n\n#include <atomic>\n\nnamespace bp = backpass;\n"
    source = tmp_path / "parts.cc"
    source.write_text(head + "".join(snippets()))
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
