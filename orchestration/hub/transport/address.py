"""Where the hub listens: a socket that only its owner can open, or loopback."""

import ipaddress
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from orchestration.hub.errors import HubError

# What the kernel takes as a socket's path, without the terminating zero.
_LONGEST_PATH: Final = 107


def loopback(listen: str) -> str:
    """HOST:PORT as given, if it is loopback.

    Raises HubError: whoever connects can do everything, and nothing is encrypted.
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


class Socket:
    """A Unix socket beside the hub's file, in a directory closed to everybody else."""

    def __init__(self, file: Path) -> None:
        directory = file.absolute().with_name(file.name + ".sock")
        self._temporary: Path | None = None
        if len(os.fsencode(directory / "hub")) > _LONGEST_PATH:
            directory = self._temporary = Path(tempfile.mkdtemp(prefix="hub-"))
        else:
            self._close_to_others(directory)
        self.path = directory / "hub"
        # Left by a hub that was killed; the lock on the file says that it is gone.
        self.path.unlink(missing_ok=True)

    @staticmethod
    def _close_to_others(directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise HubError(
                f"{directory} belongs to somebody else; remove it, or name another file for the hub."
            )
        directory.chmod(0o700)

    def remove(self) -> None:
        """Take the socket away, and a temporary directory with it."""
        self.path.unlink(missing_ok=True)
        if self._temporary is not None:
            self._temporary.rmdir()
