"""Native kernels of elanus. Import `elanus.kernels`, not this module."""

from collections.abc import Sequence
import enum
from typing import Annotated, overload

import numpy
from numpy.typing import NDArray


def available_variants() -> list[str]:
    """Names of the CPU variants that this machine can run, slowest first."""

def active_variant() -> str:
    """Name of the CPU variant in use."""

def set_active_variant(name: str) -> None:
    """Take the named CPU variant from now on, in all threads."""

def match_texts(offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], teacher: object) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]:
    """Which texts an automaton says yes to."""

class CancelToken:
    """Ends the kernels that a thread runs inside `with token:`."""

    def __init__(self, timeout_s: float | None, interruptible: bool) -> None: ...

    @staticmethod
    def current() -> CancelToken | None:
        """The token over this thread."""

    def cancel(self) -> None:
        """End them, from any thread."""

    def check(self) -> None:
        """Raise when they shall end."""

    def __enter__(self) -> CancelToken: ...

    def __exit__(self, kind: object | None, value: object | None, traceback: object | None) -> None: ...

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

    def verify_spans(self, base: int, offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> int:
        """
        Check the blocks of some rows of any width; return a damaged one, or -1.
        """

class Metric(enum.Enum):
    """How a distance is computed."""

    L2 = 0
    """Squared Euclidean distance."""

    IP = 1
    """Negated inner product."""

    COSINE = 2
    """Negated inner product times the row's scale."""

    HAMMING = 3
    """Number of bits that differ."""

    JACCARD = 4
    """Bits that differ per bit set in either vector."""

    MINHASH8 = 5
    """Negated share of equal bytes."""

    MINHASH16 = 6
    """Negated share of equal elements of 16 bits."""

    MINHASH32 = 7
    """Negated share of equal elements of 32 bits."""

    MINHASH64 = 8
    """Negated share of equal elements of 64 bits."""

@overload
def scan_topk(metric: Metric, queries: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int, threads: int = 1) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]: ...

@overload
def scan_topk(metric: Metric, queries: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.float16], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int, threads: int = 1) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]: ...

@overload
def scan_topk(metric: Metric, queries: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.uint16], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int, threads: int = 1) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]: ...

@overload
def scan_topk(metric: Metric, queries: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int8], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int, threads: int = 1) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]: ...

@overload
def scan_topk(metric: Metric, queries: Annotated[NDArray[numpy.int8], dict(shape=(None, None), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int8], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int, threads: int = 1) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]: ...

@overload
def scan_topk(metric: Metric, queries: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int, threads: int = 1) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]:
    """Row ids and distances of the k nearest allowed rows of each query."""

