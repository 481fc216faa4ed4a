"""Where do the settings of a server come from?

Flags win over the environment, the environment over the file, the file over what is set where
nobody says anything.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elanus.errors import InvalidArgumentError
from elanus_server.options import PREFIX, Option, options
from elanus_server.settings import Settings

CONFIG_VARIABLE = f"{PREFIX}CONFIG"
DEFAULT = "default"
_FILE_SUFFIX = "_file"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings, and who said them.

    Attributes:
        settings: What holds.
        origins: Where each value comes from, in words, by the name of the setting.
    """

    settings: Settings
    origins: Mapping[str, str]

    def to_toml(self) -> str:
        """Return all settings as the file takes them, with their origins; secrets are left out."""
        lines = []
        for name, option in options().items():
            value, origin = getattr(self.settings, name), self.origins[name]
            if option.is_secret:
                state = "not set" if value is None else "set, not shown"
                lines.append(f"# {name}: {state}  # {origin}")
            else:
                lines.append(f"{name} = {option.shown(value)}  # {origin}")
        return "\n".join(lines)

    def summary(self) -> str:
        """Return in one line what somebody has said; secrets are left out."""
        said = []
        for name, option in options().items():
            if self.origins[name] == DEFAULT or name == "path":
                continue
            value = "***" if option.is_secret else option.shown(getattr(self.settings, name))
            said.append(f"{name} = {value} ({self.origins[name]})")
        return "; ".join(said)


def configure(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Configuration:
    """Return the settings that flags, environment and file come to.

    Args:
        flags: Texts by the names of settings, those that were given; ``config`` is the file, and
            a name with ``_file`` behind it a file that holds a secret.
        environment: Variables of the process.

    Raises:
        InvalidArgumentError: A value or key is wrong; says where it stands.
    """
    known = options()
    file = flags.get("config") or environment.get(CONFIG_VARIABLE)
    sources = [
        ({} if file is None else _read_file(file, known), lambda name: f"{file}, key {name}"),
        (_read_environment(environment, known), lambda name: f"{PREFIX}{name.upper()}"),
        (flags, lambda name: "argument path" if name == "path" else f"--{name.replace('_', '-')}"),
    ]
    values: dict[str, Any] = {}
    origins = dict.fromkeys(known, DEFAULT)
    for given, place in sources:
        for name, option in known.items():
            read = _read_one(option, given, place)
            if read is not None:
                values[name], origins[name] = read
    missing = [
        option for name, option in known.items() if option.is_required and name not in values
    ]
    if missing:
        (option,) = missing[:1]
        raise InvalidArgumentError(
            f"{option.name}: not given; expected an argument, the variable {option.variable} "
            f"or the key {option.name} of the file"
        )
    return Configuration(Settings(**values), origins)


def _read_one(option: Option, given: Mapping[str, Any], place: Any) -> tuple[Any, str] | None:
    """Return the value of a setting in one source, and the place; None where it is not there."""
    name = option.name
    if option.is_secret and (held := given.get(f"{name}{_FILE_SUFFIX}")) is not None:
        where = place(f"{name}{_FILE_SUFFIX}")
        return _secret(where, held), where
    if given.get(name) is None:
        return None
    try:
        return option.read(given[name]), place(name)
    except ValueError as error:
        told = "expected another value" if option.is_secret else str(error)
        raise InvalidArgumentError(f"{place(name)}: {told}") from None


def _secret(where: str, file: Any) -> str:
    try:
        # Editors end a file with a line break, which belongs to no password.
        found = Path(file).read_text("utf-8").removesuffix("\n")
    except (OSError, TypeError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{where}: cannot read {file}: {error}") from None
    if not found:
        raise InvalidArgumentError(f"{where}: expected a secret in {file}, got an empty file")
    return found


def _read_environment(
    environment: Mapping[str, str], known: Mapping[str, Option]
) -> dict[str, str]:
    found = {}
    for name, option in known.items():
        for key in (name, f"{name}{_FILE_SUFFIX}") if option.is_secret else (name,):
            text = environment.get(f"{PREFIX}{key.upper()}", "")
            # Kubernetes and older Docker put ELANUS_PORT=tcp://10.0.0.1:19530 beside every program
            # of a service called elanus.
            if text and not (key.endswith("port") and text.startswith(("tcp://", "udp://"))):
                found[key] = text
    return found


def _read_file(file: str, known: Mapping[str, Option]) -> dict[str, Any]:
    try:
        with Path(file).open("rb") as opened:
            found = tomllib.load(opened)
    except OSError as error:
        raise InvalidArgumentError(f"{file}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{file}: expected TOML: {error}") from None
    keys = [*known, *[f"{name}{_FILE_SUFFIX}" for name, one in known.items() if one.is_secret]]
    for key in found:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(keys)}"
            raise InvalidArgumentError(f"{file}, key {key}: there is no such setting; {hint}")
    return found
