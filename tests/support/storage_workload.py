"""One fixed sequence of everything that writes, and what may be found after it was disturbed.

The state of a database is a dict: collection name to ``Content``; what a named snapshot keeps of
a collection is one more entry, ``collection@snapshot``. Every operation says what it does
to a content, so that a run knows after each step which states are allowed: what was acknowledged,
and, while a call that failed is the last one, that call whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from elanus.api.collection import Collection
from elanus.engine.database import DatabaseEngine
from elanus.errors import CorruptionError, StorageError
from elanus.storage.directory import FileDirectory
from support.builders import paper_schema, papers
from support.oracle import bm25_scores, nearest

QUERY = [0.5, -0.2, 1.0, 0.1]


@dataclass(frozen=True)
class Content:
    """What a collection holds: title and seed by key, and the user's properties."""

    rows: tuple[tuple[int, str], ...] = ()
    properties: tuple[tuple[str, object], ...] = ()

    def put(self, rows: Sequence[dict[str, Any]]) -> Content:
        merged = {**dict(self.rows), **{row["id"]: row["title"] for row in rows}}
        return replace(self, rows=tuple(sorted(merged.items())))

    def drop(self, keys: Sequence[int]) -> Content:
        return replace(self, rows=tuple(r for r in self.rows if r[0] not in keys))


Option = Content | None
"""A content, or None: there is no such collection."""
Change = Callable[[Content], Option]


@dataclass(frozen=True)
class Operation:
    """One call, on one collection. ``copied`` names the one that a new entry starts from."""

    name: str
    act: Callable[[DatabaseEngine], object]
    change: Change = lambda content: content
    collection: str = "papers"
    creates: bool = False
    copied: str = ""


def operations() -> list[Operation]:
    """Return the sequence: every kind of write, flush, merge, index, and changes of the catalog."""
    first, again, more = papers(6), papers(3, first=2, seed=5), papers(4, first=20)
    last = papers(3, first=30, seed=2)
    old = 2005
    return [
        _create("papers"),
        _insert(first),
        _delete([0]),
        Operation(
            "set_properties",
            lambda db: db.open("papers").set_properties({"owner": "ann"}),
            lambda content: replace(content, properties=(("owner", "ann"),)),
        ),
        _flush(),
        _upsert(again),
        Operation(
            f"delete year < {old}",
            lambda db: Collection(db.open("papers")).delete(f"year < {old}"),
            lambda content: content.drop([pk for pk in dict(content.rows) if _year(pk) < old]),
        ),
        Operation("create_index", lambda db: db.open("papers").create_index("dense", "HNSW", {})),
        _flush(),
        _snapshot("early"),
        _create("notes"),
        _insert(papers(2, seed=9), "notes"),
        _insert(more),
        Operation("compact", lambda db: db.open("papers").compact()),
        _delete([20, 99]),
        Operation("drop", lambda db: db.drop("notes"), lambda content: None, "notes"),
        _insert(last),
        _snapshot("late"),
        _drop_snapshot("early"),
        _flush(),
        _delete([31]),
        _flush(),
        Operation("compact", lambda db: db.open("papers").compact()),
        _upsert(papers(2, first=21, seed=4)),
    ]


SETTLING = ("flush", "compact", "set_properties", "create_index")
"""Operations that commit a manifest."""
_SEEDS = {2: 5, 3: 5, 4: 5}
"""Rows that were replaced by the time ``delete year <`` runs."""


def _year(pk: int) -> int:
    return int(papers(1, first=pk, seed=_SEEDS.get(pk, 0))[0]["year"])


def _create(name: str) -> Operation:
    return Operation(
        f"create {name}",
        lambda db: db.create(name, paper_schema(), {}),
        lambda content: content,
        name,
        creates=True,
    )


def _snapshot(name: str) -> Operation:
    return Operation(
        f"snapshot {name}",
        lambda db: db.create_snapshot(name),
        lambda content: replace(content, properties=()),
        f"papers@{name}",
        creates=True,
        copied="papers",
    )


