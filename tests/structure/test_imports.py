"""Programs load what they use: importing elanus takes next to no time."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import elanus

RARE = (
    "asyncio",
    "elanus.api.backup",
    "elanus.api.transfer",
    "elanus.cli",
    "elanus.documents",
    "elanus.storage.backup",
    "elanus.storage.repair",
    "elanus.testing",
    "elanus.transfer",
    "faiss",
    "hnswlib",
    "importlib.metadata",
    "pandas",
    "polars",
    "pyarrow",
    "shapely",
    "tqdm",
)
"""What a program that searches does without, with everything below it."""

SEARCH = """
import elanus
db = elanus.connect(":memory:")
schema = elanus.Schema([
    elanus.Field("id", elanus.INT64, primary=True),
    elanus.Field("dense", elanus.FLOAT_VECTOR, dim=2),
])
held = db.create_collection("a", schema)
held.insert([{"id": 1, "dense": [1.0, 0.0]}])
assert held.search([1.0, 0.0]).ids == [1]
"""


def loaded_by(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has after running some code."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_importing_elanus_loads_nothing_of_it() -> None:
    loaded = loaded_by("import elanus")
    assert {name for name in loaded if name.startswith("elanus")} == {"elanus"}
    assert "numpy" not in loaded


def test_a_search_loads_nothing_that_is_rare() -> None:
    loaded = loaded_by(SEARCH)
    assert "elanus.query.search" in loaded
    rare = {name for name in loaded if any(f"{name}.".startswith(f"{r}.") for r in RARE)}
    assert rare == set()


def test_every_public_name_is_there_and_known_to_type_checkers() -> None:
    tree = ast.parse(Path(str(elanus.__file__)).read_text("utf-8"))
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    checked = set()
    for node in guarded.body:
        if isinstance(node, ast.ImportFrom):
            checked |= {alias.asname or alias.name for alias in node.names}
            for alias in node.names:
                home = importlib.import_module(str(node.module))
                assert getattr(elanus, alias.name) is getattr(home, alias.name)
        elif isinstance(node, ast.Assign):
            checked |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    assert checked == set(elanus.__all__) - {"__version__"}
    assert set(elanus.__all__) <= set(dir(elanus))
    assert elanus.INT64 is elanus.DataType.INT64


def test_modules_of_the_public_interface_are_attributes() -> None:
    code = "import elanus\nprint(elanus.errors.NotFoundError, elanus.filter.field)"
    assert {"elanus.errors", "elanus.filter"} <= loaded_by(code)
