"""The page's server as a browser and as other programs meet it."""

import json
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from elanus_demo.answer import AnswerError, Question
from elanus_demo.answer.extractive import ExtractiveAnswerer
from elanus_demo.answer.http_models import OpenAICompatible
from elanus_demo.embedding import TimedEmbedder, load_embedder
from elanus_demo.store import PassageStore
from elanus_demo.web.app import LARGEST_REQUEST_BYTES
from elanus_demo.web.serving import PortError, listen
from support.chat_server import Reply, chat_server, server_sent_events
from support.web_chat import HOSTILE, Scripted, ask, desk_of, filled_store, served


@pytest.fixture(scope="module")
def embedder() -> TimedEmbedder:
    return load_embedder("hash")


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory, embedder: TimedEmbedder
) -> Iterator[PassageStore]:
    with filled_store(tmp_path_factory.mktemp("web"), embedder) as opened:
        yield opened


@pytest.fixture(scope="module")
def script() -> Scripted:
    return Scripted("Every ninety ", "days [1].")


@pytest.fixture(scope="module")
def url(store: PassageStore, script: Scripted) -> Iterator[str]:
    with served(desk_of(store, script)) as address:
        yield address


def test_answer_streams_after_what_was_found(url: str) -> None:
    first, *texts, last = ask(url, "How often do I rotate the signing key?")
    assert (first["type"], first["num_searched"]) == ("found", 4)
    assert first["query"] == "How often do I rotate the signing key?"
    assert texts == [
        {"type": "text", "text": "Every ninety "},
        {"type": "text", "text": "days [1]."},
    ]
    assert (last["type"], last["by"]) == ("done", "the script")
    assert last["first_ms"] <= last["total_ms"]


def test_passage_comes_with_marks_and_the_parts_of_its_score(url: str) -> None:
    passage = ask(url, "How often do I rotate the signing key?")[0]["passages"][0]
    assert (passage["number"], passage["file"], passage["heading"]) == (
        1,
        "guide/keys.md",
        ["Keys"],
    )
    assert [piece for piece in passage["text"] if piece[1]] == [
        ["Rotate", True],
        ["signing", True],
        ["key", True],
        ["keys", True],
    ]
    assert [(leg["name"], leg["rank"]) for leg in passage["legs"]] == [("dense", 1), ("bm25", 1)]
    assert passage["score"] == passage["fused"] == pytest.approx(2 / 61)
    bm25 = passage["legs"][1]["score"]
    assert sum(term["contribution"] for term in passage["terms"]) == pytest.approx(bm25, rel=1e-5)
    assert {term["term"] for term in passage["terms"]} >= {"rotat", "sign", "key"}
    assert passage["fusion"].startswith("RRF(k=60")
    assert passage["rerank"] is None


def test_reranker_says_what_it_moved(tmp_path: Path, embedder: TimedEmbedder) -> None:
    with (
        filled_store(tmp_path, embedder, "lexical") as store,
        served(desk_of(store, Scripted("so"), limit=4)) as url,
    ):
        passages = ask(url, "rotate the signing key")[0]["passages"]
    scores = [passage["score"] for passage in passages]
    assert scores == sorted(scores, reverse=True)
    assert [passage["rerank"]["name"] for passage in passages] == ["lexical"] * 4
    assert [passage["rerank"]["score"] for passage in passages] == scores
    assert sorted(passage["rerank"]["rank_before"] for passage in passages) == [1, 2, 3, 4]
    assert all(passage["fused"] < 0.04 for passage in passages)


def test_scope_limits_what_is_found(url: str) -> None:
    found = ask(url, "How often do I rotate the signing key?", scope=["ops/", "guide/tokens.md"])[0]
    assert {passage["file"] for passage in found["passages"]} == {
        "ops/backup.md",
        "guide/tokens.md",
    }


def test_follow_up_is_searched_with_the_question_before_it(url: str, script: Scripted) -> None:
    history = [{"question": "How do I rotate the key?", "answer": "Every week [1]."}]
    found = ask(url, "And how long do they stay valid?", history=history)[0]
    assert found["query"] == "How do I rotate the key? And how long do they stay valid?"
    [turn] = script.asked[-1].history
    assert (turn.question, turn.answer) == ("How do I rotate the key?", "Every week [1].")


def test_markup_in_a_document_is_text(url: str) -> None:
    response = httpx.post(f"{url}/api/ask", json={"question": "signing key never rotated"})
    passages = json.loads(response.text.splitlines()[0])["passages"]
    hostile = next(passage for passage in passages if passage["file"] == "hostile.md")
    assert HOSTILE in "".join(text for text, _ in hostile["text"])
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert response.headers["x-content-type-options"] == "nosniff"


def test_corpus(url: str) -> None:
    assert httpx.get(f"{url}/api/corpus").json() == {
        "title": "the handbook",
        "files": [
            {"key": key, "passages": 1}
            for key in ("guide/keys.md", "guide/tokens.md", "hostile.md", "ops/backup.md")
        ],
        "num_passages": 4,
        "answered_by": "the script",
        "suggestions": ["How often do I rotate the key?"],
        "longest_question": 4000,
    }


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/static/style.css", "/nothing"])
def test_every_response_restricts_the_page(url: str, path: str) -> None:
    response = httpx.get(url + path)
    assert response.status_code == (404 if path == "/nothing" else 200)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "server" not in response.headers


def test_files_outside_the_page_are_not_served(url: str) -> None:
    with httpx.Client() as client:
        for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"):
            request = httpx.Request("GET", url)
            request.url = request.url.copy_with(raw_path=path.encode())
            assert client.send(request).status_code == 404


