"""`countersign key rotate|list|retire`, on the data directory of this machine."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from typing import Any, Final

from bot import config
from bot.cli.arguments import examples, since
from bot.cli.output import add_json, show_table, time, value
from bot.security.keys import SigningKeys
from bot.terminal import report

FIELDS: Final = ("kid", "state", "retired_at")
COLUMNS: Final = (value("kid"), value("state"), time("retired_at", "RETIRED"))


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    keys = commands.add_parser("key", help="the keys that sign receipts; run it where the server runs")
    actions = keys.add_subparsers(metavar="ACTION", required=True)

    rotate = actions.add_parser("rotate", help="sign with a new key from now on")
    rotate.set_defaults(command=_rotate)

    listing = actions.add_parser(
        "list",
        help="every key, the one that signs first",
        **examples("countersign key list", "countersign key list --json kid,state"),
    )
    add_json(listing, FIELDS)
    listing.set_defaults(command=_list)

    retire = actions.add_parser(
        "retire",
        help="no longer believe a key, such as one that was stolen",
        **examples("countersign key retire KID --before 2d"),
    )
    retire.add_argument("kid", metavar="KID", help="the key, as `key list` names it")
    retire.add_argument(
        "--before",
        metavar="DATE",
        type=since,
        default=None,
        help="believe only what it signed before: a date, a time, or how long ago, such as 2d (default: now)",
    )
    retire.set_defaults(command=_retire)


def _rotate(_: argparse.Namespace) -> int:
    _keys().rotate()
    report("A new key signs from now on; what the old ones signed still verifies.")
    return 0


def _list(given: argparse.Namespace) -> int:
    keys = [
        {
            "kid": kid,
            "state": ("retired" if retired_at else "verifies") if number else "signs",
            "retired_at": retired_at.isoformat(timespec="seconds") if retired_at else None,
        }
        for number, (kid, retired_at) in enumerate(_keys().listed())
    ]
    show_table(keys, COLUMNS, given.json)
    return 0


def _retire(given: argparse.Namespace) -> int:
    at = datetime.fromisoformat(given.before) if given.before else datetime.now(UTC)
    _keys().retire(given.kid, at)
    report(f"Nothing counts that {given.kid} signed at {at.isoformat(timespec='seconds')} or later.")
    return 0


def _keys() -> SigningKeys:
    return SigningKeys.load(config.signing_key(os.environ), config.data_dir(os.environ))
