"""Limits on how much of the hub's memory and time one client may use, and all clients together.

Connections that have sent no token are few and short, and share one small budget. The other limits keep a faulty or
malicious client that was admitted from using up the memory or the processor.
"""

import logging
from collections import Counter
from typing import Final, Protocol

_log: Final = logging.getLogger(__name__)

# Calls in progress on one connection. What a client asks for beyond these is refused, and may be sent again.
STREAMS: Final = 1000
# Bytes of requests that have not arrived whole. One request may have 64 MiB.
UNFINISHED: Final = 96 * 1024 * 1024
UNFINISHED_IN_ALL: Final = 256 * 1024 * 1024
# Seconds from the headers of a request to its end.
REQUEST_S: Final = 60.0
# Bytes of answers that the client has not taken. With more, it gets no further calls until it has.
UNREAD: Final = 64 * 1024 * 1024
UNREAD_IN_ALL: Final = 256 * 1024 * 1024
# Bytes of an answer that only reads, and is not sent where too many wait: an answer to a change is shorter.
LARGE_ANSWER: Final = 64 * 1024
# Bytes that wait for the client to read its socket. With more, the hub reads nothing more of what it sends.
UNSENT: Final = 8 * 1024 * 1024
# Seconds for which a client may leave so much unread.
UNREAD_S: Final = 60.0
# Seconds from the connection to the end of the client's first SETTINGS, and from a HEADERS frame to its last
# CONTINUATION.
GREETING_S: Final = 5.0
# Bytes. A connection that uses no more than this is not limited, even if all together are over a bound.
FREE: Final = 1024 * 1024
# The most connections of admitted clients (they have sent the token, or need none), and of others. If there are more of
# the others, the oldest is closed.
CONNECTIONS: Final = 256
UNPROVEN: Final = 64
# What a connection may do before a call has sent the token: seconds, bytes, calls.
UNPROVEN_S: Final = 20.0
UNPROVEN_BYTES: Final = 64 * 1024
UNPROVEN_CALLS: Final = 20
# Bytes of each such connection that are read however much the others send. A client that has the token sends it within
# these bytes.
UNPROVEN_FREE: Final = 2048
# Bytes a second from all connections together that have sent no token, and the largest burst.
UNPROVEN_RATE: Final = 256 * 1024
UNPROVEN_BURST: Final = 1024 * 1024
# Bytes of header blocks a second on one connection, without blocks that repeat another, and the largest burst.
HEADERS_RATE: Final = 1024 * 1024
HEADERS_BURST: Final = 2 * 1024 * 1024
# Each frame that carries no request costs credit, and costs more where it makes more work. Each second, request and
# answer gives credit. A client without credit is disconnected.
CREDIT: Final = 10_000
CREDIT_A_SECOND: Final = 500
CREDIT_A_REQUEST: Final = 8
CREDIT_AN_ANSWER: Final = 4
RESET_COST: Final = 5
SETTINGS_COST: Final = 20
# Connections that are accepted a second, and the largest burst.
ACCEPT_RATE: Final = 200
ACCEPT_BURST: Final = 400
# Seconds between two lines of the log about clients that were disconnected, however many they are.
LOG_EVERY_S: Final = 60.0
# Seconds in which a client may read why the hub hangs up, and bytes that it may go on sending meanwhile.
PARTING_S: Final = 2.0
PARTING_BYTES: Final = 1024 * 1024


class Bounded(Protocol):
    """A connection, as `Connections` needs it."""

    @property
    def busy(self) -> bool:
        """Whether a call is in progress."""

    def close(self) -> None:
        """Hang up, whatever is in progress."""

    def evict(self) -> None:
        """Hang up, to make room."""

    def look(self, now: float) -> None:
        """Hang up on a client that takes too long, and go on reading where there is room again."""


class Connections:
    """All connections of a server, and what they take up together."""

    def __init__(self, now: float) -> None:
        # The connections of admitted clients, the others in the order in which they came, and those that are being
        # closed.
        self._proven: set[Bounded] = set()
        self._unproven: dict[Bounded, None] = {}
        self._parting: set[Bounded] = set()
        # Bytes of requests that have not arrived whole, and of answers that were not taken.
        self.unfinished = 0
        self.unread = 0
        # Bytes that may still be read from connections that have sent no token.
        self.unproven_bytes: float = UNPROVEN_BURST
        # The event loop's time at the last look, in seconds.
        self.now = now
        # Connections that were hung up on since the log last said so, by error code.
        self._parted: Counter[int] = Counter()
        self._logged_at = float("-inf")

    def add(self, one: Bounded) -> None:
        """Count a new connection. Where too many clients are not admitted yet, the oldest of these is disconnected."""
        if len(self._unproven) >= UNPROVEN:
            next(iter(self._unproven)).evict()
        self._unproven[one] = None

    def prove(self, one: Bounded) -> bool:
        """Count a connection as one of an admitted client; returns False where there are too many of these already."""
        if len(self._proven) >= CONNECTIONS:
            return False
        del self._unproven[one]
        self._proven.add(one)
        return True

    def part(self, one: Bounded, code: int) -> None:
        """Stop counting a connection that is being closed with this error code, so that another may take its place."""
        self.remove(one)
        self._parting.add(one)
        if code:
            self._parted[code] += 1

    def remove(self, one: Bounded) -> None:
        """Stop counting a connection that is closed."""
        self._proven.discard(one)
        self._unproven.pop(one, None)
        self._parting.discard(one)

    def all(self) -> list[Bounded]:
        """Every connection that is not closed yet."""
        return [*self._proven, *self._unproven, *self._parting]

    def look(self, now: float) -> None:
        """Check every connection and renew the budgets. Is called about once a second."""
        passed, self.now = now - self.now, now
        self.unproven_bytes = min(UNPROVEN_BURST, self.unproven_bytes + passed * UNPROVEN_RATE)
        for one in self.all():
            one.look(now)
        if self._parted and now - self._logged_at >= LOG_EVERY_S:
            self._logged_at = now
            _log.warning(
                "Hung up on clients that broke the rules of HTTP/2 or took up too much; by error code: %s.",
                ", ".join(f"{count} with {code}" for code, count in sorted(self._parted.items())),
            )
            self._parted.clear()
