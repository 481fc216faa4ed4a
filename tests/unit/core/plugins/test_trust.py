"""A stored configuration sends no key to a host that nobody here named."""

import pytest

from elanus.errors import PluginError
from elanus.plugins import embedder_from_config, plugin_config, reranker_from_config
from elanus.plugins.trust import TRUSTED_HOSTS, check_stored_key


@pytest.mark.parametrize(
    ("params", "trusted"),
    [
        ({}, ""),
        ({"base_url": "https://evil.example/v1"}, ""),
        ({"key_env": "OPENAI_API_KEY"}, ""),
        ({"base_url": "https://evil.example/v1", "key_env": ""}, ""),
        ({"base_url": "http://localhost:8080", "key_env": "K"}, ""),
        ({"base_url": "http://127.0.0.1:8080", "key_env": "K"}, ""),
        ({"base_url": "http://[::1]:8080", "key_env": "K"}, ""),
        ({"base_url": "https://Good.example/v1", "key_env": "K"}, "a.example, good.example"),
    ],
)
def test_what_is_sent(monkeypatch, params, trusted):
    monkeypatch.setenv(TRUSTED_HOSTS, trusted)
    assert check_stored_key("embedder", "openai", params) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1",
        "https://good.example.evil.example/v1",
        "https://localhost.evil.example/v1",
        "https://10.0.0.7/v1",
    ],
)
def test_what_is_refused(monkeypatch, url):
    monkeypatch.setenv(TRUSTED_HOSTS, "good.example")
    with pytest.raises(PluginError, match=r"the key in the environment variable K to '.*set "):
        check_stored_key("embedder", "openai", {"base_url": url, "key_env": "K"})


def test_a_collection_that_somebody_gave_you(monkeypatch):
    pytest.importorskip("elanus_embeddings")
    from elanus.plugins import get_embedder

    monkeypatch.delenv(TRUSTED_HOSTS, raising=False)
    given = get_embedder(
        "openai:text-embedding-3-small", base_url="https://evil.example/v1", key_env="PATH"
    )
    config = plugin_config(given)
    with pytest.raises(PluginError, match="variable PATH to 'evil"):
        embedder_from_config(config)
    monkeypatch.setenv(TRUSTED_HOSTS, "evil.example")
    assert plugin_config(embedder_from_config(config)) == config
    stored = {
        "name": "llm-pointwise",
        "params": {"model": "m", "base_url": "https://evil.example/v1", "key_env": "K"},
    }
    monkeypatch.delenv(TRUSTED_HOSTS)
    with pytest.raises(PluginError, match="variable K"):
        reranker_from_config(stored)
