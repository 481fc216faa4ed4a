"""How does a LlamaIndex node become a row, and a row a node?

The row holds id, text, metadata and source document in fields of their own, and in ``node`` what is
left: the node's class and its JSON without text, metadata and embedding. A row without ``node``,
written through another framework, reads as a ``TextNode``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llama_index.core.schema import (
    BaseNode,
    IndexNode,
    MetadataMode,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from elanus.documents import DocumentBatch, StoredDocument
from elanus.errors import EntityError

_TYPE = "type"
_CONTENT = "content"


def nodes_to_batch(nodes: Sequence[BaseNode]) -> DocumentBatch:
    """Return nodes as a batch without vectors.

    Raises:
        EntityError: A node cannot be stored; names the row.
    """
    for row, node in enumerate(nodes):
        if not isinstance(node, BaseNode):
            raise EntityError(
                f"nodes: expected a list of nodes, got {type(node).__name__} (row {row})", row=row
            )
    return DocumentBatch(
        ids=[node.node_id for node in nodes],
        texts=[node.get_content(metadata_mode=MetadataMode.NONE) for node in nodes],
        metadatas=[node.metadata for node in nodes],
        ref_doc_ids=[node.ref_doc_id for node in nodes],
        nodes=[_node_to_json(node, row) for row, node in enumerate(nodes)],
    )


def embeddings_of(nodes: Sequence[BaseNode]) -> list[list[float]]:
    """Return the embeddings of nodes.

    Raises:
        EntityError: A node has none; names the row.
    """
    for row, node in enumerate(nodes):
        if node.embedding is None:
            raise EntityError(
                f"nodes: node {node.node_id!r} has no embedding (row {row}); add nodes through an "
                f"index or a pipeline that embeds them, or search by words alone with "
                f"sparse=BM25() and search_mode='bm25'",
                row=row,
            )
    return [node.get_embedding() for node in nodes]


def document_to_node(document: StoredDocument, keys: Sequence[str] | None = None) -> BaseNode:
    """Return a stored document as the node it was written from.

    Args:
        document: What was read; its vector becomes the node's embedding.
        keys: Keys of the metadata to return; None returns all.
    """
    metadata = document.metadata
    if keys is not None:
        metadata = {key: metadata[key] for key in keys if key in metadata}
    embedding = None if document.vector is None else document.vector.tolist()
    if document.node is None:
        return _plain_node(document, metadata, embedding)
    content = dict(document.node[_CONTENT])
    content.update(id_=document.id, metadata=metadata, embedding=embedding)
    if isinstance(content.get("text_resource"), dict):
        content["text_resource"] = {**content["text_resource"], "text": document.text}
    elif "text_resource" not in content:
        content["text"] = document.text
    parts = {"_node_content": json.dumps(content), "_node_type": document.node[_TYPE]}
    node = metadata_dict_to_node(parts)
    # llama-index-core 0.13 reads this field only under a misspelt name, and so loses it.
    separator = content.get("metadata_separator")
    if separator is not None and node.metadata_separator != separator:
        node.metadata_separator = separator
    return node


def _node_to_json(node: BaseNode, row: int) -> dict[str, Any]:
    # Metadata is converted with the batch, and the object behind an IndexNode may be anything;
    # neither may fail here.
    changes: dict[str, Any] = {"metadata": {}, "embedding": None}
    if isinstance(node, IndexNode):
        changes["obj"] = None
    try:
        parts = node_to_metadata_dict(node.model_copy(update=changes))
    except ValueError as error:
        raise EntityError(
            f"node {node.node_id!r} cannot be written as JSON (row {row}): {error}",
            field="node",
            row=row,
        ) from error
    content = json.loads(parts["_node_content"])
    for name in ("metadata", "embedding", "text"):
        content.pop(name, None)
    if isinstance(content.get("text_resource"), dict):
        content["text_resource"].pop("text", None)
    return {_TYPE: parts["_node_type"], _CONTENT: content}


def _plain_node(
    document: StoredDocument, metadata: dict[str, Any], embedding: list[float] | None
) -> TextNode:
    node = TextNode(id_=document.id, text=document.text, metadata=metadata, embedding=embedding)
    if document.ref_doc_id is not None:
        source = RelatedNodeInfo(node_id=document.ref_doc_id)
        node.relationships[NodeRelationship.SOURCE] = source
    return node
