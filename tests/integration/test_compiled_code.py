"""Compiled templates are used again where they fit, and never where they do not."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import (
    BaseLoader,
    BytecodeCache,
    ChoiceLoader,
    DictLoader,
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    MemcachedBytecodeCache,
    ModuleLoader,
    PrefixLoader,
    nodes,
)
from jinja2.bccache import Bucket
from jinja2.ext import Extension
from jinja2.parser import Parser

from jinjacache import Cache, ConfigurationError
from jinjacache.bytecode import StampedBytecodeCache
from tests.support.pages import render

TEMPLATES = {
    "page": "{% include 'part' %}|{% cache 'y' %}{{ v }}{% endcache %}",
    "part": "<{{ v }}>",
}
modes = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


class OtherTag(Extension):
    """Bring another ``cache`` tag, one that shows what it is."""

    tags = {"cache"}  # noqa: RUF012 - Jinja's way

    def parse(self, parser: Parser) -> nodes.Node:
        """Return a call of the method below."""
        lineno = next(parser.stream).lineno
        parser.parse_expression()
        body = parser.parse_statements(("name:endcache",), drop_needle=True)
        return nodes.CallBlock(self.call_method("other"), [], [], body, lineno=lineno)

    def other(self, caller: Callable[[], str]) -> str:
        """Return what the other tag prints."""
        return f"other tag: {caller()}"


class Client:
    """Keep bytecode as a client of Memcached does."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        """Return what is kept under ``key``."""
        return self.kept.get(key)

    def set(self, key: str, value: bytes, timeout: int | None = None) -> None:
        """Keep ``value``."""
        assert timeout is None
        self.kept[key] = value


class Counting(Environment):
    """Count what is compiled."""

    compiled = 0

    def compile(self, *args: object, **options: object) -> object:  # type: ignore[override]
        """Compile, and count."""
        self.compiled += 1
        return super().compile(*args, **options)  # type: ignore[call-overload]


def on_disk(folder: Path) -> BytecodeCache:
    """Return a bytecode cache of files."""
    return FileSystemBytecodeCache(str(folder))


def in_memory(client: Client) -> BytecodeCache:
    """Return a bytecode cache in the client."""
    return MemcachedBytecodeCache(client)  # type: ignore[arg-type]  # None is how a client misses


def environment(bytecode: BytecodeCache | None = None, *, is_async: bool = False) -> Counting:
    """Return an environment with the tag."""
    env = Counting(
        loader=DictLoader(TEMPLATES),
        bytecode_cache=bytecode,
        autoescape=True,
        enable_async=is_async,
    )
    Cache().install(env)
    return env


def page(env: Environment) -> str:
    """Return the page."""
    return render(env.get_template("page"), {"v": 1})


@modes
@pytest.mark.parametrize("kind", ["files", "client"])
def test_code_is_used_again(kind: str, tmp_path: Path, *, is_async: bool) -> None:
    """An environment with the same settings compiles nothing that lies in the bytecode cache."""
    client = Client()

    def bytecode() -> BytecodeCache:
        return on_disk(tmp_path) if kind == "files" else in_memory(client)

    cold = environment(bytecode(), is_async=is_async)
    assert (page(cold), cold.compiled) == ("<1>|1", 2)
    warm = environment(bytecode(), is_async=is_async)
    assert (page(warm), warm.compiled) == ("<1>|1", 0)
    assert page(warm) == "<1>|1"
    cache: object = warm.fragment_cache  # type: ignore[attr-defined]
    assert isinstance(cache, Cache)
    assert (cache.stats().misses, cache.stats().hits) == (1, 1)


def test_code_changes_with_its_template(tmp_path: Path) -> None:
    """A template that was edited is compiled anew."""
    page(environment(on_disk(tmp_path)))
    env = environment(on_disk(tmp_path))
    env.loader = DictLoader({**TEMPLATES, "part": "edited"})
    assert (page(env), env.compiled) == ("edited|1", 1)


def test_bytecode_cache_is_cleared() -> None:
    """Clearing the environment's bytecode cache clears the application's."""
    bytecode = Clearing()
    env = environment(bytecode)
    page(env)
    assert len(bytecode.kept) == 2
    assert env.bytecode_cache is not None
    env.bytecode_cache.clear()
    assert bytecode.kept == {}


class Clearing(BytecodeCache):
    """Keep bytecode in a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load what is kept."""
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the bucket."""
        self.kept[bucket.key] = bucket.bytecode_to_string()

    def clear(self) -> None:
        """Forget everything."""
        self.kept.clear()


