"""Files of every released format still open and answer the same; damage and newer files do not.

``generate.py`` wrote the archives. The answers beside them were worked out by slow oracles.
"""

import json
import shutil
import struct
import tarfile
from pathlib import Path

import pytest

import elanus
from elanus.errors import CorruptionError, FormatVersionError, StorageError
from elanus.kernels.checksum import crc32c
from support.golden import expected_answers, given_answers

HERE = Path(__file__).resolve().parent
VERSIONS = sorted(path.name.removesuffix(".tar.xz") for path in HERE.glob("*.tar.xz"))
CURRENT = VERSIONS[-1]
HEAD_BYTES = 64
FOOTER_BYTES = 40
FRAME_BYTES = 40
STRIDE = 4


def unpacked(version, folder):
    with tarfile.open(HERE / f"{version}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def answers_of(version):
    return json.loads((HERE / f"{version}.json").read_text(encoding="utf-8"))


def ask(folder, *, read_only=True):
    with elanus.connect(folder, read_only=read_only) as db:
        return given_answers(db)


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    return unpacked(CURRENT, tmp_path_factory.mktemp("golden"))


def test_answers_are_those_of_the_oracles():
    assert answers_of(CURRENT) == expected_answers()


@pytest.mark.parametrize("version", VERSIONS)
def test_opens_and_answers_the_same(version, tmp_path):
    folder = unpacked(version, tmp_path / "golden")
    expected = answers_of(version)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert ask(folder) == expected
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert ask(folder, read_only=False) == expected
    with elanus.connect(folder) as db:
        db.collection("everything").compact()
        db.collection("words").compact()
        assert given_answers(db) == expected
    assert ask(folder) == expected


def kinds(folder):
    """Return one file of every kind, by what it is."""

    def one(pattern):
        return sorted(folder.glob(pattern))[-1]

    biggest = max(folder.glob("c/*"), key=lambda path: len(list(path.rglob("*"))))
    inside = str(biggest.relative_to(folder))
    return {
        "format": folder / "FORMAT",
        "catalog": one("catalog/*.man"),
        "manifest": one(f"{inside}/manifest/*.man"),
        "log": one(f"{inside}/wal/*.wal"),
        "publication": one(f"{inside}/PUB"),
        "column": one(f"{inside}/seg/*/000-id.col"),
        "texts": one(f"{inside}/seg/*/008-title.col"),
        "vectors": one(f"{inside}/seg/*/013-cosine.vec"),
        "seqs": one(f"{inside}/seg/*/rows.col"),
        "keys": one(f"{inside}/seg/*/pk.idx"),
        "tombstones": one(f"{inside}/del/*.roar"),
        "graph": one(f"{inside}/idx/*/cosine/*"),
        "postings": one(f"{inside}/idx/*/bm25/*"),
        "sparse postings": one(f"{inside}/idx/*/sparse/*"),
    }


DERIVABLE = {"publication", "keys", "graph", "postings", "sparse postings"}
UNREAD = {"seqs"}
"""Only merges read these."""
KINDS = [
    "format",
    "catalog",
    "manifest",
    "log",
    "publication",
    "column",
    "texts",
    "vectors",
    "seqs",
    "keys",
    "tombstones",
    "graph",
    "postings",
    "sparse postings",
]


def header_positions(kind, size):
    """Return the bytes of heads: of the file, of its first record, of its footer."""
    found = set(range(HEAD_BYTES))
    if kind == "log":
        found |= set(range(HEAD_BYTES, HEAD_BYTES + FRAME_BYTES))
    elif kind not in ("format", "catalog", "manifest"):
        found |= set(range(size - FOOTER_BYTES, size))
    return sorted(position for position in found if position < size)


def flip_headers(folder, kind, stride):
    """Flip one byte after the other; every answer is right, or the damage is named."""
    expected = answers_of(CURRENT)
    path = kinds(folder)[kind]
    whole = path.read_bytes()
    detected = 0
    try:
        for position in header_positions(kind, len(whole))[::stride]:
            raw = bytearray(whole)
            raw[position] ^= 1 << position % 8
            path.write_bytes(raw)
            try:
                assert ask(folder) == expected, f"{kind}: byte {position} gives a wrong answer"
            except (CorruptionError, FormatVersionError) as error:
                detected += 1
                if str(path.relative_to(folder)) not in str(error):
                    raise AssertionError(f"byte {position}: no path in {error}") from error
                if kind in DERIVABLE:
                    raise AssertionError(f"byte {position}: not derived again: {error}") from error
    finally:
        path.write_bytes(whole)
    return detected


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_header_byte_is_found_or_harmless(golden, kind):
    detected = flip_headers(golden, kind, STRIDE)
    if kind not in DERIVABLE | UNREAD:
        assert detected > 10
    assert ask(golden) == answers_of(CURRENT)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_every_flipped_header_byte_is_found_or_harmless(golden, kind):
    flip_headers(golden, kind, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_writer_that_refuses_damage_leaves_the_rest_alone(golden, kind, tmp_path):
    folder = shutil.copytree(golden, tmp_path / "copy")
    path = kinds(folder)[kind]
    whole = path.read_bytes()
    raw = bytearray(whole)
    raw[20] ^= 16
    path.write_bytes(raw)
    expected = answers_of(CURRENT)
    try:
        assert ask(folder, read_only=False) == expected
        assert kind in DERIVABLE | UNREAD
    except StorageError:
        assert kind not in DERIVABLE
        path.write_bytes(whole)
    assert ask(folder, read_only=False) == expected


# --- newer formats ------------------------------------------------------------------------------


def newer_state_file(raw):
    line, _, content = raw.partition(b"\n")
    mark, kind, version, _, length = line.split()
    newer = str(int(version) + 1).encode()
    crc = crc32c(kind + b" " + newer + b"\n" + content)
    return b" ".join([mark, kind, newer, f"{crc:08x}".encode(), length]) + b"\n" + content


def newer_binary_file(raw):
    """Logs and block files keep version and checksum of their heads at the same places."""
    version = struct.unpack_from("<I", raw, 8)[0]
    head = raw[:8] + struct.pack("<I", version + 1) + raw[12:60]
    return head + struct.pack("<I", crc32c(head)) + raw[64:]


def newer_batch(raw):
    """The first record of a log holds a batch."""
    start = HEAD_BYTES
    (length,) = struct.unpack_from("<I", raw, start + 4)
    end = start + 32 + length + -length % 8
    (version,) = struct.unpack_from("<I", raw, start + 32)
    body = raw[start + 4 : start + 32] + struct.pack("<I", version + 1) + raw[start + 36 : end]
    return raw[:start] + struct.pack("<I", crc32c(body)) + body + raw[end:]


def newer_publication(raw):
    version = struct.unpack_from("<I", raw, 8)[0]
    content = raw[:8] + struct.pack("<I", version + 1) + raw[12:-4]
    return content + struct.pack("<I", crc32c(content))


STATE_FILES = ("format", "catalog", "manifest")


@pytest.mark.parametrize("kind", [*KINDS, "batch"])
def test_newer_format_is_refused_by_name(golden, kind, tmp_path):
    folder = shutil.copytree(golden, tmp_path / "copy")
    path = kinds(folder)["log" if kind == "batch" else kind]
    raw = path.read_bytes()
    if kind in STATE_FILES:
        made = newer_state_file(raw)
    elif kind == "batch":
        made = newer_batch(raw)
    elif kind == "publication":
        made = newer_publication(raw)
    else:
        made = newer_binary_file(raw)
    assert len(made) == len(raw)
    path.write_bytes(made)
    if kind in ("publication", *UNREAD):
        # Manifest and logs say all that the publication says.
        assert ask(folder) == answers_of(CURRENT)
        return
    for read_only in (True, False):
        with pytest.raises(FormatVersionError, match="newer") as caught:
            ask(folder, read_only=read_only)
        assert str(path.relative_to(folder)) in str(caught.value)
    assert path.read_bytes() == made
