"""The guide's own policy and orchestration, as they stand there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import ROOT
from tests.support.gathering import DEPLOYS, answer, asked
from tests.support.messages import says
from tests.support.receiver import Receiver
from tests.support.recipes import recipe
from tests.support.world import World


async def test_the_guide_gathers(tmp_path: Path, scanner: Receiver) -> None:
    names: dict[str, Any] = {}
    exec(compile(recipe("gathering"), "gathering.md", "exec"), names)  # noqa: S102 - the guide's own words
    page = (ROOT / "docs/guides/gathering.md").read_text("utf-8")
    policy = page.split("```toml\n")[1].split("```")[0]
    policy = policy.replace("C0RELEASES", DEPLOYS).replace("U02ALICE", "U0ADA")
    policy = policy.replace("https://scanner.example/jobs", scanner.url)
    async with World(tmp_path, policy, orchestrators=(names["readiness"],)) as world:
        started = await world.client.schedule_new_orchestration(names["readiness"], input="4.2")
        async with world.person("U0ADA") as ada:
            message = await asked(ada, "Is 4.2 ready?")
            await answer(ada, message, ready="no", days="3")
            await ada.wait_for_message(DEPLOYS, says("COUNTERSIGN_PUBLIC_URL is not set"))
            await world.skip(days=2)
            ended = await world.client.wait_for_orchestration_completion(started, timeout=15)
        assert ended is not None
        assert ended.get_output(dict) == {"complete": False, "missing": ["scanner"], "blocked": ["legal"]}
    assert not scanner.got
