"""Threads that ask filters of the same columns."""

from __future__ import annotations

import threading

from elanus.filter import ColumnCache, compile_filter
from elanus.schema.batches import slice_column
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.schema.validation import entities_to_batch
from elanus.types import DataType


def test_many_threads_share_one_cache_while_rows_grow() -> None:
    schema = Schema(
        [
            Field("id", DataType.INT64, primary=True),
            Field("s", DataType.VARCHAR),
            Field("m", DataType.JSON),
        ]
    )
    n = 2000
    entities = [
        {"id": i, "s": f"s{i % 7}", "m": {"k": i % 5, "tags": [str(i % 3)]}} for i in range(n)
    ]
    batch = entities_to_batch(schema, entities)
    cache = ColumnCache(lambda name, a, b: slice_column(batch.columns[name], a, b))
    bound = compile_filter("s > 's3' and m['k'] != 2 and json_contains(m['tags'], '1')", schema)
    assert bound is not None
    expected = [
        e["s"] > "s3" and e["m"]["k"] != 2 and "1" in e["m"]["tags"]  # type: ignore[index]
        for e in entities
    ]
    wrong: list[int] = []
    start = threading.Barrier(4)

    def ask(first: int) -> None:
        start.wait()
        for num_rows in range(first, n + 1, 97):
            found = bound.evaluate(cache.at(num_rows)).tolist()
            wrong.extend([num_rows] * (found != expected[:num_rows]))

    threads = [threading.Thread(target=ask, args=(i * 13,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
