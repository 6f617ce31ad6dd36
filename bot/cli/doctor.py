"""`countersign doctor`: finds what is wrong with a set-up and says what to do about it."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from bot.cli.arguments import examples
from bot.doctor.finding import DoctorFinding, Severity
from bot.terminal import plain, say

FAULTS_FOUND: Final = 1
WORDS: Final = {"ok": "ok", "unchecked": "?", "warning": "WARNING", "error": "ERROR"}


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "doctor",
        help="find what is wrong with a set-up, and what to do about it; exit status 1 when something is",
        description="Checks every setting, Slack, Twilio, the mail server, the public address, the hub, the disk and "
        "the policies, while the server runs or not. It reads the settings that `countersign run` reads, so run it as "
        "the same user. It sends nothing to anybody and changes nothing.",
        **examples("countersign doctor", "countersign doctor --strict --json"),
    )
    parser.add_argument("--strict", action="store_true", help="warnings are faults too")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(command=_doctor)


def _doctor(given: argparse.Namespace) -> int:
    # Imported late: `countersign --help` needs none of it.
    from bot.doctor.examination import examine  # noqa: PLC0415

    logging.disable(logging.CRITICAL)  # what would be logged on the way is reported as a finding instead
    try:
        findings = asyncio.run(examine(os.environ))
    finally:
        logging.disable(logging.NOTSET)
    return tell(findings, strict=given.strict, as_json=given.json)


def tell(findings: Sequence[DoctorFinding], *, strict: bool, as_json: bool) -> int:
    """Prints the findings. Returns the exit status: 1 for an error, and with `strict` for a warning too."""
    counts = Counter(finding.severity for finding in findings)
    errors, warnings = counts[Severity.ERROR], counts[Severity.WARNING]
    fine = not errors and not (strict and warnings)
    if as_json:
        told = {"ok": fine, "errors": errors, "warnings": warnings}
        say(json.dumps(told | {"findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            say(f"{WORDS[finding.severity]:8}{finding.check:{width}}  {plain(finding.text)}")
        say(f"\n{_number(errors, 'error')}, {_number(warnings, 'warning')}.")
    return 0 if fine else FAULTS_FOUND


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
