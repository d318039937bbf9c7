"""A site over this machine's Python packages: what its pages cost without a cache, and with one.

Renders every page twice, prints what the second time saved, checks that both give what a render
past the cache gives, and writes the pages as plain files. `--serve` answers requests instead.
The first page is the dearest: it renders the sidebar, which adds up every file, for all of them.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
from contextlib import nullcontext, suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import Distribution, distributions
from pathlib import Path
from site import getsitepackages
from time import perf_counter
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from jinja2 import Environment, FileSystemLoader

from jinjacache import Cache

HERE = Path(__file__).resolve().parent
PER_PAGE = 24


class File(NamedTuple):
    """A file as its package records it; the size in bytes is the file system's word."""

    path: str
    kind: str
    size: int


class Requirement(NamedTuple):
    """What a package depends on; not `needed` where only an extra asks for it."""

    slug: str
    wanted: str
    needed: bool


class Package:
    """A distribution; its key is another one as soon as anything it says or holds changes."""

    def __init__(self, source: Distribution) -> None:
        self.source, self.metadata = source, source.metadata
        self.name = self.header("Name")
        self.slug = slug_of(self.name)
        self.version = self.header("Version")
        record = source.read_text("RECORD") or ""
        self.key = sha256(f"{self.slug} {self.version}\n{record}".encode()).hexdigest()
        self.requirements = sorted(map(read_requirement, source.requires or ()))

    def header(self, name: str) -> str:
        """Return the first line of a metadata header, empty where there is none."""
        first, *_ = self.metadata.get_all(name) or [""]
        return str(first).strip().partition("\n")[0].replace("UNKNOWN", "")

    def files(self) -> list[File]:
        """Ask the file system how large each file is, the largest first: this is the slow part."""
        kept = [each for each in self.source.files or () if each.suffix != ".pyc"]
        found = [(each, path) for each in kept if (path := Path(each.locate())).is_file()]
        files = [File(str(each), each.suffix, path.stat().st_size) for each, path in found]
        return sorted(files, key=lambda file: (-file.size, file.path))


