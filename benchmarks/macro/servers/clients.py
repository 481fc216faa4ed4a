"""The kinds of clients, by name; each imports its library when it is made."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.macro.adapters.base import LIMIT, Rows
from benchmarks.macro.servers.base import Asking, Tasks, Threads, Vectors
from benchmarks.macro.servers.http import HttpConnection, request_of

_SERVICE = "/milvus.proto.milvus.MilvusService"
_EXACT = {"recall": 1.0}
_MAX_TEXT_BYTES = 65_535
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_CHROMA = "/api/v2/tenants/default_tenant/databases/default_database/collections"


class PyMilvus(Threads):
    """``MilvusClient`` of pymilvus."""

    PACKAGES = ("pymilvus", "grpcio", "protobuf")

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._library = importlib.import_module("pymilvus")
        self._client: Any = None

    @property
    def client(self) -> Any:
        """A client for all but searches."""
        self._client = self._client or self._library.MilvusClient(self.uri)
        return self._client

    def create(self, name: str, dim: int) -> None:
        types, client = self._library.DataType, self.client
        schema = client.create_schema()
        schema.add_field("id", types.INT64, is_primary=True)
        schema.add_field("text", types.VARCHAR, max_length=_MAX_TEXT_BYTES)
        schema.add_field("bucket", types.INT64)
        schema.add_field("dense", types.FLOAT_VECTOR, dim=dim)
        indexes = client.prepare_index_params()
        indexes.add_index("dense", index_type="AUTOINDEX", metric_type="COSINE")
        client.create_collection(name, schema=schema, index_params=indexes)

    def insert(self, name: str, rows: Rows) -> None:
        columns = zip(rows.ids, rows.texts, rows.buckets, rows.vectors, strict=True)
        self.client.insert(
            name, [{"id": i, "text": t, "bucket": b, "dense": v} for i, t, b, v in columns]
        )

    def complete(self, name: str) -> None:
        self.client.flush(name)
        # Milvus Lite's indexes are complete when loading them returns.
        self.client.release_collection(name)
        self.client.load_collection(name)

    def drop(self, name: str) -> None:
        self.client.drop_collection(name)

    def connect(self, name: str) -> Any:
        client = self._library.MilvusClient(self.uri)
        client.load_collection(name)
        return client, name

    def search(self, handle: Any, vector: Any) -> list[int]:
        client, name = handle
        params = {"params": _EXACT} if self.is_exact else {}
        (found,) = client.search(
            name, data=[vector], anns_field="dense", limit=LIMIT, search_params=params
        )
        return [hit["id"] for hit in found]


class Stub(Tasks):
    """The generated messages of the protocol and grpcio's asynchronous channel, nothing else."""

    PACKAGES = ("grpcio", "protobuf")

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._grpc = importlib.import_module("grpc")
        self._milvus = importlib.import_module("pymilvus.grpc_gen.milvus_pb2")
        self._schema = importlib.import_module("pymilvus.grpc_gen.schema_pb2")
        self._common = importlib.import_module("pymilvus.grpc_gen.common_pb2")
        self._others = PyMilvus(uri)
        self._search = self._method("Search", self._milvus.SearchResults)
        self._insert = self._method("Insert", self._milvus.MutationResult)
        self._writer: Any = None

    def _method(self, name: str, response: Any) -> Callable[[Any], Any]:
        def bound(channel: Any) -> Any:
            return channel.unary_unary(
                f"{_SERVICE}/{name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=response.FromString,
            )

        return bound

    def _channel(self) -> Any:
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        ]
        address = self.uri.partition("://")[2]
        return self._grpc.aio.insecure_channel(address, options=options)

    def create(self, name: str, dim: int) -> None:
        self._others.create(name, dim)

    def insert(self, name: str, rows: Rows) -> None:
        self._loop.run_until_complete(self._send(name, rows))

    async def _send(self, name: str, rows: Rows) -> None:
        if self._writer is None:
            self._writer = self._insert(self._channel())
        told = await self._writer(self._rows_message(name, rows))
        if told.status.code:
            raise OSError(told.status.reason)

    def _rows_message(self, name: str, rows: Rows) -> Any:
        kinds, made = self._schema.DataType, self._schema.FieldData
        ids = made(field_name="id", type=kinds.Int64)
        ids.scalars.long_data.data.extend(rows.ids)
        texts = made(field_name="text", type=kinds.VarChar)
        texts.scalars.string_data.data.extend(rows.texts)
        buckets = made(field_name="bucket", type=kinds.Int64)
        buckets.scalars.long_data.data.extend(rows.buckets)
        dense = made(field_name="dense", type=kinds.FloatVector)
        dense.vectors.dim = rows.vectors.shape[1]
        dense.vectors.float_vector.data.extend(rows.vectors.ravel().tolist())
        return self._milvus.InsertRequest(
            collection_name=name,
            fields_data=[ids, texts, buckets, dense],
            num_rows=len(rows.ids),
        )

    def complete(self, name: str) -> None:
        self._others.complete(name)

    def drop(self, name: str) -> None:
        self._others.drop(name)

    def open(self, name: str, queries: Vectors, clients: int) -> None:
        self._others.client.load_collection(name)
        super().open(name, queries, clients)

    def requests(self, name: str, queries: Vectors) -> Sequence[Any]:
        return [self._search_message(name, query.tobytes()) for query in queries]

    def _search_message(self, name: str, vector: bytes) -> Any:
        common = self._common
        holder = common.PlaceholderValue(
            tag="$0", type=common.PlaceholderType.FloatVector, values=[vector]
        )
        group = common.PlaceholderGroup(placeholders=[holder])
        pairs = {
            "anns_field": "dense",
            "topk": str(LIMIT),
            "params": json.dumps(_EXACT if self.is_exact else {}),
            "metric_type": "COSINE",
            "round_decimal": "-1",
        }
        return self._milvus.SearchRequest(
            collection_name=name,
            dsl_type=common.DslType.BoolExprV1,
            placeholder_group=group.SerializeToString(),
            search_params=[common.KeyValuePair(key=k, value=v) for k, v in pairs.items()],
            nq=1,
        )

    async def connect(self) -> Any:
        channel = self._channel()
        await channel.channel_ready()
        return channel, self._search(channel)

    async def search(self, connection: Any, request: Any) -> list[int]:
        told = await connection[1](request)
        if told.status.code:
            raise OSError(told.status.reason)
        return list(told.results.ids.int_id.data)

    async def disconnect(self, connection: Any) -> None:
        await connection[0].close()


