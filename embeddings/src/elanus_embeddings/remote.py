"""How are texts embedded by a service, whichever it is?"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from elanus.errors import InvalidArgumentError
from elanus.plugins import ModelInfo, Role, finished_vectors
from elanus.plugins.answers import find, find_count, matrix, order_of
from elanus.plugins.http import HttpClient, HttpOptions
from elanus.plugins.options import changed_options, given_options, require_counts
from elanus.plugins.remote import (
    Usage,
    UsageCounter,
    answers,
    estimated_tokens,
    request_batches,
)
from elanus.plugins.services import http_options, request_path, require_service, sendable
from elanus.types import Float32Array
from elanus_embeddings.catalog import find_model, listed_prompt
from elanus_embeddings.services import SERVICES, EmbeddingRequest, EmbeddingService

# Of the options, those that decide the vectors, and those that say whom to ask and who asks.
_STORED: Final = (
    "model",
    "base_url",
    "region",
    "project",
    "dim",
    "query_prompt",
    "document_prompt",
    "normalize",
    "max_chars",
    "key_env",
    "key_header",
    "key_prefix",
    "user",
)
# A call of at most this many texts keeps what waits for its turn small.
_MOST_TEXTS_PER_CALL: Final = 4096


@dataclass(frozen=True, eq=False)
class RemoteEmbedder:
    """Embedder that asks a service over HTTP.

    Texts go out in batches within the limits of the service, several requests at a time; failed
    requests are repeated as ``HttpClient`` says. Empty texts are sent as a space, which services
    accept. Safe from many threads; can be pickled.

    Args:
        service: Name of an entry of ``SERVICES``.
        model: Name of the model at the service.
        base_url: Address of the service, when it is not the vendor's.
        dim: Dimensions of the vectors. None takes the model's own, of the catalogue or else of one
            vector that is asked for. Services that cannot shorten vectors get them cut here.
        query_prompt: Put in front of queries; None takes the catalogue's.
        document_prompt: Put in front of documents; None takes the catalogue's.
        normalize: True to scale vectors to length 1.
        max_chars: Characters after which texts are cut, for services that refuse long ones.
        key_env: Environment variable with the key; None takes the usual one of the service, unless
            ``base_url`` leads elsewhere than to the vendor: no key is sent there then.
        key_header: Header that carries the key, such as ``"api-key"`` for Azure; None as above.
        key_prefix: In front of the key; None as above.
        batch_size: Most texts of a request; None takes the limit of the service.
        batch_tokens: Most estimated tokens of a request; None takes the limit of the service.
        concurrency: Most requests at a time.
        timeout_s: Seconds without a byte after which an attempt is given up.
        attempts: Attempts of one request in all.
        longest_wait_s: Longest wait for another attempt, in seconds.
        requests_per_minute: Limit to keep, or None.
        tokens_per_minute: Limit to keep, in estimated tokens, or None.
        usd_per_million_tokens: Price, for ``usage.cost_usd``.
        region: Where the service runs, for Bedrock and Vertex; None takes the variable AWS_REGION,
            AWS_DEFAULT_REGION or GOOGLE_CLOUD_LOCATION.
        project: Project of Google Cloud, for Vertex; None takes GOOGLE_CLOUD_PROJECT.
        user: Name of the end user, which ``openai`` is told to find misuse; None tells none.

    Raises:
        InvalidArgumentError: An option is out of range or not one of the service, or the service
            needs a ``base_url``, a region or a project.
    """

    service: str
    model: str
    base_url: str | None = None
    dim: int | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    normalize: bool = True
    max_chars: int | None = None
    key_env: str | None = None
    key_header: str | None = None
    key_prefix: str | None = None
    batch_size: int | None = None
    batch_tokens: int | None = None
    concurrency: int = 4
    timeout_s: float = 60.0
    attempts: int = 6
    longest_wait_s: float = 60.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    usd_per_million_tokens: float | None = None
    region: str | None = None
    project: str | None = None
    user: str | None = None
    _client: HttpClient = field(init=False, repr=False)
    _path: str = field(init=False, repr=False)
    _counter: UsageCounter = field(init=False, repr=False)
    _lock: threading.Lock = field(init=False, repr=False)
    _known: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_service(self.service, self.model, SERVICES)
        require_counts(self.service, self, ("dim", "max_chars", "batch_size", "batch_tokens"))
        if self.user is not None and self.service != "openai":
            raise InvalidArgumentError(f"{self.service}: user is only told to openai")
        object.__setattr__(self, "_client", HttpClient(self.service, self._http_options()))
        object.__setattr__(self, "_path", request_path(self, self._service))
        object.__setattr__(self, "_counter", UsageCounter(self.usd_per_million_tokens))
        object.__setattr__(self, "_lock", threading.Lock())
        object.__setattr__(self, "_known", {})

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> ModelInfo:
        """Facts about the model; the first look may ask the service for a vector."""
        entry = find_model(self.model)
        return ModelInfo(
            name=self.model,
            dim=self._dim(),
            normalized=self.normalize,
            max_tokens=entry.model.max_tokens if entry else None,
            query_prompt=self._prompt(Role.QUERY),
            document_prompt=self._prompt(Role.DOCUMENT),
        )

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this embedder again; never a key."""
        return {"name": self.service, "params": changed_options(self, _STORED)}

    @property
    def usage(self) -> Usage:
        """What this object has used so far."""
        return self._counter.read(requests=self._client.requests, retries=self._client.retries)

    @property
    def batch_texts(self) -> int:
        """Texts per call that keep all requests at a time busy."""
        most = self.batch_size or self._service.most_texts(self.model)
        return min(most * self.concurrency, _MOST_TEXTS_PER_CALL)

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts, Role.DOCUMENT)

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return self._embed(texts, Role.QUERY)

    def embed_in_batches(
        self, texts: Sequence[str], role: Role
    ) -> Iterator[tuple[list[int], Float32Array]]:
        """Yield the positions and vectors of each request as its answer comes, in any order.

        A caller that keeps them at once loses nothing that was paid for when a later request fails.

        Raises:
            ProviderError: As ``HttpClient.post``; or an answer is not whole.
        """
        prompt = self._prompt(role)
        prepared = [sendable(prompt + text, self.max_chars) for text in texts]
        counts = [estimated_tokens(text) for text in prepared]
        dim = self._dim() if texts else 0
        batches = list(
            request_batches(
                counts,
                max_texts=self.batch_size or self._service.most_texts(self.model),
                max_tokens=self.batch_tokens or self._service.max_tokens,
            )
        )

        def ask(rows: list[int]) -> Float32Array:
            return self._ask([prepared[i] for i in rows], role, sum(counts[i] for i in rows), dim)

        yield from answers(ask, batches, self.concurrency)

    def close(self) -> None:
        """Close idle connections. The embedder can still be used."""
        self._client.close()

    def _embed(self, texts: Sequence[str], role: Role) -> Float32Array:
        vectors = np.empty((len(texts), self._dim()), dtype=np.float32)
        for rows, found in self.embed_in_batches(texts, role):
            vectors[rows] = found
        return vectors

    def _ask(
        self, texts: list[str], role: Role, tokens: int, dim: int | None = None
    ) -> Float32Array:
        service = self._service
        asked_dim = self.dim if service.takes_dim else None
        # Numbers are names as well: parameters of a server's functions come as what they look like.
        user = None if self.user is None else str(self.user)
        asked = EmbeddingRequest(self.model, texts, role, asked_dim, user)
        answer = self._client.post(self._path, service.body(asked), tokens=tokens)
        sent = dim if service.takes_dim or self.dim is None else None
        rows = find(answer, service.vectors, self.service)
        if service.single:
            rows = [rows]
        vectors = matrix(rows, len(texts), sent, self.service)
        if service.index:
            places = order_of(find(answer, service.index, self.service), len(texts), self.service)
            vectors = vectors[np.argsort(places)]
        self._counter.add(len(texts), find_count(answer, service.tokens))
        cut = None if service.takes_dim else self.dim
        return finished_vectors(vectors, cut, normalize=self.normalize)

    def _dim(self) -> int:
        if self.dim is not None:
            return self.dim
        entry = find_model(self.model)
        if entry is not None:
            return entry.model.dim
        with self._lock:
            if "dim" not in self._known:
                found = self._ask(["dimensions"], Role.DOCUMENT, 2)
                self._known["dim"] = found.shape[1]
            return self._known["dim"]

    def _prompt(self, role: Role) -> str:
        given = self.query_prompt if role is Role.QUERY else self.document_prompt
        if given is not None:
            return given
        return listed_prompt(self.model, role)

    @property
    def _service(self) -> EmbeddingService:
        return SERVICES[self.service]

    def _http_options(self) -> HttpOptions:
        service = self._service
        return replace(
            http_options(self, service),
            key_header=service.key_header if self.key_header is None else self.key_header,
            key_prefix=service.key_prefix if self.key_prefix is None else self.key_prefix,
        )


def _rebuild(options: dict[str, Any]) -> RemoteEmbedder:
    return RemoteEmbedder(**options)
