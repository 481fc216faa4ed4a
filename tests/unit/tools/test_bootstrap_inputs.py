from pathlib import Path

import pytest

from tools.bootstrap.inputs import (
    Distribution,
    dependency_group,
    environment_fingerprint,
    find_distributions,
    fingerprint,
    native_fingerprint,
    split_requirement,
    third_party,
)

ROOT_SETTINGS = '[dependency-groups]\ntorch = ["torch==2.13.0"]\ndev = ["pytest"]\n'
CORE = """
[build-system]
requires = ["scikit-build-core"]
[project]
name = "elanus"
dependencies = ["numpy>=2.0"]
[project.optional-dependencies]
hnsw = ["hnswlib>=0.8"]
test = ["scipy"]
"""
PLUGIN = """
[project]
name = "elanus_embeddings"
dependencies = ["elanus>=0.1", "numpy>=1.26"]
[project.optional-dependencies]
models = ["transformers>=5; python_version >= '3.11'"]
minilm = ["elanus-embeddings[models]", "minilm-package"]
"""


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two distributions, one of them native."""
    write(tmp_path / "pyproject.toml", ROOT_SETTINGS)
    write(tmp_path / "constraints.txt", "numpy==2.4.6\n")
    write(tmp_path / "core" / "pyproject.toml", CORE)
    write(tmp_path / "core" / "CMakeLists.txt", "project(elanus)\n")
    write(tmp_path / "core" / "native" / "kernel.cpp", "int main() {}\n")
    write(tmp_path / "core" / "src" / "elanus" / "__init__.py", "")
    write(tmp_path / "an_embeddings" / "pyproject.toml", PLUGIN)
    write(tmp_path / ".venv" / "pyproject.toml", "not even TOML")
    return tmp_path


def both_fingerprints(root: Path) -> tuple[str, str]:
    found = find_distributions(root)
    return environment_fingerprint(root, found), native_fingerprint(root, found)


def test_distributions_are_found_native_ones_first(workspace: Path) -> None:
    found = find_distributions(workspace)
    assert [(one.name, one.is_native, one.build_requires) for one in found] == [
        ("elanus", True, ("scikit-build-core",)),
        ("elanus-embeddings", False, ("setuptools", "wheel")),
    ]


def test_distributions_of_integrations_are_found_one_level_deeper(workspace: Path) -> None:
    write(workspace / "integrations" / "x" / "pyproject.toml", '[project]\nname = "x-elanus"\n')
    assert [one.name for one in find_distributions(workspace)][-1] == "x-elanus"


def test_third_party_leaves_the_workspace_out_and_follows_its_extras(workspace: Path) -> None:
    found = find_distributions(workspace)
    assert third_party(found, ["pytest", "Elanus[hnsw]", "elanus_embeddings[minilm]"]) == [
        "hnswlib>=0.8",
        "minilm-package",
        "numpy>=1.26",
        "numpy>=2.0",
        "pytest",
        "scipy",
        "transformers>=5; python_version >= '3.11'",
    ]


def test_third_party_takes_no_extra_that_nobody_asks_for(workspace: Path) -> None:
    found = find_distributions(workspace)
    assert third_party(found, []) == ["numpy>=1.26", "numpy>=2.0", "scipy"]


def test_extras_that_name_each_other_end() -> None:
    project = {
        "name": "a",
        "optional-dependencies": {"dev": ["a[x]"], "x": ["a[y]", "b"], "y": ["a[x]", "c"]},
    }
    assert third_party([Distribution("a", Path("a"), project, ())], []) == ["b", "c"]


@pytest.mark.parametrize(
    ("text", "name", "extras"),
    [
        ("NumPy>=2", "numpy", set()),
        ("rank_bm25", "rank-bm25", set()),
        ("  a.b [X, y_z] ~= 1.0 ; python_version < '4'", "a-b", {"x", "y-z"}),
        ("a[]", "a", set()),
    ],
)
def test_a_requirement_is_split_into_name_and_extras(
    text: str, name: str, extras: set[str]
) -> None:
    assert split_requirement(text) == (name, frozenset(extras))


def test_a_line_that_is_no_requirement_is_refused() -> None:
    with pytest.raises(ValueError, match="not a requirement: '>=1'"):
        split_requirement(">=1")


def test_fingerprint_depends_on_where_the_parts_end() -> None:
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])
    assert fingerprint(["ab", b"c"]) == fingerprint([b"ab", "c"])


@pytest.mark.parametrize(
    "name", ["native/kernel.cpp", "native/new.h", "native/deep/er/variant.inl", "CMakeLists.txt"]
)
def test_a_native_change_changes_the_native_fingerprint_only(workspace: Path, name: str) -> None:
    environment, native = both_fingerprints(workspace)
    write(workspace / "core" / name, "// changed\n")
    after = both_fingerprints(workspace)
    assert after[0] == environment
    assert after[1] != native


def test_a_renamed_native_file_changes_the_native_fingerprint(workspace: Path) -> None:
    before = both_fingerprints(workspace)[1]
    (workspace / "core/native/kernel.cpp").rename(workspace / "core/native/other.cpp")
    assert both_fingerprints(workspace)[1] != before


@pytest.mark.parametrize(
    "name",
    [
        "core/src/elanus/__init__.py",
        "core/src/elanus/new.py",
        "core/build/cp311/generated.cpp",
        "core/README.md",
    ],
)
def test_python_sources_and_build_products_change_no_fingerprint(
    workspace: Path, name: str
) -> None:
    before = both_fingerprints(workspace)
    write(workspace / name, "changed = 1\n")
    assert both_fingerprints(workspace) == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("constraints.txt", "numpy==2.5.0\n"),
        ("core/pyproject.toml", CORE.replace("2.0", "2.1")),
        ("pyproject.toml", ROOT_SETTINGS.replace("pytest", "pytest>=9")),
        ("server/pyproject.toml", '[project]\nname = "elanus-server"\n'),
    ],
)
def test_changed_requirements_change_the_environment_fingerprint_only(
    workspace: Path, name: str, text: str
) -> None:
    environment, native = both_fingerprints(workspace)
    write(workspace / name, text)
    after = both_fingerprints(workspace)
    assert after[0] != environment
    assert after[1] == native


def test_other_settings_of_the_root_change_no_fingerprint(workspace: Path) -> None:
    before = both_fingerprints(workspace)
    write(workspace / "pyproject.toml", ROOT_SETTINGS + "[tool.ruff]\nline-length = 80\n")
    assert both_fingerprints(workspace) == before


def test_torch_is_asked_for_by_one_exact_version() -> None:
    root = Path(__file__).resolve().parents[3]
    assert dependency_group(root, "torch") == ["torch==2.13.0"]
    assert "torch==2.13.0" in (root / "constraints.txt").read_text("utf-8").splitlines()
