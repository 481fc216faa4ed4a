"""What does the running Python say about its own library?

The public modules of the standard library as installed, each under the name it is imported by.
Modules written in C have no source and are covered by their Python twin where there is one.
"""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePath

from elanus_demo.corpus.files import CorpusError, Listing, SourceFile
from elanus_demo.readers import read_module

# Parts of the installation that are no documentation: tests, programs, other people's packages.
_LEFT_OUT = frozenset(
    {
        "dist-packages",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "lib-dynload",
        "pydoc_data",
        "site-packages",
        "test",
        "tests",
        "turtledemo",
    }
)

# Private modules that hold the text of a public one, which itself only imports it.
_PUBLIC_NAMES = {
    "_collections_abc": "collections.abc",
    "_pydatetime": "datetime",
    "_pydecimal": "decimal",
    "_pyio": "io",
    "pathlib._abc": "pathlib",
    "pathlib._local": "pathlib",
}

EXAMPLE_QUESTIONS = (
    "How do I parse an ISO 8601 date string?",
    "How can I run a subprocess with a timeout?",
    "Which class counts hashable objects?",
)


def list_stdlib(root: Path | None = None, modules: frozenset[str] | None = None) -> Listing:
    """Return the sources of the standard library's public modules.

    Args:
        root: Folder of the library; None takes the running interpreter's.
        modules: Top-level names to keep; None keeps all.

    Raises:
        CorpusError: The interpreter came without the sources.
    """
    folder = Path(sysconfig.get_path("stdlib")) if root is None else root
    files: dict[str, SourceFile] = {}
    for path, module in _public_modules(folder):
        top_level = module.partition(".")[0]
        if modules is not None and top_level not in modules:
            continue
        # The first file of a name keeps it; a twin gets its own name besides.
        key = module if module not in files else f"{module} ({path.stem})"
        files[key] = SourceFile(key, path, partial(read_module, module=module))
    if not files:
        raise CorpusError(
            f"no Python sources in {folder}; give a folder of your own with --docs PATH"
        )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Listing(
        name=f"python-{version}" if modules is None else f"python-{version}-part",
        title=f"the documentation of Python {platform.python_version()}",
        files=tuple(files[key] for key in sorted(files)),
        example_questions=EXAMPLE_QUESTIONS,
    )


def _public_modules(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*.py")):
        module = _module_name(path.relative_to(folder))
        if module is not None:
            yield path, module


def _module_name(relative: PurePath) -> str | None:
    """Return the name a file is imported by, or None when it is no public module."""
    names = list(relative.with_suffix("").parts)
    if names[-1] == "__init__":
        names.pop()
    if not names or _LEFT_OUT.intersection(names):
        return None
    module = ".".join(names)
    if module in _PUBLIC_NAMES:
        return _PUBLIC_NAMES[module]
    if any(name.startswith("_") or not name.isidentifier() for name in names):
        return None
    return module