@overload
def distances_to_rows(metric: Metric, query: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def distances_to_rows(metric: Metric, query: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.float16], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def distances_to_rows(metric: Metric, query: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.uint16], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def distances_to_rows(metric: Metric, query: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int8], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def distances_to_rows(metric: Metric, query: Annotated[NDArray[numpy.int8], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int8], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def distances_to_rows(metric: Metric, query: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]:
    """Distance of one query to each named row."""

@overload
def inverse_norms(rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def inverse_norms(rows: Annotated[NDArray[numpy.float16], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def inverse_norms(rows: Annotated[NDArray[numpy.uint16], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def inverse_norms(rows: Annotated[NDArray[numpy.int8], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]:
    """1/|row| of each row; 0 for a zero row."""

def unit_rows(rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')] | None:
    """Rows of unit length; None when a value is NaN or infinite."""

def are_finite(rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> bool:
    """Whether no value is NaN or infinite."""

@overload
def rows_holding(values: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], wanted: Sequence[int], offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def rows_holding(values: Annotated[NDArray[numpy.int16], dict(shape=(None,), order='C', device='cpu', writable=False)], wanted: Sequence[int], offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def rows_holding(values: Annotated[NDArray[numpy.int8], dict(shape=(None,), order='C', device='cpu', writable=False)], wanted: Sequence[int], offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def rows_holding(values: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], wanted: Sequence[int], offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def rows_holding(values: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], wanted: Sequence[int], offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]:
    """Which rows hold one of some elements. The GIL is released."""

@overload
def rows_holding_at(values: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], wanted: Sequence[int], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def rows_holding_at(values: Annotated[NDArray[numpy.int16], dict(shape=(None,), order='C', device='cpu', writable=False)], wanted: Sequence[int], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def rows_holding_at(values: Annotated[NDArray[numpy.int8], dict(shape=(None,), order='C', device='cpu', writable=False)], wanted: Sequence[int], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def rows_holding_at(values: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], wanted: Sequence[int], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]: ...

@overload
def rows_holding_at(values: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], wanted: Sequence[int], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]:
    """The same of elements whose rows are given. The GIL is released."""

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

def compare_formula(columns: Sequence[tuple[Annotated[NDArray, dict(shape=(None,), order='C', device='cpu', writable=False)] | None, Annotated[NDArray, dict(shape=(None,), order='C', device='cpu', writable=False)] | None, Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)] | None]], steps: Sequence[tuple[int, int | float]], comparison: int, num_rows: int) -> tuple[Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')] | None]:
    """
    Where a comparison of calculated numbers holds, and where that is known; None: everywhere. The GIL is released.
    """

class CodeKind(enum.Enum):
    """How the dimensions of a row are coded."""

    NIBBLES = 0
    """4 bits each."""

    BYTES = 1
    """7 bits each."""

    BITS = 2
    """As they are, one bit each."""

def encode_graph_rows(kind: CodeKind, metric: Metric, mean: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], steps: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], spread: float, rows: Annotated[NDArray, dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, threads: int) -> tuple[Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]:
    """Codes and terms of rows."""

class GraphBuilder:
    """Builds a pruned proximity graph."""

    def __init__(self, kind: CodeKind, metric: Metric, mean: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], steps: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], spread: float, rows: Annotated[NDArray, dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, codes: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], terms: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], lifts: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, entries: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], degree: int, ef: int, threads: int) -> None: ...

    def adopt(self, links: Annotated[NDArray[numpy.uint32], dict(shape=(None, None), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None:
        """Take over the links of an older graph."""

    def insert(self, rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None:
        """Insert rows."""

    def seal(self) -> Annotated[NDArray[numpy.uint32], dict(shape=(None, None), order='C', device='cpu')]:
        """The links of every row, nearest first."""

class ProductLinks:
    """Adds links by inner product to a graph."""

    def __init__(self, rows: Annotated[NDArray, dict(shape=(None, None), order='C', device='cpu', writable=False)], links: Annotated[NDArray[numpy.uint32], dict(shape=(None, None), order='C', device='cpu')], most: int, threads: int) -> None: ...

    def add(self, rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu', writable=False)], distances: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> None:
        """Link rows to the best of their candidates."""

class Graph:
    """Searches a proximity graph over coded rows."""

    def __init__(self, kind: CodeKind, metric: Metric, mean: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], steps: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], spread: float, rows: Annotated[NDArray, dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, codes: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], terms: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], links: Annotated[NDArray[numpy.uint32], dict(shape=(None, None), order='C', device='cpu', writable=False)], entries: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

    def guard(self, verifier: BlockVerifier, offset: int) -> None:
        """Have rows verified before they are read."""

    def search(self, queries: Annotated[NDArray, dict(shape=(None, None), order='C', device='cpu', writable=False)], ef: int, rescored: int, patience: int, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], distances: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')], threads: int = 1) -> int:
        """
        Write the nearest rows of each query; return the least number found, or -1 for damage.
        """

    def scan(self, queries: Annotated[NDArray, dict(shape=(None, None), order='C', device='cpu', writable=False)], rescored: int, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], distances: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')], threads: int = 1) -> int:
        """The same by all codes, without a walk."""

class CandidateStream:
    """A search that goes on."""

    def __init__(self, graph: Graph, query: Annotated[NDArray, dict(shape=(None,), order='C', device='cpu', writable=False)], allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, ef: int, slack: float) -> None: ...

    def next(self, count: int) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')]:
        """Rows that did not come before."""

class Coding(enum.Enum):
    """What inverted lists hold of a row."""

    NONE = 0
    """Nothing: the rows themselves are read."""

    SCALAR = 1
    """One byte for each dimension of the residual."""

    PRODUCT = 2
    """One codeword for each part of the residual."""

class Codebooks:
    """Codewords of product codes."""

    def __init__(self, panels: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], half_norms: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], num_subs: int, sub_dim: int, bits: int) -> None: ...

class CentredRows:
    """Rows, scaled, less a mean."""

    def __init__(self, rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, mean: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

    def nearest(self, panels: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], half_norms: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], first: int, count: int) -> Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')]:
        """Nearest centroid of each row from `first` on."""

    def residual_peaks(self, centroids: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], row_ids: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], lists: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]:
        """Largest absolute value of each slot's residual."""

    def encode_scalar(self, centroids: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], row_ids: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], lists: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], steps: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> tuple[Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]]:
        """Codes and terms of each slot."""

    def encode_product(self, centroids: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], row_ids: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], lists: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], books: Codebooks) -> tuple[Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]]:
        """Codes and terms of blocks of 32 slots."""

