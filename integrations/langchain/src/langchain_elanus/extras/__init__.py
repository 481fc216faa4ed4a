"""What LangChain keeps beside a vector store, in the same database.

Caches, key-value stores, the history of a conversation, the records of the indexing API, and a
store as a document index. Rows that need no vectors have none.
"""

from elanus.documents import PlaceOptions
from langchain_elanus.extras.caches import ElanusCache, ElanusSemanticCache
from langchain_elanus.extras.chat_history import ElanusChatMessageHistory
from langchain_elanus.extras.document_index import ElanusDocumentIndex
from langchain_elanus.extras.key_value import ElanusByteStore, ElanusDocumentStore
from langchain_elanus.extras.record_manager import ElanusRecordManager
from langchain_elanus.extras.store_records import ElanusStoreRecords

__all__ = [
    # answers of models
    "ElanusCache",
    "ElanusSemanticCache",
    # values by key
    "ElanusByteStore",
    "ElanusDocumentStore",
    # conversations
    "ElanusChatMessageHistory",
    # the indexing API
    "ElanusRecordManager",
    "ElanusStoreRecords",
    "ElanusDocumentIndex",
    # how they open their database
    "PlaceOptions",
]
