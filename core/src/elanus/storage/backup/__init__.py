"""How does a database get copied while it is written, and come back?"""