class InvertedLists:
    """Inverted lists of a sealed segment."""

    def __init__(self, arrays: dict[str, NDArray[numpy.generic]], books: Codebooks | None, metric: Metric, coding: Coding, num_rows: int, probe_step: float) -> None: ...

    def search(self, queries: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], num_probes: int, least_rows: int, k: int, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)] | None, row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]:
        """Row ids and distances of the k nearest candidates of each query."""

def rescore(metric: Metric, queries: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, candidates: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu', writable=False)], k: int) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]:
    """The k nearest of each query's candidates, exactly."""

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

def strings_at(offsets: NDArray[numpy.int64], data: NDArray[numpy.uint8], rows: NDArray[numpy.int64]) -> list[str]:
    """Texts of some rows of a column."""

def matrix_of(rows: object, dim: int) -> NDArray[numpy.float32] | None:
    """float32 of a list of lists of numbers; None when it is anything else."""

def minhash_signatures(members: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], masks: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], multipliers: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.uint32], dict(shape=(None, None), order='C', device='cpu')]:
    """MinHash signatures of sets of numbers."""

def band_hashes(signatures: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], band_bytes: int, num_bands: int) -> Annotated[NDArray[numpy.uint32], dict(shape=(None, None), order='C', device='cpu')]:
    """Hash of each band (rows of the result) of each signature."""

def rows_in_bands(queries: Annotated[NDArray[numpy.uint32], dict(shape=(None, None), order='C', device='cpu', writable=False)], hashes: Annotated[NDArray[numpy.uint32], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_ids: Annotated[NDArray[numpy.uint32], dict(shape=(None, None), order='C', device='cpu', writable=False)], allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int, most_entries: int, least_rows: int) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], list[int]]:
    """
    Rows that share most bands with each query, the first others up to as many as are wanted, and how many they are; -1 where too many share one.
    """

