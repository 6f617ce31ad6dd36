"""The token that every call over TCP has to send, as `authorization: Bearer TOKEN`. Made on the first start."""

import hmac
import logging
import os
import re
import secrets
import stat
import tempfile
import time
from pathlib import Path
from typing import Final, Self

from orchestration.hub.errors import HubError

_log: Final = logging.getLogger(__name__)
# Seconds. However many calls are refused, the log says so no more often.
_LOG_EVERY_S: Final = 60.0
# Characters. A token that is made has 43: 256 random bits in base64url.
SHORTEST: Final = 32
_TOKEN: Final = re.compile(r"[!-~]+")
_SCHEME: Final = b"bearer"
_REMEDY: Final = "Remove it, and the hub makes a new one when it starts."


def beside(file: Path) -> Path:
    """The path of the token file of a hub's file, unless another path is given."""
    return file.absolute().with_name(file.name + ".token")


class Tokens:
    """The tokens that the hub accepts. There are several while one replaces another."""

    def __init__(self, *tokens: bytes) -> None:
        self._tokens = tokens
        self._refused = 0
        self._logged_at = float("-inf")

    @classmethod
    def load(cls, path: Path) -> Self:
        """The tokens in a file, separated by spaces or lines. The file is made, with one token, where there is none.

        Raises HubError where others can read the file, or its content is not a token.
        """
        try:
            _make(path)
            with path.open(encoding="ascii") as file:
                found = os.fstat(file.fileno())
                words = file.read().split()
        except UnicodeDecodeError:
            raise HubError(f"The token file {path} is not text. {_REMEDY}") from None
        except OSError as error:
            raise HubError(f"The token file {path} cannot be used: {error.strerror}. {_REMEDY}") from error
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or found.st_uid not in {os.geteuid(), 0}:
            raise HubError(
                f"Other users may read or change the token file {path}. Make a new one, for the token may be known: "
                "remove the file, and start the hub again. One that you bring yourself needs the mode 0600."
            )
        if not words or any(len(word) < SHORTEST or not _TOKEN.fullmatch(word) for word in words):
            raise HubError(
                f"The token file {path} needs a token of at least {SHORTEST} visible ASCII characters. {_REMEDY}"
            )
        return cls(*(word.encode() for word in words))

    def accept(self, authorization: bytes | None) -> bool:
        """Whether the value of the header has one of the tokens. A wrong one takes as long as any other."""
        scheme, _, sent = (authorization or b"").partition(b" ")
        # Every token is compared, so that the time taken does not reveal which one matched.
        equal = [hmac.compare_digest(sent, token) for token in self._tokens]
        if scheme.lower() == _SCHEME and any(equal):
            return True
        self._refused += 1
        self._log_refusals()
        return False

    def _log_refusals(self) -> None:
        now = time.monotonic()
        if now - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = now
            _log.warning("Refused %d calls that did not send the hub's token.", self._refused)
            self._refused = 0


def _make(path: Path) -> None:
    """Make the file with a new token, whole or not at all; only its owner can read it."""
    if path.exists():
        return
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(draft).rename(path)
    finally:
        Path(draft).unlink(missing_ok=True)
