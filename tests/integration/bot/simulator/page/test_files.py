"""What the static route gives out: the page's own files, and nothing beside them."""

import re

import aiohttp
import pytest
from yarl import URL

from bot.simulator import Simulator
from bot.simulator.server import PAGE


async def status(sim: Simulator, path: str) -> int:
    async with aiohttp.ClientSession() as http, http.get(URL(f"{sim.url}{path}", encoded=True)) as answer:
        return answer.status


async def test_every_file_of_the_page_is_served(sim: Simulator) -> None:
    files = [path for path in PAGE.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".html", ".js", ".css"}
    for file in files:
        assert await status(sim, f"/static/{file.relative_to(PAGE).as_posix()}") == 200


def test_each_style_sheet_is_linked_once_and_is_there() -> None:
    linked = re.findall(r'rel="stylesheet" href="/static/([^"]+)"', (PAGE / "index.html").read_text())
    assert sorted(linked) == sorted(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*.css"))


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static/app", "/static/../server.py", "/static/%2e%2e/server.py", "/static//etc/passwd"],
)
async def test_folders_and_other_files_are_not(sim: Simulator, path: str) -> None:
    assert await status(sim, path) in {403, 404}
