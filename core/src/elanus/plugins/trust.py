"""May a collection decide where a key goes?

A collection stores where the service of its embedder is, and the name of the variable with the key.
Who opens a collection of somebody else has chosen neither. So a key goes to a host that only a
stored configuration names after the user has named that host too.
"""

from __future__ import annotations

import ipaddress
import os
import urllib.parse
from collections.abc import Mapping

from elanus.errors import PluginError

TRUSTED_HOSTS = "ELANUS_TRUSTED_HOSTS"
"""Environment variable: host names with commas between them."""


def check_stored_key(noun: str, name: str, params: Mapping[str, object]) -> None:
    """Refuse a stored configuration that sends a key to a host that nobody here has named.

    The machine itself may always be asked.

    Args:
        noun: What is built, for the message.
        name: Name of the plug-in.
        params: Its stored arguments.

    Raises:
        PluginError: ``base_url`` and ``key_env`` are stored, and the host is not trusted.
    """
    url, key = params.get("base_url"), params.get("key_env")
    if not isinstance(url, str) or not key:
        return
    host = (urllib.parse.urlsplit(url).hostname or "").lower()
    trusted = {one.strip().lower() for one in os.environ.get(TRUSTED_HOSTS, "").split(",")}
    if host in trusted or _is_here(host):
        return
    raise PluginError(
        f"the stored {noun} {name!r} sends the key in the environment variable {key} to {host!r}: "
        f"set {TRUSTED_HOSTS}={host} if that is what you want, or pass {noun}=... yourself when "
        "you open the collection"
    )


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
