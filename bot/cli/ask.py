"""`countersign ask`: asks for an approval, waits for it, and returns the outcome as the exit status."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bot.cli.api_client import (
    PUBLISHED,
    ApiClient,
    ApiReply,
    CallRefusedError,
    UnreachableError,
    approval_path,
    fetch_public,
)
from bot.cli.arguments import duration, examples
from bot.cli.missing_fields import as_kept, with_missing
from bot.cli.output import FRAME_TIME, add_json, show_record, spinner
from bot.cli.receipt_file import Asked, ReceiptFile
from bot.cli.summary import YES, ending, standing
from bot.terminal import LiveLine, OutputError, complain, explain, plain, say
from orchestration.domain.errors import CountersignError
from orchestration.domain.request import EventFormat

APPROVED: Final = 0
REJECTED: Final = 1
TIMED_OUT: Final = 2
CANCELLED: Final = 3
COULD_NOT_ASK: Final = 4
STILL_OPEN: Final = 5
INTERRUPTED: Final = 130

STATUSES: Final = {
    "approved": APPROVED,
    "auto_approved": APPROVED,
    "rejected": REJECTED,
    "timed_out": TIMED_OUT,
    "cancelled": CANCELLED,
    "terminated": CANCELLED,
    "failed": COULD_NOT_ASK,
}
# The values of `Outcome` in orchestration/domain/request.py. A test compares the two.
FIELDS: Final = (
    "request_id",
    "status",
    "processed_by",
    "processed_at",
    "comments",
    "comments_salt",
    "reason",
    "reason_salt",
    "levels",
    "digest",
    "asked_digest",
    "edits",
    "nonce",
    "asked_without_seal",
    "receipt",
    "grant",
)
HOLD: Final = 30  # seconds; the length of one long poll
LONGEST_PAUSE: Final = 5.0  # seconds between two tries while the server is away
PATIENCE: Final = (
    30.0  # seconds to reach the server for the first time; after that only --wait limits the time
)


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "ask",
        help="ask for an approval and wait for it",
        description="Asks for an approval, waits for it, and prints the outcome. Exit status: 0 approved, 1 rejected, "
        "2 nobody decided in time, 3 cancelled, 4 could not ask, 5 --wait is over and the request still open.",
        **examples(
            'countersign ask "Deploy 4f2c1a to production?" --policy deploy --field service=web --wait 30m',
            'countersign ask "New desks" --policy purchase --amount "4200 USD" --json status,processed_by',
            'countersign ask "Drop the old tables?" --policy deploy --field service=db --receipt receipt.jwt',
        ),
    )
    parser.add_argument("title", metavar="TITLE", help="what is asked, in one line")
    parser.add_argument("--policy", required=True, help="which policy decides")
    parser.add_argument("--description", default="", help="more about it")
    parser.add_argument("--amount", help="how much, such as 4200 or 4200.50 USD")
    parser.add_argument(
        "--field",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=_field,
        help="a field of the policy, such as risk=low or starts=2026-12-24; `countersign policies list` has them",
    )
    parser.add_argument("--timeout", metavar="DURATION", help="shorten each level's own time, such as 30m")
    parser.add_argument("--callback-url", metavar="URL", help="where the outcome is to be POSTed, signed")
    parser.add_argument(
        "--callback-format",
        choices=list(EventFormat),
        type=EventFormat,
        help="how the outcome is written there: standard, or cloudevents for CloudEvents 1.0",
    )
    parser.add_argument(
        "--wait", metavar="DURATION", type=duration, help="how long to wait here (default: until it ends)"
    )
    parser.add_argument(
        "--withdraw-when-over",
        action="store_true",
        help="withdraw the request when --wait is over, so that nobody decides what no longer waits",
    )
    parser.add_argument("--idempotency-key", metavar="KEY", help="asking again with the same key asks once")
    parser.add_argument(
        "--receipt",
        metavar="FILE",
        type=Path,
        help="keep the receipt there, once it is checked to be genuine and of this very request",
    )
    add_json(parser, FIELDS)
    parser.add_argument(
        "--cancel-on-interrupt", action="store_true", help="withdraw the request on Ctrl-C or SIGTERM"
    )
    parser.set_defaults(command=lambda given: asyncio.run(run(given)))


def _field(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


async def run(given: argparse.Namespace) -> int:
    """Asks and waits. Returns the exit status."""
    if given.withdraw_when_over and not given.wait:
        complain("--withdraw-when-over: goes with --wait.")
        return COULD_NOT_ASK
    line = LiveLine(sys.stderr)
    asking: _Asking | None = None
    try:
        async with ApiClient(os.environ) as api:
            asking = _Asking(given, api, line)
            return await asking.run()
    except (CountersignError, OutputError) as error:
        line.clear()
        complain(f"{error} {asking.fate if asking else ''}".rstrip())
        return COULD_NOT_ASK


class _Asking:
    def __init__(self, given: argparse.Namespace, api: ApiClient, line: LiveLine) -> None:
        self._given = given
        self._api = api
        self._line = line
        self._stop = asyncio.Event()
        self._began = time.monotonic()
        self._request_id: str | None = None
        self._seen: dict[str, Any] | None = None
        self._card_told = False
        self._ended_as: dict[str, Any] | None = None
        self._body: dict[str, Any] = {}
        self._receipt_file = ReceiptFile(given.receipt) if given.receipt else None

    @property
    def fate(self) -> str:
        """A sentence that says how the request ended or where it stands; empty if no request was made."""
        if self._ended_as is not None:
            return f"How it ended: {ending(self._ended_as)}"
        return f"{self._request_id} was asked, and may still be decided." if self._request_id else ""

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        work = asyncio.create_task(self._ask_and_wait())
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            stopped.cancel()
            return work.result()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        return await self._interrupted()

    async def _ask_and_wait(self) -> int:
        self._request_id = request_id = await self._ask()
        limit = self._given.wait.total_seconds() if self._given.wait else float("inf")
        pause = 0.1
        while (left := limit - (time.monotonic() - self._began)) > 0:
            try:
                reply = await self._look(request_id, max(1, int(min(HOLD if self._seen else 1, left))))
                pause = 0.1
            except UnreachableError as error:
                # The request is on disk at the server, so a restart of the server loses nothing.
                self._line.show(f"{request_id}  {error} Trying again.")
                await asyncio.sleep(min(max(pause, error.retry_after), max(left, 0)))
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            if reply.status == 200:
                return await self._ended(reply.body)
        self._line.clear()
        if not self._given.withdraw_when_over:
            complain(f"nobody has decided {request_id} yet; it stays open.")
            return STILL_OPEN
        return await self._withdraw(request_id, "Nobody waits for it any more.", STILL_OPEN)

    async def _look(self, request_id: str, hold: int) -> ApiReply:
        """Makes one long poll while the live line ticks."""
        path = approval_path(request_id)
        # The server does not hold the first look, so that the line shows something at once.
        seen = self._seen or (await self._api.call("GET", path)).body
        poll = asyncio.create_task(self._api.call("GET", path, query={"wait": f"{hold}s"}, wait=hold))
        try:
            while not poll.done():
                self._show(seen)
                await asyncio.wait([poll], timeout=FRAME_TIME if self._line.live else 1)
        finally:
            poll.cancel()
        self._seen = poll.result().body
        return poll.result()

    def _show(self, seen: dict[str, Any]) -> None:
        """Shows where the request stands. On a terminal the card's address has its own line, kept and not cut."""
        if not self._line.live:
            self._line.show(standing(seen))
            return
        if seen.get("card_url") and not self._card_told:
            self._card_told = True
            self._line.clear()
            explain(plain(f"Card: {seen['card_url']}"))
        elapsed = time.monotonic() - self._began
        turning = spinner(int(elapsed / FRAME_TIME))
        self._line.show(
            f"{turning} {timedelta(seconds=int(elapsed))}  {standing({**seen, 'card_url': None})}"
        )

    async def _ask(self) -> str:
        given = self._given
        body = self._body = {
            "policy": given.policy,
            "title": given.title,
            "description": given.description,
            "fields": dict(given.field),
            **{
                name: value
                for name in ("amount", "timeout", "callback_url", "callback_format")
                if (value := getattr(given, name)) is not None
            },
        }
        # The POST has its own key, so it can be repeated without asking twice when its answer was lost.
        key = given.idempotency_key or str(uuid.uuid4())
        patience = min(PATIENCE, given.wait.total_seconds()) if given.wait else PATIENCE
        pause = 0.1
        while True:
            try:
                if self._receipt_file:
                    body["fields"] = await as_kept(self._api, given.policy, body["fields"])
                started = await self._api.call("POST", "/api/approvals", body, key=key)
            except CallRefusedError as error:
                raise await with_missing(self._api, error, given) from error
            except UnreachableError as error:
                if time.monotonic() - self._began + max(pause, error.retry_after) > patience:
                    raise
                self._line.show(f"{error} Trying again.")
                await asyncio.sleep(max(pause, error.retry_after))
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                return str(started.body["id"])

    async def _ended(self, approval: dict[str, Any]) -> int:
        """Prints how it ended, and keeps the receipt. An approval without its receipt does not count as one."""
        self._ended_as = approval
        receipt = (approval["outcome"] or {}).get("receipt")
        if receipt and self._receipt_file:
            self._receipt_file.keep(receipt, await self._published(), self._what_was_asked(approval))
        self._line.clear()
        if self._given.json:
            show_record(
                approval["outcome"] or {"request_id": approval["id"], "status": approval["status"]},
                (),
                self._given.json,
            )
        else:
            say(ending(approval))
        if receipt is None and approval["status"] in YES:
            complain(
                f"{approval['id']} has no receipt, so nothing proves that yes; the server's log says why."
            )
            return COULD_NOT_ASK
        if receipt is None and self._receipt_file:
            complain(
                f"{approval['id']} has no receipt yet; `countersign status {approval['id']} --json` shows it."
            )
        return STATUSES[approval["status"]]

    def _what_was_asked(self, approval: dict[str, Any]) -> Asked:
        """What was asked, with the nonce of the first look: a request of the same ID may have been asked anew since."""
        return Asked(approval["id"], (self._seen or approval)["nonce"], self._body)

    async def _published(self) -> Any:
        """The server's keys. Waits for a server that is away for a moment."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return await fetch_public(os.environ, PUBLISHED)
            except UnreachableError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(1)

    async def _interrupted(self) -> int:
        """Leaves the request open, or withdraws it if --cancel-on-interrupt is given."""
        for number in (signal.SIGINT, signal.SIGTERM):  # a second one ends the process at once
            asyncio.get_running_loop().remove_signal_handler(number)
        self._line.clear()
        request_id = self._request_id
        if request_id is None:
            complain("interrupted before it was known to be asked.")
            return COULD_NOT_ASK
        if not self._given.cancel_on_interrupt:
            complain(f"interrupted; {request_id} stays open.")
            return INTERRUPTED
        return await self._withdraw(request_id, "The one who waited was interrupted.", INTERRUPTED)

    async def _withdraw(self, request_id: str, reason: str, still_open: int) -> int:
        """Withdraws the request and prints how it ended. Returns the exit status.

        A decision that was made at the same moment counts. The status is `still_open` where the request cannot be
        withdrawn now.
        """
        path = approval_path(request_id)
        key = str(uuid.uuid4())
        until = time.monotonic() + PATIENCE
        while True:
            try:
                await self._api.call("POST", f"{path}/cancel", {"reason": reason}, key=key)
                break
            except CallRefusedError as error:
                if error.status != 409:
                    complain(f"{request_id} could not be withdrawn, and stays open: {error}")
                    return still_open
                break
            except UnreachableError as error:
                if time.monotonic() > until:
                    complain(f"{request_id} could not be withdrawn, and may be open: {error}")
                    return still_open
                self._line.show(f"{request_id}  {error} Trying again.")
                await asyncio.sleep(max(1, min(error.retry_after, LONGEST_PAUSE)))
        reply = await self._api.call("GET", path, query={"wait": f"{HOLD}s"}, wait=HOLD)
        if reply.status == 200:
            return await self._ended(reply.body)
        complain(f"the withdrawal of {request_id} is on disk, but not handled yet; until then it stays open.")
        return still_open
