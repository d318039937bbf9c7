"""Keys: which values are one key and which are two, what is refused untouched, and the bounds."""

import math
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, localcontext
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from uuid import UUID
from zoneinfo import ZoneInfo

import jinja2
import pytest
from markupsafe import Markup

from jinjacache import encoding
from jinjacache.encoding import encode, register_key_type
from jinjacache.errors import ConfigurationError, KeyEncodingError


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Give each test a registry of its own."""
    monkeypatch.setattr(encoding, "_registered", {})


def refusal(value: object) -> KeyEncodingError:
    """Return the error that a value is refused with."""
    with pytest.raises(KeyEncodingError) as refused:
        encode(value)
    return refused.value


class Keyed:
    """Be keyed by whatever it is given."""

    def __init__(self, key: object) -> None:
        self.key = key

    def __cache_key__(self) -> object:
        """Return the key as it is."""
        return self.key


class Other(Keyed):
    """Be of another class with the same keys."""


class Colour(Enum):
    """Have an alias and values of two types."""

    RED = 1
    CRIMSON = RED
    BLUE = "blue"


class Level(IntEnum):
    """Be equal to an int."""

    RED = 1


class Shade(StrEnum):
    """Be equal to a text."""

    RED = "1"


class Access(Flag):
    """Have a name for one combination and none for the others."""

    READ = 1
    WRITE = 2
    BOTH = 3
    RUN = 4


class Mode(IntFlag):
    """Keep bits that have no name."""

    READ = 1
    WRITE = 2


class Named(tzinfo):
    """Be a zone that is known by its ``zone``, as those of pytz are."""

    def __init__(self, zone: object) -> None:
        self.zone = zone

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        """Say one hour, but nothing to a time without a date."""
        return None if when is None else timedelta(hours=1)

    def tzname(self, when: datetime | None) -> str | None:
        """Have the same name as all the others."""
        return None if when is None else "X"

    def dst(self, when: datetime | None) -> None:
        """Know nothing of summer."""


NOON = datetime(2024, 1, 1, 12, 0)  # noqa: DTZ001
BERLIN = ZoneInfo("Europe/Berlin")
AUTUMN = datetime(2024, 10, 27, 2, 30)  # noqa: DTZ001
HASH_OF_A_SET = (
    "from jinjacache.encoding import encode;"
    "print(encode([{'a', 'b', 'c', 1, b'x'}, frozenset('xyz'), dict.fromkeys({'p', 'q', 'r'})]))"
)

DIFFERENT: dict[str, list[object]] = {
    "types": [1, "1", True, 1.0, b"1", Decimal(1), Markup("1"), Level.RED, Shade.RED, Mode.READ],
    "nothing": [None, "None", "", b"", 0, False, 0.0, (), [], {}, set(), frozenset(), ("",)],
    "boundaries": [
        ("a", "bc"), ("ab", "c"), ("a:b",), ("a", "b"), ("a_b",), ("a_b", "c"), ("a", "b_c"),
        ("abc",), (("a", "b"), "c"), ("a", ("b", "c")), ["a", "b"],
    ],
    "floats": [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 0.1 + 0.2, 0.3],
    "decimals": [Decimal(t) for t in ("1.0", "1.00", "1", "1E+1", "10", "-0", "0", "NaN", "sNaN")],
    "markup": [Markup("x"), "x", Markup("<x>"), "<x>", "&lt;x&gt;"],
    "instants": [
        NOON, NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=BERLIN),
        NOON.replace(hour=11, tzinfo=UTC), NOON.replace(tzinfo=ZoneInfo("Europe/Paris")),
        NOON.replace(tzinfo=timezone(timedelta(hours=1))),
        NOON.replace(tzinfo=timezone(timedelta(hours=1), "CET")),
        NOON.replace(tzinfo=timezone(timedelta(hours=2), "CET")), NOON.replace(fold=1),
        NOON.replace(microsecond=1), NOON.date(), NOON.time(), NOON.isoformat(),
        AUTUMN.replace(tzinfo=BERLIN), AUTUMN.replace(tzinfo=BERLIN, fold=1),
        NOON.replace(tzinfo=Named("A")), NOON.replace(tzinfo=Named("B")),
        NOON.replace(tzinfo=Named(None)),
    ],
    "times": [
        time(12), time(12, fold=1), time(12, tzinfo=UTC), time(12, tzinfo=BERLIN),
        time(12, tzinfo=Named("A")), time(12, 0, 0, 1), date(2024, 1, 1), timedelta(hours=12),
        timedelta(microseconds=1), timedelta(microseconds=-1), UUID(int=1), UUID(int=2), 1,
    ],
    "texts": [
        "\ud800\udc00", "\U00010000", "\udcff", "\udcfe", "?", "??",
        "a\0b", "ab", "a\r\nb", "a\nb", "a b", "a  b",
        "e\u0301", "\u00e9", "x" * 10_000, "x" * 10_001, "\N{GRINNING FACE}", "\r\nflush_all",
    ],
    "containers": [
        ["a"], ("a",), {"a"}, frozenset("a"), {"a": None}, {None: "a"}, [["a"]], {"a": {"a"}},
    ],
    "mappings": [{1: "x"}, {"1": "x"}, {1.0: "x"}, {"x": 1}, [(1, "x")], {1: "x", "1": "y"}],
    "objects": [Keyed(1), Other(1), Keyed("1"), Keyed((1,)), 1, (1,), [Keyed(1)], Keyed([1])],
    "enums": [
        Colour.RED, Colour.BLUE, Level.RED, Shade.RED, Mode.READ, "RED", 1, "blue", Access.READ,
        Access.BOTH, Access.READ | Access.RUN, Access(0), Mode(0), Mode(3), Mode(64), 64,
    ],
}  # fmt: skip


@pytest.mark.parametrize("group", DIFFERENT)
def test_values_that_print_or_compare_alike_are_different_keys(group: str) -> None:
    """No two values of a group share an encoding, alone or as a key variable."""
    for one, other in combinations(DIFFERENT[group], 2):
        assert encode(one) != encode(other), (one, other)
        assert encode((one,)) != encode((other,)), (one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, 2: [3]}, {2: [3], "a": 1}),
        ({1, "1", None}, {None, "1", 1}),
        (math.nan, struct.unpack(">d", b"\xff\xf8\0\0\0\0\0\1")[0]),
        (Colour.RED, Colour.CRIMSON),
        (Access.READ | Access.WRITE, Access.BOTH),
        (Decimal("1E+5"), Decimal("1e5")),
        (timedelta(days=1), timedelta(hours=24)),
        (Keyed((1, Keyed("x"))), Keyed((1, Keyed("x")))),
    ],
)
def test_values_that_are_the_same_are_one_key(one: object, other: object) -> None:
    """Order of insertion, aliases, and the bits of a NaN do not make a second key."""
    assert encode(one) == encode(other)


def test_an_int_of_more_digits_than_python_prints_is_a_key() -> None:
    """No decimal digits are made of it."""
    assert encode(10**5000) == encode(10**2500 * 10**2500) != encode(10**5000 + 1)


def test_the_decimal_context_of_a_thread_does_not_change_a_key() -> None:
    """A context that prints a small ``e`` gives the same bytes."""
    expected = encode(Decimal("1E+5"))
    with localcontext() as context:
        context.capitals = 0
        assert encode(Decimal("1E+5")) == expected


def test_hash_seeds_do_not_change_the_keys_of_sets_and_dicts() -> None:
    """Three processes with other orders of iteration make the same bytes."""
    printed = {
        subprocess.run(
            [sys.executable, "-c", HASH_OF_A_SET],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1


def test_the_bytes_of_a_key_do_not_change_between_releases_by_accident() -> None:
    """The encoding of a typical key is written down here: to change it is to lose every entry."""
    assert encode(("nav", 42)) == b"t\0\0\0\x0fs\0\0\0\x03navi\0\0\0\x022a"


@pytest.mark.parametrize(
    "kind",
    [
        jinja2.Undefined,
        jinja2.StrictUndefined,
        jinja2.ChainableUndefined,
        jinja2.DebugUndefined,
        jinja2.make_logging_undefined(base=jinja2.StrictUndefined),
    ],
)
def test_undefined_of_any_kind_is_refused_by_its_name(
    kind: type[jinja2.Undefined], caplog: pytest.LogCaptureFixture
) -> None:
    """The message names the variable and the way to allow for it, and nothing is logged."""
    error = refusal(kind(name="x"))
    assert str(error).startswith("variable 'x' is undefined")
    assert "x|default(none)" in error.remedy
    assert not caplog.records


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (jinja2.StrictUndefined(obj=Keyed(1), name="nmae"), "attribute 'nmae' is undefined"),
        (jinja2.StrictUndefined(hint="no more"), "it is undefined"),
        (jinja2.StrictUndefined(name="x" * 99), "variable <str> is undefined"),
    ],
)
def test_undefined_without_a_short_variable_name_is_refused_too(
    value: object, problem: str
) -> None:
    """Attributes are called attributes, and what has no name is not given one."""
    assert str(refusal(value)).startswith(problem)


def test_undefined_with_a_key_of_its_own_is_still_undefined() -> None:
    """A ``__cache_key__`` cannot turn a missing variable into a key."""

    class Silent(jinja2.Undefined):
        def __cache_key__(self) -> None:
            """Pretend to be None."""

    assert str(refusal(Silent(name="x"))).startswith("variable 'x' is undefined")


class Untouchable:
    """Fail the test when anything but the type is looked at."""

    def __getattribute__(self, name: str) -> object:
        pytest.fail(f"{name} was touched")

    def touch(self) -> NoReturn:
        """Be each of the special methods."""
        pytest.fail("a method was called")

    __hash__ = __repr__ = __str__ = __bool__ = __len__ = __iter__ = touch


class Proxy(Untouchable):
    """Stand for the local proxies of frameworks, whose classes have every special method."""

    __next__ = __anext__ = __await__ = __call__ = Untouchable.touch


@pytest.mark.parametrize("kind", [Untouchable, Proxy])
def test_objects_and_proxies_are_refused_untouched(kind: type[object]) -> None:
    """No method is called, no attribute read, not even the class that a proxy pretends to be."""
    assert "obj.id" in refusal(kind()).remedy


class Point(NamedTuple):
    """Be a tuple, and more."""

    x: int
    y: int


@pytest.mark.parametrize(
    "value",
    [sys, len, (lambda: 1), Keyed, ..., range(3), 1j],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_canonical_form_is_refused_with_the_three_ways_out(value: object) -> None:
    """The message names the type and each of the fixes."""
    error = refusal(value)
    name = type(value).__qualname__
    for way in ("obj.id", "__cache_key__", f"register_key_type({name}, function)"):
        assert way in str(error)
    assert error.type_name.endswith(name)
    assert "builtins" not in error.type_name


class Recorded(Iterator[int]):
    """Count how often it is asked for something."""

    asked = 0

    def __next__(self) -> int:
        self.asked += 1
        return self.asked


def test_generators_and_iterators_are_refused_and_not_consumed() -> None:
    """What the body was going to loop over is all there afterwards."""
    generator, iterator, recorded = (n for n in [1, 2]), iter([1, 2]), Recorded()
    for value in (generator, iterator, recorded):
        assert refusal(value).remedy == "pass a list of it"
    assert list(generator) == [1, 2]
    assert list(iterator) == [1, 2]
    assert recorded.asked == 0


def test_files_are_refused_and_not_read(tmp_path: Path) -> None:
    """The position in the file stays at its start."""
    (tmp_path / "page.txt").write_text("text\n")
    with (tmp_path / "page.txt").open() as file:
        refusal(file)
        assert file.tell() == 0


def test_coroutines_are_refused_and_not_run() -> None:
    """The message asks to await it, and nobody has."""

    async def product() -> int:
        return 1

    async def products() -> AsyncIterator[int]:
        yield 1

    coroutine: Coroutine[None, None, int] = product()
    assert "await it" in refusal(coroutine).remedy
    assert coroutine.cr_frame is not None  # type: ignore[attr-defined]
    coroutine.close()
    assert refusal(products()).remedy == "pass a list of it"


class SpokenText(str):
    """Stand for a lazy translation that is a subclass of ``str``."""

    __slots__ = ()


class LazyText:
    """Stand for a lazy translation that is an object, resolved by whatever locale is current."""

    locale = "en"

    def __getattr__(self, name: str) -> object:
        return getattr(str(self), name)

    def __str__(self) -> str:
        return {"en": "cheese", "fr": "fromage"}[self.locale]


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (SpokenText("a"), "str"),
        (type("Safe", (Markup,), {})("a"), "Markup"),
        (type("Number", (int,), {})(1), "int"),
        (Point(1, 2), "tuple"),
        (OrderedDict[str, int](a=1), "dict"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_subclasses_of_built_in_types_are_refused_with_their_registration(
    value: object, base: str
) -> None:
    """A value that is more than its base is not taken for it unless someone says so."""
    name = type(value).__name__
    assert refusal(value).remedy == f"call register_key_type({name}, {base})"


def test_lazy_text_is_keyed_by_the_text_of_the_current_language_once_registered() -> None:
    """The same object is another key in another language."""
    refusal(LazyText())
    register_key_type(LazyText, str)
    register_key_type(SpokenText, str)
    english = encode(LazyText())
    assert encode(LazyText()) == english
    french = LazyText()
    french.locale = "fr"
    assert encode(french) != english
    assert encode(SpokenText("a")) != encode("a")


def test_registration_covers_subclasses_and_keeps_their_class_in_the_key() -> None:
    """A base's function serves the class below it, which is still another class."""

    class Model:
        pk = 7

    class User(Model):
        pass

    class Post(Model):
        pass

    register_key_type(Model, lambda model: model.pk)
    assert encode(User()) == encode(User())
    assert len({encode(User()), encode(Post()), encode(Model()), encode(7)}) == 4