class Catalogue:
    """All packages by slug, and who needs whom; the key changes with any of them."""

    def __init__(self, packages: list[Package]) -> None:
        self.packages = {package.slug: package for package in packages}
        self.page_count = max(1, -(-len(packages) // PER_PAGE))
        self.key = sha256("".join(p.key for p in packages).encode()).hexdigest()
        self.dependents: dict[str, list[Package]] = {slug: [] for slug in self.packages}
        for package in packages:
            for slug in {each.slug for each in package.requirements if each.needed}:
                self.dependents.setdefault(slug, []).append(package)

    def page(self, number: int) -> list[Package]:
        """Return the packages on an index page, the first of which is 1."""
        return list(self.packages.values())[(number - 1) * PER_PAGE : number * PER_PAGE]

    def most_needed(self, count: int) -> list[Package]:
        """Return the packages that most others do not work without."""
        needed = [package for slug, package in self.packages.items() if self.dependents[slug]]
        return sorted(needed, key=lambda p: (-len(self.dependents[p.slug]), p.slug))[:count]

    @functools.cached_property
    def totals(self) -> tuple[int, int]:
        """Count the files of all packages, and their bytes."""
        sizes = [file.size for package in self.packages.values() for file in package.files()]
        return len(sizes), sum(sizes)


def read_packages() -> list[Package]:
    """Read what this interpreter can import, and the one that its environment was made with."""
    paths = [*sys.path, *getsitepackages([sys.base_prefix])]
    found = {each.slug: each for each in reversed([*map(Package, distributions(path=paths))])}
    return [found[slug] for slug in sorted(found) if slug]  # broken ones have no name


def read_requirement(text: str) -> Requirement:
    """Take `name[extra]>=1; marker` apart."""
    wanted, _, marker = text.partition(";")
    name, *_ = re.split(r"[^\w.-]", wanted.strip(), maxsplit=1)
    return Requirement(slug_of(name), wanted.strip(), needed="extra" not in marker)


def slug_of(name: str) -> str:
    """Return a name as it stands in file names and links."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def filesize(size: int) -> str:
    """Say a number of bytes as people read it."""
    power = min((len(str(size)) - 1) // 3, 3)
    return f"{round(size / 1000**power, 1):g} {('B', 'kB', 'MB', 'GB')[power]}"


class Site:
    """The pages by file name, and the views that render them."""

    def __init__(self, catalogue: Catalogue, cache: Cache, *, reload: bool = False) -> None:
        self.cache, self.file_lists_read = cache, 0
        loader = FileSystemLoader(HERE / "catalogue" / "templates")
        self.env = Environment(loader=loader, autoescape=True, trim_blocks=True, auto_reload=reload)
        self.env.filters["filesize"] = filesize
        self.env.globals["catalogue"] = catalogue  # pyright: ignore[reportArgumentType]
        cache.install(self.env)
        for name in self.env.list_templates():
            self.env.get_template(name)  # compiled now, so that no page pays for it
        self._files = cache.fragment(self.env, "package.html", "files")
        numbers = range(2, catalogue.page_count + 1)
        self._indexes = {"index.html": 1, **{f"index-{n}.html": n for n in numbers}}
        self._packages = {f"package-{slug}.html": p for slug, p in catalogue.packages.items()}
        self.pages = [*self._indexes, *self._packages]

    def render(self, page: str) -> str:
        """Render a page, whatever the cache holds of it."""
        if page in self._packages:
            return self._render_package(self._packages[page])
        return self.env.get_template("index.html").render(number=self._indexes[page])

    def _render_package(self, package: Package) -> str:
        @functools.cache
        def files() -> list[File]:
            self.file_lists_read += 1
            return package.files()

        if not self._files.is_cached(package.key):
            files()
        # An entry may be gone by the time it is wanted: what was skipped can still be called.
        return self.env.get_template("package.html").render(package=package, files=files)


class Visit(NamedTuple):
    """A page as it came once: its text, its milliseconds, its fragments found and rendered."""

    html: str
    took: float
    hits: int
    misses: int


def visit(pages: Site, page: str) -> Visit:
    """Render a page and measure it."""
    before, started = pages.cache.stats(), perf_counter()
    html = pages.render(page)
    took, after = 1000 * (perf_counter() - started), pages.cache.stats()
    return Visit(html, took, after.hits - before.hits, after.misses - before.misses)


def row(title: str, cold: list[Visit], warm: list[Visit]) -> str:
    """Give a line of the table: what some pages took, cold and warm, and how often warm is less."""
    first, again = sum(each.took for each in cold), sum(each.took for each in warm)
    misses, hits = sum(each.misses for each in cold), sum(each.hits for each in warm)
    return f"{title:<36.35}{first:>9.2f}{misses:>8}{again:>10.3f}{hits:>7}{first / again:>8.0f}×"


def measure(pages: Site, out: Path) -> bool:
    """Render all pages cold, warm and past the cache; report, and say whether they are equal."""
    cold = {page: visit(pages, page) for page in pages.pages}
    lists = pages.file_lists_read
    warm = {page: visit(pages, page) for page in pages.pages}
    print(f"{'page':<36}{'cold ms':>9}{'misses':>8}{'warm ms':>10}{'hits':>7}{'factor':>9}")
    for page in pages.pages[:12]:
        print(row(page, [cold[page]], [warm[page]]))
    print(row(f"all {len(cold)} pages", [*cold.values()], [*warm.values()]))
    print(f"file lists read: {lists} cold, {pages.file_lists_read - lists} warm")
    out.mkdir(parents=True, exist_ok=True)
    with pages.cache.bypass():
        plain = {page: pages.render(page) for page in pages.pages}
    for page, html in plain.items():
        (out / page).write_text(html, encoding="utf-8")
    print(f"written to {out / 'index.html'}")
    wrong = [page for page in plain if {cold[page].html, warm[page].html} != {plain[page]}]
    print(f"pages that came out differently without the cache: {', '.join(wrong) or 'none'}")
    return not wrong


def serve(pages: Site, port: int) -> None:
    """Answer requests from this machine until interrupted; port 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            page = url.path.removeprefix("/") or "index.html"
            if page not in pages.pages:
                self.send_error(404)
                return
            with pages.cache.refresh() if "refresh" in parse_qs(url.query) else nullcontext():
                found = visit(pages, page)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Server-Timing", f"render;dur={found.took:.3f}")
            self.end_headers()
            self.wfile.write(found.html.encode())

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server, suppress(KeyboardInterrupt):
        print(f"serving on http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


def main() -> None:
    """Read the packages, then measure or serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default="memory://", metavar="URL", help="the cache's backend")
    parser.add_argument("--out", default=HERE / "catalogue-pages", type=Path, metavar="DIR")
    parser.add_argument("--limit", type=int, metavar="N", help="take the first N packages only")
    parser.add_argument("--serve", type=int, nargs="?", const=8000, metavar="PORT")
    options, started = parser.parse_args(), perf_counter()
    packages = read_packages()[: options.limit]
    print(f"{len(packages)} packages read in {1000 * (perf_counter() - started):.0f} ms")
    cache = Cache(options.cache, timeout=300, namespace="catalogue")
    pages = Site(Catalogue(packages), cache, reload=options.serve is not None)
    if options.serve is None:
        sys.exit(not measure(pages, options.out))
    serve(pages, options.serve)


if __name__ == "__main__":
    main()
