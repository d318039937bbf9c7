"""What every test needs: readable asserts from the shipped contracts, one Hypothesis profile."""

import os

import pytest
from hypothesis import settings

# The contracts that users subclass hold asserts, which pytest explains only when told so.
pytest.register_assert_rewrite("jinjacache.testing")

# No deadline: a test never fails for being slow. The same examples each time on a shared machine.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
