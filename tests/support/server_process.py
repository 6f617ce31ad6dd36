"""The API in a process of its own, for tests that kill it: `python -m tests.support.server_process DATA PORT`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.integration.bot.http.api.conftest import Office


async def main() -> None:
    """Serves until killed; says so on its first line."""
    office = Office(Path(sys.argv[1]), port=int(sys.argv[2]))
    await office.start()
    sys.stdout.write(f"{office.port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
