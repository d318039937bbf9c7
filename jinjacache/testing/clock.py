"""A clock for tests, which need no sleep."""


class ManualClock:
    """Be a clock that stands still until it is told to move; ``now`` is in seconds."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
