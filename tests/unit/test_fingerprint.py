"""The fingerprint of an environment is the same wherever its pages are, and nowhere else."""

import functools
import gettext
import importlib.util
import json
import operator
import os
import re
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from jinja2 import (
    DictLoader,
    Environment,
    FileSystemLoader,
    ModuleLoader,
    StrictUndefined,
    Template,
    Undefined,
    make_logging_undefined,
    pass_context,
    select_autoescape,
)
from jinja2.compiler import CodeGenerator
from jinja2.ext import Extension
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment
from markupsafe import Markup

from jinjacache.fingerprint import fingerprint, loader_identity

Filter = Callable[[Any], object]


def shout(value: object) -> str:
    """Return a filter's result."""
    return f"{value}!"


TEST: Any = shout


class Nothing(Undefined):
    """Be an undefined value of one's own."""


class OtherGenerator(CodeGenerator):
    """Generate code of one's own."""


class OtherContext(Context):
    """Resolve names in a way of one's own."""


class OtherExtension(Extension):
    """Do nothing."""


class OtherTemplate(Template):
    """Render in a way of one's own."""


class OtherEnvironment(Environment):
    """Do something in a way of one's own."""


def changed(**attributes: object) -> Environment:
    """Return an environment with attributes of its own."""
    environment = Environment()
    vars(environment).update(attributes)
    return environment


def made(change: Callable[[Environment], object], **options: object) -> Environment:
    """Return an environment that was changed after it was made."""
    environment = Environment(**options)  # type: ignore[arg-type]
    change(environment)
    return environment


def with_finalize(finalize: object) -> bytes:
    """Return the fingerprint of an environment with that ``finalize``."""
    return fingerprint(Environment(finalize=finalize))  # type: ignore[arg-type]


SETTINGS: dict[str, Callable[[], Environment]] = {
    "none": Environment,
    "autoescape": lambda: Environment(autoescape=True),
    "autoescape by name": lambda: Environment(autoescape=select_autoescape()),
    "autoescape by other names": lambda: Environment(autoescape=select_autoescape(["txt"])),
    "block start": lambda: Environment(block_start_string="<%"),
    "block end": lambda: Environment(block_end_string="%>"),
    "variable start": lambda: Environment(variable_start_string="<<"),
    "variable end": lambda: Environment(variable_end_string=">>"),
    "comment start": lambda: Environment(comment_start_string="<#"),
    "comment end": lambda: Environment(comment_end_string="#>"),
    "line statement prefix": lambda: Environment(line_statement_prefix="%"),
    "line comment prefix": lambda: Environment(line_comment_prefix="##"),
    "trim blocks": lambda: Environment(trim_blocks=True),
    "lstrip blocks": lambda: Environment(lstrip_blocks=True),
    "newline sequence": lambda: Environment(newline_sequence="\r\n"),
    "keep trailing newline": lambda: Environment(keep_trailing_newline=True),
    "undefined": lambda: Environment(undefined=StrictUndefined),
    "undefined of one's own": lambda: Environment(undefined=Nothing),
    "finalize": lambda: Environment(finalize=shout),
    "extension": lambda: Environment(extensions=["jinja2.ext.do"]),
    "other extension": lambda: Environment(extensions=["jinja2.ext.debug"]),
    "extension of one's own": lambda: Environment(extensions=[OtherExtension]),
    "translations": lambda: Environment(extensions=["jinja2.ext.i18n"]),
    "sandbox": SandboxedEnvironment,
    "immutable sandbox": ImmutableSandboxedEnvironment,
    "class": OtherEnvironment,
    "code generator": lambda: changed(code_generator_class=OtherGenerator),
    "context": lambda: changed(context_class=OtherContext),
    "template": lambda: changed(template_class=OtherTemplate),
    "sandboxed": lambda: changed(sandboxed=True),
    "new style of missing translations": lambda: changed(newstyle_gettext=True),
    "filter that is added": lambda: made(lambda env: env.filters.update(shout=shout)),
    "filter that is added under another name": lambda: made(
        lambda env: env.filters.update(cry=shout)
    ),
    "filter that is replaced": lambda: made(lambda env: env.filters.update(upper=shout)),
    "filter that is gone": lambda: made(lambda env: env.filters.pop("upper")),
    "test that is added": lambda: made(lambda env: env.tests.update(shout=TEST)),
    "test that is replaced": lambda: made(lambda env: env.tests.update(odd=TEST)),
    "test that is gone": lambda: made(lambda env: env.tests.pop("odd")),
    "policy": lambda: made(lambda env: env.policies.update({"truncate.leeway": 6})),
    "policy that is a function": lambda: made(
        lambda env: env.policies.update({"json.dumps_function": shout})
    ),
    "policy that is a dict": lambda: made(
        lambda env: env.policies.update({"json.dumps_kwargs": {"indent": 1}})
    ),
    "new style of translations": lambda: made(
        lambda env: env.install_null_translations(newstyle=True),  # type: ignore[attr-defined]
        extensions=["jinja2.ext.i18n"],
    ),
    "no translations": lambda: made(
        lambda env: env.install_null_translations(),  # type: ignore[attr-defined]
        extensions=["jinja2.ext.i18n"],
    ),
}