def test_name_that_points_here_is_not_served(url: str) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example:80", ""):
        assert httpx.get(url, headers={"host": host}).status_code == 400
    port = url.rpartition(":")[2]
    assert httpx.get(url, headers={"host": f"localhost:{port}"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_questions_of_other_pages_are_refused(
    url: str, script: Scripted, headers: dict[str, str]
) -> None:
    asked = len(script.asked)
    response = httpx.post(f"{url}/api/ask", json={"question": "a?"}, headers=headers)
    assert response.status_code == 403
    assert len(script.asked) == asked


def test_own_origin_is_answered(url: str) -> None:
    headers = {"origin": url, "sec-fetch-site": "same-origin"}
    assert httpx.post(f"{url}/api/ask", json={"question": "a?"}, headers=headers).is_success


def test_form_cannot_ask(url: str) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        response = httpx.post(
            f"{url}/api/ask", content=b'{"question": "a?"}', headers={"content-type": kind}
        )
        assert (response.status_code, kind in response.json()["error"]) == (415, True)


def test_bad_and_oversized_requests_say_why(url: str) -> None:
    bad = httpx.post(f"{url}/api/ask", json={"question": ""})
    assert (bad.status_code, bad.json()) == (400, {"error": "question: expected text"})

    def endless() -> Iterator[bytes]:
        for _ in range(LARGEST_REQUEST_BYTES // 1024 + 2):
            yield b" " * 1024

    large = httpx.post(
        f"{url}/api/ask", content=endless(), headers={"content-type": "application/json"}
    )
    assert (large.status_code, large.json()) == (
        413,
        {"error": "the request is larger than 256 KiB"},
    )
    assert httpx.get(f"{url}/api/ask").status_code == 405


def test_failing_model_is_named_and_the_next_one_begins_anew(store: PassageStore) -> None:
    class Failing(Scripted):
        title = "broken model"

        async def astream(self, question: Question) -> AsyncGenerator[str]:
            yield "Half an ans"
            raise AnswerError("connection lost")

    with served(desk_of(store, Failing(), Scripted("Whole [1]."))) as url:
        events = ask(url, "rotate?")[1:]
    assert events[:3] == [
        {"type": "text", "text": "Half an ans"},
        {"type": "failed", "who": "broken model", "reason": "connection lost"},
        {"type": "text", "text": "Whole [1]."},
    ]
    assert events[3]["by"] == "the script"
    with served(desk_of(store, Failing())) as url:
        assert ask(url, "rotate?")[-1]["type"] == "error"


def test_quotation_needs_no_model(store: PassageStore, embedder: TimedEmbedder) -> None:
    with served(desk_of(store, ExtractiveAnswerer(embedder))) as url:
        events = ask(url, "How often do I rotate the signing key?")
    answer = "".join(event["text"] for event in events if event["type"] == "text")
    assert "Rotate the signing key every ninety days." in answer
    assert "[1]" in answer


def test_pieces_arrive_while_the_model_still_writes(store: PassageStore) -> None:
    may_go_on = threading.Event()

    def slowly() -> Iterator[str]:
        first, second, *rest = server_sent_events("Every ninety ", "days.")
        yield first
        yield second
        assert may_go_on.wait(30)
        yield from rest

    with chat_server({"/chat/completions": Reply(slowly())}) as model:
        answerer = OpenAICompatible(model.url, "small")
        with served(desk_of(store, answerer)) as url:
            body = {"question": "rotate?"}
            with httpx.stream("POST", f"{url}/api/ask", json=body, timeout=30) as response:
                lines = response.iter_lines()
                assert json.loads(next(lines))["type"] == "found"
                assert json.loads(next(lines)) == {"type": "text", "text": "Every ninety "}
                may_go_on.set()
                assert json.loads(next(lines)) == {"type": "text", "text": "days."}


def test_reader_who_leaves_stops_the_model(store: PassageStore) -> None:
    def endless() -> Iterator[str]:
        while True:
            yield server_sent_events("more ")[1]
            time.sleep(0.01)

    with (
        chat_server({"/chat/completions": Reply(endless())}) as model,
        served(desk_of(store, OpenAICompatible(model.url, "small"))) as url,
    ):
        body = {"question": "rotate?"}
        with httpx.stream("POST", f"{url}/api/ask", json=body, timeout=30) as response:
            lines = response.iter_lines()
            assert [json.loads(next(lines))["type"] for _ in range(2)] == ["found", "text"]
        assert model.hung_up.wait(30)


def test_questions_at_the_same_time_get_their_own_answers(
    store: PassageStore, embedder: TimedEmbedder
) -> None:
    wanted = {
        "How often do I rotate the signing key?": "guide/keys.md",
        "When do tokens expire after an hour?": "guide/tokens.md",
        "How do I restore a backup?": "ops/backup.md",
    }
    questions = list(wanted) * 8
    with (
        served(desk_of(store, ExtractiveAnswerer(embedder))) as url,
        ThreadPoolExecutor(len(questions)) as pool,
    ):
        answers = list(pool.map(lambda question: ask(url, question), questions))
    for question, events in zip(questions, answers, strict=True):
        assert (events[0]["query"], events[-1]["type"]) == (question, "done")
        assert events[0]["passages"][0]["file"] == wanted[question]


def test_port_in_use_says_what_to_do() -> None:
    with listen(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=f"port {port} is in use; give another one with --port"):
            listen(port)
