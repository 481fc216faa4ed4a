"""Native kernels of elanus. Import `elanus.kernels`, not this module."""

import enum
from typing import Annotated

import numpy
from numpy.typing import NDArray


def available_variants() -> list[str]:
    """Names of the CPU variants that this machine can run, slowest first."""

def active_variant() -> str:
    """Name of the CPU variant in use."""

def set_active_variant(name: str) -> None:
    """Take the named CPU variant from now on, in all threads."""

def crc32c(data: object, seed: int = 0) -> int:
    """CRC32C (Castagnoli) of a bytes-like object."""

def hash64_strings(offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')]:
    """XXH64 of each string of a column."""

class BlockVerifier:
    """Checks the blocks of a file against their checksums, each once."""

    def __init__(self, data: object, checksums: object, block_bytes: int) -> None: ...

    def is_verified(self, start: int, end: int) -> bool:
        """Whether the blocks of some bytes were checked before."""

    def verify_range(self, start: int, end: int) -> int:
        """Check the blocks of some bytes; return the first damaged one, or -1."""

    def verify_rows(self, offset: int, row_bytes: int, num_rows: int, rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> int:
        """
        Check the blocks of some rows of one width; return a damaged one, or -1.
        """

class Metric(enum.Enum):
    """How a distance is computed."""

    L2 = 0
    """Squared Euclidean distance."""

    IP = 1
    """Negated inner product."""

    COSINE = 2
    """Negated inner product times the row's scale."""

def scan_topk(metric: Metric, queries: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]:
    """Row ids and distances of the k nearest allowed rows of each query."""

def distances_to_rows(metric: Metric, query: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]:
    """Distance of one query to each named row."""

def inverse_norms(rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]:
    """1/|row| of each row; 0 for a zero row."""

def append_file(fd: int, buffers: list[object], sync: bool) -> tuple[int, int, int]:
    """
    Write buffers end to end and perhaps sync; return bytes written and the error numbers of writing and syncing.
    """

def wait_until_unmapped() -> None:
    """Return once every map that nobody uses any more is gone."""

def overwrite_file(fd: int, content: object) -> int:
    """Put bytes at the start of a file; return the error number."""

class Advice(enum.Enum):
    """How the pages of a map will be used."""

    NORMAL = 0

    RANDOM = 1

    SEQUENTIAL = 2

    WILL_NEED = 3

    DONT_NEED = 4

class FileMap:
    """A file in the address space, without a descriptor."""

    def __init__(self, path: bytes) -> None: ...

    def view(self) -> memoryview:
        """The bytes, read-only; valid for as long as the view lives."""

    def advise(self, advice: Advice, start: int, end: int) -> None:
        """Say how the pages of some bytes will be used."""

class IntKeyTable:
    """Newest row of each key that is a number."""

    def __init__(self) -> None: ...

    @property
    def size_bytes(self) -> int: ...

    def put(self, keys: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], first_row: int) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')]:
        """Give each key the next row; return the rows they had, -1 for new keys."""

    def find(self, keys: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')]:
        """Row of each key, -1 where there is none."""

class StringKeyTable:
    """Newest row of each key that is a string."""

    def __init__(self) -> None: ...

    @property
    def size_bytes(self) -> int: ...

    def put(self, offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], first_row: int) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')]:
        """Give each key the next row; return the rows they had, -1 for new keys."""

    def find(self, offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')]:
        """Row of each key, -1 where there is none."""

def strings_of(texts: object) -> tuple[NDArray[numpy.int64], NDArray[numpy.uint8]] | None:
    """Offsets and UTF-8 of a list of str; None when it is anything else."""

def matrix_of(rows: object, dim: int) -> NDArray[numpy.float32] | None:
    """float32 of a list of lists of numbers; None when it is anything else."""

class Bm25:
    """BM25 parameters and the lengths of the rows."""

    def __init__(self, k1: float, b: float, average_length: float, lengths: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

class Coding:
    """How term frequencies are coded."""

    def __init__(self, k1: float, b: float, average_length: float, lengths: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

POSTINGS_PADDING: int = 128

POSTINGS_UNIT: int = 4

def pack_postings(offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int, coding: Coding | None) -> tuple[Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]]:
    """Entries, sizes in units and bytes of terms in the packed layout."""

class SealedPostings:
    """Postings of a sealed segment."""

    def __init__(self, entries: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], starts: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int, coding: Coding | None) -> None: ...

    @property
    def num_terms(self) -> int: ...

    @property
    def num_rows(self) -> int: ...

    def search(self, terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], k: int, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, bm25: Bm25 | None) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]]:
        """Row ids and distances of the k best rows."""

    def distances_to_rows(self, terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], bm25: Bm25 | None) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]:
        """Distance of each named row."""

    def document_frequencies(self, terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], alive: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')]:
        """Rows that contain each term."""

    def unpack(self, first: int, last: int) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]]:
        """Offsets, rows and weights of the terms in a range."""

class GrowingPostings:
    """Postings of rows that still arrive."""

    def __init__(self) -> None: ...

    @property
    def num_rows(self) -> int: ...

    @property
    def num_postings(self) -> int: ...

    def append(self, offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> int:
        """Add rows; return the row id of the first."""

    def search(self, terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], k: int, num_rows: int, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, bm25: Bm25 | None) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]]:
        """Row ids and distances of the k best rows."""

    def distances_to_rows(self, terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int, bm25: Bm25 | None) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]:
        """Distance of each named row."""

    def document_frequencies(self, terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int, alive: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')]:
        """Rows that contain each term."""

    def export_postings(self, num_rows: int) -> tuple[Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]]:
        """Terms that occur, offsets, rows and weights, ascending by term."""