def test_bytecode_cache_is_wrapped_once() -> None:
    """However many templates are loaded, nothing piles up in front of the bytecode cache."""
    bytecode = Clearing()
    env = environment(bytecode)
    for name in ("page", "part"):
        env.get_template(name)
    assert isinstance(env.bytecode_cache, StampedBytecodeCache)
    assert env.bytecode_cache.inner is bytecode
    assert env.overlay().bytecode_cache is env.bytecode_cache


def test_wrapped_bytecode_cache_hands_buckets_on() -> None:
    """Tools that load and dump buckets by hand reach the application's bytecode cache."""
    inner = Clearing()
    env = environment(inner)
    outer = env.bytecode_cache
    assert outer is not None
    bucket = Bucket(env, "key", "checksum")
    bucket.code = env.compile("text", "page")  # type: ignore[assignment]
    outer.dump_bytecode(bucket)
    loaded = Bucket(env, "key", "checksum")
    outer.load_bytecode(loaded)
    assert loaded.code == bucket.code


@pytest.mark.parametrize("first", [False, True], ids=["sync first", "async first"])
def test_modes_share_a_folder(tmp_path: Path, *, first: bool) -> None:
    """Synchronous and asynchronous environments keep their code apart in one folder."""
    for is_async in (first, not first, first, not first):
        assert page(environment(on_disk(tmp_path), is_async=is_async)) == "<1>|1"
    for is_async in (first, not first):
        env = environment(on_disk(tmp_path), is_async=is_async)
        assert (page(env), env.compiled) == ("<1>|1", 0)


def test_other_settings_share_a_folder(tmp_path: Path) -> None:
    """Code into which a filter or an escaping mode went is not run under another one."""
    source = "{% cache 'x' %}{{ '<'|shown }}{{ v }}{% endcache %}"

    def shown(*, mark: str, escape: bool) -> str:
        env = Environment(
            loader=DictLoader({"page": source}),
            bytecode_cache=on_disk(tmp_path),
            autoescape=escape,
        )
        env.filters["shown"] = lambda text: f"{mark}{text}"
        Cache().install(env)
        return env.get_template("page").render(v=">")

    for _ in range(2):
        assert shown(mark="a", escape=False) == "a<>"
        assert shown(mark="b", escape=False) == "b<>"
        assert shown(mark="a", escape=True) == "a&lt;&gt;"


def with_other_tag(bytecode: BytecodeCache, loader: BaseLoader | None = None) -> Environment:
    """Return an environment with the other tag."""
    return Environment(
        loader=loader or DictLoader(TEMPLATES),
        bytecode_cache=bytecode,
        autoescape=True,
        extensions=[OtherTag],
    )


@modes
def test_code_of_another_tag_is_not_run(tmp_path: Path, *, is_async: bool) -> None:
    """Two extensions with a tag of this name can have one bytecode cache."""
    for _ in range(2):
        assert page(with_other_tag(on_disk(tmp_path))) == "<1>|other tag: 1"
        assert page(environment(on_disk(tmp_path), is_async=is_async)) == "<1>|1"


@modes
def test_code_of_a_bytecode_cache_that_comes_late(tmp_path: Path, *, is_async: bool) -> None:
    """Code that another tag left in a bytecode cache that was assigned later is compiled anew."""
    page(with_other_tag(on_disk(tmp_path)))
    for compiled in (2, 1):  # once there is one template, all others lie where they belong
        env = environment(is_async=is_async)
        env.bytecode_cache = on_disk(tmp_path)
        assert (page(env), env.compiled) == ("<1>|1", compiled)


def test_overlay_may_have_a_bytecode_cache_of_its_own(tmp_path: Path) -> None:
    """The bytecode cache of an overlay is guarded as that of its environment is."""
    page(with_other_tag(on_disk(tmp_path)))
    for compiled in (2, 0):
        overlay = environment().overlay(bytecode_cache=on_disk(tmp_path))
        assert isinstance(overlay, Counting)
        assert (page(overlay), overlay.compiled) == ("<1>|1", compiled)


