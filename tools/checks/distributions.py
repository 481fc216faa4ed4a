"""Does every distribution carry what whoever installs it must find?"""

import re
from pathlib import Path

from tools.bootstrap.inputs import Distribution, find_distributions
from tools.checks.sources import ROOT, name_of, tracked_files

_FIELDS = ("description", "readme", "keywords", "classifiers", "requires-python", "license")
_OWN_VERSION = re.compile(r"\A(elanus[\w-]*)(?:\[[^\]]*\])?>=([\w.]+)\Z")


def check_distributions() -> list[str]:
    """Return what distributions lack, and what differs between them."""
    distributions = find_distributions(ROOT)
    problems = []
    for distribution in distributions:
        file = name_of(distribution.folder / "pyproject.toml")
        lacking = missing_files(distribution.folder, list(tracked_files()), ROOT / "LICENSE")
        lacking += [f"no {field}" for field in _FIELDS if field not in distribution.project]
        problems += [f"{file}: {problem}" for problem in lacking]
    problems += differing_versions({one.name: one for one in distributions})
    return problems


def missing_files(folder: Path, files: list[Path], license_file: Path) -> list[str]:
    """Return which files a distribution lacks: license, pages, and marks of typed packages."""
    own = [file for file in files if file.is_relative_to(folder)]
    problems = [
        f"no {name} beside it"
        for name in ("LICENSE", "README.md", "CHANGELOG.md")
        if folder / name not in own
    ]
    copy = folder / "LICENSE"
    if copy in own and copy.read_bytes() != license_file.read_bytes():
        problems.append("its LICENSE is not that of the workspace")
    packages = {file.parent for file in own if file.name == "__init__.py"}
    packages = {one for one in packages if one.is_relative_to(folder / "src")}
    for package in sorted(packages):
        is_top = package.parent not in packages
        if is_top and package / "py.typed" not in own:
            problems.append(f"no py.typed in {package.relative_to(folder).as_posix()}")
    return problems


def differing_versions(distributions: dict[str, Distribution]) -> list[str]:
    """Return the versions that are not that of `elanus`, also where one requires another."""
    version = distributions["elanus"].project["version"]
    problems = []
    for name, distribution in distributions.items():
        project = distribution.project
        if project["version"] != version:
            own = project["version"]
            problems.append(f"{name}: its version is {own}, that of elanus {version}")
        required = list(project.get("dependencies", []))
        for extra in project.get("optional-dependencies", {}).values():
            required += extra
        problems += [
            f"{name}: it requires {match[0]}, and {match[1]} is {version}"
            for match in filter(None, map(_OWN_VERSION.match, required))
            if match[2] != version
        ]
    return problems
