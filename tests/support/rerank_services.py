"""What each rerank service and a chat model document, for `model_server`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from support.embedding_services import _bearer, _only, _require
from support.model_server import Seen, relevance


def _ranked(seen: Seen, documents: list[str], score: str) -> list[dict[str, Any]]:
    """Return results the best first, as the services do."""
    _require(all(documents) and seen.body["query"] != "", 400, {"message": "an empty text"})
    rows = [
        {"index": i, score: relevance(seen.body["query"], text)} for i, text in enumerate(documents)
    ]
    return sorted(rows, key=lambda row: -row[score])


def cohere(seen: Seen) -> Any:
    _require(seen.path == "/rerank", 404, {"message": "not found"})
    _bearer(seen, {"message": "invalid api token"})
    _only(seen.body, "model", "query", "documents", "top_n", "max_tokens_per_doc")
    _require(len(seen.body["documents"]) <= 1000, 400, {"message": "too many documents"})
    results = _ranked(seen, seen.body["documents"], "relevance_score")
    return {
        "results": results[: seen.body["top_n"]],
        "id": "1",
        "meta": {"billed_units": {"search_units": 1}, "tokens": {"input_tokens": 7}},
    }


def voyage(seen: Seen) -> Any:
    _require(seen.path == "/rerank", 404, {"detail": "not found"})
    _bearer(seen, {"detail": "Provided API key is invalid."})
    _only(seen.body, "model", "query", "documents", "top_k", "truncation", "return_documents")
    results = _ranked(seen, seen.body["documents"], "relevance_score")
    return {"object": "list", "data": results, "usage": {"total_tokens": 7}}


def jina(seen: Seen) -> Any:
    _require(seen.path == "/rerank", 404, {"detail": "not found"})
    _bearer(seen, {"detail": "AUTH_INVALID_API_KEY"})
    _only(seen.body, "model", "query", "documents", "top_n", "return_documents")
    results = _ranked(seen, seen.body["documents"], "relevance_score")
    return {"model": "m", "results": results, "usage": {"total_tokens": 7}}


def tei(seen: Seen) -> Any:
    _require(seen.path == "/rerank", 404, {"error": "not found"})
    _only(seen.body, "query", "texts", "truncate", "raw_scores")
    texts = seen.body["texts"]
    _require(len(texts) <= 32, 413, {"error": "batch size", "error_type": "Validation"})
    return _ranked(seen, texts, "score")


def vllm(seen: Seen) -> Any:
    _require(seen.path == "/v1/rerank", 404, {"detail": "Not Found"})
    _only(seen.body, "model", "query", "documents", "top_n")
    results = _ranked(seen, seen.body["documents"], "relevance_score")
    return {"id": "1", "model": "m", "usage": {"total_tokens": 7}, "results": results}


RERANK_SERVICES: dict[str, Callable[[Seen], Any]] = {
    "cohere": cohere,
    "voyage": voyage,
    "jina": jina,
    "tei": tei,
    "vllm": vllm,
}


def _choice(content: str, logprobs: Any = None) -> Any:
    return {
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content}, "logprobs": logprobs}
        ],
        "usage": {"total_tokens": 11},
    }


def yes_or_no(seen: Seen) -> Any:
    """Answer a question about one document, with the log probabilities of the first token."""
    _require(seen.path == "/chat/completions", 404, {"error": {"message": "not found"}})
    _only(seen.body, "model", "messages", "temperature", "max_tokens", "logprobs", "top_logprobs")
    prompt = seen.body["messages"][0]["content"]
    found = re.search(r"Query: (.*)\n\nDocument: (.*)\n\nAnswer:", prompt)
    assert found is not None
    chance = 0.1 + 0.8 * relevance(found[1], found[2])
    # The probability of "yes" is spread over two spellings; other tokens take a tenth.
    tokens = [(" Yes", 0.6 * chance), ("yes", 0.3 * chance), (" No", 0.9 * (1 - chance))]
    top = [{"token": token, "logprob": math.log(p)} for token, p in [*tokens, ("Maybe", 0.1)]]
    word = "Yes" if chance > 0.5 else "No"
    return _choice(word, {"content": [{"token": word, "top_logprobs": top}]})


def yes_or_no_without_logprobs(seen: Seen) -> Any:
    """Answer as a service that knows no log probabilities."""
    answer = yes_or_no(seen)
    answer["choices"][0]["logprobs"] = None
    return answer


def ranking(seen: Seen) -> Any:
    """Sort the passages of a question, and leave out those that share no word with the query."""
    prompt = seen.body["messages"][0]["content"]
    query = re.search(r"Query: (.*)", prompt)
    assert query is not None
    passages = re.findall(r"^\[(\d+)\] (.*)$", prompt, re.MULTILINE)
    scored = [(relevance(query[1], text), int(number)) for number, text in passages]
    named = [number for score, number in sorted(scored, key=lambda x: -x[0]) if score > 0]
    return _choice("<think>[3] > [1]?</think> " + " > ".join(f"[{number}]" for number in named))
