"""`countersign verify RECEIPT`: whether a receipt is genuine, about this request, and says approved."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from bot.cli.api_client import fetch_public
from bot.cli.receipt_check import PUBLISHED, YES, OtherReceiptError, check_claims
from bot.security.receipts import ReceiptError, verify
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
    )
    check.usage_status = NOT_GENUINE
    check.add_argument("receipt", metavar="RECEIPT", help="the receipt; - reads it from standard input")
    check.add_argument("--id", metavar="ID", help="which request it has to be about")
    check.add_argument("--nonce", help="insist that it is about this start of the request")
    check.add_argument("--policy", help="insist that this policy decided")
    check.add_argument("--digest", help="insist that exactly this was shown")
    check.add_argument(
        "--issuer", metavar="URL", help="which server it has to be of (default: that of the keys)"
    )
    check.add_argument("--jwks", metavar="FILE", type=Path, help="check offline, with keys that were kept")
    check.add_argument("--json", action="store_true", help="print all that it says, as JSON")
    check.set_defaults(command=_verify)


def _verify(given: argparse.Namespace) -> int:
    receipt = sys.stdin.read() if given.receipt == "-" else given.receipt
    try:
        claims = verify(receipt, _published(given.jwks), issuer=given.issuer)
    except CountersignError as error:
        complain(str(error))
        return NOT_GENUINE
    if given.json:
        say(json.dumps(claims))
    else:
        by = f" by {claims['processed_by']}" if claims.get("processed_by") else ""
        say(plain(f"{claims['sub']} {claims['status']}{by}, {claims['processed_at']}"))
    wanted = {"sub": given.id, "jti": given.nonce, "policy": given.policy, "digest": given.digest}
    try:
        check_claims(claims, wanted)
    except OtherReceiptError as error:
        complain(str(error))
        return NOT_APPROVED
    if given.id is None:
        complain(
            "the receipt is genuine, but may be of an earlier request; say with --id which one is meant."
        )
        return NOT_APPROVED
    return APPROVED if claims["status"] in YES else NOT_APPROVED


def _published(kept: Path | None) -> Any:
    if kept is None:
        return asyncio.run(fetch_public(os.environ, PUBLISHED))
    try:
        return json.loads(kept.read_text())
    except (OSError, ValueError) as error:
        raise ReceiptError(f"--jwks: {kept} cannot be read ({error}).") from error
