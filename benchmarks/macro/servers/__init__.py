"""Servers that are measured, and the clients that ask them."""