class Rest(Tasks):
    """Milvus' RESTful API over a plain connection."""

    def create(self, name: str, dim: int) -> None:
        PyMilvus(self.uri).create(name, dim)

    def drop(self, name: str) -> None:
        PyMilvus(self.uri).drop(name)

    def insert(self, name: str, rows: Rows) -> None:
        columns = zip(rows.ids, rows.texts, rows.buckets, rows.vectors.tolist(), strict=True)
        entities = [{"id": i, "text": t, "bucket": b, "dense": v} for i, t, b, v in columns]
        request = request_of(
            "/v2/vectordb/entities/insert", {"collectionName": name, "data": entities}
        )
        _checked(self._loop.run_until_complete(_ask_once(self.uri, request)))

    def requests(self, name: str, queries: Vectors) -> Sequence[bytes]:
        shared: dict[str, Any] = {"collectionName": name, "annsField": "dense", "limit": LIMIT}
        if self.is_exact:
            shared["searchParams"] = {"params": _EXACT}
        path = "/v2/vectordb/entities/search"
        return [request_of(path, {**shared, "data": [query.tolist()]}) for query in queries]

    async def connect(self) -> HttpConnection:
        return await HttpConnection.open(self.uri)

    async def search(self, connection: HttpConnection, request: bytes) -> list[int]:
        return [hit["id"] for hit in _checked(await connection.ask(request))]

    async def disconnect(self, connection: HttpConnection) -> None:
        connection.close()


