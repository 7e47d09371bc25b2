"""Settings of all tests: property tests draw the same examples on every machine."""

import pytest
from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def few():
    """Digits that train in a tenth of a second; see `small_runs`."""
    from small_runs import few_digits

    return few_digits()
