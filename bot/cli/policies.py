"""`countersign policies`: lists usable policies, finds every fault in a policy file, and prints policy digests."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bot import config, setting_sources
from bot.cli.api_client import ApiClient
from bot.cli.arguments import examples
from bot.cli.diagram import state_diagram
from bot.cli.output import Column, add_json, show_table, value, waiting
from bot.outbound.signing import action_secret
from bot.security.secrets import Secrets
from bot.terminal import explain, say
from orchestration.domain import policy_file
from orchestration.domain.errors import PolicyError
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.text import line

FAULTS_FOUND: Final = 1
# The fields of `PolicyView` in bot/http/api/policies.py, which takes long to import. A test compares the two.

FIELDS: Final = ("policy", "title", "amount_required", "currency", "fields")
COLUMNS: Final = (
    value("policy"),
    Column("AMOUNT", lambda item: "required" if item["amount_required"] else "optional"),
    value("currency"),
    Column(
        "FIELDS",
        lambda item: ", ".join(_field(field) for field in item["fields"]),
    ),
    Column("TITLE", lambda item: line(item["title"])),
)
POLICY_KEY: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
NEEDS_TWILIO: Final = (
    "Note: {policies} sends codes by SMS, so `countersign run` will need the TWILIO_ settings."
)


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    policies = commands.add_parser("policies", help="what may be asked for, and who decides")
    actions = policies.add_subparsers(metavar="COMMAND", required=True)
    listing = actions.add_parser(
        "list",
        help="the policies that a request may name, and the fields of each",
        description="Lists the policies of the server, with the token of COUNTERSIGN_TOKEN. Required fields have a *.",
        **examples("countersign policies list", "countersign policies list --json policy,fields"),
    )
    add_json(listing, FIELDS)
    listing.set_defaults(command=lambda given: asyncio.run(_list(given)))

    check = actions.add_parser(
        "check",
        help="find every fault in a policy file; exit status 1 when there is one",
        **examples("countersign policies check policies.toml"),
    )
    check.add_argument("file", type=Path, metavar="FILE", help="the policy file")
    check.add_argument(
        "--workspace",
        action="store_true",
        help="also tell which channels, people and groups the workspace of SLACK_BOT_TOKEN does not have",
    )
    check.set_defaults(command=_check)

    digest = actions.add_parser("digest", help="the digest of each policy in a file, as receipts have it")
    digest.add_argument("file", type=Path, metavar="FILE")
    digest.set_defaults(command=_digest)

    show = actions.add_parser("show", help="what follows the approval of a policy's requests, as a diagram")
    show.add_argument("name", metavar="NAME", help="the policy, as the file calls it")
    show.add_argument("--diagram", action="store_true", required=True, help="as Mermaid (stateDiagram-v2)")
    show.add_argument(
        "--file", type=Path, metavar="FILE", help="the policy file; without it, that of COUNTERSIGN_POLICIES"
    )
    show.set_defaults(command=_show)

    secret = actions.add_parser(
        "secret", help="the secret with which systems verify the outcomes that a policy POSTs to them"
    )
    secret.add_argument("name", metavar="NAME", help="the policy, as the file calls it")
    secret.set_defaults(command=_secret)


def _secret(given: argparse.Namespace) -> int:
    """Prints the secret. It is derived from the server's secret and the policy's name, so it can be shown again."""
    if not POLICY_KEY.fullmatch(given.name):
        raise PolicyError(f"NAME: {given.name!r} is no name of a policy, such as purchase.")
    secrets = Secrets.load(config.secret(os.environ), config.data_dir(os.environ))
    say(action_secret(secrets, given.name))
    return 0


def _show(given: argparse.Namespace) -> int:
    """Prints the policy's states as a diagram. Raises `PolicyError`, also for a policy that has no fulfilment."""
    # Imported late: they import the HTTP client.
    from bot import policy_reloading  # noqa: PLC0415
    from bot.outbound import actions  # noqa: PLC0415

    file = given.file or config.policies(os.environ)
    book = policy_reloading.load(file, actions.installed(), sms=True)
    policy = book.policies.get(given.name)
    if policy is None:
        known = ", ".join(sorted(book.policies))
        raise PolicyError(f"NAME: {file} has no policy {given.name!r}; it has {known}.")
    if policy.fulfilment is None:
        raise PolicyError(
            f"NAME: nothing follows the approval of {given.name}; declare [policies.{given.name}.fulfilment]."
        )
    say(state_diagram(policy.fulfilment))
    return 0


