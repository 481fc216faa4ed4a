"""Bytes to text: encodings, and refusals that say why."""

import pytest

from elanus_demo.passages import Section, UnreadableFileError
from elanus_demo.readers.text import decode, read_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_with_or_without_byte_order_mark(encoding: str) -> None:
    assert decode("naïve\r\ntext\r".encode(encoding)) == "naïve\ntext\n"


def test_declared_encoding_is_used() -> None:
    assert decode("café".encode("latin-1"), "latin-1") == "café"


def test_wrong_encoding_names_byte_and_offset() -> None:
    with pytest.raises(UnreadableFileError) as caught:
        decode("le café".encode("latin-1"))
    assert str(caught.value) == "not valid UTF-8 (byte 0xe9 at offset 6); save it as UTF-8"


@pytest.mark.parametrize("content", [b"\x7fELF\x00\x00\xff\xfe", b"plain\x00text"])
def test_binary_content_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFileError, match=r"^binary content, not text$"):
        decode(content)


def test_unknown_declared_encoding_is_refused() -> None:
    with pytest.raises(UnreadableFileError, match="unknown encoding 'klingon'"):
        decode(b"x", "klingon")


def test_text_is_one_section() -> None:
    document = read_text(b"one\n\ntwo\n")
    assert document.text == "one\n\ntwo\n"
    assert document.sections == (Section((), 0, 9),)
