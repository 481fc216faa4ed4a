from collections.abc import Iterator

import pytest

from elanus.kernels import cpu


@pytest.fixture(params=cpu.available_variants())
def variant(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs the test once on each CPU variant that this machine has."""
    before = cpu.active_variant()
    cpu.set_active_variant(request.param)
    yield request.param
    cpu.set_active_variant(before)
