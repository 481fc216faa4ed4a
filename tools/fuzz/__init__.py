"""Fuzzers: programs that feed random input to one function until it misbehaves."""
