"""What each rerank service and a chat model document, for `model_server`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from elanus.plugins.aws import AwsSignature
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


def bedrock(seen: Seen) -> Any:
    _require(seen.path == "/rerank", 404, {"message": "no such path"})
    _signed(seen)
    _only(seen.body, "queries", "sources", "rerankingConfiguration", "nextToken")
    configuration = seen.body["rerankingConfiguration"]["bedrockRerankingConfiguration"]
    arn = "arn:aws:bedrock:eu-central-1::foundation-model/some-model"
    _require(configuration["modelConfiguration"] == {"modelArn": arn}, 404, {"message": "model"})
    sources = [one["inlineDocumentSource"] for one in seen.body["sources"]]
    _require(len(sources) <= 1000, 400, {"message": "at most 1000 sources"})
    (query,) = seen.body["queries"]
    texts = [one["textDocument"]["text"] for one in sources]
    plain = Seen(seen.path, seen.headers, {"query": query["textQuery"]["text"]})
    results = _ranked(plain, texts, "relevanceScore")
    return {"results": results[: configuration["numberOfResults"]]}


def _signed(seen: Seen) -> None:
    """Require that what arrived is what was signed, for the keys that the environment has."""
    (names,) = re.findall(r"SignedHeaders=([^,]*)", seen.headers["authorization"])
    added = ("host", "x-amz-date")
    given = {name: seen.headers[name] for name in names.split(";") if name not in added}
    moment = datetime.strptime(seen.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    url = f"http://{seen.headers['host']}{seen.path}"
    payload = json.dumps(seen.body).encode()
    signature = AwsSignature("bedrock", "eu-central-1")
    expected = signature("POST", url, payload, given, now=moment)["Authorization"]
    matches = seen.headers["authorization"] == expected
    _require(matches, 403, {"message": "The request signature we calculated does not match"})


def vertex(seen: Seen) -> Any:
    path = "/v1/projects/my-project/locations/global/rankingConfigs/default_ranking_config:rank"
    _require(seen.path == path, 404, {"error": {"code": 404, "message": "not found"}})
    _bearer(seen, {"error": {"code": 401, "message": "invalid", "status": "UNAUTHENTICATED"}})
    _only(seen.body, "model", "query", "records", "topN", "ignoreRecordDetailsInResponse")
    records = seen.body["records"]
    _require(len(records) <= 200, 400, {"error": {"code": 400, "message": "200 records"}})
    ranked = _ranked(seen, [record["content"] for record in records], "score")
    return {
        "records": [{"id": records[row["index"]]["id"], "score": row["score"]} for row in ranked]
    }


def _nvidia(seen: Seen) -> Any:
    _only(seen.body, "model", "query", "passages", "truncate")
    texts = [passage["text"] for passage in seen.body["passages"]]
    _require(len(texts) <= 512, 422, {"detail": "List should have at most 512 items"})
    plain = Seen(seen.path, seen.headers, {"query": seen.body["query"]["text"]})
    return {"rankings": _ranked(plain, texts, "logit"), "usage": {"total_tokens": 7}}


def nvidia(seen: Seen) -> Any:
    _require(seen.path == "/some-model/reranking", 404, {"detail": "Not Found"})
    _bearer(seen, {"status": 401, "title": "Unauthorized", "detail": "Authentication failed"})
    return _nvidia(seen)


def nim(seen: Seen) -> Any:
    _require(seen.path == "/v1/ranking", 404, {"detail": "Not Found"})
    return _nvidia(seen)


def mixedbread(seen: Seen) -> Any:
    _require(seen.path == "/reranking", 404, {"detail": "Not Found"})
    _bearer(seen, {"message": "Invalid API key"})
    _only(seen.body, "model", "query", "input", "rank_fields", "top_k", "return_input")
    ranked = _ranked(seen, seen.body["input"], "score")
    return {"model": "m", "data": ranked, "usage": {"total_tokens": 7}}


def dashscope(seen: Seen) -> Any:
    path = "/services/rerank/text-rerank/text-rerank"
    _require(seen.path == path, 404, {"code": "NotFound", "message": "not found"})
    _bearer(seen, {"code": "InvalidApiKey", "message": "Invalid API-key provided."})
    _only(seen.body, "model", "input", "parameters")
    _only(seen.body["parameters"], "top_n", "return_documents", "instruct")
    documents = seen.body["input"]["documents"]
    _require(len(documents) <= 500, 400, {"code": "InvalidParameter", "message": "500"})
    plain = Seen(seen.path, seen.headers, seen.body["input"])
    results = _ranked(plain, documents, "relevance_score")
    return {"output": {"results": results}, "usage": {"total_tokens": 7}, "request_id": "1"}


def siliconflow(seen: Seen) -> Any:
    _require(seen.path == "/rerank", 404, {"message": "not found"})
    _bearer(seen, "Invalid token")
    _only(seen.body, "model", "query", "documents", "top_n", "return_documents", "instruction")
    results = _ranked(seen, seen.body["documents"], "relevance_score")
    return {"id": "1", "results": results, "meta": {"tokens": {"input_tokens": 7}}}


RERANK_SERVICES: dict[str, Callable[[Seen], Any]] = {
    "cohere": cohere,
    "voyage": voyage,
    "jina": jina,
    "tei": tei,
    "vllm": vllm,
    "bedrock": bedrock,
    "vertex": vertex,
    "nvidia": nvidia,
    "nim": nim,
    "mixedbread": mixedbread,
    "dashscope": dashscope,
    "siliconflow": siliconflow,
}
# What a service needs besides a model and a key in TEST_KEY.
OPTIONS: dict[str, dict[str, Any]] = {
    "bedrock": {"region": "eu-central-1", "key_env": "AWS_ACCESS_KEY_ID"},
    "vertex": {"project": "my-project"},
    **{name: {"key_env": None} for name in ("tei", "vllm", "nim")},
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
