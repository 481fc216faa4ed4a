"""How is a language model asked, for the rerankers that use one?"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

from elanus.errors import InvalidArgumentError
from elanus.plugins.answers import find, find_count
from elanus.plugins.http import HttpClient, HttpOptions
from elanus.plugins.options import given_options
from elanus.plugins.remote import Usage, UsageCounter, estimated_tokens

OPENAI_URL: Final = "https://api.openai.com/v1"
_OPENAI_KEY: Final = "OPENAI_API_KEY"


@dataclass(frozen=True, eq=False)
class ChatReranker:
    """What all rerankers share that ask a language model.

    Args:
        model: Name of the model at the service.
        base_url: Address up to and with ``/v1``, of OpenAI or any server that answers alike.
        key_env: Environment variable with the key; None takes ``OPENAI_API_KEY`` at OpenAI and no
            key elsewhere.
        max_chars: Characters after which a document is cut.
        concurrency: Most requests at a time.
        timeout_s: Seconds without a byte after which an attempt is given up.
        attempts: Attempts of one request in all.
        usd_per_million_tokens: Price, for ``usage.cost_usd``.

    Raises:
        InvalidArgumentError: An option is out of range.
    """

    model: str
    base_url: str = OPENAI_URL
    key_env: str | None = None
    max_chars: int = 4000
    concurrency: int = 8
    timeout_s: float = 120.0
    attempts: int = 6
    usd_per_million_tokens: float | None = None
    _client: HttpClient = field(init=False, repr=False)
    _counter: UsageCounter = field(init=False, repr=False)

    # Of the options, those that decide the scores; subclasses add theirs.
    stored: tuple[str, ...] = ("model", "base_url", "key_env", "max_chars")
    plugin = ""

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise InvalidArgumentError(
                f"{self.plugin}: expected the name of a model, got {self.model!r}"
            )
        if self.max_chars < 1:
            raise InvalidArgumentError(
                f"{self.plugin}: max_chars must be at least 1, got {self.max_chars}"
            )
        usual = _OPENAI_KEY if self.base_url == OPENAI_URL else ""
        options = HttpOptions(
            base_url=self.base_url,
            key_env=usual if self.key_env is None else self.key_env,
            timeout_s=self.timeout_s,
            attempts=self.attempts,
            concurrency=self.concurrency,
        )
        object.__setattr__(self, "_client", HttpClient(self.plugin, options))
        object.__setattr__(self, "_counter", UsageCounter(self.usd_per_million_tokens))

    def __reduce__(self) -> tuple[object, ...]:
        options = given_options(self)
        return _rebuild, (type(self), options)

    @property
    def config(self) -> dict[str, object]:
        """What a collection stores to build this reranker again; never a key."""
        options = {f.name: (getattr(self, f.name), f.default) for f in fields(self) if f.init}
        params = {
            name: value
            for name, (value, default) in options.items()
            if name in self.stored and value != default
        }
        return {"name": self.plugin, "params": params}

    @property
    def usage(self) -> Usage:
        """What this object has used so far; ``texts`` counts documents, repeated ones as often."""
        return self._counter.read(requests=self._client.requests, retries=self._client.retries)

    def ask(self, prompt: str, documents: int, **options: object) -> dict[str, Any]:
        """Return the first choice of the answer to one message.

        Args:
            prompt: The message.
            documents: Documents in it, for ``usage``.
            options: Further members of the request.

        Raises:
            ProviderError: As ``HttpClient.post``; or the answer has no choice.
        """
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            **options,
        }
        answer = self._client.post("/chat/completions", body, tokens=estimated_tokens(prompt))
        self._counter.add(documents, find_count(answer, ("usage", "total_tokens")))
        choices = find(answer, ("choices", "*"), self.plugin)
        first: dict[str, Any] = find({"choice": (choices or [None])[0]}, ("choice",), self.plugin)
        find(first, ("message", "content"), self.plugin)
        return first

    def cut(self, document: str) -> str:
        """Return a document on one line and within ``max_chars``."""
        return " ".join(document[: self.max_chars].split())


def _rebuild(kind: type[ChatReranker], options: dict[str, Any]) -> ChatReranker:
    return kind(**options)
