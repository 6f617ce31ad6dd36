"""`countersign token create|list|revoke`, on the data directory of this machine."""

from __future__ import annotations

import argparse
import os
from typing import Any, Final

from bot import config
from bot.cli.arguments import examples
from bot.cli.output import Column, add_json, show_table, time, value
from bot.outbound.signing import callback_secret, response_secret
from bot.security.secrets import Secrets
from bot.security.tokens import RATE, TokenError, TokenFile
from bot.terminal import OutputError, complain, report, say

FIELDS: Final = ("name", "owner", "scopes", "rate", "created_at", "revoked_at")
COLUMNS: Final = (
    value("name"),
    value("owner"),
    Column("STATE", lambda token: "revoked" if token["revoked_at"] else "in force"),
    time("created_at", "CREATED"),
    time("revoked_at", "REVOKED"),
    Column("SCOPES", lambda token: " ".join(token["scopes"])),
)
UNSEEN: Final = "Nobody has seen the token {name}, which works: revoke it, and make another of another name."


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    token = commands.add_parser("token", help="tokens for programs; run it where the server runs")
    actions = token.add_subparsers(metavar="ACTION", required=True)

    create = actions.add_parser(
        "create",
        help="make a token, which is shown once and kept nowhere",
        description="Makes a token. Whoever has it may do what its scopes say, as its owner.",
        **examples(
            "countersign token create ci --owner U02RITA --scope request",
            "countersign token create alice-terminal --owner U02ALICE --scope decide:deploy",
        ),
    )
    create.add_argument("name", metavar="NAME", help="what records will call it")
    create.add_argument("--owner", metavar="U…", required=True, help="the person it acts for")
    create.add_argument(
        "--scope",
        action="append",
        default=[],
        help="request, read, admin, challenge, decide:POLICY, respond:ORCHESTRATION or respond:ORIGIN; may be repeated",
    )
    create.add_argument("--rate", type=int, default=RATE, help=f"requests a minute (default {RATE})")
    create.set_defaults(command=_create)

    for what, secret_of in (("callback", callback_secret), ("response", response_secret)):
        secret = actions.add_parser(
            f"{what}-secret", help=f"what the receiver of its {what}s verifies them with"
        )
        secret.add_argument("name", metavar="NAME")
        secret.set_defaults(command=_receiver_secret, secret_of=secret_of)

    listing = actions.add_parser(
        "list",
        help="every token, without secrets",
        **examples("countersign token list", "countersign token list --json name,scopes"),
    )
    add_json(listing, FIELDS)
    listing.set_defaults(command=_list)

    revoke = actions.add_parser(
        "revoke", help="refuse it from now on", **examples("countersign token revoke ci")
    )
    revoke.add_argument("name", metavar="NAME", help="the token, as `token list` names it")
    revoke.set_defaults(command=_revoke)


def _file() -> TokenFile:
    return TokenFile(config.tokens(os.environ))


def _create(given: argparse.Namespace) -> int:
    secret = _file().create(given.name, given.owner, given.scope, given.rate)
    try:
        seen = say(secret)
    except OutputError as error:
        raise OutputError(f"{error} {UNSEEN.format(name=given.name)}") from error
    if not seen:
        complain(UNSEEN.format(name=given.name))
    return 0


def _receiver_secret(given: argparse.Namespace) -> int:
    """Prints the secret. It is derived, so it can be shown again at any time."""
    settings = config.secret(os.environ)
    if given.name not in {token.name for token in _file().all()}:
        raise TokenError(f"NAME: there is no token {given.name}.")
    say(given.secret_of(Secrets.load(settings, config.data_dir(os.environ)), given.name))
    return 0


def _list(given: argparse.Namespace) -> int:
    tokens = [
        {
            "name": token.name,
            "owner": token.owner,
            "scopes": sorted(token.scopes),
            "rate": token.rate,
            "created_at": token.created_at.isoformat(),
            "revoked_at": token.revoked_at.isoformat() if token.revoked_at else None,
        }
        for token in _file().all()
    ]
    show_table(tokens, COLUMNS, given.json)
    return 0


def _revoke(given: argparse.Namespace) -> int:
    _file().revoke(given.name)
    report(f"{given.name} is refused from now on.")
    return 0
