"""May something have this name? In Milvus' words where it may not."""

from __future__ import annotations

from elanus_server.failures import DATABASE_NAME, FIELD_NAME, MilvusError, invalid, mismatch

MAX_LENGTH = 255
MAX_USER_LENGTH = 32
_WORDS = ("like", "and", "or", "not", "in")
_FUNCTIONS = (
    "exists",
    "json_contains",
    "json_contains_all",
    "json_contains_any",
    "array_contains",
    "array_contains_all",
    "array_contains_any",
    "array_length",
    "text_match",
    "phrase_match",
    "random_sample",
)
_TRUTH = ("true", "True", "TRUE", "false", "False", "FALSE")
_KEYWORDS = frozenset((*_WORDS, *_FUNCTIONS, *(name.upper() for name in _FUNCTIONS), *_TRUTH))
"""What fields cannot be called: filters read something else in it."""


def checked_name(name: str, what: str) -> str:
    """Return the name of a collection, alias or the like if it is valid.

    Raises:
        MilvusError: It is not.
    """
    label = "collection alias" if what == "alias" else f"{what} name"
    fault = _fault(name, label)
    if fault:
        raise invalid(f"Invalid {label}: {_short(name)}. {fault}")
    return name


def checked_index(name: str) -> str:
    """Return the name of an index if it is valid; empty: it is made of the field.

    Raises:
        MilvusError: It is not.
    """
    fault = _fault(name, "index name") if name else ""
    if fault:
        raise invalid(f"Invalid index name: {_short(name)}. {fault}")
    return name


def _short(name: str) -> str:
    """Return a name, which may be as long as a message, as it is sent back."""
    return name if len(name) <= MAX_LENGTH + 1 else f"{name[:MAX_LENGTH]}..."


def checked_database(name: str) -> str:
    """Return the name of a database if it is valid.

    Raises:
        MilvusError: It is not.
    """
    fault = _fault(name, "database name") if name else "database name couldn't be empty"
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
    fault = _fault(spelled, "partition name", least=1 if plain else 2)
    if fault:
        raise invalid(f"Invalid partition name: {name}. {fault[0].upper()}{fault[1:]}.")
    return name


def checked_field(name: str) -> str:
    """Return the name of a field if it is valid.

    Raises:
        MilvusError: It is not.
    """
    fault = _fault(name, "field name").replace("letters and", "letters, and")
    if not fault and name in _KEYWORDS:
        fault = f"{name} is keyword in milvus"
    if fault:
        told = fault if name in _KEYWORDS else f"{fault[0].upper()}{fault[1:]}"
        fault = f"Invalid field name: {_short(name)}. {told}."
        raise MilvusError(FIELD_NAME, f"{fault}: field name invalid[field={_short(name)}]")
    return name


def checked_user(name: str) -> str:
    """Return the name of a new user if it is valid.

    Raises:
        MilvusError: It is not.
    """
    if not name:
        raise invalid("username must be not empty")
    if len(name) > MAX_USER_LENGTH:
        shown = f"{name[:MAX_USER_LENGTH]}..."
        raise invalid(
            f"invalid username {shown} with length {len(name)}, the length of username must be "
            f"less than {MAX_USER_LENGTH}"
        )
    if not _is_letter(name[0]):
        raise invalid(
            f"invalid user name {name}, the first character must be a letter, but got {name[0]}"
        )
    wrong = next((c for c in name if not _is_word(c)), None)
    if wrong is not None:
        raise invalid(
            f"invalid user name {name}, username must contain only numbers, letters and "
            f"underscores, but got {wrong}"
        )
    return name


def checked_role(name: str) -> str:
    """Return the name of a new role if it is valid.

    Raises:
        MilvusError: It is not.
    """
    what = "role name"
    if not name.strip():
        raise mismatch(f"{what} should be not empty", "not empty", name)
    if len(name) > MAX_LENGTH:
        told = f"the length of {what} must be not greater than limit"
        raise mismatch(told, f"at most {MAX_LENGTH}", len(name))
    if name[0] != "_" and not _is_letter(name[0]):
        told = f"the first character of {what} must be an underscore or letter"
        raise mismatch(told, "_", name[0])
    place = next((i for i, c in enumerate(name) if c != "$" and not _is_word(c)), None)
    if place is not None:
        raise invalid(
            f"{what} can only contain numbers, letters, dollars and underscores, found "
            f"{name[place]} at {place}"
        )
    return name


def checked_group(name: str) -> str:
    """Return the name of a group of privileges if it is valid.

    Raises:
        MilvusError: It is not.
    """
    what = "privilege group name"
    if not name.strip():
        raise invalid(f"{what} should not be empty")
    shown = name if len(name) <= MAX_LENGTH else f"{name[:MAX_LENGTH]}..."
    if len(name) > MAX_LENGTH:
        raise invalid(f"{what} {shown} must be at most {MAX_LENGTH} characters")
    if name[0] != "_" and not _is_letter(name[0]):
        raise invalid(f"the first character of a {what} {shown} must be an underscore or letter")
    if not all(_is_word(c) for c in name):
        raise invalid(f"{what} {shown} can only contain numbers, letters and underscores")
    return name


def _is_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def _is_word(character: str) -> bool:
    """Whether it is a digit, a letter or an underscore, all of ASCII."""
    return character == "_" or (character.isascii() and character.isalnum())


def _fault(name: str, what: str, *, least: int = 1) -> str:
    """Return what is wrong with a name, or ""; ``least`` is the length of the shortest."""
    if not name:
        return f"{what} should not be empty"
    if len(name) >= MAX_LENGTH + least:
        return f"the length of a {what} must be less than {MAX_LENGTH} characters"
    if name[0] != "_" and not _is_letter(name[0]):
        return f"the first character of a {what} must be an underscore or letter"
    if not all(_is_word(c) for c in name):
        return f"{what} can only contain numbers, letters and underscores"
    return ""