def _checked(told: Any) -> Any:
    if told["code"]:
        raise OSError(told["message"])
    return told["data"]


async def _ask_once(uri: str, request: bytes) -> Any:
    connection = await HttpConnection.open(uri)
    try:
        return await connection.ask(request)
    finally:
        connection.close()


class ChromaHttp(Tasks):
    """Chroma's RESTful API over a plain connection."""

    def requests(self, name: str, queries: Vectors) -> Sequence[bytes]:
        found = self._loop.run_until_complete(
            _ask_once(self.uri, request_of(f"{_CHROMA}/{name}", None, "GET"))
        )
        path = f"{_CHROMA}/{found['id']}/query"
        shared = {"n_results": LIMIT, "include": []}
        return [
            request_of(path, {**shared, "query_embeddings": [query.tolist()]}) for query in queries
        ]

    async def connect(self) -> HttpConnection:
        return await HttpConnection.open(self.uri)

    async def search(self, connection: HttpConnection, request: bytes) -> list[int]:
        return [int(one) for one in (await connection.ask(request))["ids"][0]]

    async def disconnect(self, connection: HttpConnection) -> None:
        connection.close()


class ChromaClient(Threads):
    """``chromadb.HttpClient``."""

    PACKAGES = ("chromadb",)

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._library = importlib.import_module("chromadb")
        self._settings = importlib.import_module("chromadb.config").Settings
        self._written: dict[str, Any] = {}

    def _client(self) -> Any:
        host, _, port = self.uri.partition("://")[2].partition(":")
        settings = self._settings(anonymized_telemetry=False)
        return self._library.HttpClient(host, int(port), settings=settings)

    def create(self, name: str, dim: int) -> None:
        self._written[name] = self._client().create_collection(
            name, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )

    def insert(self, name: str, rows: Rows) -> None:
        self._written[name].add(
            ids=[str(number) for number in rows.ids],
            embeddings=rows.vectors,
            documents=rows.texts,
            metadatas=[{"bucket": bucket} for bucket in rows.buckets],
        )

    def drop(self, name: str) -> None:
        self._client().delete_collection(name)

    def connect(self, name: str) -> Any:
        return self._client().get_collection(name, embedding_function=None)

    def search(self, handle: Any, vector: Any) -> list[int]:
        found = handle.query(query_embeddings=[vector], n_results=LIMIT, include=[])
        return [int(one) for one in found["ids"][0]]


class Embedded(Threads):
    """The library in this process: no server."""

    PACKAGES = ("elanus",)

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._library = importlib.import_module("elanus")
        self._database: Any = None

    def complete(self, name: str) -> None:
        """Wait until the segments of a server that has ended have their indexes."""
        with self._library.connect(self.uri) as database:
            collection = database.collection(name)
            collection.flush()
            collection.wait_indexed()
            collection.compact()

    def connect(self, name: str) -> Any:
        self._database = self._database or self._library.connect(self.uri)
        return self._database.collection(name)

    def search(self, handle: Any, vector: Any) -> list[int]:
        options = _EXACT if self.is_exact else {}
        found = handle.search(vector, "dense", LIMIT, output=["id"], **options)
        return [hit.id for hit in found]

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


class ElanusClient(Embedded):
    """``elanus.connect("http://...")``: the library's own calls, answered by a server."""


KINDS: dict[str, type[Asking]] = {
    "stub": Stub,
    "pymilvus": PyMilvus,
    "rest": Rest,
    "chroma_http": ChromaHttp,
    "chromadb": ChromaClient,
    "embedded": Embedded,
    "elanus": ElanusClient,
}
