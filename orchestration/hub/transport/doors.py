"""The ways in to the hub, and who may take them: its Unix socket, and TCP where it is told to listen there."""

import logging
from pathlib import Path
from typing import Final

from orchestration.hub.errors import HubError
from orchestration.hub.transport import peers
from orchestration.hub.transport.address import UnixSocket, loopback, tcp_socket
from orchestration.hub.transport.grpc_server import GrpcServer
from orchestration.hub.transport.tokens import Tokens, beside

_log: Final = logging.getLogger(__name__)


class Doors:
    """Opens the ways in to the hub on `file`, and logs who can reach it.

    At the Unix socket beside the file, its owner and root. Over TCP, if `listen` is a loopback HOST:PORT, whoever
    sends a token of `token_file` (default: beside the file); everybody if `authenticate` is false.

    Raises HubError where `listen` is not loopback, or an option would do nothing.
    """

    def __init__(
        self,
        file: Path,
        listen: str | None,
        token_file: Path | None,
        *,
        authenticate: bool,
        embedded: bool = False,
    ) -> None:
        self._embedded = embedded
        self._file = file
        self._tcp = loopback(listen) if listen is not None else None
        if self._tcp is None and not authenticate:
            raise HubError("Calls to the Unix socket need no token: --no-auth goes with --listen.")
        if token_file is not None and (self._tcp is None or not authenticate):
            raise HubError(
                "Only calls over TCP need a token: --token-file goes with --listen, without --no-auth."
            )
        self._token_file = (token_file or beside(file)).absolute()
        self._authenticate = authenticate
        self._unix: UnixSocket | None = None
        self._open_to_all: str | None = None

    def open(self, server: GrpcServer) -> str:
        """Listen; returns the address in the form that the SDK takes: of TCP where it listens there.

        Raises HubError.
        """
        self._unix = UnixSocket(self._file)
        server.listen_unix(self._unix.bind())
        # Inside another program the socket is that program's own, and nobody is meant to connect to it.
        level = logging.DEBUG if self._embedded else logging.INFO
        _log.log(level, "Open at unix://%s to %s.", self._unix.path, peers.owners())
        if self._tcp is None:
            return f"unix://{self._unix.path}"
        tokens = Tokens.load(self._token_file) if self._authenticate else None
        bound = tcp_socket(*self._tcp)
        host, port = bound.getsockname()[:2]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        server.listen_tcp(bound, tokens)
        if tokens is None:
            self._open_to_all = address
            _log.warning("Open at %s to %s", address, _EVERYBODY)
        else:
            _log.info("Open at %s to whoever sends the token in %s.", address, self._token_file)
        return address

    def close(self) -> None:
        """Remove the socket's file."""
        if self._unix is not None:
            self._unix.remove()

    def warnings(self) -> list[str]:
        """Warnings for operators about who can reach the hub; usually empty."""
        return [f"open: {self._open_to_all} is open to {_EVERYBODY}"] if self._open_to_all else []


_EVERYBODY: Final = (
    "EVERY user and program of this machine, because of --no-auth: they can read and stop all that the hub holds. "
    "That is for a development machine only."
)
