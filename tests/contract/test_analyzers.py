"""Plug-ins for the analysis of texts keep the contract, and so do the analyzers of elanus."""

from collections.abc import Iterator

import pytest

from elanus.testing import AnalyzerContract
from support.plugin_package import install_analyzers

SPECS = {
    "tokenizer": {
        "tokenizer": {"type": "acme-words", "pattern": "[a-z]+"},
        "filter": ["lowercase"],
    },
    "filter": {"tokenizer": "standard", "filter": [{"type": "acme-turn", "drop": ["the"]}]},
    "expander": {"tokenizer": "whitespace", "filter": ["acme-halves", "lowercase"]},
    "analyzer": {"type": "acme-house", "stop": ["in"]},
    "built in": "english",
}


class TestAnalyzers(AnalyzerContract):
    @pytest.fixture(scope="class", params=list(SPECS))
    @classmethod
    def analyzer(
        cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[object]:
        folder = tmp_path_factory.mktemp("site")
        install_analyzers(folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(folder)
            yield SPECS[request.param]
