"""Which reader reads which file?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

from elanus_demo.passages import Document
from elanus_demo.readers.html import read_html
from elanus_demo.readers.markdown import read_markdown
from elanus_demo.readers.pdf import read_pdf
from elanus_demo.readers.python_source import read_python
from elanus_demo.readers.rst import read_rst
from elanus_demo.readers.text import read_text

Reader = Callable[[bytes], Document]

# Part of every file's fingerprint: a store made by older readers is brought up to date.
READERS_VERSION = 1

_READERS: dict[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_text,
    ".text": read_text,
    ".rst": read_rst,
    ".html": read_html,
    ".htm": read_html,
    ".xhtml": read_html,
    ".pdf": read_pdf,
    ".py": read_python,
    ".pyi": read_python,
}


def supported_suffixes() -> tuple[str, ...]:
    """Return the file name endings that can be read, in alphabetical order."""
    return tuple(sorted(_READERS))


def reader_for(path: PurePath) -> Reader | None:
    """Return the reader of a file by its suffix, upper case or lower, or None."""
    return _READERS.get(path.suffix.lower())
