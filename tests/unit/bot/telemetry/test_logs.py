"""Log lines have their context and trace, and no secret or number, not even in a traceback."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bot.telemetry import logs
from bot.telemetry.log_formats import JSON, TEXT
from bot.telemetry.redaction import Redactor
from orchestration import telemetry


@pytest.fixture(autouse=True)
def root_as_before() -> Iterator[None]:
    """Restores the root logger: other tests count the lines logged at WARNING and above."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


def record(message: str, *values: object, error: BaseException | None = None) -> logging.LogRecord:
    told = (type(error), error, error.__traceback__) if error else None
    found = logging.LogRecord("a.library", logging.WARNING, "f", 1, message, values, told)
    found.created = 1764269462.25
    return found


def as_json(found: logging.LogRecord) -> dict[str, Any]:
    line = logs.formatter(JSON, Redactor()).format(found)
    assert "\n" not in line
    said: dict[str, Any] = json.loads(line)
    return said


def fail() -> None:
    raise ValueError("+12025550142 says 'xoxb-1-2'\nERROR forged \x1b[2J")


def failed() -> ValueError:
    try:
        fail()
    except ValueError as error:
        return error
    raise AssertionError("it did not fail")


def test_a_line_of_a_library_says_what_the_work_is_about() -> None:
    with telemetry.work({"request_id": "r1"}):
        telemetry.concerns("purchase-1")
        said = as_json(record("%s is slow", "it"))
    assert said == {
        "time": "2025-11-27T18:51:02.250Z",
        "level": "warning",
        "logger": "a.library",
        "message": "it is slow",
        "request_id": "r1",
        "instance_id": "purchase-1",
    }


def test_what_ended_is_not_what_later_lines_are_about() -> None:
    with telemetry.work({"request_id": "r1"}):
        telemetry.concerns("purchase-1")
    assert "request_id" not in as_json(record("x"))
    assert "instance_id" not in as_json(record("x"))


def test_a_traceback_is_in_the_line_without_the_number_and_the_token() -> None:
    said = as_json(record("it failed", error=failed()))
    assert said["exception"].startswith("Traceback (most recent call last)")
    assert "ValueError: [number] says '[hidden]'" in said["exception"]


def test_what_nobody_can_see_hides_nothing_from_the_redaction() -> None:
    said = as_json(record("to +1202\u200b5550142 by xoxb\x00-1-2", error=ValueError("+1202\u200b5550143")))
    assert said["message"] == "to [number] by [hidden]"
    assert said["exception"] == "ValueError: [number]"


def test_text_is_one_line_and_a_traceback_cannot_pass_for_another() -> None:
    with telemetry.work({"request_id": "r1"}):
        line, *rest = (
            logs.formatter(TEXT, Redactor())
            .format(record("a\nERROR b\x1b request_id=r2", error=failed()))
            .splitlines()
        )
    assert line == "2025-11-27T18:51:02.250Z WARNING a.library request_id=r1  a ERROR b request_id=r2"
    assert rest
    assert all(row.startswith(" ") for row in rest)
    assert "\x1b" not in "".join(rest)


def test_an_id_with_blanks_cannot_pass_for_another_member() -> None:
    with telemetry.work({"request_id": "r1"}):
        telemetry.concerns("a request_id=r2")
        line = logs.formatter(TEXT, Redactor()).format(record("x"))
    assert line.endswith('a.library request_id=r1 instance_id="a request_id=r2"  x')


def test_a_line_that_cannot_be_made_shows_none_of_its_values(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    logs.set_up(TEXT, Redactor())
    logging.getLogger("a.library").warning("%d", "+12025550142")  # noqa: PLE1205, PLE1206, RUF100 - the fault is meant
    said = capsys.readouterr().err
    assert "a line of a.library could not be written" in said
    assert "2025550142" not in said


def test_a_thread_that_fails_is_a_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [*root.handlers])
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    logs.set_up(TEXT, Redactor())
    thread = threading.Thread(target=fail, name="of a test")
    thread.start()
    thread.join()
    assert [one.getMessage() for one in caplog.records] == ["the thread of a test has failed"]
