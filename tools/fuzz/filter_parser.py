"""Feeds mutated texts to the filter language, guided by coverage.

Every text is a tree or a ``FilterError``, the canonical text of a tree reads back as the same tree,
and a tree compiles or is refused with a ``FilterError``.

Run it with the package atheris on the path, which is not among the requirements:

    pip install --target /tmp/atheris atheris
    PYTHONPATH=/tmp/atheris python -m tools.fuzz.filter_parser -max_total_time=300
"""

from __future__ import annotations

import importlib
import re
import sys
import tempfile
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import elanus
from elanus.errors import FilterError
from elanus.filter import compile_filter, parse, to_text

PAGE = Path(__file__).parents[2] / "docs" / "filter-language.md"
MAX_SECONDS = 1
"""Longest time for one text of ``MAX_LENGTH`` bytes."""
MAX_LENGTH = 2_000


def corpus() -> list[str]:
    """Return every example of the page about the language."""
    return sorted(set(re.findall(r"`([^`\n]+)`", PAGE.read_text("utf-8"))))


def instrument(atheris: Any) -> None:
    """Let the functions of the filter language report their branches.

    The hook of atheris on imports does not see modules of an editable installation.
    """
    modules = [m for name, m in sys.modules.items() if name.startswith("elanus.filter")]
    for module in modules:
        for owner in (module, *_classes(module)):
            for value in list(vars(owner).values()):
                if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                    value.__code__ = atheris.instrument_func(value).__code__


def _classes(module: ModuleType) -> list[type]:
    return [
        v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__
    ]


def main() -> None:
    """Run until a text misbehaves or the time is over."""
    atheris: Any = importlib.import_module("atheris")
    instrument(atheris)
    field = elanus.Field
    schema = elanus.Schema(
        [
            field("id", elanus.INT64, primary=True),
            field("year", elanus.INT16),
            field("price", elanus.DOUBLE),
            field("title", elanus.VARCHAR, nullable=True, analyzer="standard"),
            field("flag", elanus.BOOL),
            field("meta", elanus.JSON),
            field("tags", elanus.ARRAY, element_type=elanus.VARCHAR),
            field("at", elanus.TIMESTAMPTZ),
            field("place", elanus.GEOMETRY),
        ],
        dynamic=True,
    )

    def one(raw: bytes) -> None:
        text = raw.decode("utf-8", "surrogatepass" if len(raw) % 2 else "replace")
        try:
            tree = parse(text)
        except FilterError:
            return
        assert parse(to_text(tree)) == tree
        try:
            bound = compile_filter(text, schema, params={"ids": [1, 2]})
        except FilterError:
            return
        assert bound is None or compile_filter(str(bound), schema) == bound

    def guarded(raw: bytes) -> None:
        try:
            one(raw)
        except UnicodeDecodeError:
            return  # no text at all

    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(corpus()):
            Path(folder, str(number)).write_text(text, "utf-8")
        options = [f"-timeout={MAX_SECONDS}", f"-max_len={MAX_LENGTH}", "-verbosity=0"]
        arguments: list[Any] = [sys.argv[0], *options, *sys.argv[1:], folder]
        atheris.Setup(arguments, guarded)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