def _drop_snapshot(name: str) -> Operation:
    return Operation(
        f"drop snapshot {name}",
        lambda db: db.drop_snapshot(name),
        lambda content: None,
        f"papers@{name}",
    )


def _insert(rows: Sequence[dict[str, Any]], name: str = "papers") -> Operation:
    return Operation("insert", lambda db: db.open(name).insert(rows), lambda c: c.put(rows), name)


def _upsert(rows: Sequence[dict[str, Any]]) -> Operation:
    return Operation("upsert", lambda db: db.open("papers").upsert(rows), lambda c: c.put(rows))


def _delete(keys: Sequence[int]) -> Operation:
    return Operation("delete", lambda db: db.open("papers").delete(keys), lambda c: c.drop(keys))


def _flush() -> Operation:
    return Operation("flush", lambda db: db.open("papers").flush())


# --- looking ------------------------------------------------------------------------------------


def observe(engine: DatabaseEngine) -> dict[str, Content]:
    """Return what can be read, after checking that every way of reading agrees."""
    found = {
        name: _observe_collection(engine, name) for name in sorted(engine.catalog().collections)
    }
    for name in engine.snapshots():
        collection = Collection(engine.open("papers"))
        rows = collection.query(output=["title"], as_of=name)
        assert collection.count(as_of=name) == len(rows)
        found[f"papers@{name}"] = Content(tuple((row["id"], row["title"]) for row in rows))
    return found


def _observe_collection(engine: DatabaseEngine, name: str) -> Content:
    collection = Collection(engine.open(name))
    stored = collection.query(output=["title", "dense"])
    titles = {row["id"]: row["title"] for row in stored}
    assert collection.count() == len(titles)
    near = nearest("COSINE", QUERY, {row["id"]: row["dense"] for row in stored}, 50)
    hits = collection.search(QUERY, limit=50)
    assert sorted(h.id for h in hits) == sorted(pk for pk, _ in near), name
    scores = bm25_scores(["graph"], {pk: title.split() for pk, title in titles.items()})
    assert {h.id for h in collection.search("graph", limit=50)} == set(scores), name
    return Content(tuple(sorted(titles.items())), tuple(sorted(collection.properties.items())))


def reopened(directory: FileDirectory) -> dict[str, Content]:
    """Open, look, and close."""
    engine = DatabaseEngine(directory)
    try:
        return observe(engine)
    finally:
        engine.close()


# --- running ------------------------------------------------------------------------------------


@dataclass
class Allowed:
    """Which states may be found, for each collection."""

    options: dict[str, set[Option]] = field(default_factory=dict)

    def copy(self) -> Allowed:
        return Allowed({name: set(options) for name, options in self.options.items()})

    def started(self, operation: Operation, visible: dict[str, Content]) -> Allowed:
        """Return the states while a call is under way, or after it failed."""
        made = self.copy()
        options = made.options.setdefault(operation.collection, {None})
        options |= {_applied(operation, option, visible) for option in options}
        return made

    def acknowledged(self, operation: Operation, visible: dict[str, Content]) -> Allowed:
        """Return the states after a call succeeded: what was visible before it, with it."""
        made = self.copy()
        before = visible.get(operation.collection)
        made.options[operation.collection] = {_applied(operation, before, visible)}
        return made

    def certain(self) -> dict[str, Content]:
        """Return the only state there may be, while nothing failed."""
        states = {}
        for name, options in self.options.items():
            (state,) = options
            if state is not None:
                states[name] = state
        return states

    def check(self, found: dict[str, Content], where: str) -> None:
        """Fail when something else was found."""
        for name, options in self.options.items():
            assert found.get(name) in options, (
                f"{where}: {name}: {found.get(name)} not in {options}"
            )
        assert set(found) <= set(self.options), f"{where}: unknown collections {sorted(found)}"


def _applied(operation: Operation, option: Option, visible: dict[str, Content]) -> Option:
    if operation.creates:
        return operation.change(visible.get(operation.copied, Content()))
    return None if option is None else operation.change(option)


