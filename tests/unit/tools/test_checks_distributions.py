from pathlib import Path

from tools.bootstrap.inputs import Distribution
from tools.checks.distributions import differing_versions, missing_files


def test_what_a_distribution_lacks_is_named(tmp_path: Path) -> None:
    workspace, folder = tmp_path / "LICENSE", tmp_path / "one"
    workspace.write_text("terms")
    names = (
        *("LICENSE", "README.md", "CHANGELOG.md"),
        *("src/typed/__init__.py", "src/typed/py.typed", "src/typed/inside/__init__.py"),
        "src/untyped/__init__.py",
    )
    files = [folder / name for name in names]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("terms")
    assert missing_files(folder, files, workspace) == ["no py.typed in src/untyped"]
    (folder / "LICENSE").write_text("other terms")
    assert missing_files(folder, [one for one in files if one.suffix != ".md"], workspace) == [
        "no README.md beside it",
        "no CHANGELOG.md beside it",
        "its LICENSE is not that of the workspace",
        "no py.typed in src/untyped",
    ]


def test_versions_that_differ_are_named() -> None:
    def made(name: str, version: str, **more: object) -> Distribution:
        return Distribution(name, Path(), {"version": version, **more}, ())

    needs = ["elanus>=1.2", "numpy>=2.0", "elanus-server[otel]>=1.1"]
    distributions = {
        one.name: one
        for one in (
            made("elanus", "1.2"),
            made("elanus-server", "1.3", dependencies=["elanus>=1.2"]),
            made("elanus-demo", "1.2", **{"optional-dependencies": {"web": needs}}),
        )
    }
    assert differing_versions(distributions) == [
        "elanus-server: its version is 1.3, that of elanus 1.2",
        "elanus-demo: it requires elanus-server[otel]>=1.1, and elanus-server is 1.2",
    ]
