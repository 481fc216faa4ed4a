"""Aliases, renaming and databases: what a collection is called, here, elsewhere and afterwards."""

import pytest

import elanus
from elanus import DataType, Field, Schema
from elanus.errors import (
    AlreadyExistsError,
    CollectionExistsError,
    CollectionNotFoundError,
    NotFoundError,
    SchemaError,
    StateError,
)

SCHEMA = Schema(
    [Field("id", DataType.INT64, primary=True), Field("v", DataType.FLOAT_VECTOR, dim=2)]
)


@pytest.fixture
def database(tmp_path):
    with elanus.connect(tmp_path / "kb") as opened:
        yield opened


def made(database, name, *ids):
    collection = database.create_collection(name, SCHEMA)
    collection.insert([{"id": pk, "v": [pk, 1.0]} for pk in ids])
    return collection


# --- aliases ----------------------------------------------------------------------------------


def test_an_alias_names_a_collection_until_it_names_another(database, tmp_path):
    made(database, "first", 1)
    made(database, "second", 2)
    database.create_alias("live", "first")
    reader = elanus.connect(tmp_path / "kb", read_only=True)
    assert database.collection("live").get(1) == reader.collection("live").get(1) == [{"id": 1}]
    assert database.collection("live").name == "first"
    database.alter_alias("live", "second")
    assert database.collection("live").get(2) == reader.collection("live").get(2) == [{"id": 2}]
    database.create_alias("other", "live")
    assert database.list_aliases() == {"live": "second", "other": "second"}
    assert database.list_aliases("first") == {}
    assert database.list_aliases("other") == {"live": "second", "other": "second"}
    assert database.list_collections() == ["first", "second"]
    database.drop_alias("live")
    assert not database.has_collection("live")
    assert database.has_collection("other")
    reader.close()


def test_aliases_outlive_the_process(tmp_path):
    with elanus.connect(tmp_path / "kb") as database:
        made(database, "papers", 1)
        database.create_alias("live", "papers")
    with elanus.connect(tmp_path / "kb") as database:
        assert database.collection("live").count() == 1


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda d: d.create_alias("live", "papers"), AlreadyExistsError, "alter_alias"),
        (lambda d: d.create_alias("papers", "papers"), CollectionExistsError, "exists already"),
        (lambda d: d.create_alias("new", "nothing"), CollectionNotFoundError, "no collection"),
        (lambda d: d.create_alias("no good", "papers"), SchemaError, "alias name 'no good'"),
        (lambda d: d.alter_alias("liv", "papers"), NotFoundError, "did you mean 'live'"),
        (lambda d: d.drop_alias("liv"), NotFoundError, "did you mean 'live'"),
        (lambda d: d.drop_collection("papers"), StateError, "has the alias 'live'"),
        (lambda d: d.drop_collection("live"), StateError, "an alias of 'papers'"),
        (lambda d: d.create_collection("live", SCHEMA), CollectionExistsError, "an alias of"),
        (lambda d: d.create_collection("a/b", SCHEMA), SchemaError, "collection name 'a/b'"),
        (lambda d: d.collection("a/b"), CollectionNotFoundError, "no collection 'a/b'"),
        (lambda d: d.rename_collection("live", "x"), elanus.ElanusError, "an alias of 'papers'"),
        (lambda d: d.rename_collection("papers", "x", database="s"), StateError, "stays in its"),
    ],
)
def test_refused_names(database, act, error, message):
    made(database, "papers", 1)
    database.create_alias("live", "papers")
    database.create_database("s")
    with pytest.raises(error, match=message):
        act(database)
    assert database.list_aliases() == {"live": "papers"}
    assert database.list_collections() == ["papers"]


# --- renaming ---------------------------------------------------------------------------------


