"""Which files are asked? A folder of the user's, or the documentation of the running Python."""

from elanus_demo.corpus.files import CorpusError, Listing, Skipped, SourceFile
from elanus_demo.corpus.folder import list_folder
from elanus_demo.corpus.stdlib_docs import list_stdlib

__all__ = ["CorpusError", "Listing", "Skipped", "SourceFile", "list_folder", "list_stdlib"]
