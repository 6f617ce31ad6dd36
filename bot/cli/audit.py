"""`countersign audit verify|export|webhook-secret`: the records, for an auditor."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bot import config
from bot.cli.api_client import ApiClient
from bot.cli.arguments import examples, since
from bot.cli.keys_of import published_keys
from bot.records.audit import AuditReport, audit
from bot.records.export import REQUESTS, ExportedLog, RecordsExport
from bot.records.findings import Finding
from bot.records.head_webhook import webhook_secret
from bot.records.heads import sign_head
from bot.records.log import FOLDER
from bot.records.reading import Logs
from bot.records.texts import text_faults
from bot.security.keys import SigningKeys
from bot.security.secrets import Secrets
from bot.security.signatures import PublishedKeys, SignatureError
from bot.terminal import complain, plain, say
from orchestration.domain.errors import CountersignError

WHOLE: Final = 0
FAULTY: Final = 1


class KnownFileError(CountersignError):
    """A file with what was kept cannot be read."""


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    records = commands.add_parser("audit", help="check the records, or hand them to an auditor")
    actions = records.add_subparsers(metavar="ACTION", required=True)
    place = "a folder or a store such as s3://bucket/records (default: the data directory's records)"

    check = actions.add_parser(
        "verify",
        help="find what was removed, altered, cut off or is missing",
        description="Exit status: 0 the records are whole, 1 they are not, 4 they could not be checked.",
        **examples(
            "countersign audit verify", "countersign audit verify s3://bucket/records --jwks keys.json"
        ),
    )
    check.add_argument("place", metavar="PLACE", nargs="?", help=place)
    check.add_argument("--jwks", metavar="FILE", type=Path, help="check offline, with keys that were kept")
    check.add_argument(
        "--known",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="heads and receipts that somebody has kept, one a line; may be repeated",
    )
    check.add_argument("--from", metavar="DATE", dest="since", type=since, help="of a part: since when")
    check.add_argument("--until", metavar="DATE", type=since, help="of a part: until when")
    check.add_argument("--json", action="store_true", help="print what was found as JSON")
    check.set_defaults(command=_verify)

    export = actions.add_parser(
        "export",
        help="copy a part of the records into a folder that can be checked alone",
        **examples("countersign audit export for-the-auditor --from 365d"),
    )
    export.add_argument("folder", metavar="FOLDER", type=Path, help="a new folder")
    export.add_argument(
        "--from",
        metavar="DATE",
        dest="since",
        type=since,
        required=True,
        help="a date, a time, or such as 365d",
    )
    export.add_argument("--until", metavar="DATE", type=since, help="a date or a time (default: now)")
    export.add_argument("--log", metavar="PLACE", help=place)
    export.add_argument("--jwks", metavar="FILE", type=Path, help="put these keys into it, which were kept")
    export.set_defaults(command=_export)

    secret = actions.add_parser(
        "webhook-secret", help="what the receiver of COUNTERSIGN_RECORDS_WEBHOOK verifies heads with"
    )
    secret.set_defaults(command=_webhook_secret)


# ---- verify ----------------------------------------------------------------------------------------------


def _verify(given: argparse.Namespace) -> int:
    logs = Logs(given.place or str(_records()))
    published = _own_keys() if given.place is None and given.jwks is None else published_keys(given.jwks)
    approvals = list(_approvals(Path(logs.place) / REQUESTS))
    kept = [line for file in given.known for line in _lines(file)]
    receipts = [one["outcome"]["receipt"] for one in approvals]
    report = audit(
        logs,
        published,
        known=[*kept, *receipts],
        since=_time(given.since),
        until=_time(given.until),
    )
    findings = [*report.findings, *_texts(approvals, PublishedKeys(published))]
    faulty = any(finding.is_fault for finding in findings)
    if given.json:
        say(
            json.dumps({**asdict(report), "findings": [asdict(one) for one in findings], "whole": not faulty})
        )
    else:
        _tell(report, findings, faulty=faulty)
    return FAULTY if faulty else WHOLE


def _tell(report: AuditReport, findings: list[Finding], *, faulty: bool) -> None:
    for finding in findings:
        say(plain(str(finding)))
    for log in report.logs:
        say(plain(f"{log.id}: entries {log.first} to {log.last}"))
    counted = f"{report.receipts} receipts of {report.outcomes} outcomes, {report.purged} purged"
    say(f"{counted}. {'They are NOT whole.' if faulty else 'They are whole.'}")


def _texts(approvals: list[dict[str, Any]], keys: PublishedKeys) -> Iterator[Finding]:
    """What in the exported requests differs from the texts that their receipts were made of."""
    for approval in approvals:
        try:
            claims = keys.read(approval["outcome"]["receipt"]).claims
            faults = list(text_faults(approval, claims))
        except (SignatureError, KeyError, TypeError):
            faults = ["it is not as the server gave it"]
        for fault in faults:
            yield Finding(REQUESTS, 0, f"{approval.get('id')}: {fault}.")


def _approvals(path: Path) -> Iterator[dict[str, Any]]:
    """The requests of an export that have a receipt."""
    for line in _lines(path) if path.is_file() else ():
        try:
            found = json.loads(line)
            if found["outcome"]["receipt"]:
                yield found
        except (ValueError, KeyError, TypeError) as error:
            raise KnownFileError(f"{path}: a line is no request ({error}).") from error


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise KnownFileError(f"{path} cannot be read ({error}).") from error


# ---- export ----------------------------------------------------------------------------------------------


def _export(given: argparse.Namespace) -> int:
    began = datetime.now(UTC)
    from_here = given.log is None
    logs = Logs(given.log or str(_records()))
    published = published_keys(given.jwks) if given.jwks or not from_here else _own_keys()
    until = _time(given.until) or began
    export = RecordsExport(logs, given.folder, datetime.fromisoformat(given.since), until)
    done = export.copy(_head_signer(began) if from_here else None)
    export.finish(published, done, began)
    say(f"{len(export.receipts)} receipts of {len(done)} logs are in {given.folder}.")
    asyncio.run(_requests(export, given.folder / REQUESTS))
    return 0


async def _requests(export: RecordsExport, path: Path) -> None:
    """Adds the requests with their texts, as far as the server still has them."""
    if not os.environ.get("COUNTERSIGN_TOKEN", "").strip():
        complain("COUNTERSIGN_TOKEN is not set, so the requests themselves, with their texts, are not in it.")
        return
    oldest = min((claims["asked_at"] for claims in export.receipts.values()), default=None)
    left = set(export.receipts)
    with path.open("w", encoding="utf-8") as file:
        async with ApiClient(os.environ) as api:
            async for one in api.approvals({"since": oldest} if oldest else {}):
                if (one["id"], one["nonce"]) in left:
                    left.discard((one["id"], one["nonce"]))
                    file.write(json.dumps(one, ensure_ascii=False) + "\n")
    say(
        f"{len(export.receipts) - len(left)} requests with their texts; {len(left)} are forgotten by the task hub."
    )


def _head_signer(at: datetime) -> Any:
    """A function that signs the last entry of a log as of `at`: the log had no more entries then."""
    keys, issuer = _signing_keys(), config.issuer(os.environ)
    return lambda log: _head(keys, issuer, log, at)


def _head(keys: SigningKeys, issuer: str, log: ExportedLog, at: datetime) -> str:
    return sign_head(keys, issuer, log.id, log.last, log.hash, at)


def _webhook_secret(_: argparse.Namespace) -> int:
    """Prints the secret. It is derived, so it can be shown again at any time."""
    say(webhook_secret(Secrets.load(config.secret(os.environ), config.data_dir(os.environ))))
    return 0


# ---- this machine ----------------------------------------------------------------------------------------


def _records() -> Path:
    return config.data_dir(os.environ) / FOLDER


def _signing_keys() -> SigningKeys:
    return SigningKeys.load(config.signing_key(os.environ), config.data_dir(os.environ))


def _own_keys() -> dict[str, Any]:
    return {"issuer": config.issuer(os.environ), **_signing_keys().public()}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
