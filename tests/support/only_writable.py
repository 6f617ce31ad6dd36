"""Runs a command that may write to some places and nowhere else: `python only_writable.py PLACE… -- COMMAND…`.

The kernel's Landlock refuses the rest, for root too and for all that the command starts. So a root file system that is
read-only can be tried without a container.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import Final

# The numbers of the system calls; they are the same on every processor.
CREATE_RULESET: Final = 444
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446
PATH_BENEATH: Final = 1
GET_VERSION: Final = 1
NO_NEW_PRIVILEGES: Final = 38  # an option of prctl
WRITE_FILE: Final = 1 << 1
# The rights of ABI 1 to write to a file, and to remove or make directory entries of each kind.
CHANGES: Final = WRITE_FILE | sum(1 << bit for bit in range(4, 13))
TRUNCATE: Final = 1 << 14  # a right of ABI 3
_libc = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def available() -> bool:
    """Whether this kernel's Landlock can also refuse truncation."""
    try:
        return _call(CREATE_RULESET, None, ctypes.c_size_t(0), GET_VERSION) >= 3
    except OSError:
        return False


def confine(places: list[str]) -> None:
    """Stops this process from changing anything outside `places`, except for writing to /dev/null."""
    handled = struct.pack("=Q", CHANGES | TRUNCATE)
    rules = _call(CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0)
    allowed = dict.fromkeys(places, CHANGES | TRUNCATE) | {os.devnull: WRITE_FILE | TRUNCATE}
    for place, may in allowed.items():
        beneath = os.open(place, os.O_PATH | os.O_CLOEXEC)
        _call(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", may, beneath), 0)
        os.close(beneath)
    if _libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no new privileges")
    _call(RESTRICT_SELF, rules, 0)
    os.close(rules)


if __name__ == "__main__":
    end = sys.argv.index("--")
    confine(sys.argv[1:end])
    os.execvp(sys.argv[end + 1], sys.argv[end + 1 :])  # noqa: S606 - no shell is wanted
