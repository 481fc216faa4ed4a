"""What a highlighter may be asked, by Milvus' own client."""

from __future__ import annotations

from typing import Any

import pytest
from pymilvus import DataType, Function, FunctionType, LexicalHighlighter, MilvusException

TEXT = "I have the seat full of water! Like, full of water!"


@pytest.fixture
def texts(client: Any) -> Any:
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=99, enable_analyzer=True)
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=2)
    schema.add_function(Function("words", FunctionType.BM25, ["text"], ["words"]))
    index = client.prepare_index_params()
    index.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    index.add_index("dense", index_type="FLAT", metric_type="L2")
    client.create_collection("texts", schema=schema, index_params=index)
    client.insert("texts", [{"id": 1, "text": TEXT, "dense": [1, 0]}])
    return client


def asked(client: Any, field: str = "words", **options: Any) -> Any:
    options = {"pre_tags": ["{"], "post_tags": ["}"], "highlight_search_text": True, **options}
    query = [1.0, 0.0] if field == "dense" else "water"
    highlighter = LexicalHighlighter(**options)
    (hits,) = client.search("texts", [query], anns_field=field, highlighter=highlighter)
    return hits[0]["highlight"]["text"]["fragments"]


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        ({"num_of_fragments": 0}, []),
        ({"fragment_size": 9}, ["{water}! Li", "{water}!"]),
        ({"fragment_size": 5, "fragment_offset": 5}, ["l of {water}", "l of {water}"]),
        (
            {"fragment_size": 5, "fragment_offset": 100},
            [
                "I have the seat full of {water}",
                "I have the seat full of water! Like, full of {water}",
            ],
        ),
        ({"pre_tags": ["<", "{"]}, ["<water}! Like, full of {water}!"]),
    ],
)
def test_fragments_are_those_of_milvus(
    texts: Any, options: dict[str, Any], fragments: list[str]
) -> None:
    assert asked(texts, **options) == fragments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fragment_size": 0}, "invalid fragment_size: 0: invalid parameter"),
        ({"fragment_offset": -1}, "invalid fragment_offset: -1: invalid parameter"),
        ({"num_of_fragments": 0.1}, "invalid num_of_fragments: 0.1: invalid parameter"),
        ({"pre_tags": []}, "pre_tags cannot be empty list"),
        ({"highlight_query": [{"type": "TextMatch", "field": "text"}]}, "must set `text` in query"),
        (
            {"highlight_query": [{"type": "TextMatch", "field": "none", "text": "x"}]},
            "highlight field not found in schema: none",
        ),
        (
            {"field": "dense"},
            'Search highlight only support with metric type "BM25" but was: : invalid parameter',
        ),
    ],
)
def test_what_milvus_refuses_is_refused_in_its_words(
    texts: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(MilvusException) as caught:
        asked(texts, **options)
    assert caught.value.code == 1100
    assert message in caught.value.message
