"""Whole operations through public names: load, search, reopen, ask."""
