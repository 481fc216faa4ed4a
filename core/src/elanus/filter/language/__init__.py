"""How is a filter written: as text, as a dict, in Python?"""
