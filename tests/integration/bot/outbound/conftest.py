from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import pytest

from tests.support.order_server import OrderServer


@pytest.fixture
def server() -> Iterator[OrderServer]:
    with OrderServer() as found:
        thread = Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()
