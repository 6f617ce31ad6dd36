"""The demo reaches its bot's API as any program does: with a token, and no other way."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.demo.access import ApiUnreachableError, BotApi, held_token
from bot.security.tokens import FILE, TokenFile


def made(data: Path, *scopes: str) -> str:
    return held_token(data / "tokens", data / "bot", "demo", "U0RITA", scopes or ("read", "request"))


def test_the_token_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    secret = made(tmp_path)
    assert made(tmp_path) == secret
    assert (tmp_path / "tokens" / "demo").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "tokens").stat().st_mode & 0o777 == 0o700
    assert TokenFile(tmp_path / "bot" / FILE).find(secret) is not None


def test_a_token_that_is_lost_revoked_or_may_less_is_made_anew(tmp_path: Path) -> None:
    """The new token has another name, as the records name the old one."""
    first = made(tmp_path)
    TokenFile(tmp_path / "bot" / FILE).revoke("demo")
    second = made(tmp_path)
    (tmp_path / "tokens" / "demo").unlink()
    third = made(tmp_path)
    fourth = made(tmp_path, "request")
    assert len({first, second, third, fourth}) == 4
    names = [token.name for token in TokenFile(tmp_path / "bot" / FILE).all()]
    assert names == ["demo", "demo-2", "demo-3", "demo-4"]


async def test_a_bot_that_is_not_there_is_said_to_be() -> None:
    async with BotApi("http://127.0.0.1:1", "csn_any") as api:
        with pytest.raises(ApiUnreachableError, match="may be stopped"):
            await api.get("/api/approvals")
