"""One module per library, each run by the interpreter of that library."""
