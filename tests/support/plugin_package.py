"""Distributions of the test's own, laid out the way pip does."""

from __future__ import annotations

from pathlib import Path

ANALYZERS = '''
import re

from elanus.plugins import TextToken


class Words:
    """A tokenizer: what a pattern matches."""

    def __init__(self, pattern=r"\\w+"):
        self.find = re.compile(pattern).finditer

    def tokenize(self, text):
        for found in self.find(text):
            yield TextToken(found.group(), found.start(), found.end())


class Turn:
    """A filter: words backwards."""

    def __init__(self, drop=()):
        self.drop = drop

    def apply(self, token):
        return None if token in self.drop else token[::-1]


class Halves:
    """A filter that makes several terms of a token."""

    def expand(self, token):
        return [token, token[: len(token) // 2]]


class Codes:
    """A whole analyzer: part numbers such as AB-12, with and without the dash, in one place."""

    def __init__(self, series=""):
        self.series = series

    def analyze(self, text):
        for place, found in enumerate(re.finditer(r"[A-Z]+-[0-9]+", text)):
            whole = found.group().lower()
            yield whole, found.start(), found.end(), place
            yield TextToken(whole.replace("-", ""), found.start(), found.end(), place)


def house(stop=()):
    """A chain under one name."""
    return {"tokenizer": "standard", "filter": ["lowercase", {"type": "stop", "stop_words": stop}]}


class Picky:
    """A filter that fails on one word, which another version of it may not do."""

    word = "boom"

    def apply(self, token):
        return 1 // (token != self.word) and token


class Wrong:
    """A tokenizer that returns something else."""

    def __init__(self, made):
        self.made = made

    def tokenize(self, text):
        return [tuple(one) if isinstance(one, list) else one for one in self.made]
'''

ANALYZER_ENTRY_POINTS = """
[elanus.analyzers]
acme-words = {module}:Words
acme-turn = {module}:Turn
acme-halves = {module}:Halves
acme-codes = {module}:Codes
acme-house = {module}:house
acme-picky = {module}:Picky
acme-wrong = {module}:Wrong
"""


def install(folder: Path, distribution: str, module: str, source: str, entry_points: str) -> None:
    """Write a module and the record that says which plug-ins it has.

    Args:
        folder: On the search path of modules.
        distribution: Name of the distribution.
        module: Name of the module.
        source: Its text.
        entry_points: Text of ``entry_points.txt``; ``{module}`` stands for the module.
    """
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    record = folder / f"{distribution}-1.0.dist-info"
    record.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
    (record / "METADATA").write_text(metadata, encoding="utf-8")
    points = entry_points.format(module=module)
    (record / "entry_points.txt").write_text(points, encoding="utf-8")


def install_analyzers(folder: Path) -> None:
    """Install a distribution of analyzers of every kind."""
    install(folder, "acme-analyzers", "acme_analyzers", ANALYZERS, ANALYZER_ENTRY_POINTS)
