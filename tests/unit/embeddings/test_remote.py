"""Embedders that ask a service, against a server that answers as each service documents."""

from __future__ import annotations

import base64
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import embed_texts, get_embedder, plugin_config
from elanus.types import Float32Array
from elanus_embeddings import CachedEmbedder, RemoteEmbedder
from support.embedding_services import (
    EMBEDDING_SERVICES,
    MODELS,
    PLACES,
    SINGLE,
    WITH_ROLES,
    WITH_TOKENS,
)
from support.model_server import KEY, OWN_DIM, Fault, ModelServer, model_server, vector

TEXTS = ["rotate a key", "", "naïve Übergröße 密钥", "0", "   "]
SERVICES = sorted(EMBEDDING_SERVICES)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)


@pytest.fixture
def server(service: str) -> Iterator[ModelServer]:
    with model_server(EMBEDDING_SERVICES[service]) as served:
        yield served


def embedder(service: str, server: ModelServer, **options: Any) -> RemoteEmbedder:
    keyed = {"key_env": "TEST_KEY"} if service not in ("ollama", "tei") else {}
    keyed |= PLACES.get(service, {})
    found = RemoteEmbedder(
        service, MODELS.get(service, "some-model"), server.url, **{**keyed, **options}
    )
    # Waits are not what is tested, except where they are.
    object.__setattr__(found._client, "_sleep", lambda _: None)
    return found


def expected(texts: list[str], role: str, dim: int = OWN_DIM) -> Float32Array:
    rows = np.array([vector(t if t.strip() else " ", role, dim) for t in texts], np.float32)
    lengths: Float32Array = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def test_each_text_gets_its_own_vector(service: str, server: ModelServer) -> None:
    found = embedder(service, server)
    documents = "document" if service in WITH_ROLES else ""
    queries = "query" if service in WITH_ROLES else ""
    np.testing.assert_allclose(found.embed_documents(TEXTS), expected(TEXTS, documents), atol=1e-6)
    np.testing.assert_allclose(found.embed_queries(TEXTS), expected(TEXTS, queries), atol=1e-6)
    assert found.info.dim == OWN_DIM


@pytest.mark.parametrize("user", ["somebody", 7])
def test_openai_is_told_the_user(user: Any) -> None:
    with model_server(EMBEDDING_SERVICES["openai"]) as served:
        found = embedder("openai", served, user=user)
        np.testing.assert_allclose(found.embed_documents(["one"]), expected(["one"], ""), atol=1e-6)
        assert {seen.body["user"] for seen in served.seen} == {str(user)}
        config: dict[str, Any] = plugin_config(found)
        again = get_embedder(config["name"], **config["params"])
        again.embed_queries(["two"])
        assert served.seen[-1].body["user"] == str(user)
        embedder("openai", served).embed_documents(["three"])
        assert "user" not in served.seen[-1].body


def test_vectors_are_shortened_by_the_service_or_here(service: str, server: ModelServer) -> None:
    found = embedder(service, server, dim=5)
    role = "document" if service in WITH_ROLES else ""
    np.testing.assert_allclose(found.embed_documents(TEXTS), expected(TEXTS, role, 5), atol=1e-6)
    assert found.info.dim == 5


def test_more_texts_than_a_request_may_have(service: str, server: ModelServer) -> None:
    texts = [f"text {i} " + "long " * 30 for i in range(2100 if service == "openai" else 1100)]
    role = "document" if service in WITH_ROLES else ""
    found = embed_texts(embedder(service, server), texts)
    np.testing.assert_allclose(found, expected(texts, role), atol=1e-6)
    assert len(server.seen) > 2


