"""Every error code of Slack's that the code knows is one that Slack publishes, and the other way round."""

import ast
import json
import logging
import re
from collections import Counter

import pytest

from bot.cli.library_logs import without_foreseen_tracebacks
from bot.slack.api import codes
from bot.slack.api.codes import REFUSALS, Meaning
from bot.slack.api.health import SlackHealth
from orchestration.domain.errors import TryFailedError
from tests.support import ROOT
from tests.unit.bot.slack.api.test_errors import refused

PUBLISHED = json.loads((ROOT / "tests/support/slack_errors/published.json").read_text())
OF_OUR_METHODS = set().union(*PUBLISHED["methods"].values())
ALL = OF_OUR_METHODS | set(PUBLISHED["of_other_methods"])


def test_every_code_that_slack_publishes_for_our_methods_has_a_meaning() -> None:
    assert set(REFUSALS) == ALL


@pytest.mark.parametrize(
    "name", ["DEAD_TOKEN", "GONE", "BLIND", "NOBODY", "EXPIRED", "REDRAWN", "NOT_A_MEMBER"]
)
def test_every_set_of_codes_holds_published_ones(name: str) -> None:
    assert getattr(codes, name) <= ALL


def test_codes_are_named_in_one_module_only() -> None:
    """A code that is named elsewhere would not be checked against Slack's list."""
    words = {code for code in ALL if "_" in code} - {"is_bot"} | {
        "trigger_exchanged"
    }  # also a field of people
    for file in (ROOT / "bot" / "slack").rglob("*.py"):
        found = {
            node.value
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in words
        }
        assert file.name == "codes.py" or not found, (file, found)


def test_a_remedy_is_the_beginning_of_a_sentence() -> None:
    assert all(re.fullmatch(r"[^.].*[^.]", refusal.remedy) for refusal in REFUSALS.values())
    assert all(REFUSALS[code].meaning is Meaning.TOKEN for code in codes.DEAD_TOKEN)


def test_a_failure_is_counted_each_time_and_warned_of_seldom(caplog: pytest.LogCaptureFixture) -> None:
    called: Counter[tuple[str, str]] = Counter()
    health = SlackHealth(lambda *call: called.update([call]))
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            health.failed("chat.postMessage", refused("token_revoked"))
        health.failed("chat.update", refused("internal_error"))
        health.failed("chat.postMessage", refused("ratelimited", 429))
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line.split(":")[0] for line in warned] == ["chat.postMessage", "chat.update"]
    assert "(token_revoked)" in warned[0]
    assert called["chat.postMessage", "token_revoked"] == 3
    told = health.problem
    assert told is not None
    assert "SLACK_BOT_TOKEN" in told
    health.worked("chat.postMessage")
    assert called["chat.postMessage", "ok"] == 1
    assert health.problem is None


def test_a_traceback_is_kept_only_for_what_nobody_foresaw() -> None:
    def logged(error: Exception) -> logging.LogRecord:
        record = logging.LogRecord(
            "durabletask", logging.ERROR, "", 0, "it failed", (), (type(error), error, None)
        )
        assert without_foreseen_tracebacks(record)
        return record

    foreseen = logged(TryFailedError("Slack did not answer (TimeoutError)."))
    assert foreseen.exc_info is None
    assert foreseen.getMessage() == "TryFailedError: Slack did not answer (TimeoutError)."
    assert logged(KeyError("x")).exc_info
