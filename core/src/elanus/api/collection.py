"""A collection as users hold it: typed, documented, thin over the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elanus.api.context import Filter, Partitions, restricting_tree
from elanus.api.import_export import ImportsAndExports
from elanus.api.migration import Migrations
from elanus.api.reads import Ids, as_ids
from elanus.api.syncs import Syncs
from elanus.api.text import analyzed, analyzer_of_field, query_analyzer
from elanus.api.why_not import Reasons
from elanus.engine.definition.names import split_name
from elanus.engine.definition.settings import DEFAULT_PARTITION
from elanus.engine.restriction import RestrictedCollection, Restriction
from elanus.engine.stats import CollectionStats, IndexDescription
from elanus.errors import InvalidArgumentError
from elanus.filter import FieldRef, In, Literal
from elanus.query.profile import SearchProfile
from elanus.schema.collection import Schema
from elanus.schema.evolution import with_altered_field, with_field, without_field
from elanus.schema.fields import Field
from elanus.schema.validation import Entities, primary_keys
from elanus.types import PrimaryKey


@dataclass(frozen=True, slots=True)
class CollectionDescription:
    """What a collection is, as ``Collection.describe`` returns it.

    Attributes:
        name: Its name.
        schema: Its fields.
        properties: Those that were set, and what adapters keep there.
        indexes: Index type by dense field, scalar field and JSON path.
        count: Visible entities.
        profile: How searches are done that do not say it, as ``tune`` chose; None: as usual.
    """

    name: str
    schema: Schema
    properties: dict[str, Any]
    indexes: dict[str, str]
    count: int
    profile: SearchProfile | None = None


class Collection(Reasons, ImportsAndExports, Syncs, Migrations):
    """Entities of one schema. Safe from many threads at once.

    A write is on disk when the call returns, and the next search sees it. A read works on one
    snapshot: it sees each write wholly or not at all.
    """

    @property
    def name(self) -> str:
        """Name in the database, not an alias."""
        return split_name(self._engine.name)[1]

    def restricted(
        self,
        filter: Filter,
        *,
        check: Filter | None = None,
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
    ) -> Collection:
        """Return a handle for which only the entities that pass a filter exist.

        Everything that reads through it (searches and their scores, queries, counts, iterators,
        exports) answers as a collection would that holds these entities only. Writes may replace
        and delete these entities only. Whatever is about more than entities (schema, indexes,
        properties, imports, statistics of files) raises ``NotAllowedError``. Nothing that is
        passed to the handle widens it; ``restricted`` of it narrows it further.

        Args:
            filter: Expression, dict or tree. A field that it names must stay in the schema: without
                it every call fails.
            check: What entities must pass when they are written; None: the same filter.
            params: Values for ``{name}`` templates in filter texts.
            root: JSON field whose keys the names in the filters are.

        Raises:
            FilterError: A filter cannot be read.
            InvalidArgumentError: A filter is empty, or chooses at random.
        """
        trees = [
            restricting_tree(self._context, one, params=params, root=root)
            for one in (filter, filter if check is None else check)
        ]
        return Collection(RestrictedCollection(self._engine, Restriction(*trees)))

    def run_analyzer(
        self,
        texts: str | Sequence[str],
        field: str,
        *,
        analyzer_name: str | None = None,
        with_detail: bool = False,
        with_hash: bool = False,
    ) -> Any:
        """Return the terms that the analyzer of a field makes of texts.

        Args:
            texts: One text or several.
            field: VARCHAR field with an analyzer.
            analyzer_name: Which one to run where the field has several; None: ``default``.
            with_detail: Return an ``elanus.Token`` for each term, with its place in the text.
            with_hash: Return one with its number in the sparse vectors of Milvus.

        Returns:
            The terms in order, for several texts a list for each.

        Raises:
            FieldNotFoundError: No such field.
            InvalidArgumentError: The field has no analyzer, or none with that name.
        """
        analyzer = analyzer_of_field(self.schema, field, "run_analyzer")
        chosen = query_analyzer(field, analyzer, analyzer_name)
        return analyzed(texts, chosen, with_detail=with_detail, with_hash=with_hash)

    def insert(self, entities: Entities, *, partition: str | None = None) -> list[PrimaryKey]:
        """Store new entities, all or none.

        Args:
            entities: List of dicts, or dict of equally long columns; columns may be NumPy
                arrays (vectors of shape ``(n, dim)``). With ``auto_id`` the primary key is left
                out.
            partition: Partition that they belong to; None: the default one.

        Returns:
            The primary keys, in the order of the entities.

        Raises:
            EntityError: An entity does not fit the schema; names field and row.
            EntityExistsError: A primary key is taken, in whichever partition, or given twice;
                ``upsert`` replaces.
            NotFoundError: No such partition.
            StorageError: Writing failed; nothing was stored.
        """
        return self._engine.insert(entities, partition=partition)

    def upsert(
        self,
        entities: Entities,
        *,
        partial: bool = False,
        array_ops: Mapping[str, str] | None = None,
        partition: str | None = None,
    ) -> list[PrimaryKey]:
        """Store entities, replacing those with the same primary key, all or none.

        Of entities with the same key in one call the last one counts. An entity that was in
        another partition moves.

        Args:
            entities: As in ``insert``.
            partial: Entities give only the fields that are to change, and their key; the others
                stay as they are, and so do undeclared fields. An entity that is not there needs
                all fields.
            array_ops: ``"append"`` or ``"remove"`` by ARRAY field: the elements given are added
                to those that are there, or taken out of them. Needs ``partial``.
            partition: As in ``insert``; None leaves entities of a partial upsert where they are.

        Returns:
            The primary keys, in the order of the entities.

        Raises:
            EntityError: An entity does not fit the schema; names field and row.
            InvalidArgumentError: An operation that does not exist, or of a field that is no array.
            NotFoundError: No such partition.
            StorageError: Writing failed; nothing was stored.
        """
        if partial:
            return self._engine.upsert_parts(entities, array_ops or {}, partition=partition)
        if array_ops:
            raise InvalidArgumentError("array_ops: only with partial=True")
        return self._engine.upsert(entities, partition=partition)

    def delete(
        self,
        ids: Ids | str | None = None,
        *,
        filter: Filter | None = None,
        params: Mapping[str, Any] | None = None,
        root: str | None = None,
        partitions: Partitions = None,
    ) -> int:
        """Delete entities by primary key or by filter.

        Args:
            ids: Keys: a list, or a single integer. A single string is a filter expression, as in
                ``delete("year < 1990")``; give a string key as ``delete(["a"])``.
            filter: Expression, dict or tree instead of ``ids``.
            params: Values for ``{name}`` templates in a filter text.
            root: JSON field whose keys the names in the filter are.
            partitions: Delete only in these; None: wherever they are.

        Returns:
            How many entities were deleted; keys that do not exist count nothing.

        Raises:
            InvalidArgumentError: Neither or both of ids and filter, or an empty filter.
            FilterError: The filter cannot be read.
        """
        if isinstance(ids, str):
            if filter is not None:
                raise InvalidArgumentError("delete: pass ids or a filter, not both")
            ids, filter = None, ids
        if (ids is None) == (filter is None):
            raise InvalidArgumentError("delete: pass either ids or a filter")
        if ids is not None:
            keys = primary_keys(self.schema.primary, as_ids(ids))
            if partitions is None:
                return self._engine.delete(keys)
            filter = In(FieldRef(self.schema.primary.name), Literal(tuple(keys)))
        bound = self._context.bind(filter, params=params, root=root)
        if not bound:
            raise InvalidArgumentError(
                "delete: an empty filter would delete everything; say so with a filter such as "
                f"'{self.schema.primary.name} is not null'"
            )
        within = self._context.bind(partitions=partitions)
        return self._engine.delete_matching((*bound, *within))

    def create_partition(self, name: str) -> None:
        """Add a partition, durably; up to 1,024. Entities that name none are in ``_default``.

        Raises:
            AlreadyExistsError: There is one of this name.
            SchemaError: The name is not valid.
            StateError: There are too many, or an import is running.
        """
        self._engine.create_partition(name)

    def drop_partition(self, name: str) -> None:
        """Delete a partition with all its entities.

        Raises:
            InvalidArgumentError: It is the default partition.
            NotFoundError: No such partition.
        """
        self._engine.drop_partition(name)

    def list_partitions(self) -> list[str]:
        """Return the names of the partitions, ``_default`` first."""
        return [DEFAULT_PARTITION, *sorted(self._engine.settings.partitions)]

    def has_partition(self, name: str) -> bool:
        """Whether there is such a partition."""
        return name in self.list_partitions()

    def truncate(self) -> None:
        """Delete all entities at once, durably; schema, partitions and settings stay.

        Raises:
            StateError: An import is running.
        """
        self._engine.truncate()

    def add_field(self, field: Field) -> None:
        """Declare one more field, durably; nothing is rewritten.

        Entities that are there have its default, or null, until they are replaced. A BM25 field
        finds the texts that are there already, and one of MinHash signatures gets theirs before
        this returns, while searches and writes go on. Of a clustering key segments are in order
        that are written from now on; ``compact`` writes them anew.

        Args:
            field: Nullable or with a default; a vector field nullable; or with ``source=BM25(...)``
                or ``MinHash(...)``. A clustering key where there is none.

        Raises:
            PluginError: An analyzer is not installed, or fails on a text that is there.
            SchemaError: The name is taken, entities that are there cannot do without a value, or
                the default is no value of the field.
            StateError: An import is running.
        """
        self._engine.change_schema(lambda schema: with_field(schema, field))

    def drop_field(self, name: str) -> None:
        """Remove a field and its values, durably.

        The disk gets its space back when segments are merged; ``compact`` does it at once. A
        state of the past still has the field.

        Raises:
            FieldNotFoundError: No such field.
            SchemaError: It is the primary key, or another field is computed from it.
            StateError: An import is running.
        """
        self._engine.change_schema(lambda schema: without_field(schema, name))

    def alter_field(self, name: str, **changes: Any) -> None:
        """Change an attribute of a field, durably, or several.

        ``description``; ``max_length`` and ``max_capacity`` of what is written from now on, larger
        ones that are there stay, and that of the primary key only grows; ``metric``: indexes are
        built anew in the background, until then the field is scanned; ``source``: another
        ``BM25`` of the same text, with other ``k1`` and ``b``; ``embedding``: a model that makes
        the vectors from now on where none is given, for a field that had none; with a model, the
        same one by other parameters, or None for no model any more. Vectors that are there stay.

        Raises:
            FieldNotFoundError: No such field.
            SchemaError: The attribute cannot be changed, or not to that.
        """
        self._engine.change_schema(lambda schema: with_altered_field(schema, name, changes))

    def rebuild_terms(self, field: str) -> None:
        """Analyze all texts of a BM25 or MinHash field anew, durably.

        For a field whose analyzer plug-in makes other terms than it did (``AnalyzerMismatchError``)
        or may do so; afterwards it is the installed one that counts. Searches and writes go on
        meanwhile; past states and snapshots keep the terms that they have.

        Args:
            field: Field with ``source=BM25(...)`` or ``MinHash(...)``.

        Raises:
            FieldNotFoundError: No such field.
            PluginError: The plug-in is not installed, or fails on a text that is there.
            SchemaError: The field is not made of a text.
            StateError: An import is running.
        """
        self._engine.rebuild_terms(field)

    def create_index(
        self, field: str, index_type: str = "AUTO", params: Mapping[str, Any] | None = None
    ) -> None:
        """Choose how a field or JSON path is indexed; segments get the index in the background.

        An index of scalars makes filters quicker and never changes which rows pass them; what has
        no index yet is filtered by columns.

        Args:
            field: A field of dense vectors, or of lists of them (``chunks[vector]`` in a struct), a
                scalar field, an ARRAY, or a path of a JSON field such as ``meta["year"]``.
            index_type: Of vectors: ``AUTO`` (a graph for large segments), ``GRAPH``, ``HNSW``,
                ``FLAT`` (exact scan) or ``FLAT_SQ8`` (the same results over one byte per dimension:
                three to four times as fast, and a quarter more disk and memory). Of scalars:
                ``AUTO`` (by type and number of distinct values), ``INVERTED``, ``BITMAP`` (few
                distinct values), ``STL_SORT`` (ranges), ``TRIE`` (prefixes of texts) or ``NGRAM``
                (parts of texts).
            params: Build parameters, such as ``{"M": 16, "ef_construction": 128}`` or
                ``{"min_gram": 2, "max_gram": 3}``. A JSON path needs ``json_cast_type``: ``BOOL``,
                ``DOUBLE``, ``VARCHAR``, ``ARRAY_BOOL``, ``ARRAY_DOUBLE`` or ``ARRAY_VARCHAR``; the
                path may also be given as ``json_path``.

        Raises:
            InvalidArgumentError: Unknown type or parameter, or it does not take such values.
        """
        self._engine.create_index(field, index_type, params or {})

    def drop_index(self, field: str) -> None:
        """Give up the index of a scalar field or JSON path; a dense field goes back to ``AUTO``.

        Raises:
            NotFoundError: No index was chosen for it.
        """
        self._engine.drop_index(field)

    def list_indexes(self) -> list[IndexDescription]:
        """Return the indexes of dense fields, scalar fields and JSON paths, and how far they are.

        Sparse and BM25 fields are always indexed and are not listed.
        """
        return self._engine.list_indexes()

    @property
    def retention_s(self) -> float:
        """How long past states are kept, in seconds."""
        return self._engine.retention_s

    def set_retention(self, seconds: float) -> None:
        """Keep past states for a time, durably, so that ``as_of`` can ask for them.

        Args:
            seconds: 0, the default, keeps no state but the current one and those that
                ``Database.snapshot`` named. Deleted and replaced entities take space until then.

        Raises:
            InvalidArgumentError: Not a number of seconds from 0 to ten years.
        """
        self._engine.set_retention(seconds)

    @property
    def ttl(self) -> tuple[float | None, str | None]:
        """Seconds after which entities expire, and the field that says when one does."""
        settings = self._engine.settings
        return settings.ttl_s, settings.ttl_field

    def set_ttl(self, seconds: float | None = None, *, field: str | None = None) -> None:
        """Let entities expire, durably; without arguments none does any more.

        What has expired is no longer read within a second, and deleted some seconds later.

        Args:
            seconds: Age at which an entity expires, counted from when it was written.
            field: Field that says when an entity does: a number of seconds since 1970, or a
                TIMESTAMPTZ. Null is never.

        Raises:
            FieldNotFoundError: No such field.
            InvalidArgumentError: Not a number of seconds above 0, or a field of another type.
        """
        self._engine.set_ttl(seconds, field)

    @property
    def consistency(self) -> str:
        """How recent reads are that do not say it: ``"strong"`` at first."""
        return str(self._engine.settings.consistency)

    def set_consistency(self, level: str) -> None:
        """Choose how recent reads of other processes are that do not say it, durably.

        This process sees every write that was acknowledged, whatever the level.

        Args:
            level: ``strong``: everything acknowledged when a read begins. ``bounded``: at most
                five seconds old. ``session``: never older than what was read before.
                ``eventually``: at once, news are taken in behind the read.

        Raises:
            InvalidArgumentError: No such level.
        """
        self._engine.set_consistency(level)

    @property
    def last_seq(self) -> int:
        """Sequence number of the last visible write, int; ``as_of`` takes it."""
        return self._engine.snapshot().seq

    def load(self) -> None:
        """Read ahead what searches need: a hint, every search works without it."""
        self._engine.load()

    def release(self) -> None:
        """Give memory back that the next searches will fill again: a hint, nothing is closed."""
        self._engine.release()

    def flush(self) -> None:
        """Move what is in memory into a sealed segment. Durability does not need it."""
        self._engine.flush()

    def compact(self) -> None:
        """Merge all segments into one, drop deleted rows, and build its indexes now."""
        self._engine.compact()

    def wait_indexed(self) -> None:
        """Return when no flush, merge or index build is waiting or running.

        Raises:
            ElanusError: Background work failed since the last call.
        """
        self._engine.wait_idle()

    def stats(self) -> CollectionStats:
        """Return rows, segments, bytes and the state of the indexes."""
        return self._engine.stats()

    def describe(self) -> CollectionDescription:
        """Return name, schema, properties, indexes and the number of entities."""
        engine = self._engine
        return CollectionDescription(
            self.name,
            engine.schema,
            engine.properties,
            engine.index_types,
            self.count(),
            self._context.profile,
        )

    def drop(self) -> None:
        """Delete the collection with all its entities."""
        self._engine.drop()

    @property
    def is_restricted(self) -> bool:
        """Whether this handle shows and writes a part of the entities only (``restricted``)."""
        return bool(self._engine.restricted_to)

    def __len__(self) -> int:
        return self.count()

    def __repr__(self) -> str:
        return f"Collection({self.name!r}, {self.count()} entities)"
