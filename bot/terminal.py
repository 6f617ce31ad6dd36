"""Prints the results and messages of a command, and handles the signals that end it.

Results go to standard output, all else to standard error.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import shutil
import signal
import sys
import unicodedata
from contextlib import suppress
from typing import TextIO

from orchestration.domain.text import prose


class OutputError(Exception):
    """A result could not be written. Its text is a sentence that says why."""


def take_any_text() -> None:
    """Makes standard output and standard error escape characters that their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> bool:
    """Writes a result. Returns False if the reader has closed the pipe, which is no error. Raises `OutputError`."""
    return _write(f"{text}\n")


def report(text: str, fate: str | None = None) -> bool:
    """Like `say`, for something that has been done: if it cannot be written, the error says it, or says the `fate`."""
    try:
        return say(text)
    except OutputError as error:
        raise OutputError(f"{error} {fate or text}") from error


def flush() -> None:
    """Writes the results that are still buffered. Raises `OutputError`."""
    if sys.stdout is not None:
        _write("")


def _write(text: str) -> bool:
    stream = sys.stdout
    if stream is None:
        raise OutputError("Standard output is closed.")
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _discard(stream)
        return False
    except OSError as error:
        _discard(stream)
        raise OutputError(f"Standard output cannot be written ({error.strerror}).") from error
    return True


def _discard(stream: TextIO) -> None:
    """Discards what is left in the stream. Otherwise Python would try to write it at exit, and report a failure."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def complain(text: str) -> None:
    """Writes an error in one line."""
    explain(f"countersign: {plain(text)}")


def explain(text: str) -> None:
    """Writes lines to standard error. Where that is closed or full, nobody can be told."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def plain(text: str) -> str:
    """The text in one line, without control characters: other people's text must not control the terminal."""
    return "".join(c if unicodedata.category(c)[0] != "C" else "?" for c in prose(text).replace("\n", " "))


class OneLineFormatter(logging.Formatter):
    """Writes each log message as one line, so that other people's text cannot look like a log entry."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as logging calls it
        """The line, before a traceback where there is one."""
        record.message = plain(record.message)
        return super().formatMessage(record)


class LiveLine:
    """One line that is rewritten at each change; a new line for each change if the stream is no terminal.

    `live` is whether the line can be rewritten.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """`stream` may be closed, as standard error may be: then nothing is shown."""
        self._stream = stream
        self.live = stream is not None and stream.isatty()
        self._shown = ""

    def show(self, text: str, ticking: str = "") -> None:
        """Shows `text`. A `ticking` text changes all the time, so it is shown only where the line can be rewritten."""
        text = plain(text)
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"\r\x1b[K{f'{text}  {ticking}'[:width]}")
        elif text != self._shown:
            self._write(f"{text}\n")
        self._shown = text

    def clear(self) -> None:
        """Removes the line, so that other output can follow."""
        if self.live and self._shown:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            _discard(self._stream)


def stop_signal() -> asyncio.Future[None]:
    """A future that is done at the first SIGINT or SIGTERM. A second one ends the process at once, as people expect."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def on_signal(number: int) -> None:
        if stop.done():
            os._exit(128 + number)
        stop.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    return stop