def test_tokens_are_counted_and_priced(service: str, server: ModelServer) -> None:
    found = embedder(service, server, dim=OWN_DIM, usd_per_million_tokens=2.0)
    found.embed_documents(["one two three", "four"])
    told = service in WITH_TOKENS
    requests = 2 if service in SINGLE else 1
    assert (found.usage.texts, found.usage.requests, found.usage.retries) == (2, requests, 0)
    assert found.usage.tokens == (4 if told else 0)
    assert found.usage.cost_usd == pytest.approx(8e-6 if told else 0.0)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, b'{"error": "slow down"}', {"Retry-After": "3"}),
        Fault(503, b"<html>overloaded</html>"),
        Fault(drop=True),
        Fault(raw=b'{"data": [{"embedding": [0.1', announce=5000),
        Fault(raw=b'{"data": [{"embedding": [0.1'),
        Fault(raw=b""),
    ],
    ids=["throttled", "outage", "dropped", "half", "half-without-length", "empty"],
)
def test_a_fault_that_passes_is_waited_out(service: str, server: ModelServer, fault: Fault) -> None:
    # Where each text is a request of its own, one after the other: both faults meet the first.
    found = embedder(service, server, dim=OWN_DIM, concurrency=1)
    waits: list[float] = []
    object.__setattr__(found._client, "_sleep", waits.append)
    server.faults = [fault, fault]
    role = "document" if service in WITH_ROLES else ""
    np.testing.assert_allclose(found.embed_documents(TEXTS), expected(TEXTS, role), atol=1e-6)
    assert len(server.seen) == 2 + (len(TEXTS) if service in SINGLE else 1)
    assert found.usage.retries == 2
    if "Retry-After" in fault.headers:
        assert waits == [3.0, 3.0]
    else:
        assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1.0


def fewer(answer: Any) -> Any:
    """Take one vector out of an answer, wherever it stands."""
    if isinstance(answer, list):
        return answer[:-1]
    body = answer.get("output", answer)
    for name in ("data", "embeddings", "predictions"):
        if name in body:
            inner = body[name]
            if isinstance(inner, dict):
                inner["float"].pop()
            else:
                inner.pop()
    return answer


def test_a_missing_vector_is_noticed(service: str, server: ModelServer) -> None:
    if service in SINGLE:
        pytest.skip("an answer has one vector, which is there or not")
    server.faults = [Fault(change=fewer)]
    with pytest.raises(ProviderError, match="expected 2 vectors for 2 texts, got 1"):
        embedder(service, server, dim=OWN_DIM).embed_documents(["one", "two"])


def test_an_answer_of_another_kind_is_noticed(service: str, server: ModelServer) -> None:
    server.faults = [Fault(change=lambda _: {"choices": []})]
    with pytest.raises(ProviderError, match=r"'choices'.*Does base_url name"):
        embedder(service, server, dim=OWN_DIM).embed_documents(["one"])


def test_a_key_never_shows(service: str, server: ModelServer) -> None:
    found = embedder(service, server, dim=OWN_DIM)
    found.embed_documents(["one"])
    assert KEY.encode() not in pickle.dumps(found)
    assert KEY not in repr(found)
    assert KEY not in str(plugin_config(found))
    copy = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(copy.embed_documents(["one"]), found.embed_documents(["one"]))


# What follows is the same for all services and runs with one.


@pytest.fixture
def plain() -> Iterator[ModelServer]:
    with model_server(EMBEDDING_SERVICES["openai"]) as served:
        yield served


def test_a_refused_key_is_not_repeated_in_the_error(
    plain: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", "wrong-key")
    plain.faults = [Fault(401, b'{"error": {"message": "Incorrect API key: wrong-key"}}')]
    with pytest.raises(ProviderError) as caught:
        embedder("openai", plain).embed_documents(["one"])
    assert "Incorrect API key: ***" in str(caught.value)
    assert "TEST_KEY" in str(caught.value)
    assert not caught.value.retryable
    assert len(plain.seen) == 1


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ProviderError, match="set the environment variable OPENAI_API_KEY"):
        get_embedder("openai:text-embedding-3-small").embed_documents(["one"])


def test_the_key_of_a_vendor_stays_with_the_vendor(
    plain: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ProviderError, match="HTTP 401"):
        RemoteEmbedder("openai", "m", plain.url, dim=3, attempts=1).embed_documents(["one"])
    assert "authorization" not in plain.seen[0].headers


def test_a_spent_account_is_not_asked_again(plain: ModelServer) -> None:
    plain.faults = [Fault(429, b'{"error": {"message": "quota", "code": "insufficient_quota"}}')]
    with pytest.raises(ProviderError, match="no credit left") as caught:
        embedder("openai", plain, dim=3).embed_documents(["one"])
    assert not caught.value.retryable
    assert len(plain.seen) == 1


def test_attempts_end(plain: ModelServer) -> None:
    plain.faults = [Fault(500, b'{"error": "x"}')] * 9
    with pytest.raises(ProviderError, match="in each of 3 attempts") as caught:
        embedder("openai", plain, dim=3, attempts=3).embed_documents(["one"])
    assert caught.value.retryable
    assert len(plain.seen) == 3


