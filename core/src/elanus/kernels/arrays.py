"""Why does an array not fit a kernel?

Kernels take arrays as they are: right dtype, right number of dimensions, C-contiguous, nothing
copied unnoticed. The extension module checks that and refuses with a ``TypeError``; only then is
the fault looked for here, so that a call that fits pays nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elanus.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class Expected:
    """What a kernel takes for one argument.

    Attributes:
        name: Name of the argument in the message.
        value: What the caller gave.
        dtype: Dtype that the kernel reads.
        ndim: Number of dimensions.
        optional: True when None is allowed.
    """

    name: str
    value: object
    dtype: npt.DTypeLike
    ndim: int
    optional: bool = False


def mismatch(error: TypeError, *arguments: Expected) -> InvalidArgumentError:
    """Return the error that names the first argument a kernel cannot take."""
    for argument in arguments:
        fault = _fault(argument)
        if fault:
            return InvalidArgumentError(fault)
    return InvalidArgumentError(f"arguments do not fit the kernel: {error}")


def _fault(argument: Expected) -> str | None:
    value, dtype = argument.value, np.dtype(argument.dtype)
    if value is None and argument.optional:
        return None
    wanted = f"{argument.name}: expected a C-contiguous {dtype} array of rank {argument.ndim}"
    if not isinstance(value, np.ndarray):
        return f"{wanted}, got {type(value).__name__}; convert it with numpy.asarray"
    if value.dtype != dtype:
        return f"{wanted}, got dtype {value.dtype}; convert it with astype"
    if value.ndim != argument.ndim:
        return f"{wanted}, got shape {value.shape}"
    if not value.flags.c_contiguous:
        return f"{wanted}, got strides {value.strides}; copy it with numpy.ascontiguousarray"
    return None
