"""What a test suite needs: a clock to move, backends that record and fail, and the contract.

Importing this needs no pytest. For readable failures of the contract, put
``pytest.register_assert_rewrite("jinjacache.testing")`` into ``conftest.py``.
"""

from jinjacache.backends.protocol import OPERATIONS
from jinjacache.testing.clock import ManualClock
from jinjacache.testing.contract import BackendContract
from jinjacache.testing.doubles import Call, FailingBackend, RecordingBackend

__all__ = [
    "OPERATIONS",
    "BackendContract",
    "Call",
    "FailingBackend",
    "ManualClock",
    "RecordingBackend",
]
