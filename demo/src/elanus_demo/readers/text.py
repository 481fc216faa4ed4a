"""How do bytes become text, and what is a plain text file?"""

from __future__ import annotations

import codecs

from elanus_demo.passages import Document, Section, UnreadableFileError

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode(content: bytes, declared: str | None = None) -> str:
    """Return text as UTF-8 or in the encoding that the file declares, with ``\\n`` line ends.

    Args:
        content: The file's bytes.
        declared: Encoding named inside the file, used when there is no byte order mark.

    Raises:
        UnreadableFileError: The bytes are not text, or not in that encoding.
    """
    encoding = next(
        (name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), declared or "utf-8"
    )
    try:
        text = content.decode(encoding)
    except LookupError:
        raise UnreadableFileError(f"declares the unknown encoding {encoding!r}") from None
    except UnicodeDecodeError as error:
        if b"\0" in content:
            raise UnreadableFileError("binary content, not text") from None
        raise UnreadableFileError(
            f"not valid {encoding.upper()} (byte 0x{content[error.start]:02x} at offset "
            f"{error.start}); save it as UTF-8"
        ) from None
    if "\0" in text:
        raise UnreadableFileError("binary content, not text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(content: bytes) -> Document:
    """Return a plain text file as one section without a heading."""
    text = decode(content)
    return Document(text, (Section((), 0, len(text)),))
