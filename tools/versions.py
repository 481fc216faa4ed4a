"""Run the tests of an adapter with the oldest or the newest framework that it supports.

    python -m tools.versions lowest
    python -m tools.versions newest -- -k retriever

The framework goes into a folder of its own that is looked at before `.venv`, which keeps its
versions; everything else comes from there. The folder is kept for the next time.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap.inputs import DEVELOPMENT_EXTRAS, fingerprint, read_distribution

ROOT = Path(__file__).resolve().parents[1]
_LOWER_BOUND = re.compile(r"^([A-Za-z0-9._-]+)\s*>=\s*([0-9][0-9.]*)")


@dataclass(frozen=True, slots=True)
class Framework:
    """What stands for a framework.

    Attributes:
        prefix: How the names of its packages begin.
        beside: Packages that it brings along and that must be as old as it is.
    """

    prefix: str
    beside: tuple[str, ...] = ()


FRAMEWORKS = {
    "langchain": Framework(
        "langchain",
        # Later checkpoints import what langchain-core 1.0 does not have, and do not say so.
        ("langgraph==1.0.0", "langgraph-prebuilt==1.0.0", "langgraph-checkpoint==3.0.0"),
    ),
    "llamaindex": Framework(
        "llama-index",
        # The core refuses later workflows; later models import what this core does not have.
        (
            "llama-index-workflows==1.0.1",
            "llama-index-instrumentation==0.1.0",
            "llama-index-llms-openai-like==0.5.0",
            "llama-index-llms-openai==0.5.0",
            "llama-index-llms-ollama==0.7.0",
        ),
    ),
}


def requirements(name: str, which: str) -> list[str]:
    """Return what pip is to install for one of the frameworks.

    Args:
        name: Of the framework, and of the folder in `integrations/`.
        which: "lowest": exactly the lower bounds that `pyproject.toml` names; "newest": no bound
            but the upper ones.

    Raises:
        ValueError: A requirement on the framework has no lower bound.
    """
    framework = FRAMEWORKS[name]
    distribution = read_distribution(ROOT / "integrations" / name)
    lines = distribution.requirements(DEVELOPMENT_EXTRAS)
    own = [line for line in lines if line.startswith(framework.prefix)]
    if which == "newest":
        return own
    pins = []
    for line in own:
        bound = _LOWER_BOUND.match(line)
        if bound is None:
            raise ValueError(f"{distribution.folder}/pyproject.toml: no lower bound in {line!r}")
        pins.append(f"{bound[1]}=={bound[2]}")
    return [*pins, *framework.beside]


def install(name: str, which: str) -> Path:
    """Return the folder with the packages; install them when they are not there.

    The oldest ones are installed alone, on what `.venv` has: small and quick. The newest ones may
    ask for other versions of anything, and get them.
    """
    wanted = requirements(name, which)
    key = fingerprint([sys.version, which, *wanted])[:16]
    folder = Path(tempfile.gettempdir()) / f"elanus-{name}-{which}-{key}"
    if which == "lowest" and folder.is_dir():
        return folder
    # Under another name until it is whole: an installation that was interrupted is never used.
    part = folder.with_suffix(".part")
    for old in (folder, part):
        shutil.rmtree(old, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(part)]
    command += ["--no-deps", *wanted] if which == "lowest" else wanted
    subprocess.run(command, check=True, cwd=ROOT)
    part.rename(folder)
    return folder


def test(name: str, folder: Path, arguments: Sequence[str]) -> int:
    """Run the adapter's tests with the packages of a folder; return the status of pytest."""
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    packages = sorted(p.stem for p in folder.glob("*.dist-info"))
    own = tuple(part.replace("-", "_") for part in (FRAMEWORKS[name].prefix, "lang"))
    print(f"{name}: {', '.join(p for p in packages if p.startswith(own))}", flush=True)
    command = [sys.executable, "-m", "pytest", f"tests/unit/{name}", f"tests/conformance/{name}"]
    # Older pytests know fewer settings, and two of them share no cache.
    # The slow ones are about processes and sizes, which no version of a framework changes.
    command += ["-p", "no:cacheprovider", "-m", "not slow and not soak", *arguments]
    return subprocess.run(command, check=False, cwd=ROOT, env=environ).returncode


def main() -> int:
    """Run the tests; return the first failing status."""
    parser = argparse.ArgumentParser(prog="tools.versions", description=__doc__)
    parser.add_argument("which", choices=("lowest", "newest"))
    parser.add_argument("--framework", choices=sorted(FRAMEWORKS), action="append")
    parser.add_argument("arguments", nargs="*", help="for pytest")
    given = parser.parse_args()
    statuses = [
        test(name, install(name, given.which), given.arguments)
        for name in given.framework or sorted(FRAMEWORKS)
    ]
    return next((status for status in statuses if status != 0), 0)


if __name__ == "__main__":
    sys.exit(main())
