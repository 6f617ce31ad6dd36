"""Where the hub listens: on a Unix socket that only its owner can open, and on loopback TCP where it is told to."""

import ipaddress
import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import Final

from orchestration.hub.errors import HubError

# The longest path of a socket that the kernel takes, in bytes, without the terminating zero.
_LONGEST_PATH: Final = 107


def loopback(listen: str) -> tuple[str, int]:
    """The host and port of HOST:PORT, with `localhost` as 127.0.0.1.

    Raises HubError where it is not loopback: nothing is encrypted, so on a network the token could be read.
    """
    if listen.startswith("unix:"):
        raise HubError(
            f"The hub cannot listen on {listen!r}: its Unix socket is always beside its file. "
            "Leave --listen away, or give HOST:PORT for TCP as well, such as 127.0.0.1:4001."
        )
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise HubError(f"The hub cannot listen on {listen!r}: give HOST:PORT, such as 127.0.0.1:4001.")
    if host == "localhost":
        return "127.0.0.1", int(port)
    try:
        inside = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise HubError(
            f"The hub does not listen on {host!r}: it does not encrypt, so it serves this machine only. "
            "Listen on 127.0.0.1, or use Durable Task Scheduler for several machines."
        )
    return host.strip("[]"), int(port)


def tcp_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound to this address. Raises HubError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A hub that starts again may take its port at once.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise HubError(
            f"The hub cannot listen on {host}:{port}: {error.strerror or error}. Is it in use?"
        ) from error
    return bound


class UnixSocket:
    """A Unix socket beside the hub's file, in a directory that only its owner can open.

    Where that path is too long for a socket, the directory is a temporary one. Raises HubError.
    """

    def __init__(self, file: Path) -> None:
        directory = file.absolute().with_name(file.name + ".sock")
        self._temporary: Path | None = None
        if len(os.fsencode(directory / "hub")) > _LONGEST_PATH:
            directory = self._temporary = Path(tempfile.mkdtemp(prefix="hub-"))
        else:
            self._make_private(directory)
        self.path = directory / "hub"
        # A socket that a killed hub has left. This hub holds the file's lock, so that hub is gone.
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

    def bind(self) -> socket.socket:
        """The socket, bound. Only its owner can connect. Raises HubError."""
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            bound.bind(str(self.path))
            self.path.chmod(0o600)
        except OSError as error:
            bound.close()
            raise HubError(f"The hub cannot make its socket {self.path}: {error.strerror}.") from error
        return bound

    def remove(self) -> None:
        """Remove the socket, and its directory if that is temporary."""
        self.path.unlink(missing_ok=True)
        if self._temporary is not None:
            self._temporary.rmdir()
