"""How does a write get from a caller into the log?"""
