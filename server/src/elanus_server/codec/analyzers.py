"""What do clients of Milvus say when they describe an analyzer?"""

from __future__ import annotations

from typing import Any

_TAKEN = {
    "standard": {"type", "stop_words"},
    "english": {"type", "stop_words"},
    "chinese": {"type", "stop_words", "tokenizer"},
}
"""What counts of the built-in analyzers; Milvus passes over everything else beside ``type``."""


def read_analyzer(spec: Any) -> Any:
    """Return an analyzer, or several of a field, without what Milvus passes over.

    Args:
        spec: A name or parameters, as a client spelled them.
    """
    if not isinstance(spec, dict):
        return spec
    several = spec.get("analyzers")
    if isinstance(several, dict):
        return {**spec, "analyzers": {name: read_analyzer(one) for name, one in several.items()}}
    taken = _TAKEN.get(str(spec.get("type")))
    return spec if taken is None else {key: spec[key] for key in spec if key in taken}
