"""What do the passages themselves answer, without a language model?

The sentences that fit the question best are quoted, grouped by passage, each with its citation.
A sentence fits by the rare words it shares with the question and by the similarity of its
embedding; the place of its passage in the search result settles what is close.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np
import numpy.typing as npt
from Stemmer import Stemmer

from elanus_demo.answer.protocol import Question
from elanus_demo.retrieval import RetrievedPassage
from elanus_demo.sentences import sentence_spans

Float32Array = npt.NDArray[np.float32]

_MAX_SENTENCES = 4
_MAX_PASSAGES = 3
_LONGEST_QUOTE = 400

# Weights of the parts of a sentence's score; each part lies between 0 and 1.
_LEXICAL_WEIGHT = 0.4
_SEMANTIC_WEIGHT = 0.4
_RANK_WEIGHT = 0.2

# A sentence below this share of the best one's score adds more noise than answer.
_RELATIVE_FLOOR = 0.6
# Sentences that share this part of their words say the same.
_SAME_WORDS = 0.9
# Below both, no sentence has to do with the question.
_LEAST_SEMANTIC = 0.3
_LEAST_LEXICAL = 0.6

_TERM = re.compile(r"[^\W_]+")
_STOP_WORDS = frozenset(
    _TERM.findall(
        "a an and are as at be by can could do does for from get has have how i if in is it its me "
        "my of on or our should so than that the their them then there these they this to use "
        "using was we what when where which who why will with would you your"
    )
)
_LIST_MARKER = re.compile(r"^(?:[-*+\u2022]|\d{1,3}[.)])\s+")
_SENTENCE_ENDS = (".", "!", "?", ":")
_STEMMER = Stemmer("english")

NOTHING_FOUND = "The documents do not seem to answer this. The nearest passages are cited below."


class TextEmbedder(Protocol):
    """The part of an embedder that is needed to compare sentences with a question."""

    def embed_documents(self, texts: Sequence[str]) -> Float32Array: ...

    def embed_queries(self, texts: Sequence[str]) -> Float32Array: ...


@dataclass(frozen=True, slots=True)
class _Sentence:
    passage: RetrievedPassage
    position: int
    text: str


class ExtractiveAnswerer:
    """Quotes the best sentences of the passages. It needs no network and always answers."""

    def __init__(self, embedder: TextEmbedder) -> None:
        self._embedder = embedder

    @property
    def title(self) -> str:
        return "quotation, without a language model"

    def stream(self, question: Question) -> Iterator[str]:
        sentences = [
            sentence for passage in question.passages for sentence in _sentences_of(passage)
        ]
        if not sentences:
            yield NOTHING_FOUND
            return
        yield _quote(self._choose(question, sentences))

    async def astream(self, question: Question) -> AsyncGenerator[str]:
        for piece in await asyncio.to_thread(list, self.stream(question)):
            yield piece

    def _choose(self, question: Question, sentences: list[_Sentence]) -> list[_Sentence]:
        """Return the sentences to quote, in the order of the passages and of their text."""
        lexical = lexical_scores(question.text, [sentence.text for sentence in sentences])
        vectors = _unit_rows(self._embedder.embed_documents([s.text for s in sentences]))
        query = _unit_rows(self._embedder.embed_queries([question.text]))[0]
        semantic = np.clip(vectors @ query, 0.0, 1.0)
        if float(semantic.max()) < _LEAST_SEMANTIC and float(lexical.max()) < _LEAST_LEXICAL:
            return []
        ranks = np.array([1.0 / sentence.passage.number for sentence in sentences])
        scores = _LEXICAL_WEIGHT * lexical + _SEMANTIC_WEIGHT * semantic + _RANK_WEIGHT * ranks
        floor = _RELATIVE_FLOOR * float(scores.max())
        chosen: list[int] = []
        # A stable sort keeps sentences of equal score in reading order.
        for index in np.argsort(-scores, kind="stable").tolist():
            if len(chosen) == _MAX_SENTENCES or scores[index] < floor:
                break
            numbers = {sentences[other].passage.number for other in chosen}
            is_new = sentences[index].passage.number not in numbers
            if is_new and len(numbers) == _MAX_PASSAGES:
                continue
            text = sentences[index].text
            if not any(_say_the_same(text, sentences[other].text) for other in chosen):
                chosen.append(index)
        return [sentences[index] for index in sorted(chosen)]


def lexical_scores(question: str, sentences: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return for each sentence the share of the question's words it has, rare words first.

    A word counts ``log(1 + n / df)``: ``df`` of the ``n`` sentences have it.

    Returns:
        float64, shape ``(len(sentences),)``, between 0 and 1.
    """
    wanted = terms(question)
    found = [terms(sentence) & wanted for sentence in sentences]
    frequency = Counter(term for shared in found for term in shared)
    count = len(sentences)
    # A word that no sentence has still counts in the whole, as rare as one that a single one has.
    weights = {term: math.log(1 + count / max(1, frequency[term])) for term in wanted}
    whole = sum(weights.values())
    # Sorted, so that sums are the same in every process whatever the order of the sets.
    return np.array(
        [sum(weights[term] for term in sorted(s)) / whole if whole else 0.0 for s in found]
    )


def terms(text: str) -> set[str]:
    """Return the stems of a text's content words."""
    words = {word.lower() for word in _TERM.findall(text)}
    return set(_STEMMER.stemWords(sorted(words - _STOP_WORDS)))


def _say_the_same(text: str, other: str) -> bool:
    words, others = terms(text), terms(other)
    return len(words & others) >= _SAME_WORDS * len(words | others)


def _sentences_of(passage: RetrievedPassage) -> list[_Sentence]:
    spans = sentence_spans(passage.text)
    texts = [" ".join(passage.text[start:end].split()) for start, end in spans]
    if len(texts) > 1 and _names(texts[0], passage) and not texts[0].endswith(_SENTENCE_ENDS):
        # A signature says little without the sentence that it stands over.
        texts[:2] = [f"{texts[0]}: {texts[1]}"]
    return [
        _Sentence(passage, position, text)
        for position, text in enumerate(texts)
        if _TERM.search(text)
    ]


def _names(text: str, passage: RetrievedPassage) -> bool:
    """Tell whether a text carries the heading that the passage stands under."""
    return bool(passage.title) and passage.title in text


def _quote(sentences: list[_Sentence]) -> str:
    """Return one paragraph per passage: heading, quoted sentences, citation; gaps are marked."""
    if not sentences:
        return NOTHING_FOUND
    paragraphs: list[str] = []
    for passage, group in groupby(sentences, key=lambda sentence: sentence.passage):
        parts: list[str] = []
        previous: int | None = None
        for sentence in group:
            if previous is not None and sentence.position > previous + 1:
                parts.append("...")
            parts.append(_as_quoted(sentence.text))
            previous = sentence.position
        quoted = " ".join(parts)
        lead = "" if not passage.title or _names(quoted, passage) else f"{passage.title}: "
        paragraphs.append(f"{lead}{quoted} [{passage.number}]")
    return "\n\n".join(paragraphs)


def _as_quoted(text: str) -> str:
    text = _LIST_MARKER.sub("", text)
    if len(text) <= _LONGEST_QUOTE:
        return text
    return text[:_LONGEST_QUOTE].rsplit(" ", 1)[0] + " ..."


def _unit_rows(vectors: Float32Array) -> Float32Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)
