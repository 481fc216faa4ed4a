"""How are figures written as a Markdown table?"""

from __future__ import annotations

from collections.abc import Sequence

TITLES = {
    "elanus": "elanus",
    "sqlite": "SQLite",
    "milvus_lite": "Milvus Lite",
    "lancedb": "LanceDB",
    "chroma": "Chroma",
    "qdrant": "Qdrant, local mode",
    "sqlite_vec": "sqlite-vec",
    "segments": "not compacted",
    "exact": "no vector index",
    "hnsw": "HNSW_SQ",
}


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    rule = ["---", *["--:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows))


def megabytes(size_bytes: float) -> str:
    """Return bytes as whole megabytes."""
    return f"{size_bytes / 1e6:,.0f}"
