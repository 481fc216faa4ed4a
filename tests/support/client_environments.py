"""Clients of Milvus in the versions that people use, each beside the packages of this workspace.

Every client has a file of pinned packages in ``tests/conformance/clients/environments``. They are
installed into a cache folder outside the repository when they are first needed, and go before the
workspace's own. The scenarios run as programs of their own, which know a server by its address.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parents[1] / "conformance" / "clients"
SCENARIOS = HERE / "scenarios"
PINS = HERE / "environments"
MOST_SECONDS = 300


class UnavailableError(Exception):
    """A client could not be installed; says why."""


@dataclass
class Part:
    """What one file of a scenario came to.

    Attributes:
        passed: Cases that passed.
        skipped: Why others were not run: the client of this version cannot ask it.
        failures: What went wrong, by case.
    """

    passed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def packages_of(name: str) -> Path | None:
    """Return the folder with the Python packages of a client; None: those of the workspace do.

    Raises:
        UnavailableError: They could not be installed.
    """
    pins = PINS / f"{name}.txt"
    if not pins.exists():
        return None
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    # What the client is built on has the same versions in the workspace.
    pip += ["--no-deps", "--no-compile", "-r", str(pins)]
    return _installed(name, pins, lambda folder: _run([*pip, "--target", str(folder)]))


def modules_of(name: str) -> Path:
    """Return the ``node_modules`` of a client.

    Raises:
        UnavailableError: There is no Node, or its packages could not be installed.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise UnavailableError("node and npm are not on PATH")
    npm = ["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]

    def install(folder: Path) -> None:
        shutil.copytree(PINS / name, folder)
        _run([*npm, "--prefix", str(folder)])

    return _installed(name, PINS / name / "package-lock.json", install) / "node_modules"


def _installed(name: str, pins: Path, install: Callable[[Path], None]) -> Path:
    """Return a folder that is there for just these pins; make it where it is not."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elanus-clients"
    made_of = pins.read_bytes() + sys.version.encode()
    folder = base / f"{name}-{hashlib.sha256(made_of).hexdigest()[:12]}"
    if not folder.exists():
        base.mkdir(parents=True, exist_ok=True)
        # Under another name until it is whole: what was interrupted is never used.
        part = Path(tempfile.mkdtemp(dir=base)) / "part"
        try:
            install(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part.parent, ignore_errors=True)
    return folder


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"{' '.join(command)}: {done.stderr[-2_000:] or done.stdout}")


def run_python(name: str, files: Sequence[str], settings: Mapping[str, str]) -> dict[str, Part]:
    """Run scenario files with pytest and the packages of a client.

    Args:
        name: Of the client.
        files: Names in ``scenarios``, without ``.py``.
        settings: Environment variables that say where the servers are.

    Returns:
        What each file came to.

    Raises:
        UnavailableError: The client could not be installed.
    """
    folders = [folder for folder in (packages_of(name), HERE.parents[1]) if folder is not None]
    # The workspace has many plugins; scenarios need one, and loading the others takes seconds.
    paths = {
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-c", str(SCENARIOS / "pytest.ini")]
    command += ["-p", "pytest_asyncio.plugin"]
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report.xml")
        command += [f"--junitxml={report}", *[str(SCENARIOS / f"{file}.py") for file in files]]
        shown = _output(command, {**settings, **paths})
        return _read(report.read_text() if report.exists() else "", files, shown)


def run_node(name: str, files: Sequence[str], settings: Mapping[str, str]) -> dict[str, Part]:
    """Run scenario files with Node's own test runner; as ``run_python``."""
    modules = modules_of(name)
    found = {}
    for file in files:
        command = ["node", "--test", "--test-reporter=junit", str(SCENARIOS / f"{file}.cjs")]
        shown = _output(command, {**settings, "NODE_PATH": str(modules)})
        begin, end = shown.find("<?xml"), shown.find("</testsuites>")
        found |= _read(shown[begin : end + 13] if 0 <= begin < end else "", [file], shown)
    return found


def _output(command: Sequence[str], settings: Mapping[str, str]) -> str:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PYTEST", "PYTHONPATH"))}
    done = subprocess.run(
        command,
        cwd=SCENARIOS,
        env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    return done.stdout


def _read(report: str, files: Sequence[str], shown: str) -> dict[str, Part]:
    """Return the cases of a report in JUnit's form, by file."""
    found = {file: Part() for file in files}
    for case in ElementTree.fromstring(report).iter("testcase") if report else ():
        owner = case.get("classname", "").split(".")
        part = found[next((file for file in files if file in owner), files[0])]
        name = case.get("name", "")
        wrong = next((found for kind in ("failure", "error") for found in case.iter(kind)), None)
        left = case.find("skipped")
        if wrong is not None:
            part.failures[name] = wrong.text or wrong.get("message", "")
        elif left is not None:
            part.skipped[name] = left.get("message", "")
        else:
            part.passed.append(name)
    for part in found.values():
        if not part.passed and not part.failures:
            part.failures["the file"] = shown[-5_000:]
    return found
