"""What do analyzers make of texts?"""

from __future__ import annotations

from typing import Any

import elanus
from elanus_server.codec.analyzers import read_analyzer
from elanus_server.codec.pairs import loose_value, read_text
from elanus_server.failures import invalid
from elanus_server.service.context import Call
from elanus_server.service.file_resources import with_contents
from elanus_server.service.registry import rpc
from elanus_server.wire import milvus


def _analyzer(call: Call, text: str) -> Any:
    """Return an analyzer as elanus takes it, of what a client spelled."""
    return read_analyzer(with_contents(call.host, loose_value(text))) if text else "standard"


@rpc("ComputePhraseMatchSlop")
def compute_phrase_match_slop(call: Call, request: Any) -> Any:
    """Return the smallest slop at which each text holds a phrase; -1 where it never does."""
    if not request.query_text or not request.data_texts:
        return milvus.ComputePhraseMatchSlopResponse()
    analyzer = _analyzer(call, request.analyzer_params)
    found = elanus.phrase_slop(request.query_text, list(request.data_texts), analyzer)
    return milvus.ComputePhraseMatchSlopResponse(
        is_match=[slop is not None for slop in found],
        slops=[-1 if slop is None else slop for slop in found],
    )


@rpc("RunAnalyzer")
def run_analyzer(call: Call, request: Any) -> Any:
    texts = [read_text(raw) for raw in request.placeholder]
    names = list(request.analyzer_names)
    if len(names) not in (0, 1, len(texts)):
        raise invalid(f"analyzer_names: expected one, or one for each text, got {len(names)}")
    names = (names or [None]) * (len(texts) if len(names) < 2 else 1)
    results = []
    for text, name in zip(texts, names, strict=True):
        options = {"analyzer_name": name, "with_hash": True}
        if request.collection_name:
            collection = call.hosted(request).collection
            tokens = collection.run_analyzer(text, request.field_name, **options)
        else:
            spec = _analyzer(call, request.analyzer_params)
            tokens = elanus.run_analyzer(text, spec, **options)
        results.append(_analyzed(tokens, request))
    return milvus.RunAnalyzerResponse(results=results)


def _analyzed(tokens: Any, request: Any) -> Any:
    made = milvus.AnalyzerResult()
    for token in tokens:
        shown = made.tokens.add(token=token.token)
        if request.with_detail:
            shown.start_offset, shown.end_offset = token.start_offset, token.end_offset
            shown.position, shown.position_length = token.position, token.position_length
        if request.with_hash:
            shown.hash = token.hash
    return made