def test_a_long_wait_is_refused(plain: ModelServer) -> None:
    plain.faults = [Fault(429, b"{}", {"Retry-After": "3600"})]
    with pytest.raises(ProviderError, match="asks to wait 3600 s"):
        embedder("openai", plain, dim=3).embed_documents(["one"])


def test_redirects_are_not_followed(plain: ModelServer) -> None:
    plain.faults = [Fault(307, b"", {"Location": "https://elsewhere.example/"})]
    with pytest.raises(ProviderError, match=r"set base_url to 'https://elsewhere.example/'"):
        embedder("openai", plain, dim=3).embed_documents(["one"])


def test_a_batch_that_is_too_large_is_halved(plain: ModelServer) -> None:
    plain.faults = [Fault(413, b'{"error": "too large"}')]
    texts = [f"text {i}" for i in range(5)]
    found = embedder("openai", plain, dim=OWN_DIM).embed_documents(texts)
    np.testing.assert_allclose(found, expected(texts, ""), atol=1e-6)
    assert [len(seen.body["input"]) for seen in plain.seen] == [5, 2, 3]


def test_places_that_are_named_twice_are_noticed(plain: ModelServer) -> None:
    def twice(answer: Any) -> Any:
        answer["data"][0]["index"] = 0
        return answer

    plain.faults = [Fault(change=twice)]
    with pytest.raises(ProviderError, match="got the places"):
        embedder("openai", plain, dim=OWN_DIM).embed_documents(["one", "two"])


@pytest.mark.parametrize("value", [float("nan"), "x", None, [1.0]])
def test_values_that_are_no_numbers_are_noticed(plain: ModelServer, value: Any) -> None:
    def spoilt(answer: Any) -> Any:
        answer["data"][0]["embedding"][3] = value
        return answer

    plain.faults = [Fault(change=spoilt)]
    with pytest.raises(ProviderError, match=r"not a list of numbers|not finite"):
        embedder("openai", plain, dim=OWN_DIM).embed_documents(["one"])


def test_base64_is_read(plain: ModelServer) -> None:
    def encoded(answer: Any) -> Any:
        for row in answer["data"]:
            raw = np.array(row["embedding"], dtype="<f4").tobytes()
            row["embedding"] = base64.b64encode(raw).decode()
        return answer

    plain.faults = [Fault(change=encoded)]
    found = embedder("openai", plain, dim=OWN_DIM).embed_documents(["one"])
    np.testing.assert_allclose(found, expected(["one"], ""), atol=1e-6)


def test_another_number_of_dimensions_is_noticed(plain: ModelServer) -> None:
    plain.faults = [Fault(change=lambda a: {**a, "data": [{"index": 0, "embedding": [1.0]}]})]
    with pytest.raises(ProviderError, match="expected vectors of 7 dimensions, got 1"):
        embedder("openai", plain, dim=7).embed_documents(["one"])


def test_requests_run_together_up_to_the_limit(plain: ModelServer) -> None:
    plain.gathering = threading.Barrier(3)
    texts = [f"text {i}" for i in range(6)]
    found = embedder("openai", plain, dim=OWN_DIM, batch_size=1, concurrency=3)
    np.testing.assert_allclose(found.embed_documents(texts), expected(texts, ""), atol=1e-6)
    assert plain.most_running == 3


def test_a_rate_is_kept(plain: ModelServer) -> None:
    found = embedder("openai", plain, dim=OWN_DIM, batch_size=1, concurrency=1)
    slow = embedder(
        "openai", plain, dim=OWN_DIM, batch_size=1, concurrency=1, requests_per_minute=2.0
    )
    for one, lowest in ((found, 0.0), (slow, 59.0)):
        waits: list[float] = []
        object.__setattr__(one._client, "_sleep", waits.append)
        one.embed_documents([f"text {i}" for i in range(4)])
        # Two requests are free, the third waits half a minute and the fourth a whole one.
        assert max(waits, default=0.0) >= lowest
        assert sum(waits) <= 90.0


