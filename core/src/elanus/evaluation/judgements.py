"""Which queries are asked, and which entities answer them?

Queries and judgements come as dicts, lists or files; they leave as numbers and arrays, with every
id that does not fit named.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.evaluation.metrics import Relevance
from elanus.types import Float64Array, PrimaryKey

Queries = Mapping[Any, Any] | Sequence[Any]
"""A query (text, vector, or dict of one for each field) by its id; or pairs of id and query."""
Qrels = Mapping[Any, Any] | str | os.PathLike[str]
"""Gains by entity by query, or the relevant entities by query; or the path of a file of them."""

_SHOWN = 5
"""Ids that a message names."""


def named(ids: Iterable[Any]) -> str:
    """Return ids for a message: the first ones, and how many there are."""
    known = list(ids)
    shown = ", ".join(repr(one) for one in known[:_SHOWN])
    return shown if len(known) <= _SHOWN else f"{shown} and {len(known) - _SHOWN} more"


def read_queries(queries: Queries) -> dict[str, Any]:
    """Return queries by id, in their order.

    Args:
        queries: Mapping of ids to queries, or a list of pairs of both; ids become texts.

    Raises:
        InvalidArgumentError: There is none, or an id is given twice.
    """
    pairs: list[Any] = list(queries.items()) if isinstance(queries, Mapping) else list(queries)
    made: dict[str, Any] = {}
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InvalidArgumentError(
                f"queries: expected a dict of id to query, or pairs of both, got {pair!r}"
            )
        if str(pair[0]) in made:
            raise InvalidArgumentError(f"queries: the id {pair[0]!r} is given twice")
        made[str(pair[0])] = pair[1]
    if not made:
        raise InvalidArgumentError("queries: expected at least one, got none")
    return made


def read_qrels(qrels: Qrels) -> dict[str, dict[Any, float]]:
    """Return the gain of each judged entity by query.

    Args:
        qrels: A dict of dicts of gains, a dict of collections of relevant entities, which have a
            gain of 1, or the path of a file: TREC's (``query 0 entity gain``), or the three columns
            ``query entity gain`` of BEIR, with or without its header.

    Raises:
        InvalidArgumentError: A line or a gain cannot be read.
    """
    if isinstance(qrels, str | os.PathLike):
        return _read_file(Path(qrels))
    made: dict[str, dict[Any, float]] = {}
    for query, judged in qrels.items():
        if isinstance(judged, str) or not isinstance(judged, Iterable):
            raise InvalidArgumentError(
                f"qrels: query {query!r}: expected a dict of gains, or the relevant entities, got "
                f"{judged!r}"
            )
        gains = judged if isinstance(judged, Mapping) else dict.fromkeys(judged, 1)
        made[str(query)] = {pk: _gain(query, pk, gain) for pk, gain in gains.items()}
    return made


def _gain(query: Any, pk: Any, gain: Any) -> float:
    is_number = isinstance(gain, int | float | np.number) and not isinstance(gain, bool)
    if isinstance(gain, bool) or (is_number and np.isfinite(gain)):
        return float(gain)
    raise InvalidArgumentError(
        f"qrels: query {query!r}: expected a number as the gain of {pk!r}, got {gain!r}"
    )


def _read_file(path: Path) -> dict[str, dict[Any, float]]:
    made: dict[str, dict[Any, float]] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            parts = line.split()
            if not parts or (number == 1 and parts[-1] == "score"):
                continue
            try:
                query, pk = parts[0], parts[-2]
                gain = float(parts[-1])
                if len(parts) not in (3, 4) or not np.isfinite(gain):
                    raise ValueError
            except (ValueError, IndexError):
                raise InvalidArgumentError(
                    f"{path}: line {number}: expected 'query 0 entity gain' or 'query entity "
                    f"gain', got {line.rstrip()!r}"
                ) from None
            made.setdefault(query, {})[pk] = gain
    return made


class Judged(NamedTuple):
    """Queries with their judgements, in one order.

    Attributes:
        ids: Of the queries.
        queries: What is asked.
        gains: Gain by primary key of each query; only positive ones.
        relevance: What the gains say.
        left_out: Ids of queries without a relevant entity: no ranking of theirs is good or bad.
    """

    ids: tuple[str, ...]
    queries: tuple[Any, ...]
    gains: tuple[dict[PrimaryKey, float], ...]
    relevance: Relevance
    left_out: tuple[str, ...] = ()

    def gains_of(self, rankings: Sequence[Sequence[PrimaryKey]], depth: int) -> Float64Array:
        """Return the gain of each place of a ranking of each query; ``(nq, depth)``."""
        made = np.zeros((len(rankings), depth), dtype=np.float64)
        for row, (ranking, known) in enumerate(zip(rankings, self.gains, strict=True)):
            # Few entities of a query are relevant: a look-up for each place is all there is.
            for place, pk in enumerate(ranking[:depth]):
                gain = known.get(pk)
                if gain is not None:
                    made[row, place] = gain
        return made

    @property
    def judged_keys(self) -> set[PrimaryKey]:
        """Every entity that answers a query."""
        return {pk for gains in self.gains for pk in gains}


def join(queries: Queries, qrels: Qrels, key_type: type) -> Judged:
    """Return queries with their judgements.

    Args:
        queries: As ``read_queries`` takes them.
        qrels: As ``read_qrels`` takes them.
        key_type: ``int`` or ``str``, what primary keys are; texts of numbers become numbers.

    Raises:
        InvalidArgumentError: Judgements of queries that are not there, keys of another type, or no
            query with a relevant entity.
    """
    asked, judged = read_queries(queries), read_qrels(qrels)
    unknown = [query for query in judged if query not in asked]
    if unknown:
        raise InvalidArgumentError(
            f"qrels: no such query: {named(unknown)}; expected ids of queries, such as "
            f"{next(iter(asked))!r}"
        )
    ids, gains, left_out = [], [], []
    for query in asked:
        relevant = {
            _key(pk, key_type): gain for pk, gain in judged.get(query, {}).items() if gain > 0
        }
        if relevant:
            ids.append(query)
            gains.append(relevant)
        else:
            left_out.append(query)
    if not ids:
        raise InvalidArgumentError(
            "qrels: no query has a relevant entity (a gain above 0); there is nothing to measure"
        )
    relevance = Relevance.of([list(one.values()) for one in gains])
    return Judged(
        tuple(ids), tuple(asked[one] for one in ids), tuple(gains), relevance, tuple(left_out)
    )


def _key(pk: Any, key_type: type) -> PrimaryKey:
    try:
        key: PrimaryKey = key_type(pk)
    except (TypeError, ValueError):
        raise InvalidArgumentError(
            f"qrels: expected primary keys that are whole numbers, got {pk!r}"
        ) from None
    return key
