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
    _only(seen.body, "model", "input", "encoding_format", "dimensions", "user")
    _require(isinstance(seen.body.get("user", ""), str), 400, {"error": {"message": "user"}})
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


def _bedrock(seen: Seen) -> None:
    """Require the path of a model of Bedrock, with its colon encoded."""
    model = seen.path.removeprefix("/model/").removesuffix("/invoke")
    _require(seen.path == f"/model/{model}/invoke", 404, {"message": "no such path"})
    _require(":" not in model, 403, {"message": "The request signature does not match"})


def bedrock_titan(seen: Seen) -> Any:
    _bedrock(seen)
    _bearer(seen, {"message": "Authentication failed: API Key is not valid"})
    _only(seen.body, "inputText", "dimensions", "normalize", "embeddingTypes")
    text = seen.body["inputText"]
    _require(isinstance(text, str) and text != "", 400, {"message": "Malformed input request"})
    embedding = vector(text, "", seen.body.get("dimensions", OWN_DIM))
    return {"embedding": embedding, "inputTextTokenCount": _tokens([text])}


def bedrock_cohere(seen: Seen) -> Any:
    _bedrock(seen)
    _bearer(seen, {"message": "Authentication failed: API Key is not valid"})
    _only(seen.body, *("texts", "input_type", "embedding_types", "truncate", "output_dimension"))
    texts = _texts(seen.body, "texts", 96)
    _require(seen.body["truncate"] in ("NONE", "LEFT", "RIGHT"), 400, {"message": "truncate"})
    role = {"search_document": "document", "search_query": "query"}[seen.body["input_type"]]
    dim = seen.body.get("output_dimension", OWN_DIM)
    found = [vector(text, role, dim) for text in texts]
    return {"embeddings": {"float": found}, "response_type": "embeddings_by_type", "texts": texts}


