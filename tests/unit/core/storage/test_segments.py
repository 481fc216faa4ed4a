import logging
from dataclasses import replace

import numpy as np
import pytest

from elanus.engine.indexing.vectors import vector_rows
from elanus.errors import CorruptionError, FieldNotFoundError, InternalError
from elanus.schema.batches import (
    DenseVectorColumn,
    FixedColumn,
    slice_column,
    strings_to_column,
)
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.storage.columns import column_to_sections
from elanus.storage.manifest import SegmentInfo
from elanus.storage.memory_directory import MemoryDirectory
from elanus.storage.pk_index import PkIndex
from elanus.storage.section_stream import SectionStream
from elanus.storage.segment_reader import SegmentReader
from elanus.storage.segment_writer import (
    SegmentStreams,
    segment_path,
    write_segment,
    write_segment_streams,
)
from elanus.storage.stored_vectors import StoredVectors
from elanus.types import AnyArray, DataType, MetricType
from support.storage_batches import (
    SCHEMA,
    TEXT_KEY_SCHEMA,
    all_kinds_batch,
    rows_of,
    text_key_batch,
)

PATH = "c/1"
BATCH = all_kinds_batch(100)
SEQS = np.arange(7, 107)


def written() -> tuple[MemoryDirectory, SegmentInfo]:
    directory = MemoryDirectory()
    return directory, write_segment(directory, PATH, schema=SCHEMA, batch=BATCH, seqs=SEQS)


def opened(directory: MemoryDirectory, info: SegmentInfo) -> SegmentReader:
    return SegmentReader.open(directory, PATH, schema=SCHEMA, info=info)


def damage(directory: MemoryDirectory, path: str, position: int) -> None:
    raw = bytearray(directory.read(path))
    raw[position] ^= 1
    directory.delete(path)
    directory.write_new(path, [bytes(raw)])


def streamed(array: AnyArray, step: int = 13) -> SectionStream:
    """Return an array as parts of a few rows."""
    parts = (array[start : start + step] for start in range(0, len(array), step))
    return SectionStream(array.dtype, array.shape, parts)


def test_rows_come_back() -> None:
    directory, info = written()
    reader = opened(directory, info)
    assert reader.num_rows == 100
    assert rows_of(reader.batch()) == rows_of(BATCH)
    assert list(reader.batch()) == list(BATCH)
    assert reader.seqs.tolist() == SEQS.tolist()
    assert reader.column("text") is reader.column("text")


def test_info_lists_the_files_and_the_range_of_seqs() -> None:
    directory, info = written()
    folder = segment_path(PATH, info.uuid)
    sizes = {name: directory.size(f"{folder}/{name}") for name in directory.list_names(folder)}
    assert {name: entry.size for name, entry in info.files.items()} == sizes
    assert (info.num_rows, info.min_seq, info.max_seq) == (100, 7, 106)
    assert info.columns["id"] == "000-id.col"
    assert info.columns["vector"].endswith("-vector.vec")
    assert info.columns["$meta"].endswith("-meta.col")
    assert {"rows.col", "pk.idx"} == set(sizes) - set(info.columns.values())
    assert directory.list_names(f"{PATH}/seg") == [str(info.uuid)]


def test_columns_are_views_of_the_file() -> None:
    directory, info = written()
    vectors = opened(directory, info).column("vector").values  # type: ignore[union-attr]
    raw = directory.read(f"{segment_path(PATH, info.uuid)}/{info.columns['vector']}")
    assert np.shares_memory(vectors, np.frombuffer(raw, dtype=np.uint8))
    assert vectors.ctypes.data % 64 == 0


