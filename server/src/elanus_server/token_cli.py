"""``elanus token``: credentials for programs, made while no server runs on the folder."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

import elanus
from elanus.errors import NotFoundError

if TYPE_CHECKING:
    from elanus_server.security.accounts import Token

NAME = "token"
HELP = "Make, list and revoke tokens of a served database. A running server does it over REST."
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d{1,9})([smhd])\Z")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    commands = parser.add_subparsers(dest="action", required=True)
    create = commands.add_parser("create", help="make a token; it is printed this once")
    create.add_argument("path", help="folder of the database")
    create.add_argument("user", help="whose it is")
    create.add_argument("--name", default="", help="what lists call it")
    create.add_argument(
        "--expires-in",
        type=_seconds,
        metavar="TIME",
        help="such as 90d, 12h, 30m or 60s; else it does not expire",
    )
    create.add_argument(
        "--role",
        action="append",
        metavar="ROLE",
        help="a role of the user that it has, may be given several times; else it has all of them",
    )
    create.add_argument("--read-only", action="store_true", help="only for what changes nothing")
    listed = commands.add_parser("list", help="list tokens; also beside a running server")
    listed.add_argument("path", help="folder of the database")
    listed.add_argument("user", nargs="?", help="only those of this user")
    revoke = commands.add_parser("revoke", help="take a token back")
    revoke.add_argument("path", help="folder of the database")
    revoke.add_argument("id", help="as list shows it")


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    """Do what is asked."""
    # Whoever only asks for help need not wait for gRPC.
    from elanus_server.security.accounts import AccountStore
    from elanus_server.security.tokens import TokenWish, add_token, remove_token

    # The folder must be there: it is not for a typing error to make one.
    with elanus.connect(arguments.path, read_only=True) as database:
        if arguments.action == "list":
            tokens = AccountStore(database).accounts.tokens.values()
            shown = [one for one in tokens if arguments.user in (None, one.user)]
            out.write("".join(_line(one) for one in shown) or "There are no tokens.\n")
            return 0
    with elanus.connect(arguments.path) as database:
        store = AccountStore(database)
        if arguments.action == "revoke":
            if arguments.id not in store.accounts.tokens:
                raise NotFoundError(
                    f"no token {arguments.id!r}; elanus token list {arguments.path} shows them"
                )
            remove_token(store, arguments.id)
            return 0
        if arguments.user not in store.accounts.users:
            names = ", ".join(sorted(store.accounts.users)) or "none"
            raise NotFoundError(
                f"no user {arguments.user!r}; there are: {names}. elanus serve --auth makes root, "
                "and clients the others with create_user"
            )
        roles = None if arguments.role is None else tuple(arguments.role)
        wish = TokenWish(
            arguments.user, arguments.name, arguments.expires_in, roles, arguments.read_only
        )
        out.write(f"{add_token(store, wish)[1]}\n")
    return 0


def _line(token: Token) -> str:
    roles = "" if token.roles is None else f", roles {' '.join(token.roles) or 'none'}"
    expires = "does not expire"
    if token.expires_at is not None:
        expires = f"expires {datetime.fromtimestamp(token.expires_at, UTC):%Y-%m-%d %H:%M} UTC"
    if token.is_expired():
        expires = "has expired"
    kind = ", read-only" if token.read_only else ""
    name = f" {token.name!r}" if token.name else ""
    return f"{token.number} {token.user}{name}: {expires}{roles}{kind}\n"


def _seconds(text: str) -> float:
    """Return the seconds of a time such as ``90d``."""
    found = _DURATION.match(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a time such as 90d or 12h, got {text!r}")
    return float(int(found[1]) * _UNITS[found[2]])