def shingles(numbers: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)], lengths: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], size: int) -> tuple[Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')]]:
    """
    Members of the set of shingles of each text, and where each set begins.
    """

def match_pattern(offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], pattern: bytes, ignores_case: bool) -> tuple[Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')]]:
    """
    Which texts match a pattern of fixed pieces, and which cannot be decided. The GIL is released.
    """

class PreparedLeg:
    """Searches one field for one query at a time."""

    def find(self, query: object, reader: RowReader | None) -> tuple[list[int], list[float], list[int] | None, list[dict[str, object]] | None] | None:
        """
        Row ids, scores, keys and entities; None when there is more to be said of the query.
        """

    def find_many(self, queries: list[object], reader: RowReader | None, threads: int) -> list[tuple[list[int], list[float], list[int] | None, list[dict[str, object]] | None] | None] | None:
        """
        What `find` returns for each query; None when there is more to be said of any.
        """

    def count(self, query: object) -> int | None:
        """The same search, of which only the number of rows is returned."""

class GraphMethod(enum.Enum):
    """How the rows of a graph are searched."""

    WALK = 0
    """From neighbour to neighbour."""

    CODES = 1
    """By the codes of all allowed rows."""

    SCAN = 2
    """By the distances of all allowed rows."""

class PreparedGraph(PreparedLeg):
    """Searches a graph."""

    def __init__(self, graph: Graph, limit: int, ef: int, rescored: int, method: GraphMethod, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, keys: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None) -> None: ...

    def under(self, ef: int, rescored: int, method: GraphMethod, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None) -> PreparedGraph:
        """The same over other rows."""

class PreparedText(PreparedLeg):
    """Searches sealed postings."""

    def __init__(self, postings: SealedPostings, numbers: QueryNumbers, num_docs: int, limit: int, alive: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, bm25: Bm25, keys: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None) -> None: ...

    def under(self, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None) -> PreparedText:
        """The same over other rows."""

    def find_among(self, rows: NDArray[numpy.uint32], query: object, reader: RowReader | None) -> tuple[list[int], list[float], list[int] | None, list[dict[str, object]] | None] | None:
        """What `find` returns of the same over a few rows."""

class LegRankings:
    """What each leg of a search found."""

    def leg(self, index: int) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu')]]:
        """Row ids, distances and parts of the score."""

class PreparedFusion:
    """Searches several fields and joins them."""

    def __init__(self, legs: tuple, weights: Sequence[float], scales: Sequence[UnitScale | None], rank_constant: float | None, limit: int, reader: RowReader | None) -> None: ...

    def find(self, queries: list[object]) -> tuple[list[int], list[float], list[int], list[dict[str, object]] | None, LegRankings] | None:
        """
        Row ids, scores, keys, entities and rankings; None when there is more to be said.
        """

    def find_many(self, queries: list[list[object]], threads: int) -> list[tuple[list[int], list[float], list[int], list[dict[str, object]] | None, LegRankings] | None] | None:
        """
        What `find` returns for each; None when there is more to be said of any.
        """

def code_stride(dim: int) -> int:
    """Bytes that the codes of a row fill."""

def encode_rows(rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, centre: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], codes: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu')], scales: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')], errors: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')], norms: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]) -> None:
    """Write the codes of rows, and what bounds their distances."""

class FirstPass:
    """Rows that may be among the nearest of each query."""

    @property
    def is_bounded(self) -> bool:
        """False when some query has to read every row."""

    def row_ids(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')]:
        """The rows of all queries, ascending."""

def merge_passes(passes: Sequence[FirstPass]) -> FirstPass:
    """Passes over several ranges of rows as one."""

class ScanCodes:
    """Byte codes of rows, for exact search."""

    def __init__(self, metric: Metric, codes: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order='C', device='cpu', writable=False)], scales: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], errors: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], norms: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], centre: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

    def first_pass(self, queries: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int, first: int, last: int) -> FirstPass:
        """Bound the distances of a range of rows."""

    def second_pass(self, first_pass: FirstPass, queries: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]:
        """Row ids and distances of the k nearest rows that the first pass left."""

    def search(self, queries: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], row_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]:
        """Row ids and distances of the k nearest allowed rows of each query."""

class UnitScale(enum.Enum):
    """How a distance becomes a score in [0, 1]."""

    COSINE = 0
    """(1 + s) / 2."""

    IP = 1
    """1/2 + atan(s) / pi."""

    L2 = 2
    """1 - 2 atan(d) / pi."""

    SPARSE = 3
    """2 atan(s) / pi."""

    SHARE = 4
    """s, which lies in [0, 1]."""

