import enum
import functools
from dataclasses import dataclass

from tools.checks.docstrings import undocumented


@dataclass
class Bare:
    size: int

    def grow(self) -> None: ...

    def shrink(self) -> None:
        """Become smaller."""

    @property
    def area(self) -> int:
        return self.size**2

    @classmethod
    def unit(cls) -> "Bare":
        return cls(1)

    def _own(self) -> None: ...


class Colour(enum.Enum):
    """Has members that need no docstring."""

    RED = 1


def test_a_dataclass_without_docstring_is_found_with_its_methods() -> None:
    assert list(undocumented("Bare", Bare)) == ["Bare", "Bare.grow", "Bare.area", "Bare.unit"]


def test_a_function_without_docstring_is_found() -> None:
    def silent() -> None: ...

    assert list(undocumented("silent", silent)) == ["silent"]
    assert list(undocumented("wraps", functools.wraps)) == []


def test_values_and_members_of_enumerations_need_none() -> None:
    assert list(undocumented("RED", Colour.RED)) == []
    assert list(undocumented("Colour", Colour)) == []
