"""The demo's bot: `countersign run`, which also ends when its supervisor has ended.

Without that, it would keep the hub's file locked, and the next demo could not start. The supervisor holds the other
end of our standard input. When that closes, the supervisor has ended, for whatever reason.
"""

from __future__ import annotations

import logging
import os
import runpy
import signal
import sys
import threading


def _end_with_supervisor() -> None:
    # Not through sys.stdin: the interpreter cannot shut down while a thread holds its lock.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    # The bot's line that it listens would send people to the wrong address; the supervisor says the right one.
    logging.disable(logging.INFO)
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    sys.argv = ["countersign", "run"]
    # By name, as from a shell. The commands import the demo, so the demo imports no command.
    runpy.run_module("bot", run_name="__main__")
