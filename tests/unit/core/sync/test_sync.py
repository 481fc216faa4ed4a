"""A collection follows a source: what is read, embedded, written, kept and deleted, and what is
said of it."""

import os
import threading

import numpy as np
import pytest

import elanus
from elanus import BM25, INT64, VARCHAR, Embedding, Field, Schema
from elanus.errors import (
    EntityExistsError,
    InvalidArgumentError,
    ModelMismatchError,
    NotFoundError,
    ReadOnlyError,
    SchemaError,
)
from elanus.plugins import ModelInfo
from elanus.sync import (
    Chunk,
    DocumentEntry,
    FolderSource,
    Lineage,
    SourceDocument,
    SourceSummary,
    SyncError,
    UnreadableDocumentError,
    content_hash,
    run,
)

DIM = 4


class CountingEmbedder:
    """Vectors of letters, and a list of every text that was embedded."""

    def __init__(self, name="counting"):
        self.info = ModelInfo(name, dim=DIM)
        self.texts = []

    def embed_documents(self, texts):
        self.texts += texts
        return np.array([vector_of(text) for text in texts], np.float32).reshape(-1, DIM)

    embed_queries = embed_documents


def vector_of(text):
    return [1.0 + text.count(letter) for letter in "abcd"]


def schema(**primary):
    return Schema(
        [
            Field("id", primary.pop("dtype", VARCHAR), primary=True, **primary),
            Field("text", VARCHAR, analyzer="standard"),
            Field("dense", elanus.FLOAT_VECTOR, dim=DIM),
            Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=BM25("text")),
        ],
        dynamic=True,
    )


@pytest.fixture
def collection(tmp_path):
    with elanus.connect(tmp_path / "db") as db:
        yield db.create_collection("made", schema())


@pytest.fixture
def embedder():
    return CountingEmbedder()


def paragraphs(text):
    return text.split("\n\n")


def given(texts):
    return [{"id": id_, "text": text} for id_, text in texts.items()]


def stored(collection):
    """Return the texts of each document of each source, in their order, checked one by one."""
    found = {}
    for entity in collection.query(output=["*"]):
        lineage = Lineage.from_json(entity["lineage"])
        assert np.allclose(entity["dense"], vector_of(entity["text"]))
        key = (lineage.source, lineage.document)
        found.setdefault(key, {})[lineage.place] = entity["text"]
        assert 0 <= lineage.place < lineage.places
    return {key: [parts[n] for n in sorted(parts)] for key, parts in found.items()}


def test_only_what_is_new_is_embedded(collection, embedder):
    texts = {"one": "a\n\nb\n\nc", "two": "d", "three": "aa\n\nbb"}

    def sync(**options):
        embedder.texts.clear()
        options.setdefault("embedder", embedder)
        return collection.sync(given(texts), source="s", chunker=paragraphs, **options)

    first = sync()
    assert first.added == ["one", "two", "three"]
    assert (first.chunks, first.embedded, first.read) == (6, 6, 3)
    assert sorted(embedder.texts) == ["a", "aa", "b", "bb", "c", "d"]
    again = sync()
    assert (again.unchanged, again.has_changes, embedder.texts) == (list(texts), False, [])
    seq = collection.last_seq
    texts["one"] = "new\n\na\n\nc"
    del texts["two"]
    texts["four"] = "d"
    planned = sync(dry_run=True)
    assert (collection.last_seq, embedder.texts) == (seq, [])
    done = sync()
    for report in (planned, done):
        assert report.added == ["four"]
        assert report.changed == ["one"]
        assert report.unchanged == ["three"]
        assert report.deleted == ["two"]
        assert report.embedded == 2
    assert sorted(embedder.texts) == ["d", "new"]
    assert stored(collection) == {
        ("s", "one"): ["new", "a", "c"],
        ("s", "three"): ["aa", "bb"],
        ("s", "four"): ["d"],
    }
    assert [hit.entity["text"] for hit in collection.search("new", field="bm25")] == ["new"]
    assert str(done) == "s: 1 added, 1 changed, 1 unchanged, 1 deleted; 2 chunks embedded"
    texts.clear()
    assert sync().deleted == ["four", "one", "three"]
    assert len(collection) == 0