def test_every_setting_changes_the_fingerprint() -> None:
    """No two environments that differ in one setting have the same fingerprint."""
    found: dict[bytes, str] = {}
    for case, make in SETTINGS.items():
        same = found.setdefault(fingerprint(make()), case)
        assert same == case, f"{case!r} has the fingerprint of {same!r}"


def test_same_settings_have_the_same_fingerprint() -> None:
    """An environment that was made again as it was shares what the first one stored."""
    own = {"undefined of one's own", "autoescape by name", "autoescape by other names"}
    for case, make in SETTINGS.items():
        assert fingerprint(make()) == fingerprint(make()), case
    assert own < SETTINGS.keys()


def test_what_changes_no_text_is_not_part_of_it() -> None:
    """Loaders, sizes, reloading and the mode of rendering do not separate entries."""
    other = Environment(
        loader=DictLoader({}), cache_size=0, auto_reload=False, enable_async=True, optimized=False
    )
    assert fingerprint(other) == fingerprint(Environment())


def counted(start: int = 1, *, text: str = "a", call: object = None) -> Filter:
    """Return a closure."""
    return lambda value: (start, text, call, value)


def with_default(default: object) -> Filter:
    """Return a function with a default."""

    def function(value: object, default: object = default) -> object:
        return (value, default)

    return function


def with_keyword(default: object, other: object = 1) -> Filter:
    """Return a function with keywords that have defaults."""

    def function(value: object, *, b: object = default, a: object = other) -> object:
        return (value, a, b)

    return function


def recursive(text: str) -> Callable[[int], str]:
    """Return a function that closes over itself."""

    def again(number: int) -> str:
        return again(number - 1) if number else text

    return again


def decorated(inner: Filter, times: int) -> Filter:
    """Return ``inner`` wrapped in so many closures."""
    for _ in range(times):
        inner = counted(call=inner)
    return inner


class Price:
    """A filter with state, some of which has no canonical form."""

    def __init__(self, symbol: str = "€", *more: object) -> None:
        self.symbol = symbol
        self.more: tuple[object, ...] = more

    def __call__(self, value: object) -> str:
        """Return a filter's result."""
        return f"{value} {self.symbol}"

    def long(self, value: object) -> str:
        """Return another filter's result."""
        return f"{self(value)}!"


def elsewhere(function: Any) -> FunctionType:  # noqa: ANN401 - whatever has code
    """Return a function of the same code whose names are those of another module."""
    return FunctionType(function.__code__, {"__name__": "elsewhere"})


