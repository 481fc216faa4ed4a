"""What does the workspace consist of, and did any of it change since the last set-up?

Distributions are found, not listed: every folder (or `integrations/` folder) with a
`pyproject.toml` of its own. Their third-party requirements are collected here, because they are
installed before the distributions themselves, which are then installed without dependencies.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONSTRAINTS = "constraints.txt"
DEVELOPMENT_EXTRAS = ("dev", "test")
NATIVE_SUFFIXES = frozenset({".c", ".cc", ".cpp", ".h", ".hpp", ".inl", ".cmake"})

_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")


def canonical(name: str) -> str:
    """Return a distribution name in the form that compares equal (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def split_requirement(text: str) -> tuple[str, frozenset[str]]:
    """Return the canonical name and the extras of a requirement line.

    Raises:
        ValueError: ``text`` does not start with a distribution name.
    """
    match = _NAME.match(text)
    if match is None:
        raise ValueError(f"not a requirement: {text!r}")
    extras = (canonical(part.strip()) for part in (match[2] or "").split(","))
    return canonical(match[1]), frozenset(extra for extra in extras if extra)


@dataclass(frozen=True, slots=True)
class Distribution:
    """One installable folder of the workspace."""

    name: str
    folder: Path
    project: dict[str, Any]
    build_requires: tuple[str, ...]

    @property
    def is_native(self) -> bool:
        """Whether installing it compiles something."""
        return (self.folder / "CMakeLists.txt").is_file()

    def extras(self) -> dict[str, list[str]]:
        """Return its optional requirements by canonical extra name."""
        found: dict[str, list[str]] = self.project.get("optional-dependencies", {})
        return {canonical(name): lines for name, lines in found.items()}

    def requirements(self, extras: Iterable[str]) -> list[str]:
        """Return its run-time requirements and those of the ``extras`` that it has."""
        own = self.extras()
        lines = list(self.project.get("dependencies", []))
        for extra in sorted(extras):
            lines += own.get(extra, [])
        return lines


def read_distribution(folder: Path) -> Distribution:
    """Return the distribution that ``folder/pyproject.toml`` describes."""
    settings = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    project = settings["project"]
    requires = tuple(settings.get("build-system", {}).get("requires", ("setuptools", "wheel")))
    return Distribution(canonical(project["name"]), folder, project, requires)


def find_distributions(root: Path) -> list[Distribution]:
    """Return the workspace's distributions, native ones first, then by folder."""
    files = [*root.glob("*/pyproject.toml"), *root.glob("integrations/*/pyproject.toml")]
    folders = [file.parent for file in files if not file.parent.name.startswith(".")]
    found = [read_distribution(folder) for folder in sorted(folders)]
    return sorted(found, key=lambda one: not one.is_native)


def third_party(distributions: list[Distribution], tools: list[str]) -> list[str]:
    """Return what pip must fetch for all distributions with their development extras.

    A requirement on a distribution of the workspace is replaced by what its extras ask for.

    Args:
        distributions: Those of the workspace.
        tools: Further requirements; those on the workspace's own name the extras to include.
    """
    extras_of = {one.name: set(DEVELOPMENT_EXTRAS) for one in distributions}
    lines: set[str] = set()
    pending = list(tools)
    pending += [line for one in distributions for line in one.requirements(DEVELOPMENT_EXTRAS)]
    own = {one.name: one for one in distributions}
    while pending:
        line = pending.pop()
        name, extras = split_requirement(line)
        if name not in own:
            lines.add(line)
            continue
        for extra in extras - extras_of[name]:
            extras_of[name].add(extra)
            pending += own[name].extras().get(extra, [])
    return sorted(lines)


def dependency_group(root: Path, name: str) -> list[str]:
    """Return the requirements of one group in the root ``pyproject.toml`` (PEP 735)."""
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    group: list[str] = settings["dependency-groups"][name]
    return group


def native_files(distribution: Distribution) -> Iterator[Path]:
    """Yield the sources whose change means building ``distribution`` again, in order."""
    yield distribution.folder / "CMakeLists.txt"
    built = distribution.folder / "build"
    for file in sorted(distribution.folder.rglob("*")):
        if file.suffix in NATIVE_SUFFIXES and built not in file.parents and file.is_file():
            yield file


def fingerprint(parts: Iterable[str | bytes]) -> str:
    """Return a digest of ``parts`` that also depends on where each one ends."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()


def native_fingerprint(root: Path, distributions: list[Distribution]) -> str:
    """Return the digest of everything that is compiled, file names included."""
    parts: list[str | bytes] = []
    for one in distributions:
        if one.is_native:
            for file in native_files(one):
                parts += [str(file.relative_to(root)), file.read_bytes()]
    return fingerprint(parts)


def environment_fingerprint(root: Path, distributions: list[Distribution]) -> str:
    """Return the digest of everything that decides what pip installs.

    Of the root ``pyproject.toml`` only the dependency groups count: a changed lint rule is no
    reason to install anything. The steps themselves count, since they decide too.
    """
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    parts: list[str | bytes] = [repr(settings["dependency-groups"])]
    parts += [(root / CONSTRAINTS).read_bytes()]
    for file in ("inputs.py", "steps.py"):
        parts += [(Path(__file__).parent / file).read_bytes()]
    for one in distributions:
        parts += [str(one.folder.relative_to(root)), (one.folder / "pyproject.toml").read_bytes()]
    return fingerprint(parts)
