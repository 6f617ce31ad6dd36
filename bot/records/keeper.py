"""Signs heads and copies entries and heads to the store and the webhook, in the background.

Nothing waits for it. What the store or the webhook does not accept now is kept and retried in order.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from bot.records.head_file import HeadFile
from bot.records.head_webhook import HeadWebhook
from bot.records.heads import sign_head
from bot.records.idle_logs import idle_logs
from bot.records.log import RecordLog
from bot.records.segments import next_segment
from bot.records.store import RecordStore, StoreConflictError
from bot.security.keys import SigningKeys
from orchestration.domain.errors import DeliveryError

log = logging.getLogger(__name__)

EVERY: Final = 60.0  # seconds between two rounds
HEAD_EVERY: Final = 3600.0  # seconds between two heads of a log that grows
HEAD_AT_LEAST: Final = 86_400.0  # seconds; also where it does not grow, so that a head says that it did not
LONGEST_PAUSE: Final = 900.0  # seconds, after failures
SEGMENTS_A_ROUND: Final = 50
STOP_WITHIN: Final = 2.0  # seconds; a store that hangs does not hold up the end of the process


class RecordKeeper:
    """One background thread for the log that this process writes."""

    def __init__(
        self,
        records: RecordLog,
        keys: SigningKeys,
        issuer: str,
        *,
        store: RecordStore | None = None,
        webhook: HeadWebhook | None = None,
        every: float = EVERY,
        head_every: float = HEAD_EVERY,
    ) -> None:
        """`every` and `head_every`: seconds."""
        self._records = records
        self._keys = keys
        self._issuer = issuer
        self._store = store
        self._webhook = webhook
        self._every = every
        self._head_every = head_every
        self._heads: HeadFile | None = None
        self._copied: int | None = None
        self._idle_logs_copied = False
        self._for_store: str | None = None
        self._for_webhook: str | None = None
        self._failures = 0
        self._stopped = threading.Event()
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="look after the records", daemon=True)

    def failing(self) -> bool:
        """Whether something failed in the last round: a head was not signed, or something was not copied."""
        return self._failures > 0

    def start(self) -> None:
        """Begins, with one round at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stops within a few seconds, after a last round: if the disk goes with the process, nobody can copy it later.

        Call it once nothing is put on record any more. The next start copies what was not copied in time.
        """
        self._stopped.set()
        self._thread.join(STOP_WITHIN)
        self._given_up.set()

    def _run(self) -> None:
        while not self._given_up.is_set():
            last = self._stopped.is_set()
            self.round()
            if last:
                return
            self._stopped.wait(min(self._every * 2**self._failures, max(LONGEST_PAUSE, self._every)))

    def round(self) -> None:
        """Runs one round. A failure is logged and does not stop the other steps."""
        steps: list[tuple[str, Callable[[], None]]] = [("no head can be signed", self._sign_head)]
        if self._store is not None:
            steps += [
                ("the store does not take the entries", self._copy_entries),
                ("the store does not take the entries of a log that nobody writes", self._copy_idle_logs),
                ("the store does not take the head", self._copy_head),
            ]
        if self._webhook is not None:
            steps.append(("the webhook does not take the head", self._send_head))
        failed = [self._tried(words, step) for words, step in steps].count(False)
        self._failures = min(self._failures + 1, 10) if failed else 0

    def _tried(self, words: str, step: Callable[[], None]) -> bool:
        if self._given_up.is_set():
            return True
        try:
            step()
        except StoreConflictError as error:
            log.error("ALARM the records: %s (%s)", words, error)  # noqa: TRY400 - the error says it all
            return False
        except Exception as error:  # noqa: BLE001 - whatever the library of the store or the disk raises
            log.warning("the records: %s (%s). It is tried again.", words, error or type(error).__name__)
            return False
        return True

    # ---- heads -------------------------------------------------------------------------------------------

    def _sign_head(self) -> None:
        """Signs a head if the log has grown or the signing key has changed, and at least once a day."""
        with self._records.lock:
            chain = self._records.chain
            last = chain.last
        self._heads = self._heads or HeadFile(chain.folder)
        signer = self._keys.listed()[0][0]
        known = self._heads.last
        age = time.time() - known.at if known else float("inf")
        grown = known is None or known.sequence != last.sequence
        due = known is None or known.kid != signer or age >= (self._head_every if grown else HEAD_AT_LEAST)
        if last.sequence and due:
            head = sign_head(self._keys, self._issuer, chain.id, last.sequence, last.hash)
            self._heads.add(head)
            self._for_store = self._for_webhook = head

    def _copy_head(self) -> None:
        head = self._heads.last if self._heads else None
        if self._store is not None and self._for_store is not None and head is not None:
            self._store.put_head(self._records.chain.id, head.sequence, head.signed_at, self._for_store)
            self._for_store = None

    def _send_head(self) -> None:
        """Sends the newest head only: it covers all earlier ones."""
        if self._webhook is not None and self._for_webhook is not None:
            try:
                self._webhook.send(self._for_webhook)
            except DeliveryError:
                self._for_webhook = None
                raise
            self._for_webhook = None

    # ---- entries -----------------------------------------------------------------------------------------

    def _copy_entries(self) -> None:
        chain = self._records.chain
        if self._store is None:
            return
        if self._copied is None:
            self._copied = self._store.last(chain.id)
        for _ in range(SEGMENTS_A_ROUND):
            with self._records.lock:
                if self._copied > chain.last.sequence:
                    raise StoreConflictError(
                        f"the store has {self._copied} entries of {chain.id}, and here it has {chain.last.sequence}."
                    )
                entries = ((entry.place.sequence, lines) for entry, lines in chain.lines(self._copied))
                segment = next_segment(entries)
            if segment is None or self._given_up.is_set():
                return
            self._store.put_entries(chain.id, segment.first, segment.last, segment.lines)
            self._copied = segment.last

    def _copy_idle_logs(self) -> None:
        """Copies, once, the logs of ended processes: their last entries may not have been copied."""
        if self._store is None or self._idle_logs_copied:
            return
        with idle_logs(self._records.chain.folder.parent) as idle:
            for one in idle:
                entries = one.lines(self._store.last(one.id))
                while not self._given_up.is_set() and (segment := next_segment(entries)) is not None:
                    self._store.put_entries(one.id, segment.first, segment.last, segment.lines)
        self._idle_logs_copied = True
