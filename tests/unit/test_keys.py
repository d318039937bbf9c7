"""One key: nothing of the user's on the wire, no two values together, nothing to collide with."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from jinjacache.encoding import encode
from jinjacache.errors import ConfigurationError, KeyEncodingError
from jinjacache.keys import PLAIN, Key, check_namespace, prefix, realm

WIRE = re.compile(r"[A-Za-z0-9:._-]{1,200}")
LONGEST = 87
PREFIX = prefix("default", "page", "x")
PERIOD = 2**61 - 1

ALIKE: list[object] = [
    *[1, "1", True, 1.0, b"1", Decimal(1), Markup("1"), [1], (1,), {1}, frozenset({1}), {1: 1}],
    *[None, "None", "", b"", 0, False, 0.0, -0.0, (), [], ("a", "b"), "ab", "a", ("ab",)],
    *[PERIOD, 2 * PERIOD, -PERIOD, 2**200, "x" * 64, "x" * 65, "x" * 500, b"x" * 500],
    *["é", "e\u0301", "\ud800", "\0", "\r\nflush_all", Decimal("1.0"), Decimal("1.00")],
]
values = st.one_of(
    st.sampled_from(ALIKE),
    st.none(),
    st.integers(),
    st.text(max_size=100),
    st.binary(max_size=80),
    st.floats(),
    st.lists(st.integers() | st.text(max_size=9), max_size=4),
)


def key(*variables: object, ambient: tuple[object, ...] = ()) -> Key:
    """Return the key of one fragment for these values."""
    return Key("default", PREFIX, variables, ambient)


@pytest.mark.parametrize("namespace", ["a", "A.b_c-9", "x" * 40])
def test_namespace_of_safe_characters_is_taken(namespace: str) -> None:
    """Letters, digits, dot, underscore and hyphen stand on the wire as they are."""
    assert check_namespace(namespace) == namespace


@pytest.mark.parametrize(
    "namespace",
    ["", " ", "a b", "a\n", "\0", "a:b", "é", "x" * 41, b"a", None, 1, Markup("a")],
    ids=ascii,
)
def test_any_other_namespace_is_refused(namespace: object) -> None:
    """The message repeats the namespace and says what it may be."""
    with pytest.raises(ConfigurationError, match="1 to 40 characters") as refusal:
        check_namespace(namespace)
    assert repr(namespace) in str(refusal.value)


def test_prefix_belongs_to_a_namespace() -> None:
    """Its first eight bytes are the namespace's, the rest depends on every part and its type."""
    made = [prefix("a", "1"), prefix("a", 1), prefix("a", "1", None), prefix("b", "1")]
    assert len(set(made)) == 4
    assert [len(one) for one in made] == [28] * 4
    assert [one.startswith(realm("a")) for one in made] == [True, True, True, False]
    assert realm("a") != realm("b")


@given(st.lists(values, max_size=4), st.lists(values, max_size=2))
def test_wire_key_is_short_and_harmless(variables: list[object], ambient: list[object]) -> None:
    """Whatever the values and however long the namespace, any server takes the key."""
    wire = Key("n" * 40, PREFIX, tuple(variables), tuple(ambient)).on_the_wire()
    assert WIRE.fullmatch(wire)
    assert len(wire) == LONGEST


def test_nothing_of_the_values_is_on_the_wire() -> None:
    """Only the namespace and a hash are."""
    wire = key("\r\nflush_all", "user@example.org").on_the_wire()
    assert re.fullmatch("jc1:default:f:[0-9a-f]{40}", wire)


def test_wire_key_is_the_same_in_every_process() -> None:
    """What one release of the package stored, another process finds."""
    wire = key("a", 1, None, ambient=("en",)).on_the_wire()
    assert wire == "jc1:default:f:40c704f9c0a2be972e438a704fc6b4a8b082f891"


@pytest.mark.parametrize(
    ("variables", "shape"),
    [((), None), ((None,), None), (("a",), "a"), ((7,), 7), (("a", 1, None), ("a", 1, None))],
)
def test_plain_values_are_their_own_key(variables: tuple[object, ...], shape: object) -> None:
    """The key in memory is what compiled code can make without a call."""
    assert key(*variables).in_memory == (PREFIX, shape)
    assert key(*variables, ambient=("en",)).in_memory == (PREFIX, shape, "en")


@pytest.mark.parametrize("value", [value for value in ALIKE if type(value) not in PLAIN], ids=ascii)
def test_other_values_are_encoded(value: object) -> None:
    """``True`` would be equal to 1, and a list has no hash."""
    assert type(key(value).in_memory[1]) is bytes
    assert type(key("a", value).in_memory[1]) is bytes