def test_find_pks_of_ints_and_texts() -> None:
    directory, info = written()
    wanted = FixedColumn(np.array([99, -1, 0, 100, 50]))
    assert opened(directory, info).find_pks(wanted).tolist() == [99, -1, 0, -1, 50]
    texts = text_key_batch(["b", "a", "b", "ü"])
    info = write_segment(
        directory, PATH, schema=TEXT_KEY_SCHEMA, batch=texts, seqs=np.array([1, 1, 2, 2])
    )
    reader = SegmentReader.open(directory, PATH, schema=TEXT_KEY_SCHEMA, info=info)
    assert reader.find_pks(strings_to_column(["ü", "b", "c"])).tolist() == [3, 2, -1]


def test_names_that_files_cannot_have() -> None:
    long_name = "n" * 255
    schema = Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field(long_name, DataType.INT64),
            Field(long_name[:-1] + "m", DataType.INT64),
            Field("rows", DataType.INT64),
            Field("ROWS", DataType.INT64),
        ]
    )
    names = [f.name for f in schema.stored_fields]
    columns = {name: FixedColumn(np.array([n])) for n, name in enumerate(names)}
    batch = type(BATCH)(1, columns)
    directory = MemoryDirectory()
    info = write_segment(directory, PATH, schema=schema, batch=batch, seqs=np.array([1]))
    reader = SegmentReader.open(directory, PATH, schema=schema, info=info)
    assert rows_of(reader.batch()) == {name: [n] for n, name in enumerate(names)}
    assert len({name.lower() for name in info.files}) == len(info.files)
    assert max(len(name) for name in info.files) < 100


def test_reader_outlives_its_files() -> None:
    directory, info = written()
    reader = opened(directory, info)
    directory.delete_dir(segment_path(PATH, info.uuid))
    assert rows_of(reader.batch()) == rows_of(BATCH)
    assert reader.seqs.tolist() == SEQS.tolist()
    assert reader.find_pks(FixedColumn(np.array([5]))).tolist() == [5]


def test_opening_reads_and_verifies_nothing() -> None:
    directory, info = written()
    for name in info.files:
        damage(directory, f"{segment_path(PATH, info.uuid)}/{name}", 0)
    reader = opened(directory, info)
    reader.map_all()
    with pytest.raises(CorruptionError, match="byte 0"):
        reader.column("id")


COSINE_SCHEMA = Schema(
    [
        Field("id", DataType.INT64, primary=True),
        Field("v", DataType.FLOAT_VECTOR, dim=2, metric=MetricType.COSINE),
    ]
)
TRIANGLES = np.array([[3, 4], [0, 0], [-8, 6], [0, 2]], dtype=np.float32)


def cosine_segment(
    v: AnyArray | SectionStream = TRIANGLES, *, schema: Schema = COSINE_SCHEMA
) -> tuple[MemoryDirectory, SegmentInfo]:
    directory = MemoryDirectory()
    columns = {"id": {"values": np.arange(4)}, "v": {"values": v}}
    keys = PkIndex.build(FixedColumn(np.arange(4))).to_sections()
    streams = SegmentStreams(4, columns, np.arange(1, 5), keys)
    info = write_segment_streams(directory, PATH, schema=schema, streams=streams)
    return directory, info


def vectors_of(directory: MemoryDirectory, info: SegmentInfo) -> StoredVectors:
    reader = SegmentReader.open(directory, PATH, schema=COSINE_SCHEMA, info=info)
    column = reader.column("v")
    assert isinstance(column, StoredVectors)
    return column


@pytest.mark.parametrize("v", [TRIANGLES, streamed(TRIANGLES, 3)])
def test_inverse_lengths_of_cosine_vectors_are_stored(v: AnyArray | SectionStream) -> None:
    column = vectors_of(*cosine_segment(v))
    assert column.inverse_norms is not None
    np.testing.assert_array_equal(column.inverse_norms, np.float32([0.2, 0, 0.1, 0.5]))
    np.testing.assert_array_equal(column.values, TRIANGLES)