def merge_candidates(tables: Sequence[tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu', writable=False)], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)]]], num_queries: int, limit: int) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')], list[int]]:
    """
    Sources, row ids, distances and ties of the nearest candidates of all sources.
    """

def fuse_lists(lists: Sequence[tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)]]]) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu')]]:
    """
    Sources, row ids and summed parts of all rows of several lists, best first.
    """

def unit_scores(scale: UnitScale, distances: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu')]:
    """Each distance as a score in [0, 1]."""

def words_of_mask(mask: Annotated[NDArray[numpy.bool_], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> tuple[Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], int]:
    """Which values are true, as one bit each, and how many are."""

@overload
def words_where(values: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], comparison: int, constant: int) -> tuple[Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], int]: ...

@overload
def words_where(values: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], comparison: int, constant: float) -> tuple[Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], int]: ...

@overload
def words_where(values: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], comparison: int, constant: int) -> tuple[Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], int]: ...

@overload
def words_where(values: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], comparison: int, constant: float) -> tuple[Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], int]: ...

@overload
def words_where(values: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], comparison: int, constant: int) -> tuple[Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], int]: ...

@overload
def words_where(values: Annotated[NDArray[numpy.int16], dict(shape=(None,), order='C', device='cpu', writable=False)], comparison: int, constant: int) -> tuple[Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], int]: ...

@overload
def words_where(values: Annotated[NDArray[numpy.int8], dict(shape=(None,), order='C', device='cpu', writable=False)], comparison: int, constant: int) -> tuple[Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], int]:
    """
    Which values compare so with a constant, as one bit each, and how many do.
    """

class TextOrder:
    """Looks texts up that are in order."""

    def __init__(self, offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

    def lower(self, wanted: bytes) -> int:
        """The place of the first that is not below another."""

    def find(self, wanted: bytes) -> int:
        """The place of a text, or -1."""

class RowReader:
    """Reads rows of columns as dicts."""

    def __init__(self, num_rows: int) -> None: ...

    def add_numbers(self, name: str, values: Annotated[NDArray, dict(shape=(None,), order='C', device='cpu', writable=False)], validity: Annotated[NDArray[numpy.bool_], dict(shape=(None,), order='C', device='cpu', writable=False)] | None) -> bool:
        """Read a column of numbers or bools; false for others."""

    def add_texts(self, name: str, offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], validity: Annotated[NDArray[numpy.bool_], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, verifier: BlockVerifier | None, base: int, is_json: bool) -> None:
        """Read a column of texts, or of JSON as its text."""

    def read(self, rows: NDArray[numpy.int64]) -> list[dict[str, object]] | None:
        """A dict for each row; None where Python has to read them."""

class Bm25:
    """BM25 parameters and the lengths of the rows."""

    def __init__(self, k1: float, b: float, average_length: float, lengths: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

class FrequencyCoding:
    """How term frequencies are coded."""

    def __init__(self, k1: float, b: float, average_length: float, lengths: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

POSTINGS_PADDING: int = 128

POSTINGS_UNIT: int = 4

def pack_postings(offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int, coding: FrequencyCoding | None) -> tuple[Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]]:
    """Entries, sizes in units and bytes of terms in the packed layout."""

class SealedPostings:
    """Postings of a sealed segment."""

    def __init__(self, entries: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], starts: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int, coding: FrequencyCoding | None) -> None: ...

    @property
    def num_terms(self) -> int: ...

    @property
    def num_rows(self) -> int: ...

    def search(self, terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], k: int, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, bm25: Bm25 | None) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]]:
        """Row ids and distances of the k best rows."""

    def search_terms(self, numbers: Sequence[int], counts: Sequence[int], num_docs: int, alive: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, bm25: Bm25, row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], distances: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]) -> int:
        """Weigh terms by these rows and search; return how many rows were found."""

    def search_text(self, numbers: QueryNumbers, text: str, num_docs: int, alive: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, bm25: Bm25, row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], distances: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]) -> int:
        """The same for the terms of a text."""

    def search_many(self, offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], chooses: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, bm25: Bm25 | None, threads: int) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]:
        """The same for each query of a batch."""

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

    @property
    def size_bytes(self) -> int: ...

    def append(self, offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> int:
        """Add rows; return the row id of the first."""

    def search(self, terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], k: int, num_rows: int, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, bm25: Bm25 | None) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]]:
        """Row ids and distances of the k best rows."""

    def search_terms(self, numbers: Sequence[int], counts: Sequence[int], num_docs: int, num_rows: int, alive: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, bm25: Bm25, row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], distances: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]) -> int:
        """Weigh terms by these rows and search; return how many rows were found."""

    def search_many(self, offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], chooses: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, k: int, num_rows: int, allowed: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, bm25: Bm25 | None, threads: int) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu')]]:
        """The same for each query of a batch."""

    def distances_to_rows(self, terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], row_ids: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int, bm25: Bm25 | None) -> Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]:
        """Distance of each named row."""

    def document_frequencies(self, terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int, alive: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')]:
        """Rows that contain each term."""

    def terms(self, num_rows: int) -> Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')]:
        """Terms that occur, ascending."""

    def export_postings(self, terms: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)], num_rows: int) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')]]:
        """Offsets, rows and weights of these terms."""