def test_many_documents_vanish_group_by_group(collection, embedder, monkeypatch):
    monkeypatch.setattr(run, "LOOKUP_DOCUMENTS", 2)
    names = [f"document {n}" for n in range(5)]
    collection.sync(given(dict.fromkeys(names, "a")), source="s", embedder=embedder)
    assert collection.sync([], source="s", embedder=embedder).deleted == names
    assert len(collection) == 0


def test_chunks_that_make_the_same_text_are_told_apart(collection, embedder):
    for chunks in (["ab", "c"], ["a", "bc"]):
        document = SourceDocument("x", chunks=chunks)
        collection.sync([document], source="s", embedder=embedder)
        assert stored(collection) == {("s", "x"): chunks}


def test_the_other_sources_stay(collection, embedder):
    collection.insert([{"id": "mine", "text": "a", "dense": vector_of("a")}])
    collection.sync(given({"x": "a", "y": "b"}), source="first", embedder=embedder)
    collection.sync(given({"z": "c"}), source="second", embedder=embedder)
    assert collection.sync([], source="first", embedder=embedder).deleted == ["x", "y"]
    assert {entity["id"] for entity in collection.query()} == {"mine", "z"}
    assert collection.sources() == [SourceSummary("second", 1, 1)]
    with pytest.raises(SyncError, match="document 'z' of source 'second' has its primary key"):
        collection.sync(given({"z": "c"}), source="first", embedder=embedder)
    with pytest.raises(SyncError, match="'mine': an entity that no sync wrote has its primary"):
        collection.sync(given({"mine": "c"}), source="first", embedder=embedder)
    assert embedder.texts == ["a", "b", "c"]


def test_lineage(collection, embedder):
    collection.sync(
        [SourceDocument("doc", chunks=["a", Chunk("b", {"page": 2}, id="own")])],
        source="s",
        embedder=embedder,
    )
    collection.insert([{"id": "mine", "text": "a", "dense": vector_of("a")}])
    ours, other, missing = collection.lineage(["own", "mine", "nowhere"])
    assert (ours.source, ours.document, ours.place, ours.places) == ("s", "doc", 1, 2)
    assert [other, missing] == [None, None]
    assert collection.get("own", ["page"])[0]["page"] == 2
    (document,) = collection.source_documents("s").values()
    assert (document.hash, document.chunks, document.is_whole) == (ours.hash, 2, True)
    assert collection.count('lineage["document"] == "doc"') == 2


def test_a_deleted_chunk_comes_back(collection, embedder):
    texts = {"one": "a\n\nb"}
    options = {"source": "s", "chunker": paragraphs, "embedder": embedder}
    collection.sync(given(texts), **options)
    collection.delete(filter="text == 'a'")
    report = collection.sync(given(texts), **options)
    assert (report.changed, report.embedded) == (["one"], 1)
    assert stored(collection) == {("s", "one"): ["a", "b"]}


def test_metadata_version_and_model_count_as_changes(collection, embedder):
    def sync(metadata, embedder=embedder, **options):
        documents = [{"id": "one", "text": "a", "metadata": metadata}]
        return collection.sync(documents, source="s", embedder=embedder, **options)

    sync({"year": 1})
    changed = sync({"year": 2})
    assert (changed.changed, changed.embedded) == (["one"], 0)
    assert collection.query(output=["year"])[0]["year"] == 2
    other = sync({"year": 2}, version="2")
    assert (other.changed, other.embedded) == (["one"], 0)
    model = sync({"year": 2}, CountingEmbedder("another"), version="2")
    assert (model.changed, model.embedded) == (["one"], 1)


