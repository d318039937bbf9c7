"""What is written down is true: blocks run, links lead somewhere, names and numbers hold."""

import inspect
import io
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import fields
from pathlib import Path
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import NamedTuple, get_args

import pytest
from jinja2 import Environment

import jinjacache
import jinjacache.testing
from jinjacache import encoding, entry, events, scalars, stores
from jinjacache.backends import memory, open_backend, shelf
from jinjacache.extension import OPTIONS, CacheExtension

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS]
WRITTEN = [*PAGES, ROOT / "CHANGELOG.md"]
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_file())

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
DOTTED = re.compile(r"\bjinjacache(?:\.[A-Za-z_]\w*)+")
BACKEND_URL = re.compile(r"\b(?!https?:)[a-z][a-z+]*://[^\s`\"|),]*")
TESTS = re.compile(r"^(def test_|class Test)", re.MULTILINE)
OPTION_IN_A_CALL = re.compile(r"\bCache\((?:\"[^\"]*\", )?(\w+)=")

INDEX = '{% cache "sidebar", user.id, lang %}for {{ user.id }} in {{ lang }}{% endcache %}'

LIMITS = [
    ("keys.md", f"{encoding.MAX_DEPTH} levels"),
    ("keys.md", f"{encoding.MAX_VALUES:,} values"),
    ("keys.md", f"{scalars.MAX_BYTES // 1024} KiB"),
    ("backends.md", f"{memory.DEFAULT_MAX_BYTES // 2**20} MiB and at least 1024 bytes"),
    ("backends.md", f"{shelf.PATIENCE} marks"),
    ("backends.md", f"above {entry.Codec().compress_above // 1024} KiB"),
    ("backends.md", f"over {entry.Codec().max_body // 2**20} MiB"),
    ("backends.md", f"{stores.TOKEN_MEMO} seconds"),
    ("time.md", f"{stores.TOKEN_MEMO} seconds"),
    ("testing.md", f"{stores.TOKEN_MEMO} seconds"),
]

TABLES = [
    ("tag.md", OPTIONS),
    ("events.md", [field.name for field in fields(events.FragmentStats)]),
    ("events.md", [event.__name__ for event in get_args(events.Event)]),
    ("backends.md", jinjacache.testing.OPERATIONS),
]


class Block(NamedTuple):
    """A fenced block of a page: its language, its text, the line where that begins."""

    language: str
    text: str
    lineno: int

    @property
    def padded(self) -> str:
        """The text where it stands, so that a traceback names the page's own line."""
        return "\n" * (self.lineno - 1) + self.text


