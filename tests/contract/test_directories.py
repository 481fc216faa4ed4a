"""Every place for files keeps the promises of ``Directory``."""

from pathlib import Path

from elanus.storage.directory import Directory
from elanus.storage.local_directory import LocalDirectory
from elanus.storage.memory_directory import MemoryDirectory
from elanus.testing.directory import DirectoryContract
from support.fault_directory import FaultDirectory


class TestLocalDirectory(DirectoryContract):
    def make_directory(self, tmp_path: Path) -> Directory:
        directory = LocalDirectory(tmp_path / "db")
        directory.make_dir("")
        return directory


class TestMemoryDirectory(DirectoryContract):
    def make_directory(self, tmp_path: Path) -> Directory:
        return MemoryDirectory()


class TestFaultDirectory(DirectoryContract):
    def make_directory(self, tmp_path: Path) -> Directory:
        return FaultDirectory(MemoryDirectory())