@dataclass
class Run:
    """What a run left.

    Attributes:
        allowed: States that may be found when the database is opened again.
        errors: What failed, by operation.
        timeline: Steps done, states allowed from then on.
        settled: Steps done when a call returned that leaves nothing unsynced of a collection,
            whatever the durability, and that collection.
    """

    allowed: Allowed
    errors: list[tuple[str, StorageError]]
    timeline: list[tuple[int, Allowed]]
    settled: list[tuple[int, str]]


def run_workload(
    directory: FileDirectory,
    *,
    steps_done: Callable[[], int] = lambda: 0,
    give_up_after: int = 3,
    sequence: Sequence[Operation] | None = None,
    looks: Callable[[], bool] = lambda: True,
    **options: Any,
) -> Run:
    """Run the sequence, going on after failures as a program would, and check every answer.

    Args:
        directory: Where the database is made.
        steps_done: Counts the steps of the directory, for the timeline.
        give_up_after: Ends the run after that many failed calls in a row.
        sequence: Other operations than the usual ones.
        looks: Whether to look at everything after an operation. A run that repeats another one up
            to a failure need not before it.
        **options: For ``DatabaseEngine``.
    """
    run = Run(Allowed(), [], [], [])
    try:
        engine = DatabaseEngine(directory, read_only=False, **options)
    except StorageError as error:
        _check_kind(error)
        run.errors.append(("open", error))
        return run
    try:
        _run_all(run, engine, steps_done, give_up_after, sequence or operations(), looks)
    finally:
        engine.close()
    return run


def _run_all(
    run: Run,
    engine: DatabaseEngine,
    steps_done: Callable[[], int],
    give_up_after: int,
    sequence: Sequence[Operation],
    looks: Callable[[], bool],
) -> None:
    failed = 0
    visible: dict[str, Content] = {}
    for number, operation in enumerate(sequence):
        needed = operation.copied if operation.creates else operation.collection
        if needed and needed not in visible:
            continue
        started = run.allowed.started(operation, visible)
        run.timeline.append((steps_done(), started))
        where = f"operation {number} ({operation.name})"
        try:
            operation.act(engine)
        except StorageError as error:
            _check_kind(error)
            run.errors.append((operation.name, error))
            run.allowed = started
            failed += 1
        else:
            run.allowed = run.allowed.acknowledged(operation, visible)
            if operation.name in SETTLING or operation.creates:
                run.settled.append((steps_done(), operation.collection))
            failed = 0
        run.timeline.append((steps_done(), run.allowed))
        _wait(run, engine, visible)
        if failed or looks():
            visible = observe(engine)
            run.allowed.check(visible, f"{where}, still running, after {run.errors[-1:]}")
        else:
            visible = run.allowed.certain()
        if failed >= give_up_after:
            return


def _wait(run: Run, engine: DatabaseEngine, visible: dict[str, Content]) -> None:
    """Let background work end, so that a run makes the same steps each time."""
    for name in sorted(engine.catalog().collections)[:1]:
        try:
            engine.open(name).wait_idle()
        except StorageError as error:
            _check_kind(error)
            run.errors.append(("background", error))


def _check_kind(error: StorageError) -> None:
    """A medium that fails is no damage."""
    chain: Iterator[BaseException | None] = iter((error, error.__cause__))
    assert not any(isinstance(e, CorruptionError) for e in chain), error


def check_goes_on(directory: FileDirectory) -> None:
    """A database that was opened again takes writes, flushes and merges, and keeps them."""
    engine = DatabaseEngine(directory)
    try:
        if "papers" not in sorted(engine.catalog().collections):
            engine.create("papers", paper_schema(), {})
        before = observe(engine)
        rows = papers(3, first=50)
        collection = engine.open("papers")
        collection.upsert(rows)
        collection.flush()
        collection.delete([51])
        collection.compact()
    finally:
        engine.close()
    expected = {**before, "papers": before["papers"].put(rows).drop([51])}
    assert reopened(directory) == expected
