"""How are documents scored by a service, whichever it is?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np

from elanus.errors import InvalidArgumentError, ProviderError
from elanus.plugins import RerankerInfo, ScoreKind
from elanus.plugins.answers import find, find_count, matrix, order_of
from elanus.plugins.http import HttpClient
from elanus.plugins.options import changed_options, given_options, require_counts
from elanus.plugins.remote import (
    Usage,
    UsageCounter,
    answers,
    estimated_tokens,
    request_batches,
)
from elanus.plugins.services import (
    Sign,
    http_options,
    placed,
    request_path,
    require_service,
    sendable,
)
from elanus.types import Float32Array
from elanus_rerankers.services import SERVICES, RerankRequest, RerankService

# Of the options, those that decide the scores, and those without which nothing can be asked.
_STORED: Final = (
    "model",
    "base_url",
    "region",
    "project",
    "score_kind",
    "max_chars",
    "key_env",
)


@dataclass(frozen=True, eq=False)
class RemoteReranker:
    """Reranker that asks a service over HTTP.

    Empty texts are sent as a space, which services accept. Safe from many threads; can be pickled.

    Args:
        service: Name of an entry of ``SERVICES``.
        model: Name of the model at the service.
        base_url: Address of the service, when it is not the vendor's.
        score_kind: What the scores mean, ``"probability"``, ``"logit"`` or ``"relevance"``; None
            takes what the service documents.
        max_chars: Characters after which query and documents are cut, or None.
        key_env: Environment variable with the key; None takes the usual one of the service, unless
            ``base_url`` leads elsewhere than to the vendor: no key is sent there then.
        batch_size: Most documents of a request; None takes the limit of the service.
        concurrency: Most requests at a time.
        timeout_s: Seconds without a byte after which an attempt is given up.
        attempts: Attempts of one request in all.
        longest_wait_s: Longest wait for another attempt, in seconds.
        requests_per_minute: Limit to keep, or None.
        tokens_per_minute: Limit to keep, in estimated tokens, or None.
        usd_per_million_tokens: Price, for ``usage.cost_usd``.
        region: Where the service runs, for Bedrock; None takes the variable AWS_REGION or
            AWS_DEFAULT_REGION.
        project: Project of Google Cloud, for Vertex; None takes GOOGLE_CLOUD_PROJECT.

    Raises:
        InvalidArgumentError: An option is out of range, or the service needs a ``base_url``, a
            region or a project.
    """

    service: str
    model: str
    base_url: str | None = None
    score_kind: str | None = None
    max_chars: int | None = None
    key_env: str | None = None
    batch_size: int | None = None
    concurrency: int = 4
    timeout_s: float = 60.0
    attempts: int = 6
    longest_wait_s: float = 60.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    usd_per_million_tokens: float | None = None
    region: str | None = None
    project: str | None = None
    _client: HttpClient = field(init=False, repr=False)
    _path: str = field(init=False, repr=False)
    _region: str = field(init=False, repr=False)
    _counter: UsageCounter = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_service(self.service, self.model, SERVICES)
        if self.score_kind is not None and self.score_kind not in set(ScoreKind):
            raise InvalidArgumentError(
                f"{self.service}: score_kind must be one of {', '.join(ScoreKind)}, got "
                f"{self.score_kind!r}"
            )
        require_counts(self.service, self, ("max_chars", "batch_size"))
        object.__setattr__(
            self, "_client", HttpClient(self.service, http_options(self, self._service))
        )
        object.__setattr__(self, "_path", request_path(self, self._service))
        region = placed("{region}", self) if self._service.sign is Sign.AWS else ""
        object.__setattr__(self, "_region", region)
        object.__setattr__(self, "_counter", UsageCounter(self.usd_per_million_tokens))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (given_options(self),)

    @property
    def info(self) -> RerankerInfo:
        kind = ScoreKind(self.score_kind) if self.score_kind else self._service.score_kind
        return RerankerInfo(name=self.model, score_kind=kind)

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this reranker again; never a key."""
        return {"name": self.service, "params": changed_options(self, _STORED)}

    @property
    def usage(self) -> Usage:
        """What this object has used so far; ``texts`` counts documents."""
        return self._counter.read(requests=self._client.requests, retries=self._client.retries)

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        """Score each document.

        Raises:
            ProviderError: As ``HttpClient.post``; an answer is not whole; or a score is out of the
                range of its kind.
        """
        asked = sendable(query, self.max_chars)
        prepared = [sendable(text, self.max_chars) for text in documents]
        counts = [estimated_tokens(text) for text in prepared]
        batches = list(
            request_batches(
                [count + estimated_tokens(asked) for count in counts],
                max_texts=self.batch_size or self._service.max_documents,
                max_tokens=self._service.max_tokens,
            )
        )

        def ask(rows: list[int]) -> Float32Array:
            tokens = sum(counts[i] for i in rows) + len(rows) * estimated_tokens(asked)
            return self._ask(asked, [prepared[i] for i in rows], tokens)

        scores = np.empty(len(prepared), dtype=np.float32)
        for rows, found in answers(ask, batches, self.concurrency):
            scores[rows] = found
        return scores

    def close(self) -> None:
        """Close idle connections. The reranker can still be used."""
        self._client.close()

    def _ask(self, query: str, documents: list[str], tokens: int) -> Float32Array:
        service = self._service
        body = service.body(RerankRequest(self.model, query, documents, self._region))
        answer = self._client.post(self._path, body, tokens=tokens)
        places = order_of(find(answer, service.indices, self.service), len(documents), self.service)
        found = [[score] for score in find(answer, service.scores, self.service)]
        scores = np.empty(len(documents), dtype=np.float32)
        scores[places] = matrix(found, len(documents), 1, self.service)[:, 0]
        self._counter.add(len(documents), find_count(answer, service.tokens))
        kind = self.info.score_kind
        low = kind is not ScoreKind.LOGIT and scores.min(initial=0.0) < 0
        if low or (kind is ScoreKind.PROBABILITY and scores.max(initial=0.0) > 1):
            raise ProviderError(
                f"{self.service}: {self.model!r} gave the score {float(scores.min()):g} to "
                f"{float(scores.max()):g}, which is no {kind.value}: set score_kind='logit'"
            )
        return scores

    @property
    def _service(self) -> RerankService:
        return SERVICES[self.service]


def _rebuild(options: dict[str, Any]) -> RemoteReranker:
    return RemoteReranker(**options)


cohere = partial(RemoteReranker, "cohere")
voyage = partial(RemoteReranker, "voyage")
jina = partial(RemoteReranker, "jina")
tei = partial(RemoteReranker, "tei")
vllm = partial(RemoteReranker, "vllm")
bedrock = partial(RemoteReranker, "bedrock")
vertex = partial(RemoteReranker, "vertex")
nvidia = partial(RemoteReranker, "nvidia")
nim = partial(RemoteReranker, "nim")
mixedbread = partial(RemoteReranker, "mixedbread")
dashscope = partial(RemoteReranker, "dashscope")
siliconflow = partial(RemoteReranker, "siliconflow")
