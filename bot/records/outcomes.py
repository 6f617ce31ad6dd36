"""Compares the outcomes of all logs: each start of a request has one."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.records.findings import AuditFindings

# The claims in which two outcomes may not differ. A later release may add other claims.
_CORE: Final = ("digest", "asked_digest", "policy", "status", "processed_by", "processed_at")
_VOTE: Final = ("level", "round", "actor", "for", "choice", "factor", "grant")
_GATHERED: Final = ("digest", "policy", "status", "ended_by", "collected_at", "sources")
_TORN: Final = re.compile(rb'"kind":"(?:receipt|gathered)","request":"([^"\\]*)","nonce":"([^"\\]*)"')
_YES: Final = frozenset({"approved", "auto_approved"})
_STEP: Final = ("cause", "state", "from_state", "event", "delivery", "actor", "at", "payload_digest")


@dataclass(frozen=True)
class _Signed:
    log: str
    sequence: int
    status: str
    core: bytes


class Outcomes:
    """Takes entries of every log; then `conclude`."""

    def __init__(self, findings: AuditFindings) -> None:
        self._findings = findings
        self._signed: dict[tuple[str, str], _Signed] = {}
        self._purged: set[tuple[str, str]] = set()
        self._steps: dict[tuple[str, str, int], tuple[str, int, bytes]] = {}
        self._torn: list[tuple[str, int, str, str]] = []
        self.receipts = 0

    @property
    def number(self) -> int:
        """How many starts of requests have an outcome."""
        return len(self._signed)

    @property
    def purged(self) -> int:
        """How many starts of requests have a tombstone."""
        return len(self._purged)

    def receipt(self, log: str, sequence: int, claims: Mapping[str, Any]) -> None:
        """An outcome."""
        self.receipts += 1
        self._take(log, sequence, claims, _core(claims))

    def gathered(self, log: str, sequence: int, claims: Mapping[str, Any]) -> None:
        """The result of a gathering."""
        answers = [claims.get(name) for name in _GATHERED]
        self._take(log, sequence, claims, json.dumps(answers, sort_keys=True).encode())

    def _take(self, log: str, sequence: int, claims: Mapping[str, Any], core: bytes) -> None:
        request, nonce = str(claims.get("sub")), str(claims.get("jti"))
        new = _Signed(log, sequence, str(claims.get("status")), core)
        first = self._signed.setdefault((request, nonce), new)
        if first is new:
            return
        if first.core != new.core:
            self._findings.fault(
                log,
                sequence,
                f"{request} is {new.status} here, and {first.status} in entry {first.sequence} of {first.log}: "
                "two outcomes of one request.",
            )
        elif first.log == log:
            self._findings.fault(log, sequence, f"the outcome of {request} is in entry {first.sequence} too.")

    def conflict(self, log: str, sequence: int, claims: Mapping[str, Any]) -> None:
        """A second outcome came while the server ran, and was not signed."""
        refused = claims.get("refused")
        status = refused.get("status") if isinstance(refused, Mapping) else None
        self._findings.fault(
            log,
            sequence,
            f"a second outcome of {claims.get('sub')} came, which said {status}, and was not signed; find out why.",
        )

    def step(self, log: str, sequence: int, claims: Mapping[str, Any]) -> None:
        """A state that an approved request has come to. Two processes may each have put it on record."""
        number = claims.get("number")
        key = (str(claims.get("sub")), str(claims.get("jti")), number if isinstance(number, int) else 0)
        core = json.dumps([claims.get(name) for name in _STEP], sort_keys=True).encode()
        first_log, first, known = self._steps.setdefault(key, (log, sequence, core))
        if known != core:
            self._findings.fault(
                log,
                sequence,
                f"step {number} of {key[0]} is another one than in entry {first} of {first_log}.",
            )

    def tombstone(self, claims: Mapping[str, Any]) -> None:
        """A request was purged."""
        self._purged.add((str(claims.get("sub")), str(claims.get("jti"))))

    def torn(self, log: str, sequence: int, torn: bytes) -> None:
        """A line was cut short, which the entry `sequence` explains. It was of an outcome that is then signed again."""
        found = _TORN.search(torn)
        if found:
            self._torn.append((log, sequence, found[1].decode(), found[2].decode()))
        else:
            self._findings.note(
                log, sequence, f"before it a kill has cut a line short, of which {len(torn)} bytes are there."
            )

    def conclude(self) -> None:
        """Adds the findings that need every log to be read first."""
        for log, sequence, request, nonce in self._torn:
            if (request, nonce) in self._signed:
                words = (
                    f"before it a kill has cut the outcome of {request} short, which was then signed again."
                )
                self._findings.note(log, sequence, words)
            else:
                words = f"the outcome of {request} was cut short before it, and no log has it since: it is missing."
                self._findings.fault(log, sequence, words)
        starts: defaultdict[str, set[str]] = defaultdict(set)
        for request, nonce in self._signed:
            starts[request].add(nonce)
        for request, nonce in sorted({(request, nonce) for request, nonce, _ in self._steps}):
            signed = self._signed.get((request, nonce))
            if signed is None or signed.status not in _YES:
                self._findings.note(
                    "all logs",
                    0,
                    f"{request} went on after its approval, and no log here says that it was approved.",
                )
        for request, nonces in starts.items():
            unexplained = sum((request, nonce) not in self._purged for nonce in nonces)
            if unexplained > 1:
                self._findings.note(
                    "all logs",
                    0,
                    f"{request} was asked {len(nonces)} times, and no tombstone says why it could be: the hub "
                    "forgot it when its retention was over, or somebody deleted it there.",
                )


def _core(claims: Mapping[str, Any]) -> bytes:
    votes = claims.get("decisions")
    grant = claims.get("grant")
    core = [
        [claims.get(name) for name in _CORE] + ([grant] if grant is not None else []),
        [
            [vote.get(name) for name in _VOTE]
            for vote in (votes if isinstance(votes, list) else [])
            if isinstance(vote, Mapping)
        ],
    ]
    return hashlib.sha256(json.dumps(core, sort_keys=True).encode()).digest()