def vertex(seen: Seen) -> Any:
    _require(
        seen.path
        == "/v1/projects/my-project/locations/europe-west4/publishers/google/models/some-model"
        ":predict",
        404,
        {"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}},
    )
    _bearer(seen, {"error": {"code": 401, "message": "invalid", "status": "UNAUTHENTICATED"}})
    _only(seen.body, "instances", "parameters")
    _only(seen.body["parameters"], "autoTruncate", "outputDimensionality")
    _require(len(seen.body["instances"]) <= 250, 400, {"error": {"message": "250 instance(s)"}})
    dim = seen.body["parameters"].get("outputDimensionality", OWN_DIM)
    roles = {"RETRIEVAL_DOCUMENT": "document", "RETRIEVAL_QUERY": "query"}
    predictions = []
    for instance in seen.body["instances"]:
        _only(instance, "content", "task_type", "title")
        text = instance["content"]
        _require(text != "", 400, {"error": {"message": "The text content is empty."}})
        values = vector(text, roles[instance["task_type"]], dim)
        statistics = {"truncated": False, "token_count": _tokens([text])}
        predictions.append({"embeddings": {"values": values, "statistics": statistics}})
    return {"predictions": predictions, "metadata": {"billableCharacterCount": 1}}


def nvidia(seen: Seen) -> Any:
    _require(seen.path == "/embeddings", 404, {"detail": "Not Found"})
    _bearer(seen, {"status": 401, "title": "Unauthorized", "detail": "Authentication failed"})
    _only(
        seen.body,
        *("model", "input", "input_type", "encoding_format", "truncate", "dimensions", "user"),
    )
    texts = _texts(seen.body, "input", 8192)
    roles = {"passage": "document", "query": "query"}
    _require(seen.body.get("input_type") in roles, 400, {"error": "'input_type' is required"})
    dim = seen.body.get("dimensions", OWN_DIM)
    return {
        "object": "list",
        "data": _data(texts, roles[seen.body["input_type"]], dim),
        "model": seen.body["model"],
        "usage": {"prompt_tokens": _tokens(texts), "total_tokens": _tokens(texts)},
    }


def mixedbread(seen: Seen) -> Any:
    _require(seen.path == "/embeddings", 404, {"detail": "Not Found"})
    _bearer(seen, {"message": "Invalid API key", "url": ""})
    _only(seen.body, *("model", "input", "dimensions", "prompt", "normalized", "encoding_format"))
    texts = _texts(seen.body, "input", 256)
    return {
        "object": "list",
        "normalized": seen.body["normalized"],
        "data": _data(texts, "", seen.body.get("dimensions", OWN_DIM)),
        "usage": {"prompt_tokens": _tokens(texts), "total_tokens": _tokens(texts)},
    }


def dashscope(seen: Seen) -> Any:
    path = "/services/embeddings/text-embedding/text-embedding"
    _require(seen.path == path, 404, {"code": "NotFound", "message": "not found"})
    _bearer(seen, {"code": "InvalidApiKey", "message": "Invalid API-key provided."})
    _only(seen.body, "model", "input", "parameters")
    _only(seen.body["parameters"], "text_type", "dimension", "output_type", "instruct")
    texts = _texts(seen.body["input"], "texts", 10)
    role, dim = seen.body["parameters"]["text_type"], seen.body["parameters"].get("dimension")
    rows = _data(texts, role, dim or OWN_DIM)
    embeddings = [{"text_index": r["index"], "embedding": r["embedding"]} for r in rows]
    return {
        "output": {"embeddings": embeddings},
        "usage": {"total_tokens": _tokens(texts)},
        "request_id": "1",
    }


def siliconflow(seen: Seen) -> Any:
    texts = _texts(seen.body, "input", 32)
    answer = openai(seen)
    return {name: answer[name] for name in ("object", "model", "data", "usage")} if texts else None


def huggingface(seen: Seen) -> Any:
    path = "/models/some-model/pipeline/feature-extraction"
    _require(seen.path == path, 404, {"error": "Model not supported"})
    _bearer(seen, {"error": "Invalid username or password."})
    _only(seen.body, "inputs", "normalize", "truncate", "prompt_name", "truncation_direction")
    return [vector(text) for text in _texts(seen.body, "inputs", 32)]


def yandex(seen: Seen) -> Any:
    _require(seen.path == "/textEmbedding", 404, {"code": 5, "message": "Not Found"})
    _require(
        seen.headers.get("authorization") == f"Api-Key {KEY}",
        401,
        {"code": 16, "message": "Unknown api key"},
    )
    _only(seen.body, "modelUri", "text", "dim")
    roles = {
        "emb://folder/text-search-doc/latest": "document",
        "emb://folder/text-search-query/latest": "query",
    }
    _require(seen.body["modelUri"] in roles, 400, {"code": 3, "message": "Failed to parse model"})
    text = seen.body["text"]
    _require(text != "", 400, {"code": 3, "message": "empty text"})
    dim = seen.body.get("dim", str(OWN_DIM))
    _require(isinstance(dim, str), 400, {"code": 3, "message": "dim is a string of digits"})
    return {
        "embedding": vector(text, roles[seen.body["modelUri"]], int(dim)),
        "numTokens": str(_tokens([text])),
        "modelVersion": "06.12.2023",
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
    "bedrock-titan": bedrock_titan,
    "bedrock-cohere": bedrock_cohere,
    "vertex": vertex,
    "nvidia": nvidia,
    "mixedbread": mixedbread,
    "dashscope": dashscope,
    "siliconflow": siliconflow,
    "huggingface": huggingface,
    "yandex": yandex,
}
# Those that embed a query otherwise than a document of the same words.
WITH_ROLES = frozenset(
    {
        *("cohere", "voyage", "jina", "gemini", "bedrock-cohere", "vertex", "nvidia", "dashscope"),
        "yandex",
    }
)
# Those that say in each answer how many tokens it took.
WITH_TOKENS = frozenset(EMBEDDING_SERVICES) - {
    *("tei", "gemini", "bedrock-cohere", "vertex", "huggingface")
}
# Those of which a request holds one text.
SINGLE = frozenset({"bedrock-titan", "yandex"})
# Names of their models, where they have a form.
MODELS = {"yandex": "emb://folder/text-search-doc/latest"}
# Where some of them run, which their paths say.
PLACES = {
    "vertex": {"region": "europe-west4", "project": "my-project"},
    "bedrock-titan": {"region": "eu-west-1"},
    "bedrock-cohere": {"region": "eu-west-1"},
}
