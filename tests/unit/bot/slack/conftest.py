from collections.abc import Callable

import pytest

from bot.slack.input.draft import Policies
from tests.support.story import POLICIES, RequestStory


@pytest.fixture
def story() -> Callable[..., RequestStory]:
    return RequestStory


@pytest.fixture
def policies() -> Policies:
    """`purchase`, with an amount and nothing else that is required; `access`, without, and with a required field."""
    return POLICIES
