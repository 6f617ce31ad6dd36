"""The demo's bot: `countersign run`, ended also when its supervisor is gone.

An orphan would keep the hub's file locked, and the next demo could not start. The supervisor holds the other end
of our standard input, so the end of that file is the end of the supervisor, however it died.
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
    # The supervisor's own lines say where to go; the bot's, that it listens, would send people to the wrong address.
    logging.disable(logging.INFO)
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    sys.argv = ["countersign", "run"]
    # By name, as from a shell: the commands know the demo, so the demo imports none of them.
    runpy.run_module("bot", run_name="__main__")
