"""The policies that tests use."""

from typing import Final

from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from orchestration.domain.policy_book import PolicyBook
from tests.support import POLICIES


def parsed(policies: str, people: str = "") -> PolicyBook:
    """The policies of this text, preceded by these tables of people."""
    return policy_file.parse(people + policies, "test.toml", SlackIds())


def read(name: str) -> PolicyBook:
    """The policies of `tests/support/policies/<name>.toml`."""
    return policy_file.parse((POLICIES / f"{name}.toml").read_text(), f"{name}.toml", SlackIds())


CORE: Final = read("core")
API: Final = read("api")
