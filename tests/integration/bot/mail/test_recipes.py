"""The programs of the guide on codes, as they stand there, against the API alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import PATIENCE_S
from tests.support.api_world import ApiWorld
from tests.support.mail_server import MailServer
from tests.support.people import NUMBERS
from tests.support.recipes import recipe

RITA = "rita@example.com"


def program(text: str, api: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the program defines, once it has read where the server is."""
    monkeypatch.setenv("COUNTERSIGN_URL", api.url)
    monkeypatch.setenv("COUNTERSIGN_TOKEN", api.token("site", "U0RITA", "challenge"))
    found: dict[str, Any] = {}
    exec(compile(text, "the guide", "exec"), found)  # noqa: S102 - the guide's own text
    return found


async def in_thread(call: Callable[..., Any], *given: Any) -> Any:
    return await asyncio.to_thread(call, *given)


async def test_a_password_is_reset_by_a_code_to_e_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MailServer(tmp_path) as mail:
        async with ApiWorld(tmp_path / "data", settings=mail.settings, sms=False) as api:
            site = program(recipe("password_reset"), api, monkeypatch)
            changed: list[str] = []

            async def finish(challenge: str, code: str) -> str:
                said: str = await in_thread(
                    site["finish_reset"], challenge, code, lambda: changed.append(challenge)
                )
                return said

            challenge = await in_thread(site["begin_reset"], RITA)
            await api.eventually(lambda: mail.code_for(RITA) is not None)
            code = mail.code_for(RITA)
            assert code is not None
            assert await finish(challenge, "hello") == "A code is six digits."
            guess = str((int(code) + 1) % 10**6).zfill(6)
            assert await finish(challenge, guess) == "That code is not right; tries left: 2."
            assert changed == []
            await api.stop()  # Countersign is restarted while the visitor looks for the mail
            await api.start()
            await api.skip(minutes=9)
            assert await finish(challenge, code) == "Your password is changed."
            assert changed == [challenge]
            # The code is used up, and the next one ends after ten minutes.
            assert await finish(challenge, code) == "This code has ended. Please ask for a new one."
            late = await in_thread(site["begin_reset"], RITA)
            await api.eventually(lambda: mail.code_for(RITA) != code)
            newer = mail.code_for(RITA)
            await api.skip(minutes=10)
            assert newer is not None
            assert await finish(late, newer) == "This code has ended. Please ask for a new one."
            assert changed == [challenge]


async def test_a_phone_is_verified_by_typing_and_by_replying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ApiWorld(tmp_path / "data", settings={"COUNTERSIGN_SMS_COUNTRIES": "US"}) as api:
        site = program(recipe("phone_verification"), api, monkeypatch)
        ada = api.person("U0ADA")
        for number, replies in ((1, False), (2, True)):
            challenge = await in_thread(site["begin"], NUMBERS["U0ADA"])
            async with asyncio.timeout(PATIENCE_S):
                while len(texts := [one for one in await ada.texts() if one["direction"] == "in"]) < number:
                    await asyncio.sleep(0.02)
            code = texts[-1]["body"].split()[2]
            assert await in_thread(site["state"], challenge) == ("waiting", "")
            if replies:
                await ada.reply_sms(code)
            else:
                assert await in_thread(site["enter"], challenge, code) is True
            assert (await in_thread(site["state"], challenge))[0] == "verified"
