"""How does a text become the MinHash signature of its shingles?

Each token gets a number, neighbouring tokens together are a member of the set, and the kernel makes
the signature of it. Signatures are stored, so none of this ever changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from elanus.analysis.multi import FieldAnalyzer, MultiAnalyzer
from elanus.errors import InternalError
from elanus.kernels.hashing import hash64_strings
from elanus.kernels.minhash import Permutations, minhash_signatures, shingles
from elanus.schema.batches import DenseVectorColumn, strings_to_column
from elanus.schema.fields import Field
from elanus.types import ByteArray, UInt32Array, UInt64Array

BATCH_TEXTS = 1_024
"""Texts whose tokens are in memory at the same time."""


class SignatureMaker:
    """Makes the signatures of one field. Safe from many threads.

    Args:
        field: Its ``minhash`` says how.
        analyzer: Of the text field; None for shingles of characters.
    """

    def __init__(self, field: Field, analyzer: FieldAnalyzer | None) -> None:
        function = field.minhash
        if function is None or field.dim is None:
            raise InternalError(f"field {field.name!r} has no signatures")
        self._function = function
        self._nullable = field.nullable
        self._analyzer = analyzer
        self._permutations = Permutations.of(function.seed, field.dim // 32)

    @property
    def by_field(self) -> str | None:
        """The field that names the analyzer of each row; None: all have the same."""
        analyzer = self._analyzer
        return analyzer.by_field if isinstance(analyzer, MultiAnalyzer) else None

    @property
    def analyzer(self) -> FieldAnalyzer | None:
        """What makes the tokens; None: they are characters."""
        return self._analyzer

    def make(self, texts: Sequence[str], names: Sequence[str | None] | None = None) -> ByteArray:
        """Return the signatures of texts.

        Args:
            texts: Empty for the empty set.
            names: What ``by_field`` says of each text.

        Returns:
            uint8 of shape ``(len(texts), dim / 8)``, elements in little-endian order.
        """
        parts = [
            self._make(
                texts[first : first + BATCH_TEXTS],
                None if names is None else names[first : first + BATCH_TEXTS],
            )
            for first in range(0, len(texts), BATCH_TEXTS)
        ]
        width = len(self._permutations.masks)
        made = np.concatenate(parts) if parts else np.empty((0, width), dtype=np.uint32)
        return made.astype("<u4", copy=False).view(np.uint8).reshape(len(texts), 4 * width)

    def column(
        self, texts: Sequence[object], names: Sequence[object] | None = None
    ) -> DenseVectorColumn:
        """Return the column of a field for rows.

        Args:
            texts: Of the rows; None is no text, which makes a null where the field takes any.
            names: What ``by_field`` says of each row.
        """
        made = self.make(
            ["" if text is None else str(text) for text in texts],
            None if names is None else [None if n is None else str(n) for n in names],
        )
        if not self._nullable or None not in texts:
            return DenseVectorColumn(made)
        validity = np.array([text is not None for text in texts], dtype=np.bool_)
        made[~validity] = 0
        return DenseVectorColumn(made, validity)

    def _make(self, texts: Sequence[str], names: Sequence[str | None] | None) -> UInt32Array:
        tokens = [
            self._tokens(text, None if names is None else names[i]) for i, text in enumerate(texts)
        ]
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        numbers = self._numbers([token for some in tokens for token in some])
        members, offsets = shingles(numbers, lengths, self._function.shingle_size)
        return minhash_signatures(members, offsets, self._permutations)

    def _tokens(self, text: str, name: str | None) -> Sequence[str]:
        analyzer = self._analyzer
        if analyzer is None:
            return text
        if isinstance(analyzer, MultiAnalyzer):
            analyzer = analyzer.analyzers[int(analyzer.numbers([name])[0])]
        return analyzer.tokens(text)

    def _numbers(self, tokens: list[str]) -> UInt64Array:
        if self._function.hash_function == "sha1":
            return _sha1_numbers(tokens)
        column = strings_to_column(tokens)
        return hash64_strings(column.offsets, column.data)


def _sha1_numbers(tokens: list[str]) -> UInt64Array:
    known: dict[str, int] = {}
    for token in tokens:
        if token not in known:
            raw = hashlib.sha1(token.encode(), usedforsecurity=False).digest()
            known[token] = int.from_bytes(raw[:8], "little")
    return np.fromiter(map(known.__getitem__, tokens), np.uint64, len(tokens))
