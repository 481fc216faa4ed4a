"""Scenarios run in the environments of the clients, not here."""

collect_ignore = ["scenarios"]
