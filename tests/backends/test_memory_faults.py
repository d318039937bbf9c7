"""The memory backend under threads, forks and interruptions."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from types import FrameType

import pytest

import jinjacache
from jinjacache.backends.memory import MemoryBackend
from jinjacache.backends.weight import weigh
from jinjacache.entry import Entry


def entry_of(size: int) -> Entry:
    """Return an entry of about that many bytes."""
    return Entry("x" * size, 0.0, 300.0)


def assert_sound(backend: MemoryBackend, keys: range) -> None:
    """Check that the count is the sum of what is there, and that the store still turns over."""
    nodes = {key: node for key in keys if (node := backend.find(key))}
    assert len(backend) == len(nodes)
    assert backend.bytes_used == sum(weigh(key, node.value) for key, node in nodes.items())
    for number in range(200):
        assert backend.put(f"new {number}", entry_of(100))
    assert not any(backend.find(key) for key in keys if key not in nodes)
    backend.clear()
    assert (len(backend), backend.bytes_used) == (0, 0)


def test_sixteen_threads_leave_the_count_exact() -> None:
    """Whatever runs into each other, nothing raises, no bound is passed, nothing is miscounted."""
    backend = MemoryBackend(30_000, max_entries=40)
    start = threading.Barrier(16)

    def work(seed: int) -> bool:
        random, within = Random(seed), True  # noqa: S311  # to be repeated
        start.wait()
        for _ in range(1500):
            key, chance = random.randrange(100), random.random()
            if node := backend.find(key):
                node.visited = True
                within &= isinstance(node.value, Entry)
            if chance < 0.5:
                backend.put(key, entry_of(random.randrange(3000)))
            elif chance < 0.7:
                backend.remove(key)
            elif chance < 0.701:
                backend.clear()
            within &= len(backend) <= 40 and backend.bytes_used <= 30_000
        return within

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(16) as threads:
            assert list(threads.map(work, range(16))) == [True] * 16
    finally:
        sys.setswitchinterval(interval)
    assert_sound(backend, range(100))


class Fickle:
    """Be a key that has a hash while nothing is changed, and then none."""

    def __init__(self) -> None:
        self.left = 2

    def __hash__(self) -> int:
        """Return the hash, or raise."""
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return 7


def test_an_interruption_of_a_put_empties_the_store() -> None:
    """The shelf may be half changed; the error is passed on, and the lock is free."""
    backend = MemoryBackend()
    backend.put("kept", entry_of(100))
    with pytest.raises(KeyboardInterrupt):
        backend.put(Fickle(), entry_of(100))
    assert (len(backend), backend.bytes_used) == (0, 0)
    assert backend.put("new", entry_of(100)) is True
    assert len(backend) == 1


class Interruption:
    """Raise ``KeyboardInterrupt`` before the line with this number that a change executes."""

    def __init__(self, line: int) -> None:
        self.left = line
        self.files = {
            str(Path(jinjacache.__file__).parent / "backends" / name)
            for name in ("shelf.py", "sieve.py", "weight.py")
        }

    def __call__(self, frame: FrameType, event: str, _argument: object) -> "Interruption | None":
        """Follow the calls of the store's own files."""
        if event == "line":
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        return self if frame.f_code.co_filename in self.files else None


def interrupted(backend: MemoryBackend, line: int) -> bool:
    """Interrupt a put that has to evict several entries; tell whether it came that far."""
    tracer = sys.gettrace()
    sys.settrace(Interruption(line))
    try:
        backend.put(0, entry_of(1000))
        backend.put(100, entry_of(4000))
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(tracer)
    return False


def test_an_interruption_at_any_line_leaves_a_sound_store() -> None:
    """Ctrl-C or a greenlet's timeout in the middle of a change costs entries at most."""
    line, going = 0, True
    while going:
        backend = MemoryBackend(10_000)
        for number in range(20):
            backend.put(number, entry_of(300))
            if number % 3 and (node := backend.find(number)):
                node.visited = True
        going = interrupted(backend, line)
        assert_sound(backend, range(101))
        line += 1
    assert line > 50


FORK = """
import os, signal, threading
from jinjacache.backends.memory import MemoryBackend
from jinjacache.entry import Entry

backend = MemoryBackend()
backend.put("kept", Entry("text", 0.0, 1.0))
held, done = threading.Event(), threading.Event()

def hold(key):
    held.set()
    return not done.wait()

thread = threading.Thread(target=backend.clear, args=(hold,))
if HOLD:
    thread.start()
    held.wait()
child = os.fork()
if child == 0:
    signal.alarm(30)
    backend.put("new", Entry("text", 0.0, 1.0))
    print("child", len(backend), backend.find("kept") is not None)
else:
    _, status = os.waitpid(child, 0)
    done.set()
    if HOLD:
        thread.join()
    backend.put("new", Entry("text", 0.0, 1.0))
    print("parent", len(backend), backend.find("kept") is not None, status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize(
    ("hold", "printed"),
    [
        (False, ["child 2 True", "parent 2 True 0"]),
        (True, ["child 1 False", "parent 2 True 0"]),
    ],
)
def test_a_forked_child_can_use_the_store(*, hold: bool, printed: list[str]) -> None:
    """It keeps what was stored; where a thread was changing the store, it begins empty."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"HOLD = {hold}\n{FORK}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (run.stdout.splitlines(), run.stderr) == (printed, "")
