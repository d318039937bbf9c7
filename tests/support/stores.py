"""Stores as one process sees them: ask for an entry, keep a text."""

from jinjacache.backends.protocol import Backend, Token
from jinjacache.entry import Codec, Entry
from jinjacache.events import Audience, FragmentId, FragmentStats, Journal
from jinjacache.keys import Key, prefix, wire
from jinjacache.recording import Mode, Problem, Recording
from jinjacache.store import Store
from jinjacache.stores import OnError, open_store
from jinjacache.testing import ManualClock

ID = FragmentId("page", "x")
TOKEN_KEY = wire("default", "n", b"")
CODEC = Codec(max_body=50_000)


def key(value: object = 1, namespace: str = "default") -> Key:
    """Return the key of a fragment of one variable."""
    return Key(namespace, prefix(namespace, "page", "x"), (value,))


def journal() -> Journal:
    """Return a journal that nobody reads."""
    return Journal(ID, Audience(), FragmentStats())


def store_over(
    backend: str | Backend,
    clock: ManualClock,
    *,
    namespace: str = "default",
    codec: Codec = CODEC,
    on_error: OnError = "ignore",
) -> Store:
    """Return the store of one process."""
    return open_store(backend, namespace=namespace, codec=codec, clock=clock, on_error=on_error)


def fetch(store: Store, wanted: Key, mode: Mode | None = None) -> Recording:
    """Ask for an entry; what was found stands on the fragment that is returned."""
    recording = Recording(wanted, 60.0, journal(), store.clock, mode=mode)
    store.fetch(recording)
    return recording


def found(recording: Recording) -> tuple[Entry | None, Token | None, Problem | None]:
    """Return all that a fetch writes down."""
    return recording.entry, recording.token, recording.problem


def text_of(store: Store, wanted: Key) -> object:
    """Return the text that is served under a key, or None."""
    entry = fetch(store, wanted).entry
    return None if entry is None else entry.body


def keep_entry(store: Store, recording: Recording, entry: Entry) -> Problem | str | None:
    """Have an entry kept under the fragment's key and token; return what came in the way."""
    recording.entry = entry
    store.keep(recording)
    assert recording.problem is None or recording.refusal is None
    return recording.problem or recording.refusal


def keep(store: Store, wanted: Key, text: str, *, timeout: float = 60.0) -> Problem | str | None:
    """Store a text as a render does that begins and ends now; return what came in the way."""
    recording = fetch(store, wanted)
    assert recording.token is not None
    return keep_entry(store, recording, Entry(text, store.clock(), timeout, 0.5))
