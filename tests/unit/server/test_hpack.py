"""Headers of HTTP/2, by the examples of RFC 7541."""

from __future__ import annotations

import pytest

from elanus_server.http2 import huffman
from elanus_server.http2.hpack import Decoder, HeaderError, TooManyHeadersError, encode

FIRST = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "www.example.com"),
]
SECOND = [*FIRST, ("cache-control", "no-cache")]
THIRD = [
    (":method", "GET"),
    (":scheme", "https"),
    (":path", "/index.html"),
    (":authority", "www.example.com"),
    ("custom-key", "custom-value"),
]


@pytest.mark.parametrize(
    "blocks",
    [
        (
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ),
        (
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ),
    ],
    ids=["C.3, plain", "C.4, by Huffman's code"],
)
def test_requests_of_one_connection(blocks: tuple[str, ...]) -> None:
    decoder = Decoder()
    assert [decoder.decode(bytes.fromhex(one)) for one in blocks] == [FIRST, SECOND, THIRD]
    # The same block says something else now that the table has grown.
    assert decoder.decode(bytes.fromhex("be")) == [("custom-key", "custom-value")]
    assert decoder.decode(bytes.fromhex("be")) == [("custom-key", "custom-value")]


@pytest.mark.parametrize(
    ("block", "headers"),
    [
        # C.2.1 to C.2.4
        (
            "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
            [("custom-key", "custom-header")],
        ),
        ("040c2f73616d706c652f70617468", [(":path", "/sample/path")]),
        ("100870617373776f726406736563726574", [("password", "secret")]),
        ("82", [(":method", "GET")]),
        # C.5.1: entries are dropped, of which RFC 7541 counts 32 bytes more than their texts have.
        ("20" + "be", None),
    ],
)
def test_single_blocks(block: str, headers: list[tuple[str, str]] | None) -> None:
    if headers is None:
        with pytest.raises(HeaderError):
            Decoder().decode(bytes.fromhex(block))
    else:
        assert Decoder().decode(bytes.fromhex(block)) == headers


def test_the_oldest_entries_leave_the_table() -> None:
    decoder = Decoder()
    # 256 bytes hold three entries of 32 + 1 + 50 bytes, and no fourth one.
    decoder.decode(bytes.fromhex("3fe101"))
    for name in "abcd":
        decoder.decode(b"\x40\x01" + name.encode() + b"\x32" + b"v" * 50)
    names = [decoder.decode(bytes((0x80 | 62 + place,)))[0][0] for place in range(3)]
    assert names == ["d", "c", "b"]
    with pytest.raises(HeaderError):
        decoder.decode(b"\xc1")
    # One that is larger than the table empties it.
    decoder.decode(_kept("e", 383))
    with pytest.raises(HeaderError):
        decoder.decode(b"\xbe")


def test_a_reference_is_a_copy_that_counts() -> None:
    """A few bytes that stand for many: each time they count as what they stand for."""
    decoder = Decoder()
    decoder.decode(_kept("a", 4_000))
    assert len(decoder.decode(b"\xbe" * 16)) == 16
    # What is too much is read all the same: the table has to be that of the client.
    more = b"\xbe" * 17 + b"\x40\x01b\x01c"
    with pytest.raises(TooManyHeadersError):
        decoder.decode(more)
    assert decoder.decode(b"\xbe") == [("b", "c")]


def _kept(name: str, size: int) -> bytes:
    left = size - 0x7F
    length = bytes((0x7F, left & 0x7F | 0x80, left >> 7))
    return b"\x40\x01" + name.encode() + length + b"v" * size


@pytest.mark.parametrize(
    "block",
    [
        "80",
        "ff8080808080",
        "40",
        "4005",
        "400161",
        "40016105",
        "0085ffffffff",
        "3fe21f",
        "823fe101",
    ],
)
def test_what_cannot_be_read_is_an_error(block: str) -> None:
    with pytest.raises(HeaderError):
        Decoder().decode(bytes.fromhex(block))


def test_what_we_write_can_be_read() -> None:
    headers = [("grpc-status", "0"), ("x", "ü" * 100), ("empty", "")]
    assert Decoder().decode(encode(headers)) == headers


@pytest.mark.parametrize("raw", [b"\xff" * 4, b"\x1f", b"\x00\x00\x00\x00\xff\xff\xff\xff\xff"])
def test_a_text_ends_with_less_than_a_byte_of_ones(raw: bytes) -> None:
    if raw == b"\x1f":
        # "a" is 00011.
        assert huffman.decode(raw) == b"a"
    else:
        with pytest.raises(ValueError, match="text"):
            huffman.decode(raw)
