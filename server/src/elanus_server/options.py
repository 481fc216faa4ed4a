"""Which settings are there, and how does a person say them?

Everything follows from ``Settings``: a field is a flag, a variable of the environment and a key of
the file, and what its docstring says of it is the help. A new field needs nothing here.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from elanus_server.settings import Settings

PREFIX = "ELANUS_"
"""Before the name of a setting in the environment."""
SECRETS = frozenset({"root_password"})
"""Settings that are never shown, and never given as a flag, which other users of a machine see."""
MORE = "limits and the rest"
GROUPS = {
    "what is served, and where": ("path", "host", "port", "rest_port", "metrics_port"),
    "who may use it": ("auth", "root_password", "tls_cert", "tls_key", "tls_client_ca"),
}
"""Titles of the help, and what stands under them; all other settings stand under ``MORE``."""
_LEAST = {"threads": 1, "max_message_bytes": 1024, "max_vector_fields": 1}
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}
_BINARY = {"ki": 1024, "mi": 1024**2, "gi": 1024**3}
_TRUTHS = {"true": True, "yes": True, "on": True, "1": True}
_TRUTHS |= {"false": False, "no": False, "off": False, "0": False}
_MAX_PORT = 65_535
_MOST = 10**15
"""No number of any setting is larger; infinity is none."""


@dataclass(frozen=True, slots=True)
class Option:
    """One setting.

    Attributes:
        name: Of the field of ``Settings``, and of the key in the file.
        about: What it means.
        default: Where nobody says it; ``dataclasses.MISSING``: somebody has to.
        kinds: Types of its values.
        words: Words that stand for themselves.
    """

    name: str
    about: str
    default: Any
    kinds: tuple[type, ...]
    words: tuple[str, ...]

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"{PREFIX}{self.name.upper()}"

    @property
    def group(self) -> str:
        """The title of the help that it stands under."""
        return next((title for title, names in GROUPS.items() if self.name in names), MORE)

    @property
    def is_secret(self) -> bool:
        """Whether it is never shown."""
        return self.name in SECRETS

    @property
    def is_mapping(self) -> bool:
        """Whether it has numbers by name; the flag says one, and may come several times."""
        return Mapping in self.kinds

    @property
    def is_required(self) -> bool:
        """Whether somebody has to say it."""
        return self.default is dataclasses.MISSING

    @property
    def expected(self) -> str:
        """What its values are, in words."""
        words = [repr(word) for word in self.words]
        if self.is_mapping:
            words.append("NAME=NUMBER, separated by commas")
        if bool in self.kinds:
            words.append("true or false")
        if int in self.kinds and self.name.endswith("port"):
            words.append(f"a number from 0 to {_MAX_PORT}")
        elif int in self.kinds and self.name.endswith("_bytes"):
            words.append(f"a size of at least {self._least} bytes, such as '64 MiB'")
        elif int in self.kinds:
            words.append(f"a whole number of at least {self._least}")
        if float in self.kinds:
            words.append("a number of at least 0")
        if str in self.kinds:
            words.append("a text")
        if types.NoneType in self.kinds:
            words.append("'none'")
        return " or ".join(words)

    @property
    def _least(self) -> int:
        return _LEAST.get(self.name, 0)

    def read(self, given: Any) -> Any:
        """Return the value of a text, or of what TOML holds.

        Raises:
            ValueError: It is none; the message says what was expected.
        """
        if self.is_mapping:
            return self._numbers(given)
        if isinstance(given, str):
            found = self._of_text(given)
        elif type(given) in self.kinds or (type(given) is int and float in self.kinds):
            found = given
        else:
            raise ValueError(f"expected {self.expected}, got {given!r}")
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        most = _MAX_PORT if self.name.endswith("port") else _MOST
        if is_number and not self._least <= found <= most:
            raise ValueError(f"expected {self.expected}, got {given!r}")
        return float(found) if is_number and float in self.kinds else found

    def _of_text(self, text: str) -> Any:
        lowered = text.strip().lower()
        if types.NoneType in self.kinds and lowered == "none":
            return None
        if lowered in self.words:
            return lowered
        if bool in self.kinds and lowered in _TRUTHS:
            return _TRUTHS[lowered]
        if int in self.kinds and (number := self._whole_number(lowered)) is not None:
            return number
        if float in self.kinds:
            try:
                return float(lowered)
            except ValueError:
                pass
        if str in self.kinds and text:
            return text
        raise ValueError(f"expected {self.expected}, got {text!r}")

    def _numbers(self, given: Any) -> dict[str, float]:
        """Return numbers by name, of texts ``NAME=NUMBER`` or a table of TOML."""
        if isinstance(given, dict):
            pairs = list(_flattened(given))
        else:
            texts = given.split(",") if isinstance(given, str) else given
            pairs = [one.partition("=")[::2] for one in texts if one.strip()]
        try:
            return {name.strip(): float(value) for name, value in pairs}
        except (TypeError, ValueError):
            raise ValueError(f"expected {self.expected}, got {given!r}") from None

    def _whole_number(self, text: str) -> int | None:
        found = re.fullmatch(r"(\d{1,18})\s*(?:([kmg]i?)?b|([kmg]i))?", text, re.ASCII)
        if found is None:
            return None
        unit = found[2] or found[3] or ""
        if text[-1:].isdigit() or self.name.endswith("_bytes"):
            return int(found[1]) * {**_UNITS, **_BINARY}[unit]
        return None

    def shown(self, value: Any) -> str:
        """Return a value as the file and the help spell it."""
        if value is None:
            return '"none"'
        if isinstance(value, Mapping):
            inner = ", ".join(f'"{_escaped(name)}" = {n:g}' for name, n in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str):
            return f'"{_escaped(value)}"'
        if self.name.endswith("_bytes") and value % 1024**2 == 0 and value:
            return f'"{value // 1024**2} MiB"'
        return f"{value:g}" if isinstance(value, float) else str(value)


def _flattened(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what a table of TOML holds; dots in names make tables of tables."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _escaped(text: str) -> str:
    """Return a text as a basic string of TOML holds it."""
    marked = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in marked)


def options() -> dict[str, Option]:
    """Return every setting by its name, in the order of ``Settings``."""
    about = _attributes(Settings.__doc__ or "")
    hints = typing.get_type_hints(Settings)
    found = {}
    for field in dataclasses.fields(Settings):
        kinds, words = _kinds(hints[field.name])
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        found[field.name] = Option(field.name, about.get(field.name, ""), default, kinds, words)
    return found


def _kinds(hint: Any) -> tuple[tuple[type, ...], tuple[str, ...]]:
    """Return the types and the words of an annotation."""
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if typing.get_origin(hint) is typing.Union:
        parts = typing.get_args(hint)
    kinds: list[type] = []
    words: list[str] = []
    for part in parts:
        if typing.get_origin(part) is Literal:
            words += typing.get_args(part)
        else:
            kinds.append(typing.get_origin(part) or part)
    return tuple(kinds), tuple(words)


def _attributes(text: str) -> dict[str, str]:
    """Return what the section ``Attributes`` of a docstring says, by name."""
    _, _, section = text.partition("Attributes:\n")
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        begun = re.match(r" {8}(\w+): (.*)", line)
        if begun:
            name = begun[1]
            found[name] = begun[2]
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return {
        name: said.replace("``", "").replace("None", "'none'").rstrip(".")
        for name, said in found.items()
    }