def test_equal_chunks_are_told_apart(collection, embedder):
    collection.sync(
        given({"one": "a\n\na\n\na"}), source="s", chunker=paragraphs, embedder=embedder
    )
    assert stored(collection) == {("s", "one"): ["a", "a", "a"]}


@pytest.mark.parametrize("primary", [{"dtype": INT64}, {"dtype": INT64, "auto_id": True}])
def test_numbers_as_keys(tmp_path, embedder, primary):
    with elanus.connect(tmp_path / "db") as db:
        collection = db.create_collection("made", schema(**primary))
        for texts in ({"one": "a\n\nb", "two": "c"}, {"one": "b\n\nd"}):
            report = collection.sync(
                given(texts), source="s", chunker=paragraphs, embedder=embedder
            )
        assert (report.changed, report.deleted, report.embedded) == (["one"], ["two"], 1)
        assert stored(collection) == {("s", "one"): ["b", "d"]}


def test_models_of_fields(tmp_path):
    fields = [
        Field("id", VARCHAR, primary=True),
        Field("text", VARCHAR),
        Field("dense", elanus.FLOAT_VECTOR, embedding=Embedding("text", "hash")),
    ]
    with elanus.connect(tmp_path / "db") as db:
        collection = db.create_collection("made", Schema(fields))
        collection.sync(given({"one": "a", "two": "b"}), source="s")
        before = collection.get("one", ["*"])[0]["dense"]
        report = collection.sync(given({"one": "a", "two": "c"}), source="s")
        assert (report.changed, report.embedded) == (["two"], 1)
        assert np.array_equal(collection.get("one", ["*"])[0]["dense"], before)
        assert collection.search("c", field="dense", limit=1)[0].id == "two"
        with pytest.raises(ModelMismatchError):
            collection.sync([], source="s", embedder=CountingEmbedder())


def test_vectors_may_be_given(collection):
    documents = [SourceDocument("one", "a", metadata={"dense": np.array(vector_of("a"))})]
    report = collection.sync(documents, source="s")
    assert (report.added, report.embedded) == (["one"], 0)
    assert collection.sync(documents, source="s").unchanged == ["one"]
    assert stored(collection) == {("s", "one"): ["a"]}


class Listed:
    """A source whose documents say their state, and which counts what is read."""

    name = "listed"

    def __init__(self, documents):
        self.documents_by_id = documents
        self.was_read = []

    def documents(self):
        for id_, (state, text) in self.documents_by_id.items():
            yield DocumentEntry(id_, lambda id_=id_, text=text: self._read(id_, text), state)

    def _read(self, id_, text):
        self.was_read.append(id_)
        if text is None:
            raise UnreadableDocumentError("is encrypted")
        return SourceDocument(id_, text)


def test_what_says_that_it_is_the_same_is_not_read(collection, embedder):
    source = Listed({"one": ("1", "a"), "two": ("1", "b"), "three": (None, "c")})

    def read():
        source.was_read.clear()
        report = collection.sync(source, embedder=embedder)
        assert report.read == len(source.was_read)
        return source.was_read

    assert read() == ["one", "two", "three"]
    assert read() == ["three"]
    source.documents_by_id["one"] = ("2", "a")
    assert read() == ["one", "three"]
    assert read() == ["three"]
    source.documents_by_id["two"] = ("2", "d")
    assert read() == ["two", "three"]
    assert embedder.texts == ["a", "b", "c", "d"]


def test_unreadable_documents(collection, embedder):
    source = Listed({"one": ("1", "a"), "two": ("1", "b")})
    collection.sync(source, embedder=embedder)
    source.documents_by_id |= {"two": ("2", None), "three": ("1", "c")}
    with pytest.raises(SyncError, match="'two': is encrypted") as raised:
        collection.sync(source, embedder=embedder)
    assert (raised.value.source, raised.value.document) == ("listed", "two")
    assert set(stored(collection)) == {("listed", "one"), ("listed", "two")}
    report = collection.sync(source, embedder=embedder, on_error="skip")
    assert report.failed == {"two": "is encrypted"}
    assert (report.added, report.deleted) == (["three"], [])
    assert len(collection) == 3


