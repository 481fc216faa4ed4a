"""What the storage benchmarks share: the data set for the workers, and who takes part."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.datasets import Passages
from benchmarks.macro.bundle import write_bundle
from benchmarks.macro.environments import (
    EnvironmentMissingError,
    cache_folder,
    interpreter_for,
)
from benchmarks.macro.worker_process import WorkerFailedError, WorkerProcess

STORES = ("elanus", "sqlite", "lancedb", "chroma", "milvus_lite")
MODULE = "benchmarks.macro.storage_worker"


@dataclass(frozen=True, slots=True)
class Site:
    """Where the databases of one run lie, and the interpreter of each system."""

    folder: Path
    interpreters: dict[str, str]

    @property
    def bundle(self) -> Path:
        """The data set as the workers read it."""
        return self.folder / "bundle"

    def database(self, name: str) -> str:
        """Return the folder of a database."""
        return str(self.folder / name)

    def worker(
        self, store: str, *, bundle: Path | None = None, prefix: Sequence[str] = ()
    ) -> WorkerProcess:
        """Start a worker of a store, with all processors."""
        return WorkerProcess(
            self.interpreters[store],
            store,
            bundle or self.bundle,
            core=None,
            log=self.folder / f"{store}.log",
            module=MODULE,
            prefix=prefix,
        )


@contextmanager
def open_site(stores: Sequence[str]) -> Iterator[tuple[Site, dict[str, Any], dict[str, str]]]:
    """Yield a site, what each system says of itself, and why others are missing.

    The folder goes when the block ends. It lies in the cache, on the disk of the home folder.
    """
    folder = cache_folder() / f"storage-{os.getpid()}"
    folder.mkdir(parents=True)
    site = Site(folder, {})
    described: dict[str, Any] = {}
    missing: dict[str, str] = {}
    try:
        for store in stores:
            try:
                site.interpreters[store] = interpreter_for(store)
                with site.worker(store) as worker:
                    described[store] = worker.call("describe")
            except (EnvironmentMissingError, WorkerFailedError) as error:
                missing[store] = str(error)
        yield site, described, missing
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_passages(folder: Path, passages: Passages) -> None:
    """Write passages as a bundle."""
    columns = (passages.texts, passages.sources, passages.buckets.tolist())
    write_bundle(folder, columns, passages.vectors, passages.queries, passages.query_vectors)


def chosen_stores(given: str) -> tuple[str, ...]:
    """Return the stores named by an option.

    Exits when there is no such store.
    """
    unknown = set(given.split(",")) - set(STORES)
    if unknown:
        sys.exit(f"no store named {', '.join(sorted(unknown))}; there are {', '.join(STORES)}")
    return tuple(given.split(","))


def clock() -> Callable[[str], None]:
    """Return a function that prints a line with the seconds since now."""
    started = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - started:7.1f} s  {text}", file=sys.stderr, flush=True)

    return say
