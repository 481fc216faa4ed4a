"""What do inverted lists hold, and how are they made and stored?

Rows are laid out list by list, ascending by row id within a list. ``build_lists`` makes the arrays,
``StoredLists`` keeps them as they lie in an index file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elanus.errors import CorruptionError
from elanus.index.base import VectorRows
from elanus.index.dense.ivf_training import (
    CHUNK_ROWS,
    Centroids,
    assign,
    in_pieces,
    slots_of,
    to_codebooks,
    train_codebooks,
)
from elanus.kernels.ivf import (
    BLOCK_ROWS,
    NO_ROW,
    CentredRows,
    Codebooks,
    Coding,
    InvertedLists,
    code_stride,
    product_bytes,
)
from elanus.types import AnyArray, ByteArray, Float32Array, Int64Array, MetricType, UInt32Array

LARGEST_CODE = 127
"""Scalar codes stand for -127 .. 127 steps."""
DIMS_PER_PART = 2
"""Dimensions of one part of product codes when ``m`` is not given: two bits a dimension."""

_DTYPES: Mapping[str, type[np.generic]] = {
    "mean": np.float32,
    "centroids": np.float32,
    "probe_codes": np.uint8,
    "probe_terms": np.float32,
    "offsets": np.int64,
    "row_ids": np.uint32,
    "codes": np.uint8,
    "terms": np.float32,
    "steps": np.float32,
    "codebooks": np.float32,
    "codebook_norms": np.float32,
}
_LIST_ARRAYS = {
    Coding.NONE: (),
    Coding.SCALAR: ("codes", "steps"),
    Coding.PRODUCT: ("codes", "codebooks", "codebook_norms"),
}
_COMMON_ARRAYS = ("mean", "centroids", "probe_codes", "probe_terms", "offsets", "row_ids")


@dataclass(frozen=True, slots=True, eq=False)
class StoredLists:
    """The arrays of inverted lists and the numbers that say how to read them.

    Attributes:
        index_type: Name in the registry.
        coding: What is stored of each row.
        metric: L2, IP or COSINE.
        num_rows: Rows of the segment.
        dim: Dimensions of a row.
        probe_step: Step of the centroids' scalar codes.
        num_subs: Parts of product codes; 0 for the others.
        bits: Bits of a product code; 0 for the others.
        refine_k: Candidates scored again, as a multiple of the limit.
        arrays: As they are stored.
        native: The same, as the kernel reads them.

    Raises:
        CorruptionError: Sizes contradict each other.
    """

    index_type: str
    coding: Coding
    metric: MetricType
    num_rows: int
    dim: int
    probe_step: float
    num_subs: int
    bits: int
    refine_k: float
    arrays: Mapping[str, AnyArray]
    native: InvertedLists = field(init=False)

    def __post_init__(self) -> None:
        books = None
        arrays = {n: a for n, a in self.arrays.items() if not n.startswith("codebook")}
        if self.coding == Coding.PRODUCT:
            books = self.codebooks()
        native = InvertedLists(
            arrays,
            books,
            self.metric,
            self.coding,
            num_rows=self.num_rows,
            probe_step=self.probe_step,
        )
        object.__setattr__(self, "native", native)

    @property
    def nlist(self) -> int:
        """Number of lists."""
        return len(self.arrays["offsets"]) - 1

    def codebooks(self) -> Codebooks:
        """Return the codewords of product codes."""
        panels: Any = self.arrays["codebooks"]
        half_norms: Any = self.arrays["codebook_norms"]
        return to_codebooks(panels, half_norms, self.dim, self.num_subs, self.bits)

    def centroids(self) -> Centroids:
        """Return where the lists are."""
        values: Any = self.arrays["centroids"]
        mean: Any = self.arrays["mean"]
        return Centroids(mean, values.reshape(self.nlist, self.dim))

    def labels(self) -> UInt32Array:
        """Return the list of each row, uint32 ``(num_rows,)``."""
        offsets: Any = self.arrays["offsets"]
        row_ids = self.arrays["row_ids"]
        lists = np.repeat(np.arange(self.nlist, dtype=np.uint32), np.diff(offsets))
        is_row = row_ids != NO_ROW
        labels = np.zeros(self.num_rows, dtype=np.uint32)
        labels[row_ids[is_row].astype(np.int64)] = lists[is_row]
        return labels

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return header and arrays for ``open``."""
        header = {
            "metric": self.metric.value,
            "rows": self.num_rows,
            "dim": self.dim,
            "probe_step": self.probe_step,
            "num_subs": self.num_subs,
            "bits": self.bits,
            "refine_k": self.refine_k,
        }
        return header, dict(self.arrays)

    @classmethod
    def open(
        cls,
        index_type: str,
        coding: Coding,
        rows: VectorRows,
        header: Mapping[str, Any],
        arrays: Mapping[str, AnyArray],
    ) -> StoredLists:
        """Open what ``to_arrays`` gave, over the rows of the segment; nothing is copied.

        Raises:
            CorruptionError: Header and arrays do not fit together or do not fit the rows.
        """
        expected = {"metric": rows.metric.value, "rows": rows.num_rows, "dim": rows.dim}
        found = {name: header.get(name) for name in expected}
        if found != expected:
            raise CorruptionError(f"{index_type}: made for {found}, its segment has {expected}")
        wanted = [*_COMMON_ARRAYS, *_LIST_ARRAYS[coding]]
        if rows.metric is MetricType.L2 and coding != Coding.NONE:
            wanted.append("terms")
        for name in wanted:
            array = arrays.get(name)
            if array is None or array.dtype != _DTYPES[name] or not array.flags.c_contiguous:
                kind = "nothing" if array is None else f"{array.dtype} of shape {array.shape}"
                raise CorruptionError(
                    f"{index_type}: array {name!r} should be {_DTYPES[name].__name__}, got {kind}"
                )
        numbers = _numbers(index_type, coding, header)
        return cls(
            index_type,
            coding,
            rows.metric,
            rows.num_rows,
            rows.dim,
            *numbers,
            {name: arrays[name].reshape(-1) for name in wanted},
        )


