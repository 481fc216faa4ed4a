"""Which variant of the kernels runs on this processor?

The best one that processor and operating system support is taken at first use. The environment
variable ``ELANUS_CPU`` forces one by name: generic, avx2, avx512 or neon.
"""

from __future__ import annotations

from elanus import _native


def available_variants() -> tuple[str, ...]:
    """Return the names of the variants that this machine can run, slowest first."""
    return tuple(_native.available_variants())


def active_variant() -> str:
    """Return the name of the variant in use.

    Raises:
        InvalidArgumentError: ``ELANUS_CPU`` names a variant that does not exist or cannot run
            on this machine.
    """
    return _native.active_variant()


def set_active_variant(name: str) -> None:
    """Take the named variant from now on, in all threads. Meant for tests and comparisons.

    Raises:
        InvalidArgumentError: The variant does not exist or cannot run on this machine.
    """
    _native.set_active_variant(name)
