"""Fast loops, and their slow twins.

Each module wraps one native module with types and clear errors; ``reference`` holds the NumPy
twins that the tests compare them with. Nothing outside this package imports ``elanus._native``.
"""
