"""What each embedding service documents, for `model_server`: requests, answers, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.model_server import KEY, OWN_DIM, RefusedError, Seen, vector


def _require(condition: bool, status: int, body: Any) -> None:
    if not condition:
        raise RefusedError(status, body)


def _bearer(seen: Seen, body: Any) -> None:
    _require(seen.headers.get("authorization") == f"Bearer {KEY}", 401, body)


def _only(body: dict[str, Any], *names: str) -> None:
    unknown = set(body) - set(names)
    _require(not unknown, 422, {"detail": f"unknown fields {sorted(unknown)}"})


def _texts(body: dict[str, Any], name: str, most: int) -> list[str]:
    texts = body[name]
    _require(
        isinstance(texts, list) and all(isinstance(t, str) and t for t in texts),
        400,
        {"error": {"message": f"'{name}' has an empty text", "type": "invalid_request_error"}},
    )
    _require(len(texts) <= most, 400, {"error": {"message": f"at most {most} texts"}})
    return list(texts)


def _data(texts: list[str], role: str, dim: int) -> list[dict[str, Any]]:
    rows = [
        {"object": "embedding", "index": i, "embedding": vector(text, role, dim)}
        for i, text in enumerate(texts)
    ]
    # The order is that of "index", not of the list.
    return rows[::-1]


def _tokens(texts: list[str]) -> int:
    return sum(len(text.split()) for text in texts)


def openai(seen: Seen) -> Any:
    _require(seen.path == "/embeddings", 404, {"error": {"message": "no such path"}})
    _bearer(seen, {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid"}})
    _only(seen.body, "model", "input", "encoding_format", "dimensions")
    texts = _texts(seen.body, "input", 2048)
    _require(seen.body["encoding_format"] == "float", 400, {"error": {"message": "format"}})
    return {
        "object": "list",
        "data": _data(texts, "", seen.body.get("dimensions", OWN_DIM)),
        "model": seen.body["model"],
        "usage": {"prompt_tokens": _tokens(texts), "total_tokens": _tokens(texts)},
    }


def ollama(seen: Seen) -> Any:
    _require(seen.path == "/api/embed", 404, {"error": "not found"})
    _only(seen.body, "model", "input", "truncate", "dimensions")
    _require(
        seen.body["model"] != "absent",
        404,
        {"error": 'model "absent" not found, try pulling it first'},
    )
    texts = _texts(seen.body, "input", 10_000)
    dim = seen.body.get("dimensions", OWN_DIM)
    return {
        "model": seen.body["model"],
        "embeddings": [vector(text, "", dim) for text in texts],
        "total_duration": 1,
        "prompt_eval_count": _tokens(texts),
    }


def tei(seen: Seen) -> Any:
    _require(seen.path == "/embed", 404, {"error": "not found"})
    _only(seen.body, "inputs", "normalize", "truncate")
    texts = seen.body["inputs"]
    _require(
        len(texts) <= 32,
        413,
        {
            "error": f"batch size {len(texts)} > maximum allowed batch size 32",
            "error_type": "Validation",
        },
    )
    texts = _texts(seen.body, "inputs", 32)
    return [vector(text) for text in texts]


def cohere(seen: Seen) -> Any:
    _require(seen.path == "/embed", 404, {"message": "not found"})
    _bearer(seen, {"message": "invalid api token"})
    _only(
        seen.body,
        *("model", "texts", "input_type", "embedding_types", "truncate", "output_dimension"),
    )
    texts = _texts(seen.body, "texts", 96)
    roles = {"search_document": "document", "search_query": "query"}
    _require(seen.body["input_type"] in roles, 400, {"message": "input_type"})
    _require(seen.body["embedding_types"] == ["float"], 400, {"message": "embedding_types"})
    dim = seen.body.get("output_dimension", OWN_DIM)
    role = roles[seen.body["input_type"]]
    return {
        "id": "1",
        "texts": texts,
        "embeddings": {"float": [vector(text, role, dim) for text in texts]},
        "meta": {"billed_units": {"input_tokens": _tokens(texts)}},
    }


def voyage(seen: Seen) -> Any:
    _require(seen.path == "/embeddings", 404, {"detail": "not found"})
    _bearer(seen, {"detail": "Provided API key is invalid."})
    _only(seen.body, "model", "input", "input_type", "truncation", "output_dimension")
    texts = _texts(seen.body, "input", 1000)
    _require(seen.body["input_type"] in ("document", "query"), 400, {"detail": "input_type"})
    dim = seen.body.get("output_dimension", OWN_DIM)
    return {
        "object": "list",
        "data": _data(texts, seen.body["input_type"], dim),
        "model": seen.body["model"],
        "usage": {"total_tokens": _tokens(texts)},
    }


def jina(seen: Seen) -> Any:
    _require(seen.path == "/embeddings", 404, {"detail": "not found"})
    _bearer(seen, {"detail": "AUTH_INVALID_API_KEY"})
    _only(seen.body, "model", "input", "task", "truncate", "dimensions")
    texts = _texts(seen.body, "input", 512)
    roles = {"retrieval.passage": "document", "retrieval.query": "query"}
    _require(seen.body["task"] in roles, 422, {"detail": [{"msg": "task"}]})
    return {
        "model": seen.body["model"],
        "data": _data(texts, roles[seen.body["task"]], seen.body.get("dimensions", OWN_DIM)),
        "usage": {"total_tokens": _tokens(texts)},
    }


def gemini(seen: Seen) -> Any:
    model = seen.path.removeprefix("/models/").removesuffix(":batchEmbedContents")
    _require(seen.path == f"/models/{model}:batchEmbedContents", 404, {"error": {"code": 404}})
    _require(
        seen.headers.get("x-goog-api-key") == KEY,
        403,
        {"error": {"code": 403, "message": "no permission", "status": "PERMISSION_DENIED"}},
    )
    requests = seen.body["requests"]
    _require(len(requests) <= 100, 400, {"error": {"message": "at most 100 requests"}})
    roles = {"RETRIEVAL_DOCUMENT": "document", "RETRIEVAL_QUERY": "query"}
    vectors = []
    for request in requests:
        _only(request, "model", "content", "taskType", "outputDimensionality")
        _require(request["model"] == f"models/{model}", 400, {"error": {"message": "model"}})
        (part,) = request["content"]["parts"]
        _require(part["text"] != "", 400, {"error": {"message": "empty content"}})
        dim = request.get("outputDimensionality", OWN_DIM)
        vectors.append({"values": vector(part["text"], roles[request["taskType"]], dim)})
    return {"embeddings": vectors}


def mistral(seen: Seen) -> Any:
    _require(seen.path == "/embeddings", 404, {"message": "no Route matched"})
    _bearer(seen, {"message": "Unauthorized"})
    _only(seen.body, "model", "input", "output_dimension")
    texts = _texts(seen.body, "input", 10_000)
    size = sum(len(text.encode()) for text in texts) / 4
    _require(len(texts) == 1 or size <= 16384, 400, {"message": "Too many tokens in batch."})
    return {
        "object": "list",
        "data": _data(texts, "", seen.body.get("output_dimension", OWN_DIM)),
        "model": seen.body["model"],
        "usage": {"prompt_tokens": _tokens(texts), "total_tokens": _tokens(texts)},
    }


EMBEDDING_SERVICES: dict[str, Callable[[Seen], Any]] = {
    "openai": openai,
    "ollama": ollama,
    "tei": tei,
    "cohere": cohere,
    "voyage": voyage,
    "jina": jina,
    "gemini": gemini,
    "mistral": mistral,
}
# Those that embed a query otherwise than a document of the same words.
WITH_ROLES = frozenset({"cohere", "voyage", "jina", "gemini"})
