"""Do links, and the paths that ARCHITECTURE.md names, lead somewhere?"""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from tools.checks.markdown import Page, anchors, code_spans, headings, links, parse
from tools.checks.sources import CORE, ROOT, files_with, name_of

_EXTERNAL = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_PATH = re.compile(r"^[\w.-]+(/[\w.*-]+)*/?$")
_SUFFIXES = (".py", ".pyi", ".cpp", ".h", ".inl", ".md", ".toml", ".txt", ".html")


@cache
def read_page(file: Path) -> Page:
    """Return a parsed page."""
    return parse(file.read_text("utf-8"))


def broken_link(page: Path, target: str) -> str | None:
    """Return what is wrong with a link on ``page``, or None."""
    if _EXTERNAL.match(target) or target.startswith("//"):
        return None
    path, _, fragment = target.partition("#")
    file = page if not path else (page.parent / unquote(path)).resolve()
    if not file.exists():
        return f"{target} does not exist"
    if not file.is_relative_to(ROOT):
        return f"{target} leaves the repository"
    if fragment and file.suffix == ".md" and unquote(fragment) not in anchors(read_page(file)):
        return f"{target}: no heading makes this anchor"
    return None


def unlisted_pages(index: Path, pages: list[Path]) -> list[str]:
    """Return the pages below an index's folder that no index names, each folder's first."""
    indexes = [index] + [page for page in pages if page.name == index.name and page != index]
    named = {
        (one.parent / unquote(target.partition("#")[0])).resolve()
        for one in indexes
        for _, target in links(read_page(one))
        if not _EXTERNAL.match(target)
    }
    below = (page for page in pages if page != index and page.is_relative_to(index.parent))
    return [
        f"{name_of(index)}: {name_of(page)} is not listed" for page in below if page not in named
    ]


def check_links() -> list[str]:
    """Return every relative link, in any Markdown file, whose file or heading is missing, and
    every page of the documentation that its index leaves out."""
    problems = []
    for file in files_with([".md"]):
        for line, target in links(read_page(file)):
            problem = broken_link(file, target)
            if problem:
                problems.append(f"{name_of(file)}:{line}: {problem}")
    return problems + unlisted_pages(ROOT / "docs" / "README.md", files_with([".md"]))


def looks_like_path(span: str) -> bool:
    """Return whether a code span names a file or folder rather than something in the code."""
    return bool(_PATH.match(span)) and (span.endswith(_SUFFIXES) or "/" in span)


def bases_for(heading: str) -> list[Path]:
    """Return the folders below which a path under ``heading`` may be written.

    A page may write `query/plan.py` for what lies in core's package, and `plan.py` under the
    heading of `query/`.
    """
    named = [word.strip("`:,()") for word in heading.split()]
    bases = [ROOT, CORE, ROOT / "core", ROOT / "core" / "native"]
    folders = [base / word for word in named if looks_like_path(word) for base in bases]
    return bases + [folder for folder in folders if folder.is_dir()]


def check_architecture() -> list[str]:
    """Return every path named in ARCHITECTURE.md that does not exist."""
    file = ROOT / "ARCHITECTURE.md"
    if not file.exists():
        return ["ARCHITECTURE.md does not exist"]
    page, problems = read_page(file), []
    sections = sorted(headings(page))
    for line, span in code_spans(page):
        if looks_like_path(span):
            above = [text for number, text in sections if number <= line]
            bases = bases_for(above[-1] if above else "")
            if not any(any(base.glob(span.rstrip("/"))) for base in bases):
                problems.append(f"ARCHITECTURE.md:{line}: {span} does not exist")
    return problems
