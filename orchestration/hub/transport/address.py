"""Where the hub listens: on a Unix socket that only its owner can open, or on loopback TCP."""

import ipaddress
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from orchestration.hub.errors import HubError

# Bytes that the kernel takes as the path of a socket, without the terminating zero.
_LONGEST_PATH: Final = 107


def loopback(listen: str) -> str:
    """HOST:PORT as given, with `localhost` as 127.0.0.1.

    Raises HubError where it is not loopback: whoever connects can do everything, and nothing is encrypted.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise HubError(f"The hub cannot listen on {listen!r}: give HOST:PORT, such as 127.0.0.1:4001.")
    if host == "localhost":
        return f"127.0.0.1:{port}"
    try:
        inside = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise HubError(
            f"The hub does not listen on {host!r}: it has no passwords and no encryption, so it serves "
            "this machine only. "
            "Listen on 127.0.0.1, or use Durable Task Scheduler for several machines."
        )
    return listen


class UnixSocket:
    """A Unix socket beside the hub's file, in a directory that only its owner can open.

    Where that path is too long for a socket, the directory is a temporary one.
    """

    def __init__(self, file: Path) -> None:
        directory = file.absolute().with_name(file.name + ".sock")
        self._temporary: Path | None = None
        if len(os.fsencode(directory / "hub")) > _LONGEST_PATH:
            directory = self._temporary = Path(tempfile.mkdtemp(prefix="hub-"))
        else:
            self._make_private(directory)
        self.path = directory / "hub"
        # A hub that was killed has left it. This hub has the file's lock, so that one is gone.
        self.path.unlink(missing_ok=True)

    @staticmethod
    def _make_private(directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise HubError(
                f"{directory} belongs to somebody else; remove it, or name another file for the hub."
            )
        directory.chmod(0o700)

    def remove(self) -> None:
        """Remove the socket, and its directory if that is temporary."""
        self.path.unlink(missing_ok=True)
        if self._temporary is not None:
            self._temporary.rmdir()