def _digest(given: argparse.Namespace) -> int:
    """The digest by which an auditor finds the policy text that decided. Raises `PolicyError`."""
    # Imported late: they import the HTTP client.
    from bot import policy_reloading  # noqa: PLC0415
    from bot.outbound import actions  # noqa: PLC0415

    book = policy_reloading.load(given.file, actions.installed(), sms=True)
    digests = {key: policy.digest() for key, policy in book.policies.items()}
    digests |= {key: policy.digest() for key, policy in book.gatherings.items()}
    for key, digest in sorted(digests.items()):
        say(f"{digest}  {key}")
    return 0


def _field(field: dict[str, Any]) -> str:
    """The field's name, with a * if it is required, and with its type if that is not text."""
    kind = field["type"]
    if kind == "choice":
        kind = line("|".join(field["choices"]))
    return f"{field['name']}{'*' if field['required'] else ''}{'' if kind == 'text' else f' ({kind})'}"


async def _list(given: argparse.Namespace) -> int:
    async with ApiClient(os.environ) as api:
        reply = await waiting(api.call("GET", "/api/policies"), f"Asking {api.url}")
    show_table(reply.body["items"], COLUMNS, given.json)
    return 0


def _check(given: argparse.Namespace) -> int:
    # Imported late: they import the HTTP client.
    from bot import policy_reloading  # noqa: PLC0415
    from bot.documents import places  # noqa: PLC0415
    from bot.outbound import actions  # noqa: PLC0415
    from bot.set_up import SetUp  # noqa: PLC0415
    from bot.twilio.settings import read_twilio  # noqa: PLC0415

    try:
        # The TWILIO_ settings of this shell are not part of the file, so missing ones give a note, not a fault.
        settings = setting_sources.gather(os.environ)
        sms = read_twilio(settings) is not None
        set_up = SetUp.read(settings)
        book = policy_reloading.load(given.file, actions.installed(), sms=True)
    except PolicyError as error:
        explain(str(error))  # the faults by line, in the format of compilers
        return FAULTS_FOUND
    if unusable := list(places.faults(book.policies)):
        text = given.file.read_text()
        for place, words in unusable:
            explain(f"{given.file}:{policy_file.locate(text, place)}: {'.'.join(place)}: {words}.")
        return FAULTS_FOUND
    say(f"{given.file}: OK ({', '.join(book.names())})")
    for key, policy in sorted(book.policies.items()):
        if depends := policy.depends_on_groups():
            say(f"Note: policies.{key}: {depends}.")
    for warning in [*set_up.of_settings(), *set_up.warnings(book)]:
        say(f"Warning: {warning}.")
    if given.workspace:
        asyncio.run(_compare(settings, book))
    confirmed = [key for key, policy in sorted(book.policies.items()) if policy.confirms]
    if confirmed and not sms:
        say(NEEDS_TWILIO.format(policies=", ".join(confirmed)))
    return 0


async def _compare(settings: Mapping[str, str], book: PolicyBook) -> None:
    """Prints what the policies name and the workspace does not have. Raises `SettingError` without a token."""
    from bot.slack.api.notifier import web_client  # noqa: PLC0415
    from bot.slack.api.workspace_check import workspace_warnings  # noqa: PLC0415

    token = settings.get("SLACK_BOT_TOKEN")
    if token is None:
        raise setting_sources.SettingError(
            "SLACK_BOT_TOKEN: is not set; --workspace asks Slack, so give the token of the server."
        )
    url = settings.get("COUNTERSIGN_SLACK_API_URL", config.SLACK_API_URL).rstrip("/") + "/"
    async for warning in workspace_warnings(web_client(token, url), book):
        say(f"Warning: {warning}.")
