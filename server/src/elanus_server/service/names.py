"""May something have this name? In Milvus' words where it may not."""

from __future__ import annotations

from elanus_server.failures import DATABASE_NAME, FIELD_NAME, MilvusError, invalid

MAX_LENGTH = 255


def checked_name(name: str, what: str) -> str:
    """Return the name of a collection, alias or the like if it is valid.

    Raises:
        MilvusError: It is not.
    """
    fault = _fault(name, what)
    if fault:
        # A name may be as long as a message, and is not sent back whole.
        shown = name if len(name) <= MAX_LENGTH + 1 else f"{name[:MAX_LENGTH]}..."
        raise invalid(f"Invalid {what} name: {shown}. {fault}")
    return name


def checked_database(name: str) -> str:
    """Return the name of a database if it is valid.

    Raises:
        MilvusError: It is not.
    """
    fault = _fault(name, "database")
    if fault:
        raise database_name(name, fault)
    return name


def database_name(name: str, fault: str) -> MilvusError:
    """Return the error of a name that a database cannot have."""
    return MilvusError(DATABASE_NAME, f"{fault}: invalid database name[database={name}]")


def checked_partition(name: str) -> str:
    """Return the name of a partition if it is valid: it may begin with a digit, and have hyphens.

    Raises:
        MilvusError: It is not.
    """
    plain = name[:1] in ("", "-")  # nothing to allow
    spelled = name if plain else "_" + name.replace("-", "_")
    fault = _fault(spelled, "partition", least=1 if plain else 2)
    if fault:
        raise invalid(f"Invalid partition name: {name}. {fault[0].upper()}{fault[1:]}.")
    return name


def checked_field(name: str) -> str:
    """Return the name of a field if it is valid.

    Raises:
        MilvusError: It is not.
    """
    fault = _fault(name, "field").replace("letters and", "letters, and")
    if fault:
        fault = f"Invalid field name: {name}. {fault[0].upper()}{fault[1:]}."
        raise MilvusError(FIELD_NAME, f"{fault}: field name invalid[field={name}]")
    return name


def _fault(name: str, what: str, *, least: int = 1) -> str:
    """Return what is wrong with a name, or ""; ``least`` is the length of the shortest."""
    if not name:
        return f"{what} name should not be empty"
    if len(name) >= MAX_LENGTH + least:
        return f"the length of a {what} name must be less than {MAX_LENGTH} characters"
    if not (name[0] == "_" or (name[0].isascii() and name[0].isalpha())):
        return f"the first character of a {what} name must be an underscore or letter"
    if not all(c == "_" or (c.isascii() and c.isalnum()) for c in name):
        return f"{what} name can only contain numbers, letters and underscores"
    return ""