def test_code_of_a_template_from_a_file_is_compiled_anew(tmp_path: Path) -> None:
    """The file that foreign code was made of is read again, and no other."""
    templates = tmp_path / "templates"
    templates.mkdir()
    for name, source in TEMPLATES.items():
        (templates / name).write_text(source)
    page(with_other_tag(on_disk(tmp_path), FileSystemLoader(templates)))
    env = environment()
    env.loader = FileSystemLoader(templates)
    env.bytecode_cache = on_disk(tmp_path)
    assert page(env) == "<1>|1"


class WithoutSource(BaseLoader):
    """Load templates in a way of its own, and hand out no source."""

    has_source_access = False

    def load(self, environment: Environment, name: str, globals: object = None) -> object:  # type: ignore[override] # noqa: A002
        """Load a template by another loader."""
        return DictLoader(TEMPLATES).load(environment, name, globals)  # type: ignore[arg-type]


RENAMED: dict[str, Callable[[Path], BaseLoader | None]] = {
    "prefix": lambda _: PrefixLoader({"a": DictLoader({"x": "{% cache 'x' %}A{% endcache %}"})}),
    "prefix and the name of another": lambda _: PrefixLoader(
        {
            "a": DictLoader({"b/x": "{% cache 'x' %}A{% endcache %}"}),
            "b": DictLoader({"x": "{% cache 'x' %}B{% endcache %}"}),
        }
    ),
    "choice of prefixes": lambda _: ChoiceLoader(
        [
            DictLoader({"x": "{% cache 'x' %}B{% endcache %}"}),
            PrefixLoader({"a": DictLoader({"x": "{% cache 'x' %}A{% endcache %}"})}),
        ]
    ),
    "prefix of folders": lambda folder: PrefixLoader(
        {"a": FileSystemLoader(folder / "a"), "b": FileSystemLoader(folder / "b")}
    ),
}


@pytest.mark.parametrize("case", RENAMED)
def test_foreign_code_whose_source_is_not_known_is_refused(case: str, tmp_path: Path) -> None:
    """Where foreign code cannot be told to be of a certain source, an error says what to do."""
    for folder in ("a/b", "b"):
        (tmp_path / folder).mkdir(parents=True)
    for path, source in {"a/x": "A", "a/b/x": "A", "b/x": "B"}.items():
        (tmp_path / path).write_text("{% cache 'x' %}" + source + "{% endcache %}")
    name = "a/b/x" if "another" in case or "folders" in case else "a/x"
    client = Client()
    foreign = with_other_tag(in_memory(client), RENAMED[case](tmp_path))
    assert foreign.get_template(name).render() == "other tag: A"
    env = environment()
    env.loader = RENAMED[case](tmp_path)
    env.bytecode_cache = in_memory(client)
    with pytest.raises(ConfigurationError, match="give the bytecode cache to the Environment"):
        env.get_template(name)
    prompt = environment(in_memory(client))
    prompt.loader = RENAMED[case](tmp_path)
    assert render(prompt.get_template(name), {}) == "A"


def test_foreign_code_without_a_source_is_refused() -> None:
    """Foreign code from a loader that hands out no source is an error, as is one of no loader."""
    client = Client()
    page(with_other_tag(in_memory(client), DictLoader(TEMPLATES)))
    env = environment()
    env.loader = WithoutSource()
    env.bytecode_cache = in_memory(client)
    with pytest.raises(ConfigurationError, match="'page'"):
        env.get_template("page")
    code = with_other_tag(in_memory(Client())).compile(TEMPLATES["page"], "page")
    env.loader = None
    with pytest.raises(ConfigurationError, match="no loader"):
        env.template_class.from_code(env, code, {})


def test_code_of_another_form_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that another version of this package compiled is compiled anew, by either of them."""
    page(environment(on_disk(tmp_path)))
    with monkeypatch.context() as newer:
        newer.setattr("jinjacache.bytecode.COMPILED_FORM", 1_000_000)
        env = environment(on_disk(tmp_path))
        assert (page(env), env.compiled) == ("<1>|1", 2)
        env = environment(on_disk(tmp_path))
        assert (page(env), env.compiled) == ("<1>|1", 0)
    env = environment(on_disk(tmp_path))
    assert (page(env), env.compiled) == ("<1>|1", 0)


def test_late_code_of_another_form_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same holds for code from a bytecode cache that was assigned later."""
    client = Client()
    with monkeypatch.context() as newer:
        newer.setattr("jinjacache.bytecode.COMPILED_FORM", 1_000_000)
        env = environment()
        env.bytecode_cache = in_memory(client)
        page(env)
    env = environment()
    env.bytecode_cache = in_memory(client)
    assert (page(env), env.compiled) == ("<1>|1", 2)


