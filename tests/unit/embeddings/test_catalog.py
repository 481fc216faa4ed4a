"""Models by their exact name."""

from elanus.plugins import ModelInfo
from elanus_embeddings import CATALOG, find_model


def test_a_model_with_prompts_is_found_by_its_whole_name() -> None:
    entry = find_model("intfloat/e5-small-v2")
    assert entry is not None
    assert entry.licence == "MIT"
    assert entry.model == ModelInfo(
        name="intfloat/e5-small-v2",
        dim=384,
        normalized=True,
        max_tokens=512,
        query_prompt="query: ",
        document_prompt="passage: ",
    )


def test_a_name_without_organisation_is_one_of_sentence_transformers() -> None:
    assert find_model("all-MiniLM-L6-v2") is CATALOG["sentence-transformers/all-MiniLM-L6-v2"]


def test_a_part_of_a_name_finds_nothing() -> None:
    assert find_model("e5-small-v2") is None
    assert find_model("someone/e5-small-v2") is None
    assert find_model("intfloat/e5") is None


def test_entries_are_kept_under_their_own_names() -> None:
    assert all(name == entry.model.name for name, entry in CATALOG.items())
