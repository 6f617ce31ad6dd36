"""Decides a request with a token that may decide; shared by `countersign approve` and `countersign reject`.

The server checks whether the decision counts, and asks for a code where the policy requires one. This module only
makes sure that the person was shown what they decide: in full at the terminal, or by its digest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import uuid
from collections.abc import Iterator
from typing import Any, Final

from bot.cli.api_client import ApiClient, UnreachableError, approval_path
from bot.cli.approvals_shown import amount_of
from bot.cli.arguments import examples
from bot.cli.output import waiting
from bot.terminal import complain, explain, plain, report
from orchestration.domain.errors import CountersignError
from orchestration.domain.request import Choice, digest_of_facts

COUNTS: Final = 0
NOT_YET: Final = 5
# The decision waits for its person to send the code, or it is on disk and not handled yet.
_NOT_YET: Final = frozenset({"code_sent", "no_answer_yet"})
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def add_decision(commands: argparse._SubParsersAction[Any], choice: Choice) -> None:
    """Adds the subcommand of the given choice."""
    parser = commands.add_parser(
        choice.value,
        help=f"{choice.value} a request, as the owner of a token with the scope decide:POLICY",
        description=f"Shows all that is asked, asks whether you mean it, and {choice.value}s it as the token's owner. "
        "The token has the scope decide:POLICY. Exit status: 0 the decision counts, 4 it does not, 5 not yet, as a "
        "code was sent to your phone.",
        **examples(
            f"countersign {choice.value} deploy-k7m2x9qd",
            f'countersign {choice.value} deploy-k7m2x9qd --comment "As we agreed."',
        ),
    )
    parser.add_argument("id", metavar="ID", help="the request")
    parser.add_argument("--comment", default="", help="why; a policy may require it of a rejection")
    parser.add_argument(
        "--digest",
        type=_digest,
        help="what you were shown, by its SHA-256: decide that without being asked, and nothing else",
    )
    parser.set_defaults(command=lambda given: asyncio.run(_decide(given, choice)))


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a digest: 64 digits of 0-9 and a-f")
    return text


async def _decide(given: argparse.Namespace, choice: Choice) -> int:
    if given.digest is None and not _can_ask():
        raise CountersignError(
            "--digest: is needed, as there is no terminal to show the request at; "
            "give the digest of what you were shown."
        )
    path = approval_path(given.id)
    async with ApiClient(os.environ) as api:
        asked = (await waiting(api.call("GET", f"{path}/asked"), f"Asking {api.url}")).body
        facts, digest = asked["facts"], asked["digest"]
        if digest_of_facts(facts) != digest:
            raise CountersignError(
                f"{given.id}: what the server shows has another digest; nothing was decided."
            )
        if given.digest is None:
            explain("\n".join(_shown(given.id, facts)))
            if not _means_it(choice):
                raise CountersignError(f"{given.id}: nothing was decided.")
        elif given.digest != digest:
            raise CountersignError(
                f"--digest: {given.id} asks something else now (its digest is {digest}); nothing was decided."
            )
        body = {"choice": choice.value, "nonce": asked["nonce"], "digest": digest, "comment": given.comment}
        decision = api.call("POST", f"{path}/decision", body, key=str(uuid.uuid4()))
        try:
            result = (await waiting(decision, f"Asking {api.url}")).body
        except UnreachableError as error:
            raise CountersignError(
                f"{error} The decision may have been taken; `countersign status {given.id}` says."
            ) from error
    if result["reason"] in _NOT_YET:
        complain(f"{given.id}: {result['message']}")
        return NOT_YET
    report(plain(result["message"]), f"{given.id}: {result['message']}")
    return COUNTS


def _can_ask() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _means_it(choice: Choice) -> bool:
    """Asks for confirmation on standard error, as standard output is for the result."""
    sys.stderr.write(f'{choice.value.capitalize()} this? Type "{choice.value}": ')
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() == choice.value


def _shown(request_id: str, facts: dict[str, Any]) -> Iterator[str]:
    """Everything that the decision is about. Lines of other people's text begin with a bar, so none looks like ours."""
    yield f"{request_id} · policy {plain(facts['policy'])}"
    yield from _said("Title", facts["title"])
    if amount := amount_of(facts):
        yield from _said("Amount", amount)
    if facts["description"]:
        yield from _said("Description", facts["description"])
    for name, value in sorted(facts["fields"].items()):
        yield from _said(plain(name), value)
    for name, value in sorted((facts.get("call") or {}).items()):
        if value:
            yield from _said(f"Call: {plain(name)}", value if isinstance(value, str) else json.dumps(value))


def _said(label: str, text: str) -> Iterator[str]:
    yield f"{label}:"
    for line in text.split("\n"):
        yield f"  | {plain(line)}"
