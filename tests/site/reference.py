"""Writes the reference pages that are made from the code: `python -m tests.site.reference`, or `make reference`.

They come from the parser of the command line, the OpenAPI document, the list of settings and the pydantic models. A
test compares each page with what this writes.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bot.gate.gate_file import GateFile
from bot.http.api import openapi
from bot.http.api.problems import CONTENT_TYPE
from bot.security.receipt_claims import ReceiptClaims
from bot.setting_list import GROUPS
from bot.slack.input.target import GatheringTarget, GrantTarget, Target
from orchestration.domain import commands as events
from orchestration.domain.gathering import GatheringAnswer, GatheringWithdrawal
from orchestration.domain.gathering_policy import GatheringPolicy
from orchestration.domain.people import EnrolledPerson
from orchestration.domain.policy import Policy
from orchestration.domain.request import ApprovalRequest, Outcome
from tests.site.schemas import cell, head, kind, objects, row
from tests.support import ROOT
from tests.support.commands import commands
from tests.support.endpoints import endpoints

FOLDER: Final = ROOT / "docs/reference/generated"
MADE: Final = (
    "\n<!-- Made by `make reference`. Do not edit this page: change the code that it is made from. -->\n"
)


def _models(models: list[type[BaseModel]]) -> dict[str, Any]:
    _, schema = models_json_schema([(model, "validation") for model in models])
    found: dict[str, Any] = schema["$defs"]
    return found


def _help(action: argparse.Action) -> str:
    """The help of an option with its default filled in, as in `--help`."""
    told = action.help or ""
    return told % {**vars(action), "prog": "countersign"} if "%" in told else told


def _usage(action: argparse.Action) -> str:
    names = (
        ", ".join(f"`{option}`" for option in action.option_strings) or f"`{action.metavar or action.dest}`"
    )
    if action.option_strings and action.nargs != 0:
        value = action.metavar or (
            "|".join(map(str, action.choices)) if action.choices else action.dest.upper()
        )
        return f"{names} `{value}`"
    return names


def command_line() -> Iterator[str]:
    yield "# Command line, option by option\n" + MADE
    yield (
        "What `--help` says, for every command. [Command line](../command-line.md) has what the commands are for,\n"
        "and the exit statuses."
    )
    for words, parser in commands().items():
        actions = [
            action
            for action in parser._actions
            if not isinstance(action, argparse._SubParsersAction | argparse._HelpAction)
            and action.help != argparse.SUPPRESS
        ]
        yield f"\n## `countersign {words}`\n"
        if parser.description:
            yield cell(parser.description).replace("<", "&lt;") + "\n"
        if actions:
            yield from head("argument", "meaning")
            for action in actions:
                needed = " (required)" if action.option_strings and action.required else ""
                yield row([_usage(action), _help(action).replace("<", "&lt;") + needed])


def _parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    found = operation.get("parameters")
    if found:
        yield from head("parameter", "in", "is", "default", "meaning")
        for one in found:
            schema = one.get("schema", {})
            default = "required" if one.get("required") else ""
            yield row([f"`{one['name']}`", one["in"], kind(schema), default, one.get("description", "")])
        yield ""


def http_api() -> Iterator[str]:
    document = openapi.document(endpoints())
    refusals: dict[tuple[str, str], None] = {}
    yield "# HTTP API, field by field\n" + MADE
    yield (
        "Every address with what it takes and answers, from the OpenAPI document that a server has at\n"
        "`/api/openapi.json`. [HTTP API](../http-api.md) has the scopes, the verdicts and the limits."
    )
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"\n## `{method.upper()} {path}`\n"
            yield operation.get("summary", "") + "\n"
            yield from _parameters(operation)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                yield f"It takes {kind(content['schema'])}.\n"
            yield from head("status", "answer", "meaning")
            refused = []
            for status, answer in operation["responses"].items():
                content = answer.get("content", {})
                if CONTENT_TYPE in content:
                    refused.append(f"[`{status}`](#refusals)")
                    refusals.setdefault((status, answer["description"]))
                else:
                    bodies = {kind(one["schema"]) for one in content.values() if "schema" in one}
                    yield row([f"`{status}`", " or ".join(sorted(bodies)), answer.get("description", "")])
            if refused:
                yield f"\nIt may refuse with {', '.join(refused)}."
    yield "\n## Refusals\n\nThe body of each is [ProblemDetails](#problemdetails).\n"
    yield from head("status", "meaning")
    yield from (row([f"`{status}`", meaning]) for status, meaning in sorted(refusals))
    yield "\n## Objects"
    yield from objects(document["components"]["schemas"])


def settings() -> Iterator[str]:
    yield "# Settings\n" + MADE
    yield (
        "Settings are environment variables. They can also be in a TOML file, under the same names:\n"
        "`COUNTERSIGN_CONFIG` is its path. Where both have a setting, the environment counts. In the file every value\n"
        "is a string in quotes.\n\n"
        "A secret can be in a file of its own. Then set the name with `_FILE` at its end to the path of that file,\n"
        "such as `SLACK_BOT_TOKEN_FILE`.\n\n"
        "`countersign run` stops at the start with exit status 4 if a setting is missing or wrong, and says in one\n"
        "line which one and what to do. `countersign doctor` checks them all at once."
    )
    for group in GROUPS:
        yield f"\n## {group.title}\n"
        if group.words:
            yield group.words + "\n"
        yield from head("setting", "meaning", "default")
        for one in group.settings:
            more = f". [More](../../{one.page})" if one.page else ""
            secret = ". A secret" if one.secret else ""
            default = one.unset if one.default is None else f"`{one.default}`"
            yield row([f"`{one.name}`", one.meaning + secret + more, default])


def policy_file() -> Iterator[str]:
    yield "# Policy file and gate file, field by field\n" + MADE
    yield (
        "Every key with its type and limits. `Policy` is a table `[policies.NAME]`, `GatheringPolicy` one with\n"
        '`kind = "gathering"`, `EnrolledPerson` a table `[people.U…]`, and `GateFile` a gate file.\n'
        "[Policy file](../policy-file.md) and [gate file](../gate-file.md) say what they are for. A duration is\n"
        "written as there, such as `2d`; the limits here are in ISO 8601."
    )
    worked_out = {"Policy": {"key", "groups"}, "GatheringPolicy": {"key", "groups"}}
    yield "\n## Objects"
    yield from objects(_models([Policy, GatheringPolicy, EnrolledPerson, GateFile]), worked_out)


def wire() -> Iterator[str]:
    named = [
        model
        for model in vars(events).values()
        if isinstance(model, type)
        and issubclass(model, events.SealedCommand)
        and model is not events.SealedCommand
    ]
    yield "# Events, metadata, outcomes and receipts, field by field\n" + MADE
    yield (
        "What travels between Countersign, Slack and the task hub. `Target`, `GatheringTarget` and `GrantTarget` are\n"
        "the metadata of messages. `ApprovalRequest` is the input of an approval, `Outcome` its output, and\n"
        "`ReceiptClaims` what the receipt says of that. [Names on the wire](../wire.md) says who sends what, and\n"
        "[verify a receipt](../../guides/receipts.md) how a receipt is checked."
    )
    yield "\n## Objects"
    yield from objects(
        _models(
            [
                *named,
                GatheringAnswer,
                GatheringWithdrawal,
                Target,
                GatheringTarget,
                GrantTarget,
                ApprovalRequest,
                Outcome,
                ReceiptClaims,
            ]
        )
    )


PAGES: Final[Mapping[str, Callable[[], Iterator[str]]]] = {
    "command-line.md": command_line,
    "http-api.md": http_api,
    "policy-file.md": policy_file,
    "settings.md": settings,
    "wire.md": wire,
}


def text(page: str) -> str:
    """The text that the page has to have."""
    return "\n".join(PAGES[page]()).rstrip() + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for page in PAGES:
        Path(FOLDER / page).write_text(text(page), encoding="utf-8")


if __name__ == "__main__":
    main()
