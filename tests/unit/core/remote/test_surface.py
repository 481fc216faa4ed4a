"""Nothing that an embedded collection or database can do is forgotten by those of a server."""

from __future__ import annotations

import inspect

import pytest

import elanus
from elanus.remote import COLLECTION_CALLS, DATABASE_CALLS, HELD_CALLS, effect_of
from elanus.remote import collection as remote_collection
from elanus.remote import database as remote_database
from elanus.remote.collection import RemoteCollection
from elanus.remote.database import RemoteDatabase

PAIRS = [
    (elanus.Collection, RemoteCollection, remote_collection.COMPOSED),
    (elanus.Database, RemoteDatabase, remote_database.COMPOSED),
]
# What a handle knows by itself.
OWN = {
    RemoteCollection: {"seen_schema", "identifier", "owners"},
    RemoteDatabase: {"read_only", "database", "close"},
}


def public(kind):
    names = {n for n in dir(kind) if not n.startswith("_")}
    return names | ({"__len__", "__repr__", "__eq__", "__hash__"} & set(vars(kind)))


@pytest.mark.parametrize(("embedded", "remote", "composed"), PAIRS)
def test_every_public_name_is_answered(embedded, remote, composed):
    own = set(vars(remote))
    missing = public(embedded) - own - set(composed) - {"database"}
    assert not missing, f"neither overridden nor composed of what is: {sorted(missing)}"
    assert not own & set(composed), "said to be composed, and overridden"
    assert set(composed) <= public(embedded)


@pytest.mark.parametrize(("embedded", "remote", "composed"), PAIRS)
def test_signatures_and_documentation_are_the_same(embedded, remote, composed):
    for name in sorted(public(embedded) & set(vars(remote))):
        one, other = getattr(embedded, name), getattr(remote, name)
        assert isinstance(one, property) == isinstance(other, property), name
        if isinstance(one, property):
            assert inspect.getdoc(one), name
            continue
        if name.startswith("__"):
            continue
        assert inspect.signature(one) == inspect.signature(other), name
        assert inspect.getdoc(other), name


def test_every_call_is_in_the_tables():
    for kind, table in ((RemoteCollection, COLLECTION_CALLS), (RemoteDatabase, DATABASE_CALLS)):
        for name, value in vars(kind).items():
            method = value.fget if isinstance(value, property) else value
            if hasattr(method, "__wrapped__") and not name.startswith("_"):
                assert name in table, name
    assert not set(HELD_CALLS) & set(COLLECTION_CALLS)
    assert effect_of("collection.search") == "read"
    assert effect_of("held.add") == "write"
    assert effect_of("collection.nothing") is None
    assert effect_of("search") is None
