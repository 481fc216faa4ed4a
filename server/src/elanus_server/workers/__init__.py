"""How do several processes serve one folder?

One writes and takes the connections; it hands each to one of the others, which only read: searches
are answered there, everything else goes on to the one that writes. What it has acknowledged, the
others see with the next read.
"""
