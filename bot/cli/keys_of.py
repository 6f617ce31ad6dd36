"""The keys to check signatures with: from a file, or published by a server."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from bot.cli.api_client import PUBLISHED, fetch_public
from bot.security.receipts import ReceiptError


def published_keys(kept: Path | None) -> Any:
    """The JWK set from the file, or else from the server at COUNTERSIGN_URL. Raises `CountersignError`."""
    if kept is None:
        return asyncio.run(fetch_public(os.environ, PUBLISHED))
    try:
        return json.loads(kept.read_text())
    except (OSError, ValueError) as error:
        raise ReceiptError(f"--jwks: {kept} cannot be read ({error}).") from error
