"""What the package promises as a whole: its public names, its imports, its wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import jinjacache

ROOT = Path(__file__).parents[2]

OPTIONAL = {"django", "flask", "pymemcache", "redis", "starlette"}

MEMORY_PAGE = """
import sys
from jinja2 import Environment
from jinjacache import Cache
env = Environment()
Cache("memory://").install(env)
assert env.from_string("{% cache 'x' %}hello{% endcache %}").render() == "hello"
print(*sys.modules)
"""


def run(*arguments: str) -> str:
    """Run this Python in a process of its own and return what it prints."""
    process = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder))
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_public_names_are_sorted_and_unique() -> None:
    """The table of contents is in order, so that a name is found and added in one place."""
    assert list(jinjacache.__all__) == sorted(set(jinjacache.__all__))


@pytest.mark.parametrize("name", jinjacache.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """Each name that is promised can be imported from the top."""
    assert hasattr(jinjacache, name)


def test_nothing_else_looks_public() -> None:
    """What the package holds beside its promises is a module of its own or begins with _."""
    others = {name for name in vars(jinjacache) if not name.startswith("_")}
    others -= set(jinjacache.__all__)
    assert {name for name in others if f"jinjacache.{name}" not in sys.modules} == set()


def test_a_page_from_memory_imports_no_optional_dependency() -> None:
    """A site that caches in memory pays for no client of a server and no framework."""
    loaded = {module.partition(".")[0] for module in run("-c", MEMORY_PAGE).split()}
    assert "jinja2" in loaded
    assert loaded & OPTIONAL == set()


def test_the_wheel_holds_every_module_and_the_type_marker(wheel: zipfile.ZipFile) -> None:
    """What is installed is the whole package and nothing beside it."""
    sources = (path for path in (ROOT / "jinjacache").rglob("*") if path.is_file())
    expected = {str(path.relative_to(ROOT)) for path in sources if path.suffix != ".pyc"}
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert "jinjacache/py.typed" in held
    assert held == expected


def test_the_wheel_carries_its_licence_and_its_dependencies(wheel: zipfile.ZipFile) -> None:
    """An installer sees the licence, the oldest Python and the three packages that are needed."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = wheel.read(name).decode()
    assert "License-Expression: MIT" in metadata
    assert "Requires-Python: >=3.11" in metadata
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    assert len(required) == 3
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())