def _numbers(
    index_type: str, coding: Coding, header: Mapping[str, Any]
) -> tuple[float, int, int, float]:
    """Return probe step, parts, bits and ``refine_k`` of a header."""
    try:
        step, refine_k = float(header["probe_step"]), float(header["refine_k"])
        subs, bits = int(header["num_subs"]), int(header["bits"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CorruptionError(f"{index_type}: the header is damaged: {error!r}") from error
    is_product = coding == Coding.PRODUCT
    fits = bits in (4, 8) and 1 <= subs <= 1 << 16 if is_product else bits == subs == 0
    if not fits or not 1 <= refine_k <= 1_000 or not step >= 0:
        raise CorruptionError(
            f"{index_type}: the header is damaged: refine_k {refine_k}, step {step}, {subs} parts "
            f"of {bits} bits"
        )
    return step, subs, bits, refine_k


def code_bytes(coding: Coding, dim: int, params: Mapping[str, Any]) -> int:
    """Return the bytes of one row's code."""
    if coding == Coding.NONE:
        return 0
    if coding == Coding.SCALAR:
        return code_stride(dim)
    return -(-product_bytes(num_parts(dim, params), params["nbits"]) // BLOCK_ROWS)


def num_parts(dim: int, params: Mapping[str, Any]) -> int:
    """Return the parts of product codes: what is asked for, or fewer that cover ``dim`` as well."""
    wanted = int(params["m"]) or -(-dim // DIMS_PER_PART)
    return -(-dim // -(-dim // min(wanted, dim)))


def build_lists(
    index_type: str,
    coding: Coding,
    rows: VectorRows,
    centroids: Centroids,
    labels: UInt32Array,
    params: Mapping[str, Any],
    *,
    checkpoint: Callable[[], None],
) -> StoredLists:
    """Make lists of the rows; ``labels`` says which list each is in, uint32 ``(n,)``."""
    subs, bits = 0, 0
    if coding == Coding.PRODUCT:
        subs, bits = num_parts(rows.dim, params), int(params["nbits"])
    step, codes, terms = _probe_codes(centroids)
    common: dict[str, AnyArray] = {
        "mean": centroids.mean,
        "centroids": np.ascontiguousarray(centroids.values),
        "probe_codes": codes,
        "probe_terms": terms,
    }
    arrays = _encoded(coding, rows, centroids, labels, common, (subs, bits), checkpoint)
    return StoredLists(
        index_type,
        coding,
        rows.metric,
        rows.num_rows,
        rows.dim,
        step,
        subs,
        bits,
        float(params.get("refine_k", 1)),
        arrays,
    )


def rebuild_lists(
    old: StoredLists, rows: VectorRows, mapping: Int64Array, *, checkpoint: Callable[[], None]
) -> StoredLists:
    """Make lists of other rows with the centroids of old ones.

    Codewords are learnt anew: they are cheap, and fit what is left of the new rows.

    Args:
        old: Lists of rows of which many live on.
        rows: The rows of the new lists.
        mapping: int64 ``(old.num_rows,)``: what each old row has become, -1 where it is gone.
        checkpoint: Called often; may raise to cancel.
    """
    centroids = old.centroids()
    is_kept = mapping >= 0
    labels = np.zeros(rows.num_rows, dtype=np.uint32)
    labels[mapping[is_kept]] = old.labels()[is_kept]
    is_new = np.ones(rows.num_rows, dtype=np.bool_)
    is_new[mapping[is_kept]] = False
    added = np.flatnonzero(is_new)
    labels[added] = assign(centroids.over(rows), centroids.values, added, checkpoint)
    common = {n: old.arrays[n] for n in ("mean", "centroids", "probe_codes", "probe_terms")}
    books = (old.num_subs, old.bits)
    arrays = _encoded(old.coding, rows, centroids, labels, common, books, checkpoint)
    return StoredLists(
        old.index_type,
        old.coding,
        rows.metric,
        rows.num_rows,
        rows.dim,
        old.probe_step,
        *books,
        old.refine_k,
        arrays,
    )


def _encoded(
    coding: Coding,
    rows: VectorRows,
    centroids: Centroids,
    labels: UInt32Array,
    common: Mapping[str, AnyArray],
    books: tuple[int, int],
    checkpoint: Callable[[], None],
) -> dict[str, AnyArray]:
    """Return the arrays of lists: the common ones, where each row lies, and its code."""
    nlist = len(centroids.values)
    offsets, order, slots = slots_of(labels, nlist, BLOCK_ROWS if coding == Coding.PRODUCT else 1)
    row_ids = np.full(int(offsets[-1]), NO_ROW, dtype=np.uint32)
    row_ids[slots] = order
    arrays: dict[str, AnyArray] = {**common, "offsets": offsets, "row_ids": row_ids}
    if coding == Coding.NONE:
        return arrays
    source = centroids.over(rows)
    lists = np.repeat(np.arange(nlist, dtype=np.uint32), np.diff(offsets))
    if coding == Coding.SCALAR:
        steps = _steps(source, centroids.values, row_ids, offsets, lists, checkpoint)
        arrays["steps"] = steps

        def encode(part: slice) -> tuple[ByteArray, Float32Array]:
            return source.encode_scalar(centroids.values, row_ids[part], lists[part], steps)
    else:
        subs, bits = books
        words = train_codebooks(
            rows, centroids, labels, num_subs=subs, bits=bits, checkpoint=checkpoint
        )
        arrays["codebooks"], arrays["codebook_norms"] = words
        codebooks = to_codebooks(*words, rows.dim, subs, bits)

        def encode(part: slice) -> tuple[ByteArray, Float32Array]:
            return source.encode_product(centroids.values, row_ids[part], lists[part], codebooks)

    pieces = in_pieces(lambda s: encode(slice(s, s + CHUNK_ROWS)), len(row_ids), checkpoint)
    arrays["codes"] = np.concatenate([codes.reshape(-1) for codes, _ in pieces])
    if rows.metric is MetricType.L2:
        arrays["terms"] = np.concatenate([terms for _, terms in pieces])
    return arrays


def _steps(
    source: CentredRows,
    centroids: Float32Array,
    row_ids: UInt32Array,
    offsets: Int64Array,
    lists: UInt32Array,
    checkpoint: Callable[[], None],
) -> Float32Array:
    """Return the step of each list: its largest residual is the largest code."""

    def piece(start: int) -> Float32Array:
        part = slice(start, start + CHUNK_ROWS)
        return source.residual_peaks(centroids, row_ids[part], lists[part])

    peaks = np.concatenate(in_pieces(piece, len(row_ids), checkpoint))
    steps = np.zeros(len(centroids), dtype=np.float32)
    present = np.flatnonzero(np.diff(offsets))
    steps[present] = np.maximum.reduceat(peaks, offsets[:-1][present]) / LARGEST_CODE
    return steps


def _probe_codes(centroids: Centroids) -> tuple[float, ByteArray, Float32Array]:
    """Return step, scalar codes and terms of the centroids themselves."""
    values = np.ascontiguousarray(centroids.values)
    count, dim = values.shape
    step = np.float32(np.abs(values).max(initial=0) / LARGEST_CODE)
    origin = np.zeros((1, dim), dtype=np.float32)
    source = CentredRows(values, None, origin[0])
    one_list = np.zeros(count, dtype=np.uint32)
    codes, terms = source.encode_scalar(
        origin, np.arange(count, dtype=np.uint32), one_list, np.array([step], dtype=np.float32)
    )
    return float(step), codes.reshape(-1), terms
