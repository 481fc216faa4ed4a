"""Imports, exports and syncs by the client give what they give embedded."""

from __future__ import annotations

import json

import pytest

import elanus
from elanus import Field, Schema
from elanus.errors import EntityExistsError, InvalidArgumentError
from elanus_embeddings import HashEmbedder
from support.client_papers import papers, papers_schema
from support.every_type import every_type_rows, every_type_schema


def test_imports_and_exports(database, tmp_path):
    made = papers(database, 40)
    path = tmp_path / "rows.jsonl"
    assert made.export_data(path, progress=False).rows == 40
    twin = database.create_collection("twin", papers_schema(dynamic=True))
    result = twin.import_data(path, progress=False)
    assert (result.rows, result.failed, result.skipped) == (40, 0, 0)
    assert twin.query(output=["*"]) == made.query(output=["*"])
    with pytest.raises(EntityExistsError, match="exists already") as caught:
        twin.import_data(path, progress=False)
    assert caught.value.pk == 0
    assert twin.import_data(path, on_conflict="skip", progress=False).skipped == 40
    assert twin.import_data(path, on_conflict="replace", progress=False).rows == 40
    lines = path.read_text().splitlines()
    extra = {"id": 1000, "text": "new", "dense": [0.5] * 8, "undeclared": {"x": 1}}
    path.write_text("\n".join([lines[0], json.dumps(extra), '{"id": "wrong"}']))
    result = twin.import_data(path, max_errors=5, progress=False)
    assert (result.rows, result.failed) == (1, 2)
    assert twin.get(1000, ["undeclared"]) == [{"id": 1000, "undeclared": {"x": 1}}]
    table = made.to_arrow(output=["id", "text", "dense"])
    other = database.create_collection("third", papers_schema())
    assert other.import_data(table, progress=False).rows == 40


def test_imports_of_every_type(both, tmp_path):
    rows, found = every_type_rows(60), []
    for number, database in enumerate(both):
        made = database.create_collection("types", every_type_schema())
        made.insert(rows)
        path = tmp_path / f"{number}.parquet"
        made.export_data(path, progress=False)
        twin = database.create_collection("copy", every_type_schema())
        twin.import_data(path, progress=False)
        found.append(repr(twin.query(output=["*"])))
        assert found[-1] == repr(made.query(output=["*"]))
    assert found[0] == found[1]


def documents(count, changed=()):
    return [
        {"id": f"d{i}", "text": f"text {i} {'anew' if i in changed else ''}", "metadata": {"n": i}}
        for i in range(count)
    ]


def test_syncs(database):
    embedder = HashEmbedder(dim=8)
    store = database.documents("notes", embedder=embedder)
    report = store.sync(documents(30), source="s")
    assert (len(report.added), report.embedded) == (30, 30)
    report = store.sync(documents(28, changed={4}), source="s")
    assert (report.changed, len(report.deleted), len(report.unchanged)) == (["d4"], 2, 27)
    assert store.sync(documents(28), source="s", dry_run=True).changed == ["d4"]
    made = store.collection
    assert [(s.name, s.documents) for s in made.sources()] == [("s", 28)]
    assert made.source_documents("s")["d3"].is_whole
    assert len(list(made.lineages("s"))) == 28
    assert store.count({"n": {"$lt": 3}}) == 3
    hits = store.search("text 7", limit=3)
    assert [hit.id for hit in hits][:1] == [store.query({"n": 7})[0].id]
    store.add(["own"], ids=["x"], metadata=[{"a": 1}])
    assert [d.text for d in store.get(["x"])] == ["own"]
    assert store.delete(["x"]) == 1
    again = database.documents("notes", embedder=embedder)
    assert len(again) == 28


def test_documents_by_tenant(database):
    store = database.documents("notes", language="english", partition_key="tenant")
    one, other = store.for_tenant("one"), store.for_tenant("other")
    one.add(["graphs of one"], ids=["a"])
    other.add(["graphs of the other"], ids=["a"])
    assert [hit.text for hit in one.search("graphs")] == ["graphs of one"]
    assert one.clear() == 1
    assert other.count() == 1


def test_another_model_takes_over(served):
    """The server embeds; the client starts it, looks on and switches."""
    schema = Schema(
        [
            Field("id", elanus.INT64, primary=True),
            Field("text", elanus.VARCHAR),
            Field("v", elanus.FLOAT_VECTOR, embedding=elanus.Embedding("text", "hash")),
        ]
    )
    with elanus.connect(served) as database:
        made = database.create_collection("migrating", schema)
        made.insert([{"id": i, "text": f"text {i} words{i} about{i}"} for i in range(300)])
        assert made.embed_queries("v", ["a", "b"]).shape == (2, made.schema.field("v").dim)
        assert made.search("text 7 words7 about7", "v", 1)[0].id == 7
        migration = made.migrate_embeddings("hash", params={"dim": 64})
        assert (migration.field, migration.successor) == ("v", "v_2")
        assert migration.wait() == (300, 300)
        assert not migration.is_running
        assert migration.state == "filled"
        compared = migration.compare(k=5, count=10)
        assert len(compared.queries) == 10
        migration.switch()
        assert made.embedding_migration("v").state == "switched"
        assert made.search("text 7 words7 about7", "v", 1)[0].id == 7
        migration.rollback()
        migration.switch()
        migration.finish()
        assert migration.state == "finished"
        again = made.migrate_embeddings(HashEmbedder(dim=32), background=False)
        assert again.state == "filled"
        again.abandon()
        assert again.state == "abandoned"
        with pytest.raises(InvalidArgumentError, match="would have to call it"):
            made.migrate_vectors("v", 8, lambda keys, texts: None, text="text")
        made.drop()
