"""Queries of the elements of plain arrays."""

import pytest

import elanus
from elanus import ARRAY, Field, Schema


@pytest.mark.parametrize("flushed", [False, True])
def test_a_query_of_the_elements_of_a_plain_array(tmp_path, flushed):
    scores = [[95, 80], [40], None, [100, 100, 7], [], [60, 91]]
    with elanus.connect(tmp_path / "kb") as db:
        fields = [
            Field("id", elanus.INT64, primary=True),
            Field("v", elanus.FLOAT_VECTOR, dim=2),
            Field("scores", ARRAY, element_type=elanus.INT64, nullable=True),
            Field("tags", ARRAY, element_type=elanus.VARCHAR),
        ]
        made = db.create_collection("lists", Schema(fields))
        rows = [
            {"id": key, "v": [1.0, 0.0], "scores": own, "tags": ["a"] * key}
            for key, own in enumerate(scores)
        ]
        made.insert(rows[:4])
        if flushed:
            made.flush()
        made.insert(rows[4:])
        made.delete([0])
        text = "element_filter(scores, $ > 90)"
        wanted = [(3, 0), (3, 1), (5, 1)]
        got = made.query(text, ["id"], per_element=True)
        assert [(row["id"], row["$offset"]) for row in got] == wanted
        (batch,) = made.query_iterator(text, ["id"], per_element=True)
        assert batch == got
        # Elements of two arrays have no places in common.
        both = f"{text} and element_filter(tags, $ == 'a')"
        assert made.query(both, ["id"], per_element=True) == [{"id": 3}, {"id": 5}]
