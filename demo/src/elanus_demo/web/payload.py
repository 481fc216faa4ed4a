"""What does the page get to know of a passage?

Texts are sent as they are, in pieces that are marked or not; the page puts them in as text, never
as markup.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from elanus_demo.retrieval import Retrieval, RetrievedPassage

Json = dict[str, Any]


def retrieval_payload(retrieval: Retrieval) -> Json:
    """Return what was searched for, how long it took, and the passages with their scores."""
    return {
        "query": retrieval.query,
        "num_searched": retrieval.num_searched,
        "embed_ms": round(retrieval.embed_s * 1000, 2),
        "search_ms": round(retrieval.search_s * 1000, 2),
        "passages": [passage_payload(passage) for passage in retrieval.passages],
    }


def passage_payload(passage: RetrievedPassage) -> Json:
    """Return one passage: where it is from, its text in pieces, and the parts of its score."""
    return {
        "number": passage.number,
        "file": passage.file,
        "heading": [part for part in passage.heading if part != passage.file],
        "page": passage.page,
        "start": passage.start,
        "end": passage.end,
        "text": text_pieces(passage),
        "score": passage.score,
        "fused": passage.fused_score,
        "fusion": passage.fusion,
        "legs": [
            {
                "name": leg.name,
                "rank": leg.rank,
                "score": leg.score,
                "contribution": leg.contribution,
            }
            for leg in passage.legs
        ],
        "terms": [
            {"term": term.term, "times": term.frequency, "contribution": term.contribution}
            for term in passage.terms
        ],
        "rerank": passage.rerank
        and {
            "name": passage.rerank.name,
            "score": passage.rerank.score,
            "rank_before": passage.rerank.rank_before,
        },
    }


def text_pieces(passage: RetrievedPassage) -> list[tuple[str, bool]]:
    """Return the text cut where marks begin and end; each piece with whether it is marked."""
    cuts = [0, *(place for mark in passage.marks for place in mark), len(passage.text)]
    pieces = [
        (passage.text[start:end], index % 2 == 1)
        for index, (start, end) in enumerate(pairwise(cuts))
    ]
    return [(text, marked) for text, marked in pieces if text]
