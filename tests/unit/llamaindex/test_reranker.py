"""The contract of the reranker: order, ``top_n``, events, and what it leaves alone."""

from typing import Any

import numpy as np
import pytest
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from elanus.plugins import RerankerInfo, ScoreKind
from llama_index.vector_stores.elanus import ElanusReranker


class ByLength:
    """The longest text is best."""

    info = RerankerInfo(name="by-length", score_kind=ScoreKind.LOGIT)

    def __init__(self) -> None:
        self.seen: list[tuple[str, list[str]]] = []

    def score(self, query: str, documents: Any) -> Any:
        self.seen.append((query, list(documents)))
        return np.array([len(d) for d in documents], dtype=np.float32)


def nodes(*texts: str) -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(id_=t, text=t), score=0.5) for t in texts]


async def test_reranker_contract() -> None:
    model = ByLength()
    reranker = ElanusReranker(reranker=model)
    given = nodes("bb", "a", "dddd", "cc")
    before = [n.model_copy(deep=True) for n in given]
    for ranked in (
        reranker.postprocess_nodes(given, query_str="q"),
        await reranker.apostprocess_nodes(given, query_bundle=QueryBundle("q")),
    ):
        # Equal scores stay in the order in which they came.
        assert [(n.node.node_id, n.score) for n in ranked] == [
            ("dddd", 4.0), ("bb", 2.0), ("cc", 2.0), ("a", 1.0)
        ]  # fmt: skip
        assert not {id(n) for n in ranked} & {id(n) for n in given}
    assert given == before
    assert model.seen == [("q", ["bb", "a", "dddd", "cc"])] * 2


@pytest.mark.parametrize(("top_n", "expected"), [(1, ["ccc"]), (2, ["ccc", "bb"]), (9, None)])
def test_top_n(top_n: int, expected: list[str] | None) -> None:
    reranker = ElanusReranker(reranker=ByLength(), top_n=top_n)
    ranked = reranker.postprocess_nodes(nodes("a", "bb", "ccc"), query_str="q")
    assert [n.node.node_id for n in ranked] == (expected or ["ccc", "bb", "a"])


async def test_nothing_to_rank_and_nothing_to_rank_by() -> None:
    model = ByLength()
    reranker = ElanusReranker(reranker=model)
    assert reranker.postprocess_nodes([], query_str="q") == []
    assert await reranker.apostprocess_nodes([], query_str="q") == []
    assert model.seen == []
    with pytest.raises(ValueError, match="needs the query"):
        reranker.postprocess_nodes(nodes("a"))
    with pytest.raises(ValueError, match="needs the query"):
        await reranker.apostprocess_nodes(nodes("a"))


def test_text_holds_the_metadata_that_embeddings_see() -> None:
    model = ByLength()
    node = TextNode(text="t", metadata={"k": 1, "x": 2}, excluded_embed_metadata_keys=["x"])
    ElanusReranker(reranker=model).postprocess_nodes([NodeWithScore(node=node)], query_str="q")
    assert model.seen == [("q", ["k: 1\n\nt"])]


def test_events() -> None:
    seen: list[Any] = []

    class Remember(BaseEventHandler):
        def handle(self, event: Any, **kwargs: Any) -> None:
            if isinstance(event, ReRankStartEvent | ReRankEndEvent):
                seen.append(event)

    handler = Remember()
    root = get_dispatcher()
    root.add_event_handler(handler)
    try:
        reranker = ElanusReranker(reranker=ByLength(), top_n=1)
        reranker.postprocess_nodes(nodes("a", "bb"), query_str="q")
    finally:
        root.event_handlers.remove(handler)
    start, end = seen
    assert (start.model_name, start.top_n, len(start.nodes)) == ("by-length", 1, 2)
    assert [n.node.node_id for n in end.nodes] == ["bb"]
