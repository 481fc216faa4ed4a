"""How do rows get from files and tables of other programs into columns, and back?

One file per format behind two protocols (``chunks.Reader`` and ``chunks.Writer``). Readers yield
chunks of rows with their places in the source; ``conversion`` turns a chunk into typed columns and
finds the rows at fault. Nothing here knows how rows are stored.
"""