def test_faults_of_callables_name_the_document(collection, embedder):
    def chunker(text):
        raise KeyError(text)

    with pytest.raises(KeyError) as raised:
        collection.sync(given({"one": "a"}), source="s", chunker=chunker, embedder=embedder)
    assert raised.value.__notes__ == ["source 's', document 'one'"]
    with pytest.raises(SyncError, match="document 'two': field 'dense'"):
        collection.sync(
            [
                {"id": "one", "text": "a"},
                SourceDocument("two", chunks=[Chunk("b", {"dense": [1.0]})]),
            ],
            source="s",
            embedder=embedder,
        )
    with pytest.raises(SyncError, match="'one': the source lists it twice"):
        collection.sync([*given({"one": "a"}), *given({"one": "b"})], source="s")
    with pytest.raises(EntityExistsError, match="primary key 'same'"):
        collection.sync(
            [SourceDocument(n, chunks=[Chunk(n, id="same")]) for n in "ab"],
            source="s",
            embedder=embedder,
        )
    assert len(collection) == 0


def test_documents_without_text(collection, embedder):
    options = {"source": "s", "embedder": embedder}
    assert collection.sync(given({"one": "a", "two": " "}), **options).empty == ["two"]
    report = collection.sync(given({"one": "", "two": ""}), **options)
    assert (report.empty, report.deleted, report.changed) == (["one", "two"], ["one"], [])
    assert len(collection) == 0


def write(folder, files, seconds_ago=10):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        moment = path.stat().st_mtime - seconds_ago
        os.utime(path, (moment, moment))


def test_a_folder(collection, embedder, tmp_path):
    folder = tmp_path / "docs"
    write(folder, {"a.md": "a", "below/b.txt": "b", ".hidden/c.md": "c", "d.bin": "\x00"})
    first = collection.sync(folder, embedder=embedder)
    assert first.source == folder.as_posix()
    assert first.added == ["a.md", "below/b.txt"]
    assert collection.sync(str(folder), embedder=embedder).read == 0
    write(folder, {"a.md": "aa"}, seconds_ago=5)
    (folder / "below/b.txt").unlink()
    second = collection.sync(folder, embedder=embedder)
    assert (second.changed, second.deleted) == (["a.md"], ["below/b.txt"])
    # A file that changed a moment ago may change again without another time.
    write(folder, {"a.md": "aaa"}, seconds_ago=0)
    assert collection.sync(folder, embedder=embedder).changed == ["a.md"]
    assert collection.sync(folder, embedder=embedder).read == 1
    (folder / "a.md").write_bytes(b"\xff")
    with pytest.raises(SyncError, match=r"'a\.md': 'utf-8' codec"):
        collection.sync(folder, embedder=embedder)
    with pytest.raises(NotFoundError, match="no such folder"):
        collection.sync(tmp_path / "none", source=folder.as_posix(), embedder=embedder)
    assert len(collection) == 1


def test_a_reader_of_files(collection, embedder, tmp_path):
    write(tmp_path / "docs", {"a.one": "a|b", "c.two": "c"})
    source = FolderSource(
        tmp_path / "docs", lambda path: path.read_text().split("|"), ["*.one"], name="n"
    )
    assert collection.sync(source, embedder=embedder).added == ["a.one"]
    assert stored(collection) == {("n", "a.one"): ["a", "b"]}


