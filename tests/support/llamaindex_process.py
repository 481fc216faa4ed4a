"""A process that writes to storage companions of LlamaIndex beside others.

``python llamaindex_process.py FOLDER NUMBER COUNT``: adds COUNT messages to one conversation and
COUNT nodes of one source document, each in a write of its own.
"""

import sys

from llama_index.core.llms import ChatMessage
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

from llama_index.storage.chat_store.elanus import ElanusChatStore
from llama_index.storage.docstore.elanus import ElanusDocumentStore


def main(folder: str, number: int, count: int) -> None:
    """Write what the module says."""
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="shared")}
    with ElanusChatStore(folder, several_processes=True) as chat:
        nodes = ElanusDocumentStore.from_uri(folder, several_processes=True)
        for i in range(count):
            name = f"{number}-{i}"
            chat.add_message("all", ChatMessage(content=name))
            nodes.add_documents([TextNode(id_=name, text=name, relationships=source)])
        nodes.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