PROCESS = """
import sys
from jinja2 import DictLoader, Environment, FileSystemBytecodeCache
from jinjacache import Cache

class Counting(Environment):
    compiled = 0
    def compile(self, *args, **options):
        self.compiled += 1
        return super().compile(*args, **options)

class Price:
    currency = "EUR"
    def __call__(self, value):
        return f"{value} {self.currency}"

env = Counting(
    loader=DictLoader({"page": "{% cache 'x' %}{{ v|price }}{% endcache %}"}),
    bytecode_cache=FileSystemBytecodeCache(sys.argv[1]),
    finalize=lambda value: value,
)
env.filters["price"] = Price()
Cache().install(env)
print(env.get_template("page").render(v=1), env.compiled)
"""


def test_code_is_used_again_in_the_next_process(tmp_path: Path) -> None:
    """Only the first of several processes compiles, whatever their hash seeds and addresses."""
    shown = [
        subprocess.run(
            [sys.executable, "-c", PROCESS, str(tmp_path)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        for _ in range(3)
    ]
    assert shown == [["1", "EUR", "1"], ["1", "EUR", "0"], ["1", "EUR", "0"]]


@modes
@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_compiled_modules_work(tmp_path: Path, *, zipped: bool, is_async: bool) -> None:
    """Templates that were compiled to a folder or an archive are the same page, from two caches."""
    target = tmp_path / ("compiled.zip" if zipped else "compiled")
    source = environment(is_async=is_async)
    source.compile_templates(str(target), zip="deflated" if zipped else None)
    caches: list[Cache] = []
    for _ in range(2):
        env = environment(is_async=is_async)
        env.loader = ModuleLoader(target)
        assert [page(env), page(env)] == ["<1>|1", "<1>|1"]
        assert env.compiled == 0
        caches.append(env.fragment_cache)  # type: ignore[attr-defined]
    assert [(cache.stats().misses, cache.stats().hits) for cache in caches] == [(1, 1), (1, 1)]


def test_environments_may_have_one_module_loader(tmp_path: Path) -> None:
    """Two environments with caches of their own can load the same modules in turn."""
    environment().compile_templates(str(tmp_path), zip=None)
    loader = ModuleLoader(tmp_path)
    one, two = environment(), environment()
    one.loader = two.loader = loader
    for number, env in enumerate((one, two, one, two)):
        shown = render(env.get_template("page"), {"v": number})
        assert shown == f"<{number}>|{number % 2}"


def test_compiled_module_shares_with_its_source(tmp_path: Path) -> None:
    """What a template from source stored is served to the module that was compiled of it."""
    source, module = environment(), environment()
    cache = Cache()
    for env in (source, module):
        env.fragment_cache = cache  # type: ignore[attr-defined]
    source.compile_templates(str(tmp_path), zip=None)
    module.loader = ModuleLoader(tmp_path)
    assert [page(source), page(module)] == ["<1>|1", "<1>|1"]
    assert (cache.stats().misses, cache.stats().hits) == (1, 1)


SOURCES: dict[str, Callable[[], Environment]] = {
    "another form": environment,
    "no tag": lambda: Environment(loader=DictLoader({"page": "no tag"}), autoescape=True),
    "another tag": lambda: with_other_tag(in_memory(Client())),
    "another mode": lambda: environment(is_async=True),
}


@pytest.mark.parametrize("case", SOURCES)
def test_compiled_module_that_does_not_fit_is_refused(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module has no source to compile anew, so an error names it and says what to do."""
    with monkeypatch.context() as before:
        if case == "another form":
            before.setattr("jinjacache.bytecode.COMPILED_FORM", 1_000_000)
        SOURCES[case]().compile_templates(str(tmp_path), zip=None)
    env = environment()
    env.loader = ModuleLoader(tmp_path)
    with pytest.raises(ConfigurationError, match=r"'page' .* run compile_templates\(\)"):
        env.get_template("page")