def test_what_cannot_be_asked(collection, embedder, tmp_path):
    for documents, options, message in (
        ([], {}, "source: give the documents a name"),
        ({"a": "b"}, {"source": "s"}, "documents: expected an iterable"),
        ([{"id": "a", "title": "b"}], {"source": "s"}, "expected the keys id, text"),
        (["text"], {"source": "s"}, r"documents\[0\]: expected a SourceDocument"),
        ([], {"source": "s", "on_error": "ignore"}, "on_error: expected 'raise' or 'skip'"),
        ([], {"source": "s", "reader": str}, "reader: only for the path of a folder"),
        (Listed({}), {"source": "s"}, "is named 'listed', got 's'"),
    ):
        with pytest.raises(InvalidArgumentError, match=message):
            collection.sync(documents, embedder=embedder, **options)
    for fields, message in (
        ([Field("a", VARCHAR), Field("b", VARCHAR)], "found a, b; name it"),
        ([Field("text", VARCHAR), Field("lineage", INT64)], "'lineage' has type INT64"),
    ):
        with elanus.connect(tmp_path / message[:7]) as db:
            other = db.create_collection("made", Schema([*schema().fields[:1], *fields]))
            with pytest.raises(SchemaError, match=message):
                other.sync([], source="s")


def test_a_reader_may_only_ask_what_would_be_done(tmp_path, embedder):
    with elanus.connect(tmp_path / "db") as db:
        db.create_collection("made", schema())
        with elanus.connect(tmp_path / "db", read_only=True) as reader:
            collection = reader.collection("made")
            options = {"source": "s", "embedder": embedder}
            assert collection.sync(given({"a": "a"}), dry_run=True, **options).added == ["a"]
            with pytest.raises(ReadOnlyError):
                collection.sync(given({"a": "a"}), **options)


def test_two_syncs_of_one_source(collection, embedder):
    """The second waits for the first and finds what it stored."""
    entered, leave = threading.Event(), threading.Event()
    reports = []

    def slow():
        entered.set()
        leave.wait(10)
        yield {"id": "one", "text": "a"}

    def run(documents):
        reports.append(collection.sync(documents, source="s", embedder=embedder))

    first = threading.Thread(target=run, args=(slow(),))
    first.start()
    assert entered.wait(10)
    second = threading.Thread(target=run, args=(given({"one": "a", "two": "b"}),))
    second.start()
    second.join(0.05)
    assert not reports
    leave.set()
    first.join()
    second.join()
    assert [(report.added, report.unchanged) for report in reports] == [
        (["one"], []),
        (["two"], ["one"]),
    ]


def test_writes_go_on_meanwhile(collection, embedder):
    def documents():
        yield {"id": "one", "text": "a"}
        collection.insert([{"id": "mine", "text": "b", "dense": vector_of("b")}])
        yield {"id": "two", "text": "c"}

    collection.sync(documents(), source="s", embedder=embedder)
    assert {entity["id"] for entity in collection.query()} == {"one", "two", "mine"}

    def taken():
        yield {"id": "three", "text": "a"}
        collection.insert([{"id": "three", "text": "b", "dense": vector_of("b")}])

    with pytest.raises(SyncError, match="has its primary key 'three'"):
        collection.sync(taken(), source="s", embedder=embedder)
    assert collection.get("three", ["text"])[0]["text"] == "b"


def test_progress_and_hash(collection, embedder):
    seen = []
    texts = {str(n): "a" for n in range(5)}
    collection.sync(given(texts), source="s", embedder=embedder, progress=seen.append)
    assert [one.documents for one in seen] == [1, 2, 3, 4, 5, 5, 5]
    assert [one.embedded for one in seen] == [0, 0, 0, 0, 0, 5, 5]
    assert (seen[-1].chunks, seen[-1].embedded) == (5, 5)
    assert content_hash("a", {"x": 1, "y": 2}) == content_hash("a", {"y": 2, "x": 1})
    assert content_hash("a", {"x": 1}) != content_hash("a", {"x": 2}) != content_hash("ab")