def test_what_was_paid_for_is_not_paid_twice(plain: ModelServer, tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(6)]
    inner = embedder("openai", plain, dim=OWN_DIM, batch_size=2, concurrency=1, attempts=1)
    with CachedEmbedder(inner, tmp_path / "cache.sqlite") as cached:
        cached.embed_documents(["warm up"])
        del plain.seen[:]
        plain.faults = [Fault(), Fault(), Fault(500, b"{}")]
        with pytest.raises(ProviderError):
            cached.embed_documents(texts)
    # Another process, after the crash.
    with CachedEmbedder(inner, tmp_path / "cache.sqlite") as cached:
        cached._model()
        del plain.seen[:]
        np.testing.assert_allclose(cached.embed_documents(texts), expected(texts, ""), atol=1e-6)
        assert [seen.body["input"] for seen in plain.seen] == [texts[4:]]


def test_prompts_of_the_catalogue_go_in_front() -> None:
    with model_server(EMBEDDING_SERVICES["ollama"]) as served:
        found = RemoteEmbedder("ollama", "nomic-embed-text", served.url, dim=OWN_DIM)
        found.embed_queries(["key"])
        found.embed_documents(["key"])
        assert [seen.body["input"] for seen in served.seen] == [
            ["search_query: key"],
            ["search_document: key"],
        ]


def test_texts_are_cut_at_max_chars(plain: ModelServer) -> None:
    embedder("openai", plain, dim=OWN_DIM, max_chars=4).embed_documents(["long text"])
    assert plain.seen[0].body["input"] == ["long"]


def test_a_server_that_is_not_there() -> None:
    found = RemoteEmbedder("tei", "m", "http://127.0.0.1:9", attempts=1)
    with pytest.raises(ProviderError, match=r"Connection refused"):
        found.embed_documents(["one"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"service": "nobody", "model": "m"}, "service must be one of"),
        ({"service": "tei", "model": "m"}, "give the address of your server"),
        ({"service": "openai", "model": ""}, "expected the name of a model"),
        ({"service": "openai", "model": "m", "dim": 0}, "dim must be an integer"),
        ({"service": "openai", "model": "m", "base_url": "ftp://x"}, "base_url: expected"),
        ({"service": "cohere", "model": "m", "user": "me"}, "cohere: user is only told to openai"),
        ({"service": "openai", "model": "m", "base_url": "https://u:p@x"}, "without a user name"),
        ({"service": "openai", "model": "m", "concurrency": 0}, "concurrency must be above 0"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        RemoteEmbedder(**options)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "GOOGLE_CLOUD_LOCATION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)


@pytest.mark.usefixtures("nowhere")
def test_a_region_is_part_of_the_address_and_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    titan = RemoteEmbedder("bedrock-titan", "amazon.titan-embed-text-v2:0", region="eu-west-1")
    assert titan._client.options.base_url == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert titan._path == "/model/amazon.titan-embed-text-v2%3A0/invoke"
    params = {"model": "amazon.titan-embed-text-v2:0", "region": "eu-west-1"}
    assert plugin_config(titan) == {"name": "bedrock-titan", "params": params}
    monkeypatch.setenv("AWS_REGION", "us-east-2")
    usual = RemoteEmbedder("bedrock-titan", "m")
    assert usual._client.options.base_url == "https://bedrock-runtime.us-east-2.amazonaws.com"
    google = RemoteEmbedder("vertex", "m", region="global", project="p")
    assert google._client.options.base_url == "https://aiplatform.googleapis.com"


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("service", "options", "message"),
    [
        ("bedrock-titan", {}, "expected a region.*AWS_REGION"),
        ("bedrock-cohere", {"region": "evil.example/x"}, "expected a region.*'evil.example/x'"),
        ("vertex", {"region": "europe-west4"}, "expected a project.*GOOGLE_CLOUD_PROJECT"),
        ("vertex", {"region": "a", "project": "../b"}, "expected a project"),
    ],
)
def test_a_missing_or_strange_place_is_refused(
    service: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        RemoteEmbedder(service, "some-model", **options)


def test_requests_are_signed_elsewhere_only_for_keys_that_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)

    def answer(seen: Any) -> Any:
        return {"embedding": vector("x"), "inputTextTokenCount": 1}

    with model_server(answer) as served:
        RemoteEmbedder("bedrock-titan", "m", served.url, region="a").embed_queries(["x"])
        assert "authorization" not in served.seen[-1].headers
        named = RemoteEmbedder(
            "bedrock-titan", "m", served.url, region="a", key_env="AWS_ACCESS_KEY_ID"
        )
        named.embed_queries(["x"])
        given = served.seen[-1].headers["authorization"]
        assert given.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
        assert KEY not in given
