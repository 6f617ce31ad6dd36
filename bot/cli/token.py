"""`countersign token create|list|revoke`, on the data directory of this machine."""

from __future__ import annotations

import argparse
import os
from typing import Any, Final

from bot import config
from bot.outbound.signing import callback_secret, response_secret
from bot.security.secrets import Secrets
from bot.security.tokens import RATE, TokenError, TokenFile
from bot.terminal import OutputError, complain, report, say

UNSEEN: Final = "Nobody has seen the token {name}, which works: revoke it, and make another of another name."


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    token = commands.add_parser("token", help="tokens for programs; run it where the server runs")
    actions = token.add_subparsers(metavar="ACTION", required=True)

    create = actions.add_parser("create", help="make one; its secret is shown once and kept nowhere")
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

    actions.add_parser("list", help="every token, without secrets").set_defaults(command=_list)

    revoke = actions.add_parser("revoke", help="refuse it from now on")
    revoke.add_argument("name", metavar="NAME")
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
    """Derived, so it can be shown again at any time."""
    settings = config.secret(os.environ)
    if given.name not in {token.name for token in _file().all()}:
        raise TokenError(f"NAME: there is no token {given.name}.")
    say(given.secret_of(Secrets.load(settings, config.data_dir(os.environ)), given.name))
    return 0


def _list(_: argparse.Namespace) -> int:
    for token in _file().all():
        state = f"revoked {token.revoked_at:%Y-%m-%d}" if token.revoked_at else "in force"
        say(f"{token.name:<24} {token.owner:<12} {state:<18} {' '.join(sorted(token.scopes))}")
    return 0


def _revoke(given: argparse.Namespace) -> int:
    _file().revoke(given.name)
    report(f"{given.name} is refused from now on.")
    return 0
