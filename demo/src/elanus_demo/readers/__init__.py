"""How does a file become text with sections? One file per format, one registry by suffix."""

from elanus_demo.readers.python_source import read_module
from elanus_demo.readers.registry import READERS_VERSION, Reader, reader_for, supported_suffixes

__all__ = ["READERS_VERSION", "Reader", "read_module", "reader_for", "supported_suffixes"]
