"""Which terms does text hold, natively?

``TokenCounter`` cuts UTF-8 into the tokens of an analyzer and counts their terms; what it has not
seen before and cannot filter itself it hands back, once for each distinct piece. ``Vocabulary``
numbers the terms. The classes of ``elanus.analysis`` use both and say what a chain of filters is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from elanus import _native
from elanus.kernels.arrays import Expected, mismatch
from elanus.types import ByteArray, Float32Array, Int64Array, UInt16Array, UInt32Array

# The bits of native/text/char_classes.h.
WORD, LETTER, DECIMAL, MARK, FORMAT, CJK, LETTER_JOINER, DECIMAL_JOINER = (1 << i for i in range(8))
EMOJI, FLAG, EMOJI_MODIFIER, HEBREW, SPACE, PLAIN_CJK = (1 << i for i in range(8, 14))


class CharClasses:
    """Which classes each character is in. Immutable; safe from many threads.

    Args:
        classes: uint16, shape ``(0x110000,)``: the bits of each code point, those above. ASCII
            has fixed classes whatever this says.

    Raises:
        InvalidArgumentError: ``classes`` has the wrong dtype, rank or length.
    """

    def __init__(self, classes: UInt16Array) -> None:
        try:
            self.native = _native.CharClasses(classes)
        except TypeError as error:
            raise mismatch(error, Expected("classes", classes, "uint16", 1)) from None


class Vocabulary:
    """Terms numbered in order of first appearance; it only grows.

    One thread adds at a time; any number may look up meanwhile.
    """

    def __init__(self) -> None:
        self.native = _native.Vocabulary()

    def __len__(self) -> int:
        return len(self.native)

    @property
    def size_bytes(self) -> int:
        """Memory in use, spare room included."""
        return self.native.size_bytes

    def add(self, term: str) -> int:
        """Return the id of ``term``, giving it the next one if it is new."""
        return self.native.add(term)

    def __iter__(self) -> Iterator[str]:
        return (self.native.term(number) for number in range(len(self)))

    def find(self, term: str) -> int:
        """Return the id of ``term``, or -1 if no text held it yet."""
        return self.native.find(term)

    def find_all(self, terms: Sequence[str]) -> list[int]:
        """Return the id of each term, or -1 if no text held it yet."""
        return list(map(self.native.find, terms))

    def id_of(self, term: str) -> int | None:
        """Return the id of ``term``, or None if no text held it yet."""
        number = self.native.find(term)
        return None if number < 0 else number

    def term(self, term_id: int) -> str:
        """Return the term with this id.

        Raises:
            InvalidArgumentError: No term has it.
        """
        return self.native.term(term_id)

    def sorted(self, term_ids: UInt32Array) -> tuple[Int64Array, Int64Array, ByteArray]:
        """Return terms in ascending order of their UTF-8.

        Args:
            term_ids: uint32 of shape ``(m,)``, distinct.

        Returns:
            order, int64 of shape ``(m,)``: the place in ``term_ids`` of each term, ascending;
            offsets, int64 of shape ``(m + 1,)``, and uint8: the terms in that order, end to end.

        Raises:
            InvalidArgumentError: ``term_ids`` has the wrong dtype or rank, or one has no term.

        Releases the GIL.
        """
        try:
            return self.native.sorted(term_ids)
        except TypeError as error:
            raise mismatch(error, Expected("term_ids", term_ids, "uint32", 1)) from None


@dataclass(frozen=True, slots=True)
class NativeFilter:
    """A token filter that the kernel applies to words of ASCII itself.

    Attributes:
        name: ``lowercase``, ``possessive``, ``stop`` or ``length``.
        words: For ``stop``: what is dropped.
        min: For ``length``: fewest characters.
        max: For ``length``: most characters; None for no limit.
    """

    name: str
    words: tuple[str, ...] = ()
    min: int = 0
    max: int | None = None


@dataclass(frozen=True, slots=True)
class TokenChain:
    """How a ``TokenCounter`` makes terms of text.

    Attributes:
        tokenizer: ``standard`` or ``whitespace``.
        filters: The first filters of the chain, which are applied natively to words of ASCII.
        finish: Applies the other filters to words that passed the first ones: returns the term
            of each, or None. None when there are no others.
        analyze: Returns the terms of a piece of any text, the whole chain applied.
        classes: Returns what characters beyond ASCII are; asked when the first one comes.
    """

    tokenizer: str
    filters: Sequence[NativeFilter]
    finish: Callable[[list[str]], list[str | None]] | None
    analyze: Callable[[str], list[str]]
    classes: Callable[[], CharClasses]


class TokenCounter:
    """Counts the terms of texts, batch after batch, over one vocabulary. One thread at a time.

    Args:
        vocabulary: Numbers the terms; new ones join it.
        chain: How text becomes terms.
        max_known: Distinct pieces of text whose terms are remembered, about; 24 to 48 bytes each.

    Raises:
        InvalidArgumentError: The chain names a tokenizer or filter that is not native.
    """

    def __init__(self, vocabulary: Vocabulary, chain: TokenChain, max_known: int) -> None:
        unlimited = (1 << 63) - 1
        filters = [
            (f.name, list(f.words), f.min, unlimited if f.max is None else f.max)
            for f in chain.filters
        ]
        more = chain.finish is not None
        self._native = _native.TokenCounter(
            vocabulary.native, chain.tokenizer, filters, more, max_known
        )
        self._chain = chain

    @property
    def size_bytes(self) -> int:
        """Memory in use."""
        return self._native.size_bytes

    def count(
        self, offsets: Int64Array, data: ByteArray
    ) -> tuple[Int64Array, UInt32Array, Float32Array, UInt32Array]:
        """Return how often each term occurs in each text.

        Args:
            offsets: int64, shape ``(n + 1,)``; text ``i`` is ``data[offsets[i]:offsets[i + 1]]``.
            data: uint8, UTF-8; lone surrogates may be in it, as three bytes each.

        Returns:
            offsets int64 of shape ``(n + 1,)``; term ids uint32 and counts float32, where text
            ``i`` has the distinct terms at ``offsets[i]`` to ``offsets[i + 1]``, ascending; and
            the number of terms of each text, uint32 of shape ``(n,)``.

        Raises:
            InvalidArgumentError: An array has the wrong dtype or rank, or ``offsets`` descend or
                leave ``data``.
            UnicodeDecodeError: A piece that is not ASCII is no UTF-8.

        Releases the GIL, except while new pieces go through filters that are not native.
        """
        native, chain = self._native, self._chain
        try:
            whole = native.scan(offsets, data)
            if not whole:
                native.set_classes(chain.classes().native)
                native.scan(offsets, data)
        except TypeError as error:
            raise mismatch(
                error, Expected("offsets", offsets, "int64", 1), Expected("data", data, "uint8", 1)
            ) from None
        try:
            if chain.finish is not None:
                words = native.pending_words()
                if words:
                    native.resolve_words(chain.finish(words))
            pieces = native.pending_pieces()
            if pieces:
                native.resolve_pieces([chain.analyze(piece) for piece in pieces])
            return native.count()
        except BaseException:
            # Pieces without terms must not pass for pieces that have none.
            native.forget()
            raise


class QueryTokens:
    """The terms of short texts, in order. Safe from many threads at once.

    Args:
        chain: How text becomes terms; only ``tokenizer``, ``analyze`` and ``classes`` matter.
        max_known: Distinct pieces of text whose terms are remembered, about.

    Raises:
        InvalidArgumentError: The tokenizer is not native.
    """

    def __init__(self, chain: TokenChain, max_known: int) -> None:
        # Looked up in the native object directly: a call of Python's own costs as much as a word.
        self.tokens: Callable[[str], list[str]] = _native.QueryTerms(
            chain.tokenizer, chain.analyze, lambda: chain.classes().native, max_known
        ).tokens
        """Returns the terms of a text, repeats included. A piece that is new is analyzed by
        ``chain.analyze``; what that raises is passed on."""


class QueryNumbers:
    """The numbers that the terms of short texts have in a dictionary. Safe from many threads.

    Args:
        chain: As in ``QueryTokens``.
        find_all: Returns the number of each term, below 0 where the dictionary lacks it; always the
            same.
        max_known: Distinct pieces of text whose numbers are remembered, about.

    Raises:
        InvalidArgumentError: The tokenizer is not native.
    """

    def __init__(
        self, chain: TokenChain, find_all: Callable[[Sequence[str]], list[int]], max_known: int
    ) -> None:
        self.native = _native.QueryNumbers(
            chain.tokenizer,
            lambda piece: find_all(chain.analyze(piece)),
            lambda: chain.classes().native,
            max_known,
        )
