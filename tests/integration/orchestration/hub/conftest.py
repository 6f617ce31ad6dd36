from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.hub import Hub, SkippableClock
from tests.support.hubs import HubUnderTest, our_hub, sdk_hub, sound, stopped


@pytest.fixture(params=["ours", "sdk"])
def tested_hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HubUnderTest]:
    """A client and workers on each of the two hubs.

    A test of something that `durabletask.testing` does wrong is marked `sdk_wrong(reason)` and must fail there. If
    it passes, the run fails.
    """
    wrong = request.node.get_closest_marker("sdk_wrong")
    if request.param == "sdk" and wrong is not None:
        request.node.add_marker(pytest.mark.xfail(reason=wrong.args[0], strict=True))
    with our_hub(tmp_path / "hub.db") if request.param == "ours" else sdk_hub() as address:
        tested_hub = HubUnderTest(address)
        yield tested_hub
        tested_hub.close()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """Our hub with a clock that can skip. At the end its file is checked."""
    with Hub(tmp_path / "hub.db", clock=SkippableClock()) as hub:
        yield hub
    sound(tmp_path / "hub.db")


@pytest.fixture
def ours(hub: Hub) -> Iterator[HubUnderTest]:
    """A client and workers on our hub with a clock that can skip."""
    tested_hub = HubUnderTest(hub.address)
    yield tested_hub
    tested_hub.close()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "sdk_wrong(reason): what the SDK's own testing backend is known to do wrong"
    )


def pytest_sessionfinish() -> None:
    stopped()
