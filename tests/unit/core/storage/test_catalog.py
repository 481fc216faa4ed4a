import uuid

import pytest

from elanus.errors import (
    CorruptionError,
    FormatVersionError,
    NotFoundError,
    StorageFailedError,
)
from elanus.storage.catalog import (
    FORMAT_FILE,
    Catalog,
    CatalogWatch,
    collection_path,
    commit_catalog,
    create_database,
    is_database,
    load_catalog,
    publish_catalog,
    read_format,
)
from elanus.storage.json_file import encode_json_file
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.publication import Publication, PublicationWriter


def test_database_is_created_once() -> None:
    directory = MemoryDirectory()
    assert not is_database(directory)
    made = create_database(directory)
    assert is_database(directory)
    assert create_database(directory) == made == read_format(directory)
    assert directory.list_names("") == ["FORMAT", "c", "catalog"]


def test_new_database_has_an_empty_catalog() -> None:
    directory = MemoryDirectory()
    db_uuid = create_database(directory)
    assert load_catalog(directory, db_uuid) == Catalog(0, db_uuid)


def test_newest_catalog_is_current() -> None:
    directory = MemoryDirectory()
    db_uuid = create_database(directory)
    for version in range(1, 6):
        names = {f"collection {n}": uuid.UUID(int=n) for n in range(version)}
        commit_catalog(directory, Catalog(version, db_uuid, names))
        assert load_catalog(directory, db_uuid) == Catalog(version, db_uuid, names)
    assert directory.list_names("catalog") == [*(f"{n:020d}.man" for n in (3, 4, 5)), "PUB"]
    with pytest.raises(StorageFailedError, match="another writer"):
        commit_catalog(directory, Catalog(5, db_uuid))


class _Listed(MemoryDirectory):
    """Counts how often the names of files are asked for."""

    count = 0

    def list_names(self, path: str) -> list[str]:
        self.count += 1
        return super().list_names(path)


def test_who_watches_a_catalog_sees_each_commit_and_lists_no_folder_between_them() -> None:
    directory = _Listed()
    db_uuid = create_database(directory)
    known = Catalog(0, db_uuid)
    publish_catalog(directory, known)
    watch = CatalogWatch(directory)
    for version in range(1, 6):
        directory.count = 0
        assert all(watch.is_current(known) for _ in range(3))
        assert directory.count == 0
        commit_catalog(directory, Catalog(version, db_uuid))
        assert not watch.is_current(known)
        known = load_catalog(directory, db_uuid)
        assert known.version == version
    watch.close()


@pytest.mark.parametrize("told", ["nothing", "another start of the machine", "torn bytes"])
def test_without_what_the_writer_publishes_the_folder_is_listed(told: str) -> None:
    directory = MemoryDirectory()
    db_uuid = create_database(directory)
    old, new = Catalog(1, db_uuid), Catalog(2, db_uuid)
    commit_catalog(directory, old)
    commit_catalog(directory, new)
    publisher = PublicationWriter(directory, "catalog")
    if told == "nothing":
        directory.delete("catalog/PUB")
    elif told == "torn bytes":
        shared = directory.open_shared("catalog/PUB", 128, writable=True)
        shared.write(bytes(range(128)))
    else:
        publisher.publish(Publication(1, 0, 0, 0, 0, 0, boot_id=bytes(range(16))))
    watch = CatalogWatch(directory)
    assert not watch.is_current(old)
    assert watch.is_current(new)


def test_catalog_of_another_database_is_refused() -> None:
    directory = MemoryDirectory()
    create_database(directory)
    commit_catalog(directory, Catalog(1, uuid.UUID(int=1)))
    with pytest.raises(CorruptionError, match="belongs to database"):
        load_catalog(directory, uuid.UUID(int=2))


def test_newer_database_is_refused_by_name() -> None:
    directory = MemoryDirectory()
    directory.write_new(FORMAT_FILE, [encode_json_file("format", 2, {"db_uuid": "?"})])
    with pytest.raises(FormatVersionError, match=r"FORMAT: .* 2 was written by a newer elanus"):
        read_format(directory)
    with pytest.raises(FormatVersionError):
        create_database(directory)


def test_damaged_format_is_refused() -> None:
    directory = MemoryDirectory()
    directory.write_new(FORMAT_FILE, [b"elanus?"])
    with pytest.raises(CorruptionError) as caught:
        create_database(directory)
    assert caught.value.path == FORMAT_FILE
    assert bytes(directory.read(FORMAT_FILE)) == b"elanus?"


def test_folder_without_a_database() -> None:
    with pytest.raises(NotFoundError):
        read_format(MemoryDirectory())


def test_collection_path() -> None:
    assert collection_path(uuid.UUID(int=1)) == "c/00000000-0000-0000-0000-000000000001"
