"""How is a value refused?"""

from __future__ import annotations

from typing import NoReturn

from elanus.errors import EntityError
from elanus.schema.fields import Field


def shown(value: object) -> str:
    """Return a value for a message: its type and the first characters."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"


def fail(field: Field, message: str, row: int | None = None) -> NoReturn:
    """Raise the error of a value of this field."""
    where = "" if row is None else f" (row {row})"
    raise EntityError(f"field {field.name!r}: {message}{where}", field=field.name, row=row)