class Slotted:
    """A filter whose state lies in slots and that cannot be referred to weakly."""

    __slots__ = ("_symbol", "unset")

    def __init__(self, symbol: object) -> None:
        self._symbol = symbol

    def __call__(self, value: object) -> str:
        """Return a filter's result."""
        return f"{value} {self._symbol}"


class Mixed(Slotted):
    """A filter with state in slots and beside them."""

    def __init__(self, symbol: object) -> None:
        super().__init__(symbol)
        self.other = 1


LAMBDAS: dict[str, tuple[Filter, Filter]] = {
    "one": (lambda value: value, lambda value: [value]),
    "constant": (lambda value: (value, 1), lambda value: (value, "1")),
    "constant 1 or True": (lambda value: (value, 1), lambda value: (value, True)),
    "constant 0.0 or -0.0": (lambda value: (value, 0.0), lambda value: (value, -0.0)),
    "imaginary constant": (lambda value: (value, 1j), lambda value: (value, 2j)),
    "constant ellipsis": (lambda value: (value, ...), lambda value: (value, None)),
    "name": (lambda value: len(value), lambda value: sum(value)),  # noqa: PLW0108
    "attribute": (lambda value: value.a, lambda value: value.b),
    "function inside": (
        lambda value: lambda: value + 1,
        lambda value: lambda: value - 1,
    ),
}