def read(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text("utf-8")


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = read(page)
    found = FENCED.finditer(text)
    return [Block(part[1], part[2], text.count("\n", 0, part.start(2)) + 1) for part in found]


def name_of(page: Path) -> str:
    """Return how a test of a page is called."""
    return page.name


def execute(block: Block, page: Path, namespace: dict[str, object]) -> str:
    """Run a block among those before it and return what it prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(block.padded, str(page), "exec"), namespace)  # noqa: S102 - it is our own
    return printed.getvalue()


def assert_shown(shown: str, printed: str) -> None:
    """Check that lines were printed in this order; an ellipsis stands for whatever is left out."""
    rest = iter(printed.splitlines())
    for line in shown.splitlines():
        beginning, left_out, _ = line.partition("…")
        if beginning or not left_out:
            assert any(seen.startswith(beginning) if left_out else seen == line for seen in rest), (
                f"{line!r} is not printed, or not there"
            )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run one after the other and print what the page says they print."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "index.html").write_text(INDEX, "utf-8")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {
        "__name__": page.stem,
        "user": SimpleNamespace(id=1),
        "lang": "en",
        "get_locale": lambda: "en",
    }
    printed = ""
    for block in blocks(page):
        if block.language == "python":
            printed = execute(block, page, namespace)
        elif block.language == "text":
            assert_shown(block.text, printed)


@pytest.mark.parametrize(
    "page",
    [page for page in DOCS if TESTS.search(read(page))],
    ids=name_of,
)
def test_the_tests_that_a_page_shows_pass(page: Path, tmp_path: Path) -> None:
    """The test functions and classes of a page are collected by pytest, and pass."""
    source = "\n".join(block.text for block in blocks(page) if block.language == "python")
    (tmp_path / "test_page.py").write_text(source, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", "utf-8")
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_jinja_blocks_compile(page: Path) -> None:
    """What a page shows of templates is accepted by the tag."""
    environment = Environment(autoescape=True, extensions=[CacheExtension])
    for block in blocks(page):
        if block.language == "jinja":
            environment.compile(block.text, page.name, str(page))


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_block_is_of_a_known_language(page: Path) -> None:
    """No block escapes the tests because of a misspelt language or a fence that does not end."""
    assert {block.language for block in blocks(page)} <= {"python", "jinja", "text"}
    assert read(page).count("```") == 2 * len(blocks(page))


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_relative_links_lead_to_files(page: Path) -> None:
    """A link within the repository leads to a file that is there."""
    links = [link for link in LINK.findall(read(page)) if "://" not in link]
    assert [link for link in links if not (page.parent / link).is_file()] == []


def test_the_readme_links_to_every_page() -> None:
    """Whoever begins at the README finds all documents."""
    links = {(ROOT / link).resolve() for link in LINK.findall(read(README)) if "://" not in link}
    assert links.issuperset(DOCS)
    assert len(DOCS) == 6


def test_the_readme_is_short() -> None:
    """The README can be read in one go."""
    assert len(read(README).splitlines()) < 120


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_dotted_names_are_there(page: Path) -> None:
    """Every name that begins with the package's can be imported."""
    for name in DOTTED.findall(read(page)):
        resolve_name(name)


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_backend_urls_open(page: Path) -> None:
    """No backend is promised that does not exist."""
    for url in BACKEND_URL.findall(read(page)):
        open_backend(url).close()


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_no_option_is_promised_that_is_not_there(page: Path) -> None:
    """What a text writes as ``Cache(option=…)`` is an option."""
    options = inspect.signature(jinjacache.Cache).parameters
    assert set(OPTION_IN_A_CALL.findall(read(page))) <= options.keys()


@pytest.mark.parametrize("option", list(inspect.signature(jinjacache.Cache).parameters))
def test_every_option_of_the_cache_is_documented(option: str) -> None:
    """A user finds each argument of ``Cache``."""
    assert re.search(rf"`{option}`|\b{option}=|Cache\({option}\)", "".join(map(read, PAGES)))


@pytest.mark.parametrize("name", [*jinjacache.__all__, *jinjacache.testing.__all__])
def test_every_public_name_is_documented(name: str) -> None:
    """A user finds each public name in the documents."""
    assert re.search(rf"\b{name}\b", "".join(map(read, DOCS)))


@pytest.mark.parametrize(("page", "names"), TABLES)
def test_tables_are_complete(page: str, names: Iterable[str]) -> None:
    """A table has a row for each of what it lists."""
    text = read(ROOT / "docs" / page)
    assert [name for name in names if not re.search(rf"^\| `{name}\b", text, re.MULTILINE)] == []


@pytest.mark.parametrize("cause", get_args(events.Cause))
def test_every_cause_of_a_miss_is_explained(cause: str) -> None:
    """A subscriber can look up what a cause means."""
    assert re.search(rf"^\|.*`{cause}`.*\|", read(ROOT / "docs" / "events.md"), re.MULTILINE)


@pytest.mark.parametrize(("page", "limit"), LIMITS)
def test_limits_are_those_of_the_code(page: str, limit: str) -> None:
    """A number in the documents is the one that holds."""
    assert limit in " ".join(read(ROOT / "docs" / page).split())


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_examples_say_at_once_what_they_show(example: Path) -> None:
    """The first line of an example that is not for the machine is a sentence about it."""
    lines = [line for line in read(example).splitlines() if not line.startswith("#!")]
    assert re.fullmatch(r'("""|# )[A-Z].{20,}[.]', lines[0])


def test_the_changelog_begins_with_this_version() -> None:
    """The newest release in the changelog is the one that the package is built as."""
    version: str = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["version"]
    releases = re.findall(r"^## \[(\d[^\]]*)\]", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert releases[0] == version
