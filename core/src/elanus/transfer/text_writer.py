"""What do the writers of text formats share?"""

from __future__ import annotations

from types import TracebackType
from typing import IO, Self


class TextWriter:
    """A file of UTF-8 text."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write_text(self, text: str) -> None:
        """Append text."""
        self._file.write(text.encode("utf-8"))

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
