"""The bytes of the memory backend are always exactly what is in it, and never above the bound."""

from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,  # pyright: ignore[reportUnknownVariableType]
)

from jinjacache.backends.memory import MemoryBackend
from jinjacache.backends.weight import weigh
from jinjacache.entry import Entry, Hole, Tag
from jinjacache.testing import ManualClock

LIMIT = 20_000
NUMBERS = st.integers(0, 9)
TEXTS = st.builds(
    str.__mul__, st.sampled_from(["a", "é", "…", "😀", "\ud800"]), st.integers(0, 6000)
)
BODIES = st.one_of(TEXTS, st.tuples(TEXTS, st.builds(Hole, NUMBERS), TEXTS))
TAGS = st.lists(st.builds(Tag, st.just(b"d" * 16), st.just(b"t" * 8)), max_size=3).map(tuple)
KEYS = st.tuples(
    st.just(b"prefix"),
    st.one_of(
        st.tuples(st.one_of(st.none(), NUMBERS, st.text("aé", max_size=1))), st.binary(max_size=1)
    ),
)
NAMES = NUMBERS.map("name-{}".format)
VALUES = st.binary(max_size=3).map(lambda value: value * 3000)
LIVES = st.sampled_from([None, 0.5, 100.0])


class Accounting(RuleBasedStateMachine):
    """Do anything in any order, and keep a list of the keys that were used."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.backend = MemoryBackend(LIMIT, max_entries=12, clock=self.clock)
        self.keys: set[object] = set()

    @rule(key=KEYS, body=BODIES, tags=TAGS)
    def put(self, key: tuple[object, ...], body: str, tags: tuple[Tag, ...]) -> None:
        """Store an entry; it is there if it was not refused."""
        entry = Entry(body, 0.0, 1.0, tags=tags)
        stored = self.backend.put(key, entry)
        node = self.backend.find(key)
        assert stored == (weigh(key, entry) <= LIMIT)
        assert (node is not None and node.value is entry) == stored
        self.keys.add(key)

    @rule(key=KEYS)
    def mark(self, key: tuple[object, ...]) -> None:
        """Find an entry and mark it."""
        if node := self.backend.find(key):
            node.visited = True

    @rule(key=KEYS)
    def remove(self, key: tuple[object, ...]) -> None:
        """Remove an entry."""
        assert self.backend.remove(key) or self.backend.find(key) is None

    @rule(name=NAMES, value=VALUES, life=LIVES)
    def write(self, name: str, value: bytes, life: float | None) -> None:
        """Store bytes."""
        self.backend.set_many({name: value}, life)
        self.keys.add(name)

    @rule(name=NAMES, value=VALUES, life=LIVES)
    def add(self, name: str, value: bytes, life: float | None) -> None:
        """Store bytes where there are none."""
        there = bool(self.backend.get_many([name]))
        assert self.backend.add(name, value, life) is not there
        self.keys.add(name)

    @rule(name=NAMES, value=VALUES, life=LIVES, right=st.booleans())
    def swap(self, name: str, value: bytes, life: float | None, *, right: bool) -> None:
        """Replace bytes by a token, the right one or not."""
        found = self.backend.get_many([name]).get(name)
        token = found.token if found and right else -1
        assert self.backend.cas(name, value, token, life) is bool(found and right)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        """Delete bytes."""
        there = bool(self.backend.get_many([name]))
        assert self.backend.delete(name) is there

    @rule(seconds=st.sampled_from([0.1, 1.0, 200.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    @rule(which=st.none() | st.sampled_from([str, tuple]))
    def clear(self, which: type | None) -> None:
        """Clear everything, or one kind of guests."""
        self.backend.clear(None if which is None else lambda key: isinstance(key, which))

    @invariant()
    def the_count_is_exact(self) -> None:
        """Check the sum, the number and both bounds."""
        nodes = [node for key in self.keys if (node := self.backend.find(key))]
        assert self.backend.bytes_used == sum(weigh(node.key, node.value) for node in nodes)
        assert self.backend.bytes_used <= LIMIT
        assert len(self.backend) == len(nodes) <= 12


def test_any_operations_in_any_order_leave_the_count_exact() -> None:
    """After each operation of a random sequence, sum, number and bounds are right."""
    run_state_machine_as_test(Accounting)


def test_a_hundred_thousand_operations_leave_the_count_exact() -> None:
    """One long run with many evictions drifts by nothing."""
    random, backend = Random(20), MemoryBackend(200_000)  # noqa: S311  # to be repeated
    texts = ["".join([character] * size) for character in "aé…😀" for size in (0, 10, 100, 1000)]
    for step in range(100_000):
        key, chance = (b"prefix", (random.randrange(1000),)), random.random()
        if node := backend.find(key):
            node.visited = True
        if chance < 0.6:
            backend.put(key, Entry(random.choice(texts), float(step), 1.0))
        elif chance < 0.8:
            backend.remove(key)
        elif chance < 0.9:
            backend.set_many({f"name-{key[1][0]}": random.choice(texts).encode()}, None)
        assert backend.bytes_used <= 200_000
    keys = [(b"prefix", (n,)) for n in range(1000)] + [f"name-{n}" for n in range(1000)]
    nodes = [node for key in keys if (node := backend.find(key))]
    assert len(backend) == len(nodes)
    assert backend.bytes_used == sum(weigh(node.key, node.value) for node in nodes)
    assert backend.evictions > 1000
