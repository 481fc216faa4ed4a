"""A reranker plug-in of elanus as a LlamaIndex node postprocessor."""

from __future__ import annotations

from typing import Any

import numpy as np
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from elanus.plugins import Reranker, get_reranker

_dispatcher = get_dispatcher(__name__)


class ElanusReranker(BaseNodePostprocessor):
    """Orders nodes by how well they answer a query.

    Args:
        model: Name of a reranker plug-in: ``"lexical"``, ``"cross-encoder:..."``.
        top_n: Nodes kept; None keeps all.
        reranker: An object that fulfils ``elanus.plugins.Reranker``, instead of a name.
        model_kwargs: Keyword arguments of the plug-in's factory.

    Raises:
        PluginNotInstalledError: Nothing installed has this name.
    """

    model: str = Field(description="Name of the reranker.")
    top_n: int | None = Field(default=None, ge=1, description="Nodes kept.")
    model_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Keyword arguments of the plug-in's factory."
    )
    _reranker: Reranker = PrivateAttr()

    def __init__(
        self,
        model: str = "lexical",
        *,
        top_n: int | None = None,
        reranker: Reranker | None = None,
        model_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        params = model_kwargs or {}
        plugin = get_reranker(model if reranker is None else reranker, **params)
        name = model if reranker is None else plugin.info.name
        super().__init__(**{"model": name, "top_n": top_n, "model_kwargs": params, **kwargs})
        self._reranker = plugin

    @classmethod
    def class_name(cls) -> str:
        return "ElanusReranker"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        """Return the best nodes, best first, with the reranker's scores.

        The nodes given keep their scores; what is returned are new ``NodeWithScore`` objects.

        Raises:
            ValueError: There is no query.
        """
        if query_bundle is None:
            raise ValueError("ElanusReranker needs the query; pass query_bundle= or query_str=")
        if not nodes:
            return []
        kept = len(nodes) if self.top_n is None else self.top_n
        _dispatcher.event(
            ReRankStartEvent(query=query_bundle, nodes=nodes, top_n=kept, model_name=self.model)
        )
        texts = [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
        scores = self._reranker.score(query_bundle.query_str, texts)
        order = np.argsort(-scores, kind="stable")[:kept]
        ranked = [NodeWithScore(node=nodes[i].node, score=float(scores[i])) for i in order]
        _dispatcher.event(ReRankEndEvent(nodes=ranked))
        return ranked
