"""Checks logs offline, with published keys. Finds entries that were removed, altered, moved, cut off or are missing.

Each log is read once. Several are checked together: a request may be in two of them, as two processes may each have
signed its outcome, and then both have to say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.records.findings import AuditFindings, Finding
from bot.records.known import Known
from bot.records.log_audit import LogAudit
from bot.records.outcomes import Outcomes
from bot.records.reading import Logs
from bot.security.signatures import PublishedKeys, Signed


@dataclass(frozen=True)
class AuditedLog:
    """The range of entries that was read of one log."""

    id: str
    first: int
    last: int
    entries: int


@dataclass(frozen=True)
class AuditReport:
    """What was read, and what was found."""

    logs: list[AuditedLog]
    receipts: int
    outcomes: int
    purged: int
    findings: list[Finding]

    @property
    def faults(self) -> list[Finding]:
        """Everything that is not as the servers left it.

        Without faults, the records are complete as far as can be checked.
        """
        return [finding for finding in self.findings if finding.is_fault]


def audit(
    logs: Logs,
    published: Mapping[str, Any],
    *,
    known: Iterable[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> AuditReport:
    """Checks every log at the place, and the heads beside them. `known` are heads and receipts from elsewhere.

    `since` and `until` bound an exported part: then a log may begin with the last entry before `since`, and a later
    entry or a head has to show that none before `until` is missing. Raises `SignatureError` for keys that cannot be
    read, and `LogsUnreadableError`.
    """
    keys, findings = PublishedKeys(published), AuditFindings()
    kept, outcomes = Known(keys, findings), Outcomes(findings)
    kept.add(known)
    for log in logs.ids():
        kept.add(logs.heads(log))
    audited = []
    for log in logs.ids():
        one = LogAudit(log, keys, kept, outcomes, findings, since)
        one.run(logs.lines(log))
        audited.append(AuditedLog(log, one.first, one.last, one.entries))
        for damaged in one.damaged:
            _check_damaged(one, damaged, logs, findings)
        if until is not None:
            _check_end(one, kept, until, findings)
    for missing in sorted(kept.logs() - set(logs.ids())):
        findings.fault(missing, 0, f"the log is missing, which had {kept.latest(missing)} entries.")
    outcomes.conclude()
    return AuditReport(audited, outcomes.receipts, outcomes.number, outcomes.purged, findings.all)


def _check_end(log: LogAudit, known: Known, until: datetime, findings: AuditFindings) -> None:
    shown = (log.last_signed_at, known.seen_at(log.log, log.last))
    if not any(at is not None and at >= until for at in shown):
        findings.note(
            log.log, log.last, "nothing shows that no entry followed it before the end of the time asked for."
        )


def _check_damaged(log: LogAudit, damaged: str, logs: Logs, findings: AuditFindings) -> None:
    if damaged in logs.ids():
        findings.note(log.log, log.first, f"it was begun because the log {damaged} was damaged.")
    else:
        findings.fault(damaged, 0, f"the log is missing, which was damaged when {log.log} was begun.")


def on_record(logs: Logs, published: Mapping[str, Any], signed: Signed, receipt: str) -> bool:
    """Whether a complete log has this receipt, and a key that is not retired vouches for that log."""
    log = signed.claims.get("log")
    if log not in logs.ids():
        return False
    keys, findings = PublishedKeys(published), AuditFindings()
    kept = Known(keys, findings)
    kept.add([receipt])
    kept.add(logs.heads(log))
    one = LogAudit(log, keys, kept, Outcomes(AuditFindings()), findings)
    one.run(logs.lines(log))
    return not findings.faults
