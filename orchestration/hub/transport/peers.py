"""Which user is at the other end of a Unix socket, as the kernel knows it."""

import os
import pwd
import socket
import struct
import sys
from typing import Final

# Python has no names for those of macOS: LOCAL_PEERCRED at SOL_LOCAL, and the first two fields of a xucred.
_MACOS_LEVEL, _MACOS_PEER, _MACOS = 0, 1, struct.Struct("Ii")
_LINUX: Final = struct.Struct("3i")  # process, user, group


def user_of(connection: socket.socket) -> int | None:
    """The user ID that the other end had when it connected, or None where the system does not say."""
    try:
        if sys.platform == "darwin":
            _, user = _MACOS.unpack(connection.getsockopt(_MACOS_LEVEL, _MACOS_PEER, _MACOS.size))
        else:
            _, user, _ = _LINUX.unpack(
                connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _LINUX.size)
            )
    except (OSError, AttributeError, struct.error):
        return None
    return int(user)


def is_owner(user: int | None) -> bool:
    """Whether this user may connect: the one that the hub runs as, or root, who can do everything anyway."""
    return user is not None and user in {os.geteuid(), 0}


def owners() -> str:
    """The users that `is_owner` accepts, in words."""
    if os.geteuid() == 0:
        return "root"
    try:
        return f"{pwd.getpwuid(os.geteuid()).pw_name} (user ID {os.geteuid()}) and root"
    except KeyError:
        return f"user ID {os.geteuid()} and root"
