"""Rerankers that ask a service, against a server that answers as each service documents."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import ScoreKind, plugin_config, rank
from elanus_rerankers import ListwiseLlmReranker, PointwiseLlmReranker, RemoteReranker
from support.model_server import KEY, Fault, ModelServer, model_server, relevance
from support.rerank_services import (
    OPTIONS,
    RERANK_SERVICES,
    ranking,
    yes_or_no,
    yes_or_no_without_logprobs,
)

QUERY = "rotate a key"
DOCUMENTS = ["paris is mild", "a key", "rotate a key in the console", "", "rotate"]
EXPECTED = [relevance(QUERY, text) for text in DOCUMENTS]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture(params=sorted(RERANK_SERVICES))
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(service: str) -> Iterator[ModelServer]:
    with model_server(RERANK_SERVICES[service]) as served:
        yield served


def reranker(service: str, server: ModelServer, **options: Any) -> RemoteReranker:
    keyed = {"key_env": "TEST_KEY", **OPTIONS.get(service, {})}
    found = RemoteReranker(service, "some-model", server.url, **{**keyed, **options})
    object.__setattr__(found._client, "_sleep", lambda _: None)
    return found


def test_scores_go_back_to_their_documents(service: str, server: ModelServer) -> None:
    found = reranker(service, server)
    np.testing.assert_allclose(found.score(QUERY, DOCUMENTS), EXPECTED, atol=1e-6)
    assert [one.index for one in rank(found, QUERY, DOCUMENTS, top_k=2)] == [2, 1]
    assert found.score(QUERY, []).shape == (0,)


def test_many_documents_are_several_requests(service: str, server: ModelServer) -> None:
    documents = DOCUMENTS * 300
    found = reranker(service, server).score(QUERY, documents)
    np.testing.assert_allclose(found, EXPECTED * 300, atol=1e-6)
    most = {"tei": 32, "vertex": 200, "nvidia": 512, "nim": 512, "dashscope": 500}
    assert len(server.seen) == math.ceil(1500 / most.get(service, 1000))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, b"{}", {"Retry-After": "0"}),
        Fault(drop=True),
        Fault(raw=b'{"results": [', announce=99),
    ],
    ids=["throttled", "dropped", "half"],
)
def test_a_fault_that_passes_is_waited_out(service: str, server: ModelServer, fault: Fault) -> None:
    server.faults = [fault]
    found = reranker(service, server)
    np.testing.assert_allclose(found.score(QUERY, DOCUMENTS), EXPECTED, atol=1e-6)
    assert found.usage.retries == 1


def test_a_missing_score_is_noticed(service: str, server: ModelServer) -> None:
    def fewer(answer: Any) -> Any:
        body = answer if isinstance(answer, list) else answer.get("output", answer)
        names = ("results", "data", "records", "rankings")
        rows = body if isinstance(body, list) else next(body[n] for n in names if n in body)
        rows.pop()
        return answer

    server.faults = [Fault(change=fewer)]
    with pytest.raises(ProviderError, match="expected an answer for each of 5 texts"):
        reranker(service, server).score(QUERY, DOCUMENTS)


def test_a_score_out_of_its_range_is_noticed() -> None:
    def negative(answer: Any) -> Any:
        answer["results"][0]["relevance_score"] = -0.5
        return answer

    with model_server(RERANK_SERVICES["cohere"]) as served:
        served.faults = [Fault(change=negative)]
        with pytest.raises(ProviderError, match="set score_kind='logit'"):
            reranker("cohere", served).score(QUERY, DOCUMENTS)
        served.faults = [Fault(change=negative)]
        as_logit = reranker("cohere", served, score_kind="logit")
        assert as_logit.score(QUERY, DOCUMENTS).min() == pytest.approx(-0.5)
        assert as_logit.info.score_kind is ScoreKind.LOGIT


def test_a_key_never_shows(service: str, server: ModelServer) -> None:
    found = reranker(service, server)
    for shown in (pickle.dumps(found), repr(found).encode(), str(plugin_config(found)).encode()):
        assert KEY.encode() not in shown
    copy = pickle.loads(pickle.dumps(found))
    np.testing.assert_allclose(copy.score(QUERY, DOCUMENTS), EXPECTED, atol=1e-6)


def test_a_language_model_gives_the_probability_of_yes() -> None:
    with model_server(yes_or_no) as served:
        found = PointwiseLlmReranker("m", served.url)
        given = found.score(QUERY, DOCUMENTS)
        # 0.9 of the mass is yes or no, which falls out of the ratio.
        np.testing.assert_allclose(given, [0.1 + 0.8 * score for score in EXPECTED], atol=1e-6)
        assert (found.usage.texts, found.usage.tokens) == (5, 55)


def test_a_language_model_without_log_probabilities_only_says_yes_or_no() -> None:
    with model_server(yes_or_no_without_logprobs) as served:
        given = PointwiseLlmReranker("m", served.url).score(QUERY, DOCUMENTS)
    assert given.tolist() == [float(0.1 + 0.8 * score > 0.5) for score in EXPECTED]


def test_braces_in_texts_are_only_text() -> None:
    with model_server(yes_or_no) as served:
        PointwiseLlmReranker("m", served.url).score("{document}", ["{query} {count}"])
        prompt = served.seen[0].body["messages"][0]["content"]
    assert "Query: {document}\n\nDocument: {query} {count}\n" in prompt


def test_windows_bring_the_best_to_the_top() -> None:
    documents = [f"filler number {i}" for i in range(12)]
    documents[11] = "rotate a key"
    documents[7] = "a key"
    with model_server(ranking) as served:
        found = ListwiseLlmReranker("m", served.url, window=4, step=2)
        scores = found.score(QUERY, documents)
        # Windows start at 8, 6, 4, 2 and 0.
        assert len(served.seen) == 5
    order = np.argsort(-scores).tolist()
    assert order == [11, 7, 0, 1, 2, 3, 4, 5, 6, 8, 9, 10]
    assert scores[order].tolist() == list(range(12, 0, -1))


def test_one_document_needs_no_question() -> None:
    with model_server(ranking) as served:
        assert ListwiseLlmReranker("m", served.url).score(QUERY, ["one"]).tolist() == [1.0]
        assert served.seen == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RemoteReranker("nobody", "m"), "service must be one of"),
        (lambda: RemoteReranker("vllm", "m"), "give the address of your server"),
        (lambda: RemoteReranker("jina", "m", score_kind="x"), "score_kind must be one of"),
        (lambda: ListwiseLlmReranker("m", window=1), "window must be at least 2"),
        (lambda: ListwiseLlmReranker("m", window=4, step=5), "step lie in"),
        (lambda: PointwiseLlmReranker(""), "expected the name of a model"),
        (lambda: PointwiseLlmReranker("m", max_chars=0), "max_chars must be at least 1"),
    ],
)
def test_bad_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()