def test_registration_goes_before_the_method_and_can_be_replaced() -> None:
    """The last function that was registered decides."""
    by_method = encode(Keyed(1))
    register_key_type(Keyed, lambda _: 2)
    registered = encode(Keyed(1))
    register_key_type(Keyed, lambda keyed: keyed.key)
    assert encode(Keyed(1)) == by_method != registered


def test_registrations_of_many_threads_are_all_kept() -> None:
    """No thread overwrites what another one registers at the same time."""
    classes: list[type[object]] = [type(f"C{n}", (), {}) for n in range(200)]
    start = threading.Barrier(4)

    def register(mine: list[type[object]]) -> None:
        start.wait()
        for cls in mine:
            register_key_type(cls, lambda _: 1)

    threads = [threading.Thread(target=register, args=(classes[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(encode(cls()) for cls in classes)


@pytest.mark.parametrize(
    "cls", [int, str, Markup, dict, type(None), object, Colour, Enum, jinja2.StrictUndefined]
)
def test_types_that_keys_treat_themselves_cannot_be_registered(cls: type[object]) -> None:
    """A function that would never be asked, or asked about everything, is a mistake."""
    with pytest.raises(ConfigurationError, match=f"{cls.__name__} cannot be a key type"):
        register_key_type(cls, lambda _: 1)


@pytest.mark.parametrize("value", [1, "User", Keyed(1), list[int], None])
def test_only_classes_can_be_registered(value: type[object]) -> None:
    """An instance is refused with the name of what it is."""
    with pytest.raises(ConfigurationError, match="is a class, not an instance of"):
        register_key_type(value, lambda _: 1)


def test_a_key_may_be_a_property_or_a_method() -> None:
    """Both spellings of ``__cache_key__`` give their value."""

    class Page:
        @property
        def __cache_key__(self) -> tuple[str, int]:
            return ("page", 1)

    assert encode(Page()).endswith(encode(("page", 1)))
    assert encode(Keyed(("page", 1))).endswith(encode(("page", 1)))


def test_a_subclass_can_take_its_key_back() -> None:
    """``__cache_key__ = None`` hides the method of the base."""

    class Bare(Keyed):
        __cache_key__ = None  # type: ignore[assignment]

    refusal(Bare(1))


def test_a_key_on_the_instance_alone_is_not_asked_for() -> None:
    """The method must stand in the class, so that a proxy never lends one."""

    class Plain:
        pass

    plain = Plain()
    vars(plain)["__cache_key__"] = lambda: 1
    refusal(plain)


@pytest.mark.parametrize(
    ("key", "cause"),
    [
        (object(), "object has no canonical form"),
        (Keyed(1), "is another object with a key"),
        ((1, [object()]), "object has no canonical form"),
        (iter(()), "tuple_iterator has no canonical form"),
        (jinja2.Undefined(name="pk"), "variable 'pk' is undefined"),
        (SpokenText("a"), "SpokenText has no canonical form"),
    ],
    ids=lambda key: type(key).__name__,
)
def test_a_key_function_that_returns_no_key_is_refused_with_the_cause(
    key: object, cause: str
) -> None:
    """The error is about the object, and chained to the one about what it returned."""
    error = refusal([Keyed(key)])
    assert error.path == "[0]"
    assert error.type_name.endswith("Keyed")
    assert "Keyed cannot be used" in str(error)
    assert cause in str(error.__cause__)
    assert isinstance(error.__cause__, KeyEncodingError)
    assert error.remedy == error.__cause__.remedy


def test_a_key_function_that_raises_is_refused_with_its_own_error_as_the_cause() -> None:
    """The message names the class and the error's type, not the text, which may hold a value."""
    failure = LookupError("secret")

    class Broken:
        def __cache_key__(self) -> None:
            raise failure

    error = refusal(Broken())
    assert error.__cause__ is failure
    assert "Broken raised LookupError" in str(error)
    assert "secret" not in str(error)


def test_an_interrupt_in_a_key_function_is_not_swallowed() -> None:
    """What is meant to stop the process goes on."""

    class Interrupted:
        def __cache_key__(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(Interrupted())


def test_a_time_zone_that_raises_is_refused_with_its_own_error_as_the_cause() -> None:
    """A broken zone is a key that cannot be made, by its name."""

    class Nowhere(Named):
        def tzname(self, when: datetime | None) -> str:
            raise LookupError(when)

    error = refusal(NOON.replace(tzinfo=Nowhere("A")))
    assert "Nowhere raised LookupError" in str(error)
    assert isinstance(error.__cause__, LookupError)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), ""),
        ([{"a": object()}], "[0]['a']"),
        (("x", ["y", object()]), "[1][1]"),
        ({1: object()}, "[<int>]"),
        ({"x" * 41: object()}, "[<str>]"),
        ({(1, object()): 1}, "[...][1]"),
        ([{object()}], "[0][...]"),
        ({None: [Keyed(object())]}, "[<NoneType>][0]"),
    ],
)
def test_the_path_leads_to_what_was_refused(value: object, path: str) -> None:
    """Each container on the way adds its step, and no step shows a long or foreign value."""
    assert refusal(value).path == path


def nested(depth: int, inner: object = 1) -> object:
    """Return a value in so many lists."""
    for _ in range(depth):
        inner = [inner]
    return inner


def test_sixteen_levels_are_a_key_and_seventeen_are_not() -> None:
    """Only containers and objects count as levels; an enum member is as flat as a number."""
    encode(nested(16))
    encode(nested(16, Level.RED))
    assert "16 levels" in str(refusal(nested(17)))
    assert "16 levels" in str(refusal(nested(16, Keyed(1))))
    assert "16 levels" in str(refusal(nested(16, Access.READ | Access.RUN)))


def cyclic_list() -> object:
    """Return a list that holds itself behind almost as many values as are allowed."""
    cycle: list[object] = [1] * 4000
    cycle.append({"again": cycle})
    return cycle


def cyclic_object() -> object:
    """Return an object whose key holds the object."""
    cycle = Keyed(None)
    cycle.key = (cycle,)
    return cycle


@pytest.mark.parametrize("make", [cyclic_list, cyclic_object])
def test_a_cycle_is_refused_as_a_cycle(make: Callable[[], object]) -> None:
    """The message says what it is, before any other bound is reached."""
    assert "a cycle has no canonical form" in str(refusal(make()))


def test_the_same_value_twice_side_by_side_is_no_cycle() -> None:
    """A list may hold one tuple, one object or one combination of flags several times."""
    shared, keyed, flags = ("a",), Keyed(1), Access.READ | Access.RUN
    assert encode([shared, shared]) == encode([("a",), ("a",)])
    assert encode([keyed, [keyed]]) == encode([Keyed(1), [Keyed(1)]])
    assert encode([flags, [flags]])[5:].startswith(encode(flags))


def test_4096_values_are_a_key_and_4097_are_not() -> None:
    """Keys and items of dicts count as two, and members at all levels count together."""
    encode([None] * 4096)
    encode(dict.fromkeys(range(2048)))
    for value in ([None] * 4097, set(range(4097)), dict.fromkeys(range(2049)), [[None] * 4096]):
        assert "4096 others" in str(refusal(value))


@pytest.mark.parametrize("kind", [str, bytes, Markup])
def test_64_kib_are_a_key_and_one_byte_more_is_not(kind: type[Any]) -> None:
    """The whole encoding counts, with its headers of five bytes."""
    text: Any = b"x" if kind is bytes else "x"
    assert len(encode(kind(text * 65531))) == 65536
    for value in (kind(text * 65532), [kind(text * 65531)], [kind(text * 65526), None]):
        assert "65536 bytes" in str(refusal(value))


TOO_LARGE: dict[str, object] = {
    "text": "x" * 10**7,
    "text in UTF-8": "\N{GRINNING FACE}" * 20_000,
    "markup": Markup("x") * 10**7,
    "bytes": b"x" * 10**7,
    "int": 1 << 10**7,
    "negative int": -(1 << 10**7),
    "int in hexadecimal": 1 << 262_144,
    "decimal": Decimal("1" * 10**6),
    "decimal in text": Decimal((0, (1,) * 70_000, 0)),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_values_of_any_type_over_the_size_are_refused(name: str) -> None:
    """What is too large is named as too large, with its type."""
    error = refusal(TOO_LARGE[name])
    assert "65536 bytes" in str(error)
    assert error.type_name.endswith(type(TOO_LARGE[name]).__name__)


@pytest.mark.parametrize("name", ["text", "markup", "bytes", "int", "negative int", "decimal"])
def test_values_far_over_the_size_are_refused_before_they_are_copied(name: str) -> None:
    """The memory that a refusal takes is not that of the value."""
    value = TOO_LARGE[name]
    tracemalloc.start()
    try:
        refusal(value)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 400_000


class Counted:
    """Count the keys that were made, which is the work that was done."""

    made = 0

    def __cache_key__(self) -> str:
        self.made += 1
        return "x" * 100


def test_a_huge_list_is_refused_before_any_member_is_encoded() -> None:
    """The length is looked at first."""
    member = Counted()
    refusal([member] * 10**6)
    assert member.made == 0


def test_a_nest_of_shared_references_costs_no_more_than_the_bounds() -> None:
    """Ten lists to the tenth power are left after 4,096 members or 64 KiB."""
    member = Counted()
    value: object = member
    for _ in range(10):
        value = [value] * 10
    refusal(value)
    assert 0 < member.made <= 65536 / 100


def test_many_headers_alone_are_refused_over_the_size() -> None:
    """Containers and class names count, not only what they hold."""
    wide: type[Keyed] = type("N" * 60_000, (Keyed,), {})
    empty: list[tuple[()]] = [()] * 1400
    encode([wide(1), empty[:900]])
    refusal([wide(1), empty])


class Long(Enum):
    """Have a class name that is most of a key."""

    __qualname__ = "L" * 40_000
    ONE = 1


def test_the_class_names_of_enums_count_too() -> None:
    """Two members with long names are over the size, one is not."""
    encode(Long.ONE)
    refusal([Long.ONE, Long.ONE])


def test_a_key_function_that_grows_its_list_does_not_keep_the_encoder_busy() -> None:
    """Only the members that were there at the start are encoded."""
    members: list[object] = []

    class Growing(Counted):
        def __cache_key__(self) -> str:
            members.append(self)
            return super().__cache_key__()

    member = Growing()
    members.append(member)
    encode(members)
    assert member.made == 1


def test_a_key_function_that_makes_new_objects_for_ever_is_stopped_by_the_depth() -> None:
    """Sixteen objects inside one another are asked, and no more."""
    made: list[object] = []

    class Endless:
        def __cache_key__(self) -> tuple[object]:
            made.append(self)
            return (Endless(),)

    refusal(Endless())
    assert len(made) == 8


def test_an_enum_member_without_a_name_is_keyed_by_its_value() -> None:
    """A member that ``_missing_`` made up differs from another one by what it holds."""

    class Open(Enum):
        KNOWN = 1

        @classmethod
        def _missing_(cls, value: object) -> "Open":
            member = object.__new__(cls)
            member._name_ = None  # type: ignore[assignment]
            member._value_ = value
            return member

    assert encode(Open(2)) == encode(Open(2))
    assert len({encode(Open(2)), encode(Open(3)), encode(Open("2")), encode(Open.KNOWN)}) == 4
