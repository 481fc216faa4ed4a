import pytest

from elanus.errors import CorruptionError, FormatVersionError
from elanus.kernels.checksum import crc32c
from elanus.storage.json_file import decode_json_file, encode_json_file

CONTENT = {"name": "Bücher", "numbers": [1, 2**63], "nested": {"a": None}}


def decode(raw: bytes, **options: object) -> dict[str, object]:
    chosen = {"kind": "manifest", "version": 1, "path": "m/1", **options}
    return decode_json_file(memoryview(raw), **chosen)  # type: ignore[arg-type]


def test_content_comes_back() -> None:
    assert decode(encode_json_file("manifest", 1, CONTENT)) == CONTENT


def test_layout() -> None:
    body = b'{\n "a": 1\n}\n'
    crc = crc32c(b"manifest 1\n" + body)
    expected = b"elanus manifest 1 %08x 12\n" % crc + body
    assert encode_json_file("manifest", 1, {"a": 1}) == expected


def test_every_flipped_bit_is_damage() -> None:
    raw = encode_json_file("manifest", 1, CONTENT)
    for position in range(len(raw)):
        for bit in range(8):
            damaged = bytearray(raw)
            damaged[position] ^= 1 << bit
            with pytest.raises(CorruptionError, match="damaged") as caught:
                decode(bytes(damaged))
            assert caught.value.path == "m/1"


def test_every_cut_is_damage() -> None:
    raw = encode_json_file("manifest", 1, CONTENT)
    for length in range(len(raw)):
        with pytest.raises(CorruptionError):
            decode(raw[:length])
    with pytest.raises(CorruptionError):
        decode(raw + b"\n")


def test_newer_format_is_refused_by_name() -> None:
    raw = encode_json_file("manifest", 3, CONTENT)
    with pytest.raises(FormatVersionError, match=r"manifest format 3 .* reads up to 2"):
        decode(raw, version=2)


def test_older_format_is_read() -> None:
    assert decode(encode_json_file("manifest", 1, CONTENT), version=2) == CONTENT


def test_another_kind_is_refused() -> None:
    raw = encode_json_file("catalog", 1, CONTENT)
    with pytest.raises(CorruptionError, match="is a catalog file, expected manifest"):
        decode(raw)