class CharClasses:
    """What each character is to a tokenizer."""

    def __init__(self, classes: Annotated[NDArray[numpy.uint16], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

class Vocabulary:
    """Terms numbered in order of first appearance."""

    def __init__(self) -> None: ...

    def __len__(self) -> int: ...

    @property
    def size_bytes(self) -> int: ...

    def add(self, term: str) -> int:
        """The number of a term; gives it the next one if it is new."""

    def find(self, term: str) -> int:
        """The number of a term, or -1."""

    def term(self, number: int) -> str:
        """The term with this number."""

    def sorted(self, numbers: Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]]:
        """
        Places in `numbers` by ascending term, and offsets and bytes of the terms so sorted.
        """

class TokenCounter:
    """Counts of the terms of texts."""

    def __init__(self, vocabulary: Vocabulary, tokenizer: str, filters: Sequence[tuple[str, Sequence[str], int, int]], has_more_filters: bool, max_known: int) -> None: ...

    @property
    def size_bytes(self) -> int: ...

    def set_classes(self, classes: CharClasses) -> None:
        """Say what characters beyond ASCII are."""

    def scan(self, offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> bool:
        """
        Cut texts into pieces; False when characters beyond ASCII have no classes yet.
        """

    def pending_words(self) -> list[str]:
        """Words that wait for more filters."""

    def pending_pieces(self) -> list[str]:
        """Pieces that wait to be analyzed."""

    def resolve_words(self, terms: list[str | None]) -> None:
        """Give each pending word its term."""

    def resolve_pieces(self, terms: list[list[str]]) -> None:
        """Give each pending piece its terms."""

    def count(self) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu')], Annotated[NDArray[numpy.uint32], dict(shape=(None,), order='C', device='cpu')]]:
        """Offsets, terms, counts and lengths of the texts scanned last."""

    def forget(self) -> None:
        """Forget all pieces."""

class QueryTerms:
    """Terms of short texts, remembered by piece."""

    def __init__(self, tokenizer: str, analyze: object, classes: object, max_known: int) -> None: ...

    def tokens(self, text: str) -> list[str]:
        """The terms of a text, in order."""

class QueryNumbers:
    """Numbers of the terms of short texts in a dictionary."""

    def __init__(self, tokenizer: str, find: object, classes: object, max_known: int) -> None: ...
