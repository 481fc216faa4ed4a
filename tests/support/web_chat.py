"""The demo's page, served by a real server on a free port."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from elanus_demo.answer import AsyncAnswerer, Question
from elanus_demo.corpus import list_folder
from elanus_demo.embedding import TimedEmbedder
from elanus_demo.store import PassageStore, open_store
from elanus_demo.sync import sync
from elanus_demo.web.app import Desk
from elanus_demo.web.serving import listen, make_server
from support.silent_progress import SilentProgress

HOSTILE = "<script>window.owned = true</script><img src=x onerror='window.owned = true'>"
TEXTS = {
    "guide/keys.md": "Rotate the signing key every ninety days. Old keys stay valid for a week.",
    "guide/tokens.md": "Tokens expire after an hour. A refresh token lives for thirty days.",
    "ops/backup.md": "Restore a backup with the command restore --from DATE.",
    "hostile.md": f"The signing key of {HOSTILE} is never rotated.",
}


class Scripted:
    """Answers with given pieces; what it was asked is kept."""

    title = "the script"

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces
        self.asked: list[Question] = []

    def stream(self, question: Question) -> Iterator[str]:
        self.asked.append(question)
        yield from self.pieces

    async def astream(self, question: Question) -> AsyncGenerator[str]:
        for piece in self.stream(question):
            yield piece


@contextmanager
def filled_store(
    folder: Path, embedder: TimedEmbedder, reranker: str | None = None
) -> Iterator[PassageStore]:
    """Open a store with a passage of each of ``TEXTS``."""
    docs = folder / "docs"
    for file, text in TEXTS.items():
        path = docs / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {path.stem.title()}\n\n{text}\n", "utf-8")
    with open_store(folder / "db", embedder, reset=False, reranker=reranker) as store:
        sync(list_folder(docs), store, SilentProgress())
        yield store


@contextmanager
def served(desk: Desk) -> Iterator[str]:
    """Serve the page of a desk; yield its address."""
    with listen(0) as listener:
        server = make_server(desk)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def desk_of(store: PassageStore, *answerers: AsyncAnswerer, limit: int = 3) -> Desk:
    """Return a desk over a store, with suggestions."""
    return Desk("the handbook", store, answerers, limit, ("How often do I rotate the key?",))


def ask(url: str, question: str, **asked: Any) -> list[dict[str, Any]]:
    """Ask as the page does and return the events of the answer."""
    body = {"question": question, **asked}
    response = httpx.post(f"{url}/api/ask", json=body, timeout=30)
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]