def test_long_values_do_not_stay_in_memory() -> None:
    """A long text is known by a hash of it, where it would weigh more than many an entry."""
    assert key("x" * 64).in_memory == (PREFIX, "x" * 64)
    for variables in [("x" * 65,), ("x" * 10_000,), (b"x" * 10_000,), ("x" * 129, "y")]:
        shape = key(*variables).in_memory[1]
        assert type(shape) is bytes
        assert len(shape) <= 80


PLACES: dict[str, Callable[[object], Key]] = {
    "alone": key,
    "beside another": lambda value: key("a", value),
    "ambient": lambda value: key(ambient=(value,)),
}


@pytest.mark.parametrize("make", PLACES.values(), ids=list(PLACES))
def test_values_that_differ_have_keys_that_differ(make: Callable[[object], Key]) -> None:
    """In memory and on the wire, whether they stand alone, beside another or are ambient."""
    made = [make(value) for value in ALIKE]
    assert len({one.in_memory for one in made}) == len(ALIKE)
    assert len({one.material() for one in made}) == len(ALIKE)
    assert len({one.on_the_wire() for one in made}) == len(ALIKE)


def test_values_do_not_run_together() -> None:
    """Neither between variables, nor from key variables into ambient ones."""
    made = [key("a", "b"), key("ab", ""), key(("a", "b"), ""), key("a", ambient=("b",))]
    made += [key(ambient=("a", "b")), key("b", "a")]
    assert len({one.in_memory for one in made}) == len(made)
    assert len({one.material() for one in made}) == len(made)


@given(
    st.integers(1, 3).flatmap(
        lambda n: st.tuples(*[st.lists(values, min_size=n, max_size=n).map(tuple)] * 2)
    )
)
def test_keys_are_equal_exactly_when_the_values_are(
    pair: tuple[tuple[object, ...], tuple[object, ...]],
) -> None:
    """Two keys of one fragment agree in memory and on the wire, or in neither."""
    one, other = pair
    same = encode(one) == encode(other)
    assert (key(*one).in_memory == key(*other).in_memory) is same
    assert (key(*one).material() == key(*other).material()) is same
    assert (key(ambient=one).in_memory == key(ambient=other).in_memory) is same


def test_key_is_made_at_once() -> None:
    """What happens to a key variable afterwards changes nothing."""
    variable = [1]
    made = key(variable)
    before = (made.in_memory, made.material(), made.on_the_wire())
    variable.append(2)
    assert (made.in_memory, made.material(), made.on_the_wire()) == before
    assert made.material() == key([1]).material()


def test_value_without_canonical_form_is_refused() -> None:
    """The error comes when the key is made, not when it is used."""
    with pytest.raises(KeyEncodingError, match="object"):
        key("a", object())
    with pytest.raises(KeyEncodingError, match="object"):
        key(ambient=(object(),))


def test_numbers_chosen_to_collide_are_no_keys_of_a_dict() -> None:
    """Multiples of the period of CPython's hash of an int have one hash; their keys have not."""
    numbers = [n * PERIOD for n in range(2, 2_000)]
    assert {hash(number) for number in numbers} == {0}
    keys = [key(number).in_memory for number in numbers]
    assert {type(one[1]) for one in keys} == {bytes}
    assert len({hash(one) for one in keys}) == len(keys)


def test_pairs_chosen_to_collide_are_no_keys_of_a_dict() -> None:
    """The hash of a tuple of ints can be solved for one of them; it is no key then."""
    pairs = colliding_pairs(500)
    if len({hash(pair) for pair in pairs}) > 1:
        pytest.skip("this Python hashes tuples in another way")
    keys = [key(*pair).in_memory for pair in pairs]
    assert {type(one[1]) for one in keys} == {bytes}
    assert len({hash(one) for one in keys}) == len(keys)


def colliding_pairs(count: int) -> list[tuple[int, int]]:
    """Return pairs of ints with one hash, by the constants of CPython's tupleobject.c."""
    one, two, five, size = 11400714785074694791, 14029467366897019727, 2870177450012600261, 2**64
    pairs: list[tuple[int, int]] = []
    target = 4242 * pow(one, -1, size) % size
    target = (target >> 31 | target << 33) % size
    first = 0
    while len(pairs) < count:
        first += 1
        state = (five + first * two) % size
        state = (state << 31 | state >> 33) * one % size
        second = (target - state) * pow(two, -1, size) % size
        second -= size if second >= size // 2 else 0
        if abs(second) < PERIOD:
            pairs.append((first, second))
    return pairs
