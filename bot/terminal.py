"""What a command prints, and the signals that end it. Results go to standard output, all else to standard error."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import unicodedata
from typing import TextIO


def say(text: str) -> None:
    """Prints a result, for people or pipes."""
    print(text)  # noqa: T201 - a command's output


def complain(text: str) -> None:
    """Prints an error in one line."""
    print(f"countersign: {plain(text)}", file=sys.stderr)  # noqa: T201 - a command's standard error


def plain(text: str) -> str:
    """The text without control characters, as what others wrote must not control the terminal."""
    return "".join(c if unicodedata.category(c)[0] != "C" or c == "\n" else "?" for c in text)


class LiveLine:
    """One line that is rewritten at each change. Where the stream is no terminal, each change is a new line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._shown = ""

    def show(self, text: str, ticking: str = "") -> None:
        """Shows `text`. `ticking` changes all the time, so it is shown only where the line can be rewritten."""
        text = plain(text)
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{f'{text}  {ticking}'[:width]}")
        elif text != self._shown:
            self._stream.write(f"{text}\n")
        self._shown = text
        self._stream.flush()

    def clear(self) -> None:
        """Removes the line, so that other output can follow."""
        if self._live and self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def stop_signal() -> asyncio.Future[None]:
    """Done at the first SIGINT or SIGTERM; a second one ends the process at once, as people expect."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def on_signal(number: int) -> None:
        if stop.done():
            os._exit(128 + number)
        stop.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    return stop
