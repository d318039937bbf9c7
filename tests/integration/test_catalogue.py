"""The catalogue example as people use it: measured, served, and changed under a warm cache."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib.metadata import Distribution, distribution
from pathlib import Path
from types import ModuleType
from typing import Protocol
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from jinjacache import Cache

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "catalogue.py"
LIMIT = 8
PATIENCE = 120  # seconds until a script counts as hanging
HOSTILE = """\
Metadata-Version: 2.1
Name: hostile
Version: 1
Summary: <script>alert(1)</script>
Project-URL: Trap, javascript:alert(1)
Project-URL: Source, https://example.org/"onclick="alert(1)
"""


class Pages(Protocol):
    """What the tests use of the script's `Site`."""

    cache: Cache
    pages: list[str]
    file_lists_read: int

    def render(self, page: str) -> str:
        """Render a page."""
        ...


class Links(HTMLParser):
    """Collects where the links of a page lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the address of a link."""
        self.found += [value or "" for name, value in attrs if tag == "a" and name == "href"]


@dataclass(frozen=True)
class Run:
    """What one run of the script left."""

    status: int
    lines: list[str]
    out: Path

    def numbers(self, title: str) -> tuple[int, int]:
        """Return the cold misses and the warm hits of the row that begins with `title`."""
        [line] = [line for line in self.lines if line.startswith(title)]
        _, misses, _, hits, _ = line.removeprefix(title).split()
        return int(misses), int(hits)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the script over a few packages."""
    out = tmp_path_factory.mktemp("catalogue") / "pages"
    command = [sys.executable, "-X", "utf8", str(EXAMPLE), "--limit", str(LIMIT), "--out", str(out)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, encoding="utf-8", timeout=PATIENCE, check=False
    )
    return Run(done.returncode, done.stdout.splitlines(), out)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve a few packages on a free port."""
    command = [sys.executable, str(EXAMPLE), "--serve", "0", "--limit", str(LIMIT)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
    ) as server:
        assert server.stdout is not None
        try:
            server.stdout.readline()
            yield server.stdout.readline().removeprefix("serving on ").strip()
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """Import the script, which is on no path."""
    spec = importlib.util.spec_from_file_location("catalogue_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def site(example: ModuleType, *sources: Distribution, cache: Cache | None = None) -> Pages:
    """Make a site of a few packages, on a cache of its own or on a given one."""
    packages = [example.Package(source) for source in sources]
    pages: Pages = example.Site(example.Catalogue(packages), cache or Cache())
    return pages


def installed(folder: Path, metadata: str, *files: str) -> Distribution:
    """Install a package with this metadata and these files, each of one byte, in a folder."""
    record = folder / "some.dist-info" / "RECORD"
    record.parent.mkdir(exist_ok=True)
    (record.parent / "METADATA").write_text(metadata)
    record.write_text("".join(f"{name},,\n" for name in files))
    for name in files:
        (folder / name).write_text("x")
    return Distribution.at(record.parent)


def fetch(address: str) -> tuple[str, str]:
    """Return a page, and what its Server-Timing header says."""
    with urlopen(address, timeout=PATIENCE) as answer:  # noqa: S310  # of our own server
        return answer.read().decode(), answer.headers["Server-Timing"]


def test_a_run_succeeds_and_finds_no_page_that_the_cache_changed(run: Run) -> None:
    """The pages are the same cold, warm and past the cache, and the run says so."""
    assert run.status == 0
    assert "pages that came out differently without the cache: none" in run.lines


def test_the_first_time_every_fragment_is_rendered_once(run: Run) -> None:
    """One sidebar and one grid of cards, a card for each package, three fragments on its page."""
    misses, _ = run.numbers(f"all {LIMIT + 1} pages")
    assert misses == 2 + LIMIT + 3 * LIMIT


def test_the_second_time_every_fragment_is_found(run: Run) -> None:
    """Sidebar and grid on the index, sidebar and three fragments on each package's page."""
    assert run.numbers("index.html") == (2 + LIMIT, 2)
    _, hits = run.numbers(f"all {LIMIT + 1} pages")
    assert hits == 2 + 4 * LIMIT


def test_a_view_that_asks_first_reads_no_files_for_a_cached_page(run: Run) -> None:
    """Each package's files are read the first time, and none the second time."""
    assert f"file lists read: {LIMIT} cold, 0 warm" in run.lines


def test_all_links_between_the_written_pages_lead_somewhere(run: Run) -> None:
    """The folder works without a server: the index links each package, which links the index."""
    pages = {path.name: path.read_text(encoding="utf-8") for path in run.out.iterdir()}
    assert f"written to {run.out / 'index.html'}" in run.lines
    assert len(pages) == LIMIT + 1
    links = {
        name: {each for each in Links(html).found if ":" not in each}
        for name, html in pages.items()
    }
    assert links["index.html"] == set(pages)
    assert all("index.html" in found and found <= set(pages) for found in links.values())


def test_packages_link_to_what_they_need_and_to_what_needs_them(example: ModuleType) -> None:
    """Dependencies are found in the metadata, and followed in both directions."""
    pages = site(example, distribution("Jinja2"), distribution("MarkupSafe"))
    assert "package-markupsafe.html" in Links(pages.render("package-jinja2.html")).found
    assert "package-jinja2.html" in Links(pages.render("package-markupsafe.html")).found


def test_a_package_that_comes_shows_on_the_pages_of_the_others(example: ModuleType) -> None:
    """A cache that is warm with a smaller catalogue gives the pages of a cold one."""
    cache = Cache()
    smaller = site(example, distribution("MarkupSafe"), cache=cache)
    for page in smaller.pages:
        smaller.render(page)
    sources = distribution("Jinja2"), distribution("MarkupSafe")
    warm, cold = site(example, *sources, cache=cache), site(example, *sources)
    assert [warm.render(page) for page in cold.pages] == [cold.render(page) for page in cold.pages]


def test_a_package_that_changes_within_its_version_is_shown_anew(
    example: ModuleType, tmp_path: Path
) -> None:
    """What a package records is in the key, so that a rebuild shows at once."""
    cache = Cache()
    before = site(example, installed(tmp_path, HOSTILE, "one.py"), cache=cache)
    old = before.render("package-hostile.html")
    after = site(example, installed(tmp_path, HOSTILE, "one.py", "two.py"), cache=cache)
    new = after.render("package-hostile.html")
    assert "two.py" not in old
    assert "two.py" in new


def test_files_that_were_not_read_are_read_when_the_entry_is_gone(example: ModuleType) -> None:
    """A page past the cache is whole, though the view was told that its files are cached."""
    pages = site(example, distribution("MarkupSafe"))
    cold = pages.render("package-markupsafe.html")
    with pages.cache.bypass():
        assert pages.render("package-markupsafe.html") == cold
    assert pages.file_lists_read == 2


def test_metadata_cannot_put_code_into_a_page(example: ModuleType, tmp_path: Path) -> None:
    """Markup and addresses that run code come out inert, rendered or cached."""
    pages = site(example, installed(tmp_path, HOSTILE))
    for _ in range(2):
        html = pages.render("index.html") + pages.render("package-hostile.html")
        assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
        assert "<script" not in html
        assert 'https://example.org/"onclick="alert(1)' in Links(html).found
        assert not any(link.startswith("javascript") for link in Links(html).found)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_949, "999.9 kB"), (2_500_000, "2.5 MB")],
)
def test_sizes_read_well(example: ModuleType, size: int, text: str) -> None:
    """At most four digits stand before the unit."""
    assert example.filesize(size) == text


def test_served_pages_are_the_same_again_and_after_a_refresh(address: str) -> None:
    """Cached or rendered anew, a request gets the same page, and how long it took."""
    index, timing = fetch(address)
    page = next(link for link in Links(index).found if link.startswith("package-"))
    assert timing.startswith("render;dur=")
    assert {fetch(address)[0], fetch(f"{address}?refresh=1")[0]} == {index}
    assert fetch(address + page)[0] == fetch(address + page)[0] != index


def test_a_page_that_is_none_is_not_found(address: str) -> None:
    """An unknown address is answered by 404."""
    with pytest.raises(HTTPError, match="404") as caught:
        fetch(f"{address}package-none.html")
    caught.value.close()
