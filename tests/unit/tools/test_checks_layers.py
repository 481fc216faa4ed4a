import pytest

from tools.checks.layers import (
    LayerTable,
    core_modules,
    inner_name,
    problems_in_core,
    problems_outside,
    read_table,
)

TABLE = LayerTable(
    core={
        "errors": [],
        "kernels": ["errors", "_native"],
        "storage": ["errors", "kernels.bitset"],
        "query": ["errors", "kernels"],
        "cli": ["elanus"],
        "elanus": ["query"],
    },
    core_extra={"cli.doctor": ["storage"]},
    third_party={"numpy": ["*"], "hnswlib": ["query.search"]},
    public_modules=["errors", "testing"],
)


@pytest.mark.parametrize(
    ("module", "line", "problem"),
    [
        ("storage.wal", "from elanus.query.search import search", "elanus.query.search"),
        ("storage.wal", "import elanus.query", "elanus.query"),
        ("storage.wal", "from elanus.kernels.bitset import Bitset", None),
        ("storage.wal", "from elanus.kernels import bitset", None),
        ("storage.wal", "from elanus.kernels import distance", "elanus.kernels.distance"),
        ("storage.wal", "from elanus.storage.manifest import Manifest", None),
        ("storage.wal", "from .manifest import Manifest", None),
        ("storage.wal", "from ..query import search", "elanus.query.search"),
        ("storage.wal", "from elanus import _native", "elanus._native"),
        ("kernels.distance", "from elanus import _native", None),
        ("kernels.distance", "from elanus._native import scan", None),
        ("query.search", "from elanus import connect", "elanus"),
        ("query.search", "import hnswlib", None),
        ("query.plan", "import hnswlib", "hnswlib"),
        ("query.plan", "import numpy as np", None),
        ("query.plan", "import json, os.path", None),
        ("query.plan", "from __future__ import annotations", None),
        ("cli.doctor", "from elanus.storage.wal import read", None),
        ("cli.main", "from elanus.storage.wal import read", "elanus.storage.wal"),
        ("cli.main", "import elanus", None),
        ("query.plan", "def f():\n    from elanus.storage import wal", "elanus.storage.wal"),
        ("query.plan", "if TYPE_CHECKING:\n    import pandas", None),
        ("query.plan", "if TYPE_CHECKING:\n    import elanus.storage.wal", "elanus.storage.wal"),
    ],
)
def test_imports_in_core_follow_the_table(module: str, line: str, problem: str | None) -> None:
    found = problems_in_core(line, f"elanus.{module}", TABLE, is_package=False)
    number = line.count("\n") + 1
    wanted = [] if problem is None else [f"{number}: {module} may not import {problem}"]
    assert found == wanted


def test_a_relative_import_in_a_package_starts_at_the_package() -> None:
    text = "from .wal import read\nfrom ..query import search"
    assert problems_in_core(text, "elanus.storage", TABLE, is_package=True) == [
        "2: storage may not import elanus.query.search"
    ]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("import elanus\nelanus.connect()", []),
        ("import elanus\nelanus.errors.FilterError", []),
        ("import elanus\nelanus.__version__", []),
        ("import elanus\nelanus.engine", ["2: elanus.engine"]),
        ("from elanus import connect, errors", []),
        ("from elanus import connect, engine", ["1: elanus.engine"]),
        ("from elanus.errors import FilterError", []),
        ("from elanus.errors import _text", ["1: elanus.errors._text"]),
        ("from elanus.testing.embedder import suite", []),
        ("from elanus.engine.writing.writer import Writer", ["1: elanus.engine.writing.writer"]),
        ("from elanus._native import scan", ["1: elanus._native"]),
        ("import elanus._native", ["1: elanus._native"]),
        ("import elanus_embeddings\nfrom elanus_demo.x import y", []),
        ("self.elanus.engine", []),
    ],
)
def test_code_outside_core_gets_by_with_public_names(text: str, hidden: list[str]) -> None:
    wanted = [f"{one} is not a public name of elanus" for one in hidden]
    assert problems_outside(text, frozenset({"connect"}), TABLE) == wanted


def test_no_package_of_the_table_may_import_a_package_above_it() -> None:
    order = list(read_table().core)
    for place, (package, allowed) in enumerate(read_table().core.items()):
        # A single module of a higher layer may be named; the layer itself may not.
        above = set(order[place + 1 :]) - {"elanus"}
        assert above.isdisjoint(allowed), package


def test_the_table_names_only_modules_that_exist() -> None:
    table, modules = read_table(), {*map(inner_name, core_modules())}
    importers = [*table.core, *table.core_extra]
    allowed = [name for names in table.core.values() for name in names]
    users = [name for names in table.third_party.values() for name in names if name != "*"]
    assert {*importers, *allowed, *users, *table.public_modules} - modules == set()
