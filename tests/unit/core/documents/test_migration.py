"""Another embedding model takes over documents, also in processes that did not begin it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

import elanus
from elanus.documents import Documents
from elanus.errors import (
    InvalidArgumentError,
    ModelMismatchError,
    PluginNotInstalledError,
    StateError,
)
from elanus.plugins import ModelInfo, get_embedder
from elanus.types import Float32Array, MetricType

TEXTS = ["one", "two", "three", "four"]
OLD = {"query": 0, "one": 0, "two": 1, "three": 2, "four": 3}
NEW = {"query": 0, "one": 3, "two": 2, "three": 1, "four": 0}
"""Both have two dimensions: that vectors of both were mixed shows in the order only."""


class Line:
    """A model that puts texts on a line; where others are, ``bias``, tells models apart."""

    def __init__(self, name: str, places: Mapping[str, int], bias: float) -> None:
        self.info = ModelInfo(name=name, dim=2, metric=MetricType.L2)
        self.embedded: list[str] = []
        self._places, self._bias = places, bias

    def embed_documents(self, texts: Sequence[str]) -> Float32Array:
        self.embedded += [text for text in texts if text in TEXTS]
        rows = [[1.0, self._places.get(text, self._bias)] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(-1, 2)

    def embed_queries(self, texts: Sequence[str]) -> Float32Array:
        return np.array([[1.0, self._places.get(t, self._bias)] for t in texts], dtype=np.float32)


def models() -> tuple[Line, Line]:
    return Line("old", OLD, 50.0), Line("new", NEW, -9.0)


def order(documents: Documents) -> list[str]:
    return [hit.text for hit in documents.search("query", mode="dense")]


def test_another_model_takes_over(tmp_path: Path) -> None:
    old, new = models()
    with elanus.connect(tmp_path) as db:
        docs = db.documents("kb", embedder=old)
        docs.add(TEXTS[:3], ids=TEXTS[:3])
        migration = docs.migrate_embeddings(new, background=False)
        assert (migration.state, sorted(new.embedded)) == ("filled", sorted(TEXTS[:3]))
        docs.add(["four"], ids=["four"])
        assert migration.progress() == (4, 4)
        assert order(docs) == TEXTS
        migration.switch()
        assert order(docs) == TEXTS[::-1]
        assert docs.embedder is new
        assert repr(docs) == "Documents('kb', new)"
        docs.add(["one"], ids=["more"])
        migration.rollback()
        assert order(docs) == ["one", "one", "two", "three", "four"]
        migration.switch()
        migration.finish()
        old.embedded.clear()
        docs.sync([{"id": "s", "text": "two"}], source="s")
        assert old.embedded == []
        assert order(docs) == ["four", "three", "two", "two", "one", "one"]
    with elanus.connect(tmp_path) as db:
        assert order(db.documents("kb", embedder=new))[0] == "four"
        with pytest.raises(ModelMismatchError, match="made by 'new'"):
            db.documents("kb", embedder=old)


def test_a_collection_between_two_models_is_opened_by_name_alone(tmp_path: Path) -> None:
    with elanus.connect(tmp_path) as db:
        docs = db.documents("kb", embedder=get_embedder("hash", dim=8))
        docs.add(TEXTS)
        docs.migrate_embeddings(get_embedder("hash", dim=16), background=False)
    with elanus.connect(tmp_path) as db:
        docs = db.documents("kb")
        docs.add(["five"])
        migration = docs.migrate_embeddings(get_embedder("hash", dim=16), background=False)
        # Both models came with the collection, so nothing was left to fill.
        assert migration.progress() == (5, 5)
        migration.switch()
    with elanus.connect(tmp_path) as db:
        for embedder in (None, get_embedder("hash", dim=8), get_embedder("hash", dim=16)):
            docs = db.documents("kb", embedder=embedder)
            assert docs.embedder is not None
            assert docs.embedder.info.dim == 16
            docs.add([f"six {embedder and embedder.info.dim}"])
        assert docs.search("five", mode="dense", limit=1)[0].text == "five"
        assert docs.collection.embedding_migration("dense").progress() == (8, 8)  # type: ignore[attr-defined]


def test_a_reader_follows_the_switch_of_another_handle(tmp_path: Path) -> None:
    with elanus.connect(tmp_path) as db, elanus.connect(tmp_path, read_only=True) as reader:
        docs = db.documents("kb", embedder=get_embedder("hash", dim=8))
        docs.add(TEXTS)
        read = reader.documents("kb")
        assert read.search("three", limit=1)[0].text == "three"
        docs.migrate_embeddings(get_embedder("hash", dim=16), background=False).switch()
        assert read.search("three", mode="dense", limit=1)[0].text == "three"
        assert read.embedder is not None
        assert read.embedder.info.dim == 16


def test_a_query_that_is_embedded_during_the_switch_asks_the_new_model(tmp_path: Path) -> None:
    old, new = models()
    with elanus.connect(tmp_path) as db:
        docs = db.documents("kb", embedder=old)
        docs.add(TEXTS)
        migration = docs.migrate_embeddings(new, background=False)
        embed = old.embed_queries

        def embed_and_switch(texts: Sequence[str]) -> Float32Array:
            migration.switch()
            return embed(texts)

        old.embed_queries = embed_and_switch  # type: ignore[method-assign]
        assert order(docs) == TEXTS[::-1]


def test_objects_are_given_again(tmp_path: Path) -> None:
    old, new = models()
    with elanus.connect(tmp_path) as db:
        docs = db.documents("kb", embedder=old)
        docs.add(TEXTS)
        docs.migrate_embeddings(new, background=False)
        # Before the switch the old one answers.
        with pytest.raises(ModelMismatchError, match="made by 'old'"):
            db.documents("kb", embedder=new)
        assert order(db.documents("kb", embedder=old)) == TEXTS
        docs.migrate_embeddings(new, background=False).switch()
        after = db.documents("kb", embedder=new)
        assert order(after) == TEXTS[::-1]
        with pytest.raises(PluginNotInstalledError, match="'new' is an object of your own"):
            db.documents("kb", embedder=old)


def test_yet_another_model_is_refused(tmp_path: Path) -> None:
    old, new = models()
    with elanus.connect(tmp_path) as db:
        docs = db.documents("kb", embedder=old)
        docs.add(TEXTS)
        migration = docs.migrate_embeddings(new, background=False)
        with pytest.raises(StateError, match="being filled by 'new', got 'third'"):
            docs.migrate_embeddings(Line("third", OLD, 7.0))
        migration.abandon()
        docs.migrate_embeddings(Line("third", OLD, 7.0), background=False).switch()
        assert order(docs) == TEXTS


def test_what_cannot_migrate_says_so(tmp_path: Path) -> None:
    old, new = models()
    with elanus.connect(tmp_path) as db:
        with pytest.raises(InvalidArgumentError, match="'words' has no dense vectors"):
            db.documents("words").migrate_embeddings(new)
        tenants = db.documents("kb", embedder=old, partition_key="who")
        with pytest.raises(InvalidArgumentError, match="bound to tenant 'acme'"):
            tenants.for_tenant("acme").migrate_embeddings(new)