DIFFERENT: dict[str, tuple[object, object]] = {
    **LAMBDAS,
    "closure": (counted(1), counted(2)),
    "closure over 1 or True": (counted(1), counted(True)),  # noqa: FBT003
    "closure over long text": (counted(text="a" * 70_000), counted(text="a" * 69_999 + "b")),
    "closure over a function": (counted(call=LAMBDAS["one"][0]), counted(call=LAMBDAS["one"][1])),
    "closure over a dict of functions": (
        counted(call={"f": LAMBDAS["one"][0]}),
        counted(call={"f": LAMBDAS["one"][1]}),
    ),
    "closure over a list of functions": (
        counted(call=[LAMBDAS["one"][0]]),
        counted(call=[LAMBDAS["one"][1]]),
    ),
    "closure over an instance": (counted(call=Price("€")), counted(call=Price("$"))),
    "closure over a pattern": (counted(call=re.compile("a")), counted(call=re.compile("b"))),
    "closure over a pattern's flags": (
        counted(call=re.compile("a")),
        counted(call=re.compile("a", re.IGNORECASE)),
    ),
    "closure over a big dict": (
        counted(call=dict.fromkeys(range(9_000))),
        counted(call=dict.fromkeys(range(9_001))),
    ),
    "closure over a module": (counted(call=re), counted(call=os)),
    "closure over a class": (counted(call=Price), counted(call=Slotted)),
    "closure over an undefined value": (counted(call=Undefined()), counted(call=StrictUndefined())),
    "closure in closures": (
        decorated(LAMBDAS["one"][0], 10),
        decorated(LAMBDAS["one"][1], 10),
    ),
    "closure in very many closures": (
        decorated(LAMBDAS["one"][0], 400),
        decorated(LAMBDAS["one"][1], 400),
    ),
    "closure that refers to itself": (recursive("a"), recursive("b")),
    "default": (with_default(1), with_default("1")),
    "default that is a function": (
        with_default(LAMBDAS["one"][0]),
        with_default(LAMBDAS["one"][1]),
    ),
    "default of a keyword": (with_keyword(1), with_keyword("1")),
    "default of a keyword that is a function": (
        with_keyword(LAMBDAS["one"][0]),
        with_keyword(LAMBDAS["one"][1]),
    ),
    "defaults of keywords of mixed types": (with_keyword(1, "b"), with_keyword("b", 1)),
    "keyword or other default": (with_keyword(1), with_default(1)),
    "mark of Jinja": (counted(), pass_context(counted())),
    "bound method": (Price().long, Price().__call__),
    "bound method of another": (Price("€").long, Price("$").long),
    "bound method of text": (", ".join, "; ".join),
    "method of text": (", ".join, ", ".split),
    "importable function": (shout, operator.neg),
    "module": (elsewhere(LAMBDAS["one"][0]), LAMBDAS["one"][0]),
    "partial": (functools.partial(shout, 1), functools.partial(shout, 2)),
    "partial's keyword": (
        functools.partial(with_keyword, default=1),
        functools.partial(with_keyword, other=1),
    ),
    "partial's function": (functools.partial(shout), functools.partial(len)),
    "partial of a lambda": (
        functools.partial(LAMBDAS["one"][0], 1),
        functools.partial(LAMBDAS["one"][1], 1),
    ),
    "state": (Price("€"), Price("$")),
    "state that is a function": (
        Price("€", LAMBDAS["one"][0]),
        Price("€", LAMBDAS["one"][1]),
    ),
    "state inside of state": (Price("€", Price("a")), Price("€", Price("b"))),
    "state in slots": (Slotted(1), Slotted(2)),
    "state in slots that is a function": (
        Slotted(LAMBDAS["one"][0]),
        Slotted(LAMBDAS["one"][1]),
    ),
    "state in slots beside other state": (Mixed(1), Mixed(2)),
    "item's name": (operator.itemgetter("a"), operator.itemgetter("b")),
    "cached function": (
        functools.cache(LAMBDAS["one"][0]),
        functools.cache(LAMBDAS["one"][1]),
    ),
    "content of a dict's subclass": (
        counted(call=OrderedDict({"a": 1})),
        counted(call=OrderedDict({"a": 2})),
    ),
    "content of a set": (counted(call={Price, 1}), counted(call={Price, 2})),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_functions_that_differ_are_told_apart(case: str) -> None:
    """Code, constants, closures, defaults and state all count, however deep they lie."""
    one, two = DIFFERENT[case]
    assert with_finalize(one) != with_finalize(two)
    assert with_finalize(one) == with_finalize(one)
    assert with_finalize(two) == with_finalize(two)


SHARED = Price("shared")
ALIKE: dict[str, tuple[object, object]] = {
    "closure": (counted(1), counted(1)),
    "closure over a function": (counted(call=LAMBDAS["one"][0]), counted(call=LAMBDAS["one"][0])),
    "closure over the same instance": (counted(call=SHARED), counted(call=SHARED)),
    "closure over a dict of functions": (
        counted(call={"f": counted(2)}),
        counted(call={"f": counted(2)}),
    ),
    "closure that refers to itself": (recursive("a"), recursive("a")),
    "closure in closures": (decorated(counted(), 10), decorated(counted(), 10)),
    "default of a keyword": (with_keyword(counted()), with_keyword(counted())),
    "partial": (functools.partial(shout, 1), functools.partial(shout, 1)),
    "bound method of the same": (SHARED.long, SHARED.long),
    "bound method of text": (", ".join, ", ".join),
    "state in slots": (Slotted(1), Slotted(1)),
    "item's name": (operator.itemgetter("a"), operator.itemgetter("a")),
}


@pytest.mark.parametrize("case", ALIKE)
def test_functions_that_are_the_same_are_taken_for_one(case: str) -> None:
    """Functions made twice by the same code from the same values share entries."""
    one, two = ALIKE[case]
    assert one is not two
    assert with_finalize(one) == with_finalize(two)


def test_second_look_alike_is_told_apart() -> None:
    """A second instance with the same visible state may hide what makes it print otherwise."""
    first, second = Price("look-alike"), Price("look-alike")
    before = with_finalize(first)
    assert with_finalize(second) != before
    assert with_finalize(second) == with_finalize(second)
    assert with_finalize(first) == before


def test_closure_over_a_look_alike_is_told_apart() -> None:
    """An instance that may hide something does so behind a closure and a method too."""
    one, two = Price("in a closure"), Price("in a closure")
    assert with_finalize(counted(call=one)) != with_finalize(counted(call=two))
    one, two = Price("in a method"), Price("in a method")
    assert with_finalize(one.long) != with_finalize(two.long)


def test_look_alike_of_one_that_is_gone_is_told_apart() -> None:
    """Entries outlive the instance that they were stored for."""

    def fingerprint_of_one_more() -> bytes:
        return with_finalize(Price("gone", threading.Lock()))

    assert len({fingerprint_of_one_more() for _ in range(20)}) == 20


def test_state_that_changes_keeps_its_fingerprint() -> None:
    """A filter that counts its calls is the same filter after a million of them."""
    calls = 0

    def counting(value: object) -> object:
        nonlocal calls
        calls += 1
        return value

    price = Price("before")
    first = with_finalize(price), with_finalize(counting)
    counting(1)
    price.symbol = "after"
    assert calls == 1
    assert (with_finalize(price), with_finalize(counting)) == first


def test_two_filters_may_look_alike_in_one_environment() -> None:
    """Two filters of one environment with equal state are no look-alikes: each has its name."""

    def environment() -> bytes:
        env = Environment()
        env.filters.update(a=counted(call=shared), b=counted(call=shared))
        return fingerprint(env)

    shared = Price("in two filters")
    assert environment() == environment()


def test_threads_agree_on_a_look_alike() -> None:
    """Many threads that see an instance for the first time say the same of it."""
    Environment(finalize=Price("first"))
    with ThreadPoolExecutor(8) as pool:
        for number in range(50):
            env = Environment(finalize=Price(f"threads {number}"))
            assert len(set(pool.map(fingerprint, [env] * 8))) == 1


def test_class_that_no_module_holds_is_known_by_its_code() -> None:
    """Two local classes of one name that print differently are told apart."""

    def silent(text: str) -> type[Undefined]:
        class Silent(Undefined):
            def __str__(self) -> str:
                return text

        return Silent

    def undefined(cls: type[Undefined]) -> bytes:
        return fingerprint(Environment(undefined=cls))

    one, two = silent("a"), silent("b")
    assert undefined(one) != undefined(two)
    assert undefined(one) == undefined(one)
    logging = make_logging_undefined(base=StrictUndefined)
    assert undefined(logging) not in {undefined(make_logging_undefined()), undefined(one)}


def test_closure_that_is_not_filled_yet() -> None:
    """A function can be looked at before what it refers to is there."""

    def early() -> object:
        return later

    before = with_finalize(early)
    later = 1
    assert early() == later
    assert with_finalize(early) == before


def test_endless_structures_come_to_an_end() -> None:
    """Cycles through lists, instances, closures and sets are followed once."""
    circle: list[object] = [Price]
    circle.append(circle)
    parent, child = Price("parent"), Price("child")
    parent.more, child.more = ({child},), ({parent},)
    every = [counted(call=circle), parent, counted(call={"a": circle, "b": [parent, child]})]
    assert len({with_finalize(value) for value in every}) == 3


def test_proxy_is_not_asked_for_what_it_stands_for() -> None:
    """A proxy that works only inside of a request can stand in a closure."""
    assert with_finalize(counted(call=Proxy())) != with_finalize(counted(call=Price()))


class Proxy:
    """Raise on whatever is asked, as proxies do outside of a request."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(f"outside of a request: {name}")


def test_filter_may_know_its_environment() -> None:
    """A filter whose state leads back to the environment is told from another by the rest."""

    def priced(symbol: str) -> bytes:
        env = Environment()
        env.filters["price"] = Price(symbol, env)
        return fingerprint(env)

    assert priced("knows €") != priced("knows $")


def test_translations_of_another_language_are_told_apart() -> None:
    """Environments with catalogues of different languages print different pages."""

    def translated(catalogue: dict[str, str], *, newstyle: bool) -> bytes:
        translations = gettext.GNUTranslations()
        translations._catalog = catalogue  # type: ignore[attr-defined] # noqa: SLF001
        env = Environment(extensions=["jinja2.ext.i18n"])
        env.install_gettext_translations(  # type: ignore[attr-defined]
            translations, newstyle=newstyle
        )
        return fingerprint(env)

    german, french = {"yes": "ja"}, {"yes": "oui"}
    styles = (True, False)
    found = {translated(words, newstyle=new) for words in (german, french) for new in styles}
    assert len(found) == 4
    assert translated({"yes": "ja"}, newstyle=True) in found


def test_loaders_that_find_other_templates_are_told_apart() -> None:
    """Fragments that include other templates are shared between loaders of the same ones only."""
    loaders = [
        *[None, FileSystemLoader("a"), FileSystemLoader("b"), FileSystemLoader(["a", "b"])],
        *[FileSystemLoader("a", encoding="latin-1"), ModuleLoader("a"), ModuleLoader("b")],
        *[DictLoader({"a": "1"}), DictLoader({"a": "2"}), DictLoader({"b": "1"})],
    ]
    found = [loader_identity(Environment(loader=loader)) for loader in loaders]
    assert len(set(found)) == len(found)
    for make in (lambda: FileSystemLoader("a"), lambda: ModuleLoader("a")):
        one, two = Environment(loader=make()), Environment(loader=make())
        assert loader_identity(one) == loader_identity(two)


TABLE = """
import functools, gettext, json, operator, os, re, sys, threading
from jinja2 import DictLoader, Environment, Undefined, pass_context
from jinjacache.fingerprint import fingerprint

X = sys.argv[1]
if X == "a":
    import textwrap as module
    def main(value):
        return value
else:
    import string as module
    def main(value):
        return [value]

class Class(Undefined):
    text = X
    if X == "a":
        def __str__(self):
            return "a"
        @property
        def read(self):
            return "a"
        @classmethod
        def make(cls):
            return "a"
    else:
        def __str__(self):
            return "b"
        @property
        def read(self):
            return "b"
        @classmethod
        def make(cls):
            return "b"

def of_class(kind):
    if X == "a":
        return type("Made", (), {"read": kind(lambda value: value)})
    return type("Made", (), {"read": kind(lambda value: [value])})

class State:
    def __init__(self, **state):
        vars(self).update(state)
    def __call__(self, value):
        return value
    def method(self, value):
        return value

class Slots:
    __slots__ = ("first", "second")
    def __init__(self, value):
        self.second = value

class Words(dict):
    pass

class Currency(str):
    pass

class Application:
    def __init__(self, name):
        self.name, self._started, self.env = name, False, Environment()
    def __call__(self, environ, start):
        self._started = True
    def escapes(self, name):
        return True

def closure(*values):
    return lambda value: (value, values)

catalogue = gettext.GNUTranslations()
catalogue._catalog = {"yes": X}
application = Application(X)
if "started" in sys.argv:
    application({}, None)

VALUES = {
    "function": main,
    "class": closure(Class),
    "classmethod": closure(of_class(classmethod)),
    "staticmethod": closure(of_class(staticmethod)),
    "property": closure(of_class(property)),
    "set": closure({"x", "y", "z", X}),
    "set of others": closure({Class, "x", "y", X}),
    "constant": eval(f"lambda value: value in {{'x', 'y', {X!r}}}"),
    "long text": closure("a" * 70_000 + X),
    "long bytes": closure(b"a" * 70_000 + X.encode()),
    "pattern": re.compile(X).sub,
    "pattern in a closure": closure(re.compile(X)),
    "item": operator.itemgetter(X),
    "attribute": State(get=operator.attrgetter(X)),
    "lock": State(lock=threading.Lock(), text=X),
    "lock again": State(lock=threading.Lock(), text=X),
    "local": State(own=threading.local(), text=X),
    "slots": closure(Slots(X)),
    "slots of others": closure(Slots(closure(X))),
    "state": State(text=X),
    "method": State(text=X).method,
    "function in the state": State(get=main),
    "state in the state": State(inner=State(inner=State(text=X))),
    "dict's subclass": closure(Words(x=main)),
    "text's subclass": closure(Currency(X)),
    "partial": functools.partial(closure, main),
    "cache": functools.lru_cache(main),
    "module": closure(module),
    "translations": catalogue.gettext,
    "context": pass_context(main) if X == "a" else main,
    "application": application.escapes,
}
found = {}
for name in VALUES:
    env = Environment()
    env.filters[name] = VALUES[name]
    found[name] = fingerprint(env).hex()
env.filters.update(VALUES)
found["all"] = fingerprint(env).hex()
print(json.dumps(found))
"""

MODULE = """
import sys
sys.path.insert(0, sys.argv[1])
import filters
from jinja2 import Environment
from jinjacache.fingerprint import fingerprint
print(fingerprint(Environment(finalize=filters.shout)).hex())
"""

FLASK = """
import flask
from jinjacache.fingerprint import fingerprint

def create():
    app = flask.Flask("shop")
    app.secret_key = "secret"
    from flask import g
    app.template_filter("price")(lambda value: (value, g.currency))
    return app

app = create()
"""


def said(script: str, *arguments: str, seed: str = "0") -> str:
    """Return what a script prints in a process with that hash seed."""
    run = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONHASHSEED": seed},
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout.strip()


def table(*arguments: str, seed: str = "0") -> dict[str, str]:
    """Return the fingerprints of every kind of value, as another process sees them."""
    found: dict[str, str] = json.loads(said(TABLE, *arguments, seed=seed))
    return found


def test_fingerprint_is_the_same_in_every_process() -> None:
    """Neither hash seeds nor addresses show in a fingerprint, whatever the settings hold."""
    assert table("a") == table("a", seed="1") == table("a", seed="4242")


def test_processes_with_other_settings_are_told_apart() -> None:
    """Whatever the settings hold, another process does not take one value for another."""
    one, two = table("a"), table("b")
    assert [name for name in one if one[name] == two[name]] == []


def test_application_that_runs_keeps_its_fingerprint() -> None:
    """What an application notes of itself while it runs does not part it from its workers."""
    assert table("a") == table("a", "started")


def test_importable_function_is_known_by_its_name(tmp_path: Path) -> None:
    """A release may mend a filter of a module and keep what was stored; a version parts them."""
    found: set[str] = set()
    for text in ("!", "?"):
        (tmp_path / "filters.py").write_text(f"def shout(value):\n    return f'{{value}}{text}'\n")
        found.add(said(MODULE, str(tmp_path)))
    assert len(found) == 1


@pytest.mark.skipif(importlib.util.find_spec("flask") is None, reason="Flask is not installed")
def test_application_of_flask_has_one_fingerprint() -> None:
    """Workers, scripts outside of a request and first requests agree on an application's."""
    show = "print(fingerprint(app.jinja_env).hex())"
    request = "app.route('/')(lambda: ''); app.test_client().get('/')"
    before, after = (said(FLASK + script) for script in (show, f"{request}\n{show}"))
    both = said(f"{FLASK}{show}\n{request}\n{show}", seed="1").split()
    assert {before, after, *both} == {before}


@pytest.mark.skipif(importlib.util.find_spec("flask") is None, reason="Flask is not installed")
def test_two_applications_of_flask_are_told_apart() -> None:
    """Two applications in one process do not share entries, since they may hide anything."""
    show = "print(fingerprint(app.jinja_env).hex())"
    one, two = said(f"{FLASK}{show}\nother = app\napp = create()\n{show}").split()
    assert one != two


def test_markup_is_not_text() -> None:
    """A filter that adds markup prints otherwise than one that adds text."""
    assert with_finalize(counted(text=Markup("a"))) != with_finalize(counted(text="a"))
