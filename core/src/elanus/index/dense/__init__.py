"""Indexes over dense vectors."""