def test_handles_go_on_after_a_renaming(database, tmp_path):
    papers = made(database, "papers", 1)
    database.create_alias("live", "papers")
    reader = elanus.connect(tmp_path / "kb", read_only=True)
    seen = reader.collection("papers")
    assert seen.count() == 1
    database.rename_collection("papers", "articles")
    papers.insert([{"id": 2, "v": [0.0, 1.0]}])
    assert papers.name == "articles"
    assert reader.list_collections() == database.list_collections() == ["articles"]
    assert reader.collection("articles").count() == seen.count() == 2
    assert database.collection("live").count() == 2
    with pytest.raises(CollectionNotFoundError):
        reader.collection("papers")
    made(database, "papers", 7)
    assert database.collection("papers").get([1, 7]) == [{"id": 7}]
    database.drop_alias("live")
    papers.drop()
    assert database.list_collections() == ["papers"]
    reader.close()


# --- databases --------------------------------------------------------------------------------


def test_databases_of_a_folder_have_their_own_names(database, tmp_path):
    made(database, "papers", 1)
    database.create_database("sales", properties={"owner": "me"})
    sales = database.use_database("sales")
    made(sales, "papers", 2)
    sales.create_alias("live", "papers")
    assert sales.collection("live").get([1, 2]) == [{"id": 2}]
    assert database.collection("papers").get([1, 2]) == [{"id": 1}]
    assert database.list_databases() == ["default", "sales"]
    assert (database.list_aliases(), sales.list_aliases()) == ({}, {"live": "papers"})
    assert sales.database == "sales"
    assert sales.collection("papers").name == "papers"
    assert sales.database_properties() == {"owner": "me"}
    database.alter_database_properties("sales", {"owner": None, "limit": 3})
    assert database.database_properties("sales") == {"limit": 3}
    sales.close()
    with elanus.connect(tmp_path / "kb", read_only=True, database="sales") as reader:
        assert reader.list_collections() == ["papers"]
    assert database.collection("papers").count() == 1


def test_a_collection_moves_to_another_database(database):
    papers = made(database, "papers", 1)
    database.create_database("sales")
    database.rename_collection("papers", "leads", database="sales")
    assert database.list_collections() == []
    with database.use_database("sales") as sales:
        assert sales.collection("leads").count() == papers.count() == 1


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda d: d.create_database("sales"), AlreadyExistsError, "use_database"),
        (lambda d: d.create_database("default"), AlreadyExistsError, "exists already"),
        (lambda d: d.create_database("no good"), SchemaError, "database name 'no good'"),
        (lambda d: d.use_database("sale"), NotFoundError, "did you mean 'sales'"),
        (lambda d: d.drop_database("default"), StateError, "cannot be dropped"),
        (lambda d: d.drop_database("sales"), StateError, "has the collection 'papers'"),
        (lambda d: d.rename_collection("x", "y", database="nope"), CollectionNotFoundError, "'x'"),
    ],
)
def test_refused_databases(database, act, error, message):
    database.create_database("sales")
    with database.use_database("sales") as sales:
        made(sales, "papers", 1)
    with pytest.raises(error, match=message):
        act(database)
    assert database.list_databases() == ["default", "sales"]


def test_an_empty_database_goes(database):
    database.create_database("sales")
    database.drop_database("sales")
    assert database.list_databases() == ["default"]


def test_a_missing_database_is_no_open_folder(tmp_path):
    with pytest.raises(NotFoundError, match="no database 'sales'"):
        elanus.connect(tmp_path / "kb", database="sales")
    elanus.connect(tmp_path / "kb").close()


def test_a_backup_has_aliases_and_databases(database, tmp_path):
    made(database, "papers", 1)
    database.create_alias("live", "papers")
    database.create_database("sales", properties={"a": 1})
    with database.use_database("sales") as sales:
        made(sales, "papers", 2)
    database.backup(tmp_path / "copies")
    elanus.restore(tmp_path / "copies", tmp_path / "again")
    with elanus.connect(tmp_path / "again") as again:
        assert again.collection("live").get(1) == [{"id": 1}]
        assert again.database_properties("sales") == {"a": 1}
        with again.use_database("sales") as sales:
            assert sales.collection("papers").get(2) == [{"id": 2}]
