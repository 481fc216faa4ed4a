"""What is to be marked in the texts of hits?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from elanus.analysis.multi import FieldAnalyzer
from elanus.errors import InvalidArgumentError
from elanus.schema.collection import did_you_mean


@dataclass(frozen=True, slots=True)
class Highlighter:
    """What is marked in the texts of hits, and how; Milvus' ``LexicalHighlighter``.

    Attributes:
        pre_tags: What is put before a marked word; of several, each match of a fragment takes the
            next one in turn.
        post_tags: What is put behind it.
        highlight_search_text: Mark the words of the texts that are searched by BM25.
        highlight_query: Mark the words of other texts as well: dicts with ``type``
            (``"TextMatch"``), ``field`` and ``text``, such as what a filter asks for.
        fragment_offset: Characters before the first match of a fragment; 0. They may be those of
            the fragment before, whose matches are not marked again.
        fragment_size: Characters of a fragment, without tags; 100. One that ends inside of a
            match, or where one begins, goes on to its end.
        num_of_fragments: Fragments of a text at most; 5. None: the whole text as one fragment.

    Raises:
        InvalidArgumentError: A value is of the wrong type or out of its range.
    """

    pre_tags: Sequence[str] = ("<em>",)
    post_tags: Sequence[str] = ("</em>",)
    highlight_search_text: bool = True
    highlight_query: Sequence[Mapping[str, str]] = ()
    fragment_offset: int = 0
    fragment_size: int = 100
    num_of_fragments: int | None = 5

    def __post_init__(self) -> None:
        for name in ("pre_tags", "post_tags"):
            tags = getattr(self, name)
            tags = (tags,) if isinstance(tags, str) else tuple(tags)
            if not tags or not all(isinstance(tag, str) for tag in tags):
                raise InvalidArgumentError(
                    f"Highlighter: {name}: expected at least one string, got {tags!r}"
                )
            object.__setattr__(self, name, tags)
        for name, least in (("fragment_offset", 0), ("fragment_size", 1), ("num_of_fragments", 0)):
            value = getattr(self, name)
            if value is None and name == "num_of_fragments":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InvalidArgumentError(
                    f"Highlighter: {name}: expected an integer >= {least}, got {value!r}"
                )
        for query in self.highlight_query:
            _check_query(query)

    @classmethod
    def of(cls, value: object) -> Highlighter:
        """Return a highlighter, or the one that a dict of its attributes describes.

        Raises:
            InvalidArgumentError: Neither, or an attribute is unknown or wrong.
        """
        if isinstance(value, Highlighter):
            return value
        if not isinstance(value, Mapping):
            raise InvalidArgumentError(
                f"highlight: expected Highlighter(...), got {type(value).__name__}"
            )
        known = [field.name for field in fields(cls)]
        for name in value:
            if name not in known:
                raise InvalidArgumentError(
                    f"highlight: no setting {name!r}{did_you_mean(name, known)}"
                )
        return cls(**value)


def _check_query(query: object) -> None:
    keys = {"type", "field", "text"}
    is_whole = isinstance(query, Mapping) and set(query) == keys
    if not is_whole or query["type"] != "TextMatch":  # type: ignore[index]
        raise InvalidArgumentError(
            "Highlighter: highlight_query: expected dicts such as "
            f'{{"type": "TextMatch", "field": "title", "text": "graph"}}, got {query!r}'
        )


class HighlightRequest(NamedTuple):
    """What to mark in the hits of a search.

    Attributes:
        options: How.
        analyzers: How each text field in which something is marked is analyzed.
    """

    options: Highlighter
    analyzers: Mapping[str, FieldAnalyzer]
