"""The tree keeps its own rules. `make check` runs the same checks, and the slower linters."""

import pytest

from tools.checks.__main__ import CHECKS

# Programs with their own report; `make check` and CI run them.
LINTERS = {"types", "lint", "format", "native-format"}


@pytest.mark.parametrize("name", sorted(set(CHECKS) - LINTERS))
def test_tree_passes_the_check(name: str) -> None:
    assert CHECKS[name]() == []
