"""How do texts get meaning from the company their words keep, without a model?

Latent semantic analysis: documents are rows of word weights (tf-idf), and a truncated singular
value decomposition keeps the directions in which they differ most. It is fitted on the documents
themselves, needs only NumPy, and is saved as one file.

Source: Deerwester et al., "Indexing by Latent Semantic Analysis", 1990. The decomposition is that
of Halko, Martinsson and Tropp, "Finding Structure with Randomness", algorithm 4.4,
arXiv:0909.4061.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from elanus.errors import CorruptionError, InvalidArgumentError, NotFoundError
from elanus.plugins import ModelInfo, normalize_rows
from elanus.types import Float32Array, Int64Array

_FORMAT: Final = 1
# Writings without spaces between words: pairs of characters stand for words.
_UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f"
_WORD: Final = re.compile(rf"[{_UNSPACED}]+|[^\W{_UNSPACED}]+")
_OVERSAMPLING: Final = 10
_POWER_ITERATIONS: Final = 4
# Rows of a sparse product that are gathered at a time, in numbers: 32 MB of float32.
_GATHERED_NUMBERS: Final = 1 << 23


@dataclass(frozen=True, slots=True)
class _Counts:
    """A sparse matrix by rows: row ``i`` has ``values[offsets[i]:offsets[i + 1]]``."""

    offsets: Int64Array
    columns: Int64Array
    values: Float32Array
    num_columns: int

    def times(self, dense: Float32Array) -> Float32Array:
        """Return the product with a dense matrix of ``num_columns`` rows."""
        rows, width = len(self.offsets) - 1, dense.shape[1]
        product = np.zeros((rows, width), dtype=np.float32)
        most = max(1, _GATHERED_NUMBERS // max(1, width))
        start = 0
        while start < rows:
            limit = self.offsets[start] + most
            stop = max(start + 1, int(np.searchsorted(self.offsets, limit, "right")) - 1)
            first, last = self.offsets[start], self.offsets[stop]
            gathered = dense[self.columns[first:last]] * self.values[first:last, np.newaxis]
            filled = start + np.flatnonzero(np.diff(self.offsets[start : stop + 1]))
            if len(filled):
                product[filled] = np.add.reduceat(gathered, self.offsets[filled] - first, axis=0)
            start = stop
        return product

    def transposed(self) -> _Counts:
        """Return the same matrix by columns."""
        rows = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        order = np.argsort(self.columns, kind="stable")
        offsets = np.zeros(self.num_columns + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.columns, minlength=self.num_columns), out=offsets[1:])
        return _Counts(offsets, rows[order], self.values[order], len(self.offsets) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class LsaModel:
    """What a fit finds.

    Attributes:
        words: The words that are known, by column.
        idf: float32, shape ``(len(words),)``, the weight of each.
        basis: float32, shape ``(len(words), directions)``, orthonormal columns.
    """

    words: dict[str, int]
    idf: Float32Array
    basis: Float32Array

    def weights(self, counted: Sequence[Counter[str]]) -> _Counts:
        """Return rows of length 1 of the tf-idf weights of counted words."""
        words = self.words
        rows = [
            sorted((words[word], count) for word, count in found.items() if word in words)
            for found in counted
        ]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        columns = np.array([place for row in rows for place, _ in row], dtype=np.int64)
        counts = np.array([count for row in rows for _, count in row], dtype=np.float64)
        values = (1.0 + np.log(counts)) * self.idf[columns]
        owners = np.repeat(np.arange(len(rows)), np.diff(offsets))
        squares = np.bincount(owners, weights=values**2, minlength=len(rows))
        values /= np.sqrt(squares)[owners]
        return _Counts(offsets, columns, values.astype(np.float32), len(words))


class LsaEmbedder:
    """Embedder by latent semantic analysis of the texts that it was fitted on.

    ``LsaEmbedder.fit(texts)`` makes one, ``save`` keeps it, and ``LsaEmbedder(model=file)``, or
    ``get_embedder("lsa:file")``, reads it. Vectors have length 1. A text without a known word maps
    to one fixed vector, at right angles to all others. Texts are never cut. Safe from many threads.

    Args:
        model: File that ``save`` wrote, or what a fit found.

    Raises:
        NotFoundError: There is no such file.
        CorruptionError: The file is not one that ``save`` wrote.
    """

    def __init__(self, model: str | Path | LsaModel) -> None:
        self._path = None if isinstance(model, LsaModel) else Path(model)
        self._model = model if isinstance(model, LsaModel) else _read(Path(model))
        words, basis = "\n".join(self._model.words), self._model.basis
        digest = hashlib.sha256(words.encode("utf-8") + basis.tobytes()).hexdigest()
        # One dimension is kept for texts without a word that is known.
        self._info = ModelInfo(
            name="lsa", revision=digest[:16], dim=basis.shape[1] + 1, normalized=True
        )

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        dim: int = 256,
        *,
        min_count: int = 2,
        max_words: int = 200_000,
        seed: int = 0,
    ) -> Self:
        """Return an embedder fitted on texts; the same texts and options give the same one.

        Args:
            texts: Documents, at least one with a word that is kept.
            dim: Dimensions, at least 2. It comes out smaller for fewer documents or words.
            min_count: Documents that a word must be in, unless no word is in so many.
            max_words: Most words to keep, those of the most documents.
            seed: Of the random start of the decomposition.

        Raises:
            InvalidArgumentError: An option is out of range, or no text has a word.
        """
        if dim < 2 or min_count < 1 or max_words < 1:
            raise InvalidArgumentError(
                f"lsa: dim must be at least 2, min_count and max_words at least 1, got {dim}, "
                f"{min_count}, {max_words}"
            )
        counted = [Counter(_words(text)) for text in texts]
        frequency = Counter(word for words in counted for word in words)
        kept = [word for word, count in frequency.items() if count >= min_count] or list(frequency)
        if not kept:
            raise InvalidArgumentError("lsa: no text has a word to fit on")
        kept = sorted(sorted(kept), key=lambda word: -frequency[word])[:max_words]
        documents = np.array([frequency[word] for word in kept], dtype=np.float64)
        idf = (np.log((1.0 + len(texts)) / (1.0 + documents)) + 1.0).astype(np.float32)
        words = {word: place for place, word in enumerate(kept)}
        unfitted = LsaModel(words, idf, np.empty((len(kept), 0), dtype=np.float32))
        basis = _leading_directions(unfitted.weights(counted), dim - 1, seed)
        return cls(replace(unfitted, basis=basis))

    def save(self, file: str | Path) -> None:
        """Write everything to one file, from which ``config`` builds this embedder again.

        Raises:
            OSError: The file cannot be written.
        """
        path, model = Path(file), self._model
        with path.open("wb") as out:
            np.savez_compressed(
                out,
                format=np.array(_FORMAT),
                words=np.frombuffer("\n".join(model.words).encode("utf-8"), dtype=np.uint8),
                idf=model.idf,
                basis=model.basis,
            )
        self._path = path

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def config(self) -> dict[str, object] | None:
        """What a collection stores to build this embedder again; None before ``save``."""
        if self._path is None:
            return None
        return {"name": "lsa", "params": {"model": str(self._path)}}

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts)

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts)

    def _embed(self, texts: Sequence[str]) -> Float32Array:
        vectors = np.zeros((len(texts), self._info.dim), dtype=np.float32)
        weights = self._model.weights([Counter(_words(text)) for text in texts])
        vectors[:, :-1] = normalize_rows(weights.times(self._model.basis))
        vectors[~vectors.any(axis=1), -1] = 1.0
        return vectors


def _read(file: Path) -> LsaModel:
    if not file.is_file():
        raise NotFoundError(
            f"lsa: no file {str(file)!r}; make one with LsaEmbedder.fit(texts).save(file)"
        )
    try:
        with np.load(file, allow_pickle=False) as stored:
            if int(stored["format"]) != _FORMAT:
                raise ValueError(f"format {int(stored['format'])}, expected {_FORMAT}")
            words = stored["words"].tobytes().decode("utf-8").split("\n")
            places = {word: place for place, word in enumerate(words)}
            return LsaModel(places, stored["idf"], stored["basis"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CorruptionError(
            f"lsa: {str(file)!r} is not a saved embedder: {error}", path=str(file)
        ) from error


def _leading_directions(weights: _Counts, count: int, seed: int) -> Float32Array:
    """Return the leading right singular vectors as columns, shape ``(words, at most count)``."""
    by_word = weights.transposed()
    rows, columns = len(weights.offsets) - 1, weights.num_columns
    count = max(1, min(count, rows, columns))
    width = min(count + _OVERSAMPLING, rows, columns)
    start = np.random.default_rng(seed).standard_normal((columns, width)).astype(np.float32)
    basis: NDArray[np.float32] = np.linalg.qr(weights.times(start))[0]
    for _ in range(_POWER_ITERATIONS):
        basis = np.linalg.qr(by_word.times(basis))[0]
        basis = np.linalg.qr(weights.times(basis))[0]
    _, strengths, directions = np.linalg.svd(by_word.times(basis).T, full_matrices=False)
    kept = strengths[:count] > 1e-5 * strengths[0]
    leading = directions[:count][kept]
    # The sign of a singular vector is free; this choice makes fits repeatable.
    largest = np.abs(leading).argmax(axis=1)
    signs = np.sign(leading[np.arange(len(leading)), largest])
    return np.ascontiguousarray((leading * signs[:, np.newaxis]).T, dtype=np.float32)


def _words(text: str) -> Iterator[str]:
    for run in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if len(run) > 1 and re.match(rf"[{_UNSPACED}]", run):
            yield from (run[i : i + 2] for i in range(len(run) - 1))
        else:
            yield run