def test_segment_without_stored_inverse_lengths_opens() -> None:
    # As versions before them wrote it, and as L2 and IP still do.
    plain = Schema([COSINE_SCHEMA.primary, replace(COSINE_SCHEMA.field("v"), metric="L2")])
    directory, info = cosine_segment(schema=plain)
    column = vectors_of(directory, info)
    assert column.inverse_norms is None
    rows = vector_rows(COSINE_SCHEMA.field("v"), column)
    assert rows.scale is not None
    np.testing.assert_array_equal(rows.scale, np.float32([0.2, 0, 0.1, 0.5]))


def test_damaged_inverse_lengths_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    directory, info = cosine_segment(np.tile(TRIANGLES[:1], (4, 1)))
    path = f"{segment_path(PATH, info.uuid)}/{info.columns['v']}"
    damage(directory, path, 64 + 64)  # the section behind the vectors
    with caplog.at_level(logging.WARNING):
        column = vectors_of(directory, info)
        assert column.inverse_norms is None
    assert path in caplog.text


def test_columns_verify_the_rows_that_are_taken() -> None:
    count = 20_000
    schema = Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field("text", DataType.VARCHAR),
            Field("v", DataType.FLOAT_VECTOR, dim=8, metric=MetricType.L2),
        ]
    )
    vectors = np.arange(count * 8, dtype=np.float32).reshape(count, 8)  # 32 bytes a row
    texts = [f"{n:032d}" for n in range(count)]
    columns = {
        "id": FixedColumn(np.arange(count)),
        "text": strings_to_column(texts),
        "v": DenseVectorColumn(vectors),
    }
    directory = MemoryDirectory()
    info = write_segment(
        directory,
        PATH,
        schema=schema,
        batch=type(BATCH)(count, columns),
        seqs=np.arange(count),
    )
    folder = segment_path(PATH, info.uuid)
    damage(directory, f"{folder}/{info.columns['v']}", 64 + 10_000 * 32)
    raw = bytes(directory.read(f"{folder}/{info.columns['text']}"))
    damage(directory, f"{folder}/{info.columns['text']}", raw.index(b"0" * 32) + 10_000 * 32)
    reader = SegmentReader.open(directory, PATH, schema=schema, info=info)
    whole, hit = np.array([0, 5_000, 19_999]), np.array([3, 10_000])
    assert reader.column("text").values_at(whole) == [texts[n] for n in whole]
    assert reader.column("text").take(whole).to_pylist() == [texts[n] for n in whole]
    np.testing.assert_array_equal(reader.column("v").take(whole).values, vectors[whole])  # type: ignore[union-attr]
    assert reader.column("v").values_at(whole) == vectors[whole].tolist()
    for name in ("text", "v"):
        column = reader.column(name)
        assert len(column) == count
        for touch in (
            lambda c=column: c.take(hit),
            lambda c=column: c.values_at(hit),
            lambda c=column: c.take(np.arange(100) * 100),
            lambda c=column: c.take(np.arange(6_000) * 2),  # too many to look at one by one
            lambda c=column: c.to_pylist(),
            lambda c=column: slice_column(c, 0, 2).to_pylist(),
        ):
            with pytest.raises(CorruptionError) as caught:
                touch()
            assert caught.value.path == f"{folder}/{info.columns[name]}"
            assert caught.value.offset is not None


@pytest.mark.parametrize("name", ["000-id.col", "rows.col"])
def test_missing_or_cut_file_is_found_when_the_segment_is_opened(name: str) -> None:
    directory, info = written()
    path = f"{segment_path(PATH, info.uuid)}/{name}"
    whole = bytes(directory.read(path))
    directory.delete(path)
    with pytest.raises(CorruptionError, match="missing") as caught:
        opened(directory, info)
    assert caught.value.path == path
    directory.write_new(path, [whole[:-1]])
    with pytest.raises(CorruptionError, match=f"expected {len(whole)} bytes"):
        opened(directory, info)


