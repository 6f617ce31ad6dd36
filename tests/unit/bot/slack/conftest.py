from collections.abc import Callable

import pytest

from bot.slack.input.draft import Policies
from tests.support.story import POLICIES, RequestStory


@pytest.fixture
def story() -> Callable[..., RequestStory]:
    return RequestStory


@pytest.fixture
def policies() -> Policies:
    """`purchase`, where only an amount is required, and `access`, without an amount and with a required field."""
    return POLICIES
