"""Does every public name of elanus say what it is?"""

import dataclasses
import enum
import inspect
from collections.abc import Iterator
from importlib import import_module


def undocumented(name: str, value: object) -> Iterator[str]:
    """Yield ``name`` and those of its public methods and properties that have no docstring.

    Values that are no class, function or module (a type constant, for one) are described by their
    class.
    """
    if not (inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)):
        return
    if not has_docstring(value):
        yield name
    if inspect.isclass(value) and not issubclass(value, enum.Enum):
        for member, content in vars(value).items():
            target = content.fget if isinstance(content, property) else content
            target = target.__func__ if isinstance(target, classmethod | staticmethod) else target
            if (
                not member.startswith("_")
                and inspect.isroutine(target)
                and not inspect.getdoc(target)
            ):
                yield f"{name}.{member}"


def has_docstring(value: object) -> bool:
    """Return whether somebody wrote a docstring; the signature a dataclass gets is none."""
    written = value.__doc__
    if not written or not written.strip():
        return False
    if inspect.isclass(value) and dataclasses.is_dataclass(value):
        return not written.startswith(f"{value.__name__}(")
    return True


def check_docstrings() -> list[str]:
    """Return the names in `elanus.__all__` without a docstring, and their methods without one."""
    elanus = import_module("elanus")
    problems = []
    for name in elanus.__all__:
        if not hasattr(elanus, name):
            problems.append(f"elanus.__all__ lists {name}, which does not exist")
            continue
        found = undocumented(name, getattr(elanus, name))
        problems += [f"elanus.{one} has no docstring" for one in found]
    return problems