def test_damaged_index_of_primary_keys_is_built_again(caplog: pytest.LogCaptureFixture) -> None:
    directory, info = written()
    path = f"{segment_path(PATH, info.uuid)}/pk.idx"
    wanted = FixedColumn(np.array([0, 99, 100]))
    for position in (0, 70, -1):
        damage(directory, path, position)
        with caplog.at_level(logging.WARNING):
            assert opened(directory, info).find_pks(wanted).tolist() == [0, 99, -1]
    assert all(path in record.getMessage() for record in caplog.records)
    assert len(caplog.records) == 3
    directory.delete(path)
    assert opened(directory, info).find_pks(wanted).tolist() == [0, 99, -1]


def test_files_of_two_segments_cannot_be_exchanged() -> None:
    directory, info = written()
    other = write_segment(directory, PATH, schema=SCHEMA, batch=BATCH, seqs=SEQS)
    path = f"{segment_path(PATH, info.uuid)}/{info.columns['text']}"
    directory.delete(path)
    source = f"{segment_path(PATH, other.uuid)}/{info.columns['text']}"
    directory.write_new(path, [bytes(directory.read(source))])
    with pytest.raises(CorruptionError, match="not the file that the manifest names"):
        opened(directory, info).column("text")


def test_unknown_column() -> None:
    directory, info = written()
    with pytest.raises(FieldNotFoundError, match="'other'"):
        opened(directory, info).column("other")


def test_segment_without_rows_is_refused() -> None:
    directory = MemoryDirectory()
    with pytest.raises(InternalError):
        write_segment(
            directory, PATH, schema=SCHEMA, batch=all_kinds_batch(0), seqs=np.zeros(0, np.int64)
        )
    assert directory.list_names("") == []


def test_full_verification_reads_everything_at_once() -> None:
    directory, info = written()
    path = f"{segment_path(PATH, info.uuid)}/{info.columns['text']}"
    damage(directory, path, 100)
    opened(directory, info)
    with pytest.raises(CorruptionError) as caught:
        SegmentReader.open(directory, PATH, schema=SCHEMA, info=info, verify="full")
    assert caught.value.path == path


def test_streams_give_the_same_segment_as_a_batch() -> None:
    directory = MemoryDirectory()
    columns = {
        name: {section: streamed(array) for section, array in column_to_sections(column).items()}
        for name, column in BATCH.columns.items()
    }
    index = PkIndex.build(BATCH.columns[SCHEMA.primary.name])
    keys = {section: streamed(array) for section, array in index.to_sections().items()}
    streams = SegmentStreams(100, columns, streamed(SEQS), keys)
    info = write_segment_streams(directory, PATH, schema=SCHEMA, streams=streams)
    assert (info.num_rows, info.min_seq, info.max_seq) == (100, 7, 106)
    reader = SegmentReader.open(directory, PATH, schema=SCHEMA, info=info, verify="full")
    assert rows_of(reader.batch()) == rows_of(BATCH)
    assert reader.seqs.tolist() == SEQS.tolist()
    wanted = FixedColumn(np.array([99, -1, 0, 100, 50]))
    assert reader.find_pks(wanted).tolist() == [99, -1, 0, -1, 50]
    batch_files = written()[1].files
    assert {n: e.size for n, e in info.files.items()} == {n: e.size for n, e in batch_files.items()}


def test_failed_stream_leaves_nothing() -> None:
    directory = MemoryDirectory()
    columns = {name: column_to_sections(column) for name, column in BATCH.columns.items()}
    short = SectionStream(SEQS.dtype, (100,), [SEQS[:99]])
    keys = PkIndex.build(BATCH.columns[SCHEMA.primary.name]).to_sections()
    streams = SegmentStreams(100, columns, short, keys)
    with pytest.raises(InternalError, match="8 bytes too early"):
        write_segment_streams(directory, PATH, schema=SCHEMA, streams=streams)
    assert directory.list_names(f"{PATH}/seg") == []
