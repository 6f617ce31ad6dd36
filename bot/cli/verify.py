"""`countersign verify RECEIPT`: checks that a receipt is genuine, is about this request, and says approved."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from bot.cli.arguments import examples
from bot.cli.keys_of import published_keys
from bot.cli.receipt_check import OtherReceiptError, check_claims
from bot.cli.summary import YES
from bot.records.audit import on_record
from bot.records.reading import Logs
from bot.security.receipts import verify
from bot.terminal import complain, plain, say
from orchestration.domain.errors import CountersignError

APPROVED: Final = 0
NOT_APPROVED: Final = 1
NOT_GENUINE: Final = 4


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    check = commands.add_parser(
        "verify",
        help="check a receipt, and that it says yes to this request",
        description="Exit status: 0 genuine, approved and about the request of --id; 1 genuine, but not approved, "
        "about something else, or without --id; 4 not genuine or not checked.",
        **examples("countersign verify - --id deploy-k7m2x9qd < receipt.jwt"),
    )
    check.add_argument("receipt", metavar="RECEIPT", help="the receipt; - reads it from standard input")
    check.add_argument("--id", metavar="ID", help="which request it has to be about")
    check.add_argument("--nonce", help="insist that it is about this start of the request")
    check.add_argument("--policy", help="insist that this policy decided")
    check.add_argument("--digest", help="insist that exactly this was shown")
    check.add_argument(
        "--asked-without-seal",
        action="store_true",
        help="take also what another program on the task hub asked, though nobody checked who the requester is",
    )
    check.add_argument(
        "--issuer", metavar="URL", help="which server it has to be of (default: that of the keys)"
    )
    check.add_argument("--jwks", metavar="FILE", type=Path, help="check offline, with keys that were kept")
    check.add_argument(
        "--log",
        metavar="PLACE",
        help="the records, which a receipt by a retired key has to be in: a folder or a store",
    )
    check.add_argument("--json", action="store_true", help="print all that it says, as JSON")
    check.set_defaults(command=_verify)


def _piped() -> str:
    """The content of standard input. Raises `CountersignError`."""
    try:
        return sys.stdin.buffer.read().decode() if sys.stdin else ""
    except (OSError, UnicodeDecodeError) as error:
        raise CountersignError(f"-: standard input cannot be read ({error}).") from error


def _editors(edits: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(dict.fromkeys(str(edit["actor"]) for edit in edits))


def _verify(given: argparse.Namespace) -> int:
    try:
        receipt = _piped() if given.receipt == "-" else given.receipt
        published = published_keys(given.jwks)
        logs = Logs(given.log) if given.log else None
        claims = verify(
            receipt,
            published,
            issuer=given.issuer,
            on_record=partial(on_record, logs, published) if logs else None,
        )
    except CountersignError as error:
        complain(str(error))
        return NOT_GENUINE
    if given.json:
        say(json.dumps(claims))
    else:
        by = f" by {claims['processed_by']}" if claims.get("processed_by") else ""
        changed = f", changed by {_editors(claims['edits'])} before that" if claims.get("edits") else ""
        say(plain(f"{claims['sub']} {claims['status']}{by}, {claims['processed_at']}{changed}"))
    wanted = {"sub": given.id, "jti": given.nonce, "policy": given.policy, "digest": given.digest}
    try:
        check_claims(claims, wanted, without_seal=given.asked_without_seal)
    except OtherReceiptError as error:
        complain(str(error))
        return NOT_APPROVED
    if given.id is None:
        complain(
            "the receipt is genuine, but may be of an earlier request; say with --id which one is meant."
        )
        return NOT_APPROVED
    return APPROVED if claims["status"] in YES else NOT_APPROVED
