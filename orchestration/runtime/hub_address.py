"""The address of a `countersign hub` process and the token for it, checked before anything is sent there."""

from __future__ import annotations

import ipaddress
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from orchestration.domain.errors import CountersignError


class HubSettingError(CountersignError):
    """COUNTERSIGN_HUB is not valid: use "embedded", "unix:PATH", "grpc://HOST:PORT" or a connection string."""


def unix_address(setting: str) -> str:
    """The address of the socket that `unix:PATH` names. Raises `HubSettingError` where another user owns the socket."""
    path = Path(setting.removeprefix("unix:").removeprefix("//")).expanduser().absolute()
    try:
        found = path.stat()
    except FileNotFoundError:
        return f"unix://{path}"  # the hub may start later
    except OSError as error:
        raise HubSettingError(
            f"COUNTERSIGN_HUB: {path} cannot be reached ({error.strerror}); run the server as the user that runs "
            "the hub."
        ) from error
    if not stat.S_ISSOCK(found.st_mode):
        raise HubSettingError(
            f"COUNTERSIGN_HUB: {path} is not a socket; give the address that `countersign hub` prints."
        )
    if found.st_uid not in {os.geteuid(), 0}:
        raise HubSettingError(
            f"COUNTERSIGN_HUB: {path} belongs to another user (user ID {found.st_uid}); run the hub and the server "
            "as one user, or reach the hub by grpc:// with its token."
        )
    return f"unix://{path}"


def token_for(host: str, given: str | None, file: Path) -> str | None:
    """The token to send to a hub at `host`: the setting's newest, else the file's. Raises `HubSettingError`."""
    local = is_local(host)
    if given is not None:
        if not local:
            raise HubSettingError(
                f"COUNTERSIGN_HUB_TOKEN: is not sent to {host}, because nothing is encrypted on the way; "
                "a hub is reached on its own machine, such as grpc://127.0.0.1:4001."
            )
        return given.split()[0]
    if not local or not file.exists():
        return None
    try:
        words = file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise HubSettingError(
            f"COUNTERSIGN_HUB_TOKEN: the hub's token file {file} cannot be read; "
            "name one that this user can read as COUNTERSIGN_HUB_TOKEN_FILE."
        ) from error
    return words[0] if words else None


@dataclass(frozen=True)
class NetworkAddress:
    """The parts of an address of the form `SCHEME://HOST[:PORT]`; `port` is None where none is given."""

    scheme: str
    host: str
    port: int | None

    def target(self, usual: int) -> str:
        """The address to call, built only from the checked host and port; `usual` is the port where none is given."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port or usual}"


def network_address(text: str) -> NetworkAddress | None:
    """The parts of the address; None for text that is no address, or that names a user."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or "@" in parts.netloc or port == 0:
        return None
    return NetworkAddress(parts.scheme, parts.hostname, port)


def is_local(host: str) -> bool:
    """Whether what is sent to `host` stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
