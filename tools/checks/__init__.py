"""Does the tree keep the rules that STYLE, layers and documentation set? `python -m tools.checks`.

Every check is a function without arguments that returns its problems, one line of text each.
"""
