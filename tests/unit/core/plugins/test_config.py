"""What a collection stores of a plug-in."""

from collections.abc import Sequence

import numpy as np
import pytest

from elanus.errors import InvalidArgumentError
from elanus.plugins import RerankerInfo, ScoreKind, plugin_config
from elanus.types import Float32Array


class PlainReranker:
    @property
    def info(self) -> RerankerInfo:
        return RerankerInfo("plain", ScoreKind.LOGIT)

    def score(self, query: str, documents: Sequence[str]) -> Float32Array:
        return np.zeros(len(documents), dtype=np.float32)


class ConfiguredReranker(PlainReranker):
    def __init__(self, config: object) -> None:
        self.config = config


def test_the_declared_configuration_is_returned() -> None:
    config = {"name": "mine", "params": {"model": "m", "layers": [1, 2], "deep": {"a": None}}}
    assert plugin_config(ConfiguredReranker(config)) == config


def test_an_object_without_configuration_has_no_params() -> None:
    assert plugin_config(PlainReranker()) == {"name": "plain", "params": None}


@pytest.mark.parametrize(
    "config",
    [
        "mine",
        {"name": "mine"},
        {"name": 5, "params": {}},
        {"name": "mine", "params": None},
        {"name": "mine", "params": {}, "more": 1},
    ],
)
def test_another_form_is_refused(config: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"ConfiguredReranker\.config: expected"):
        plugin_config(ConfiguredReranker(config))


@pytest.mark.parametrize("key", ["api_key", "Token", "PASSWORD", "secret"])
def test_secrets_are_refused(key: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"'{key}' is a secret"):
        plugin_config(ConfiguredReranker({"name": "mine", "params": {key: "hidden"}}))


def test_the_name_of_a_variable_that_holds_a_secret_is_fine() -> None:
    config = {"name": "mine", "params": {"api_key_env": "MY_KEY", "max_tokens": 5}}
    assert plugin_config(ConfiguredReranker(config)) == config


def test_values_that_json_has_not_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="is not JSON"):
        plugin_config(ConfiguredReranker({"name": "mine", "params": {"a": object()}}))


@pytest.mark.parametrize("params", [{"a": (1, 2)}, {1: "a"}])
def test_values_that_json_changes_are_refused(params: dict[object, object]) -> None:
    with pytest.raises(InvalidArgumentError, match="changes when it is written as JSON"):
        plugin_config(ConfiguredReranker({"name": "mine", "params": params}))
