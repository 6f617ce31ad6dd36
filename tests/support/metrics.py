"""The metrics that the dashboard and the alert rules name, and those that a scrape of the bot returns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.support import ROOT
from tests.support.world import World

DASHBOARD = ROOT / "deploy/grafana/countersign.json"
RULES = ROOT / "deploy/prometheus/rules.yml"
TOKEN = "a-token-for-whoever-scrapes"
_NAME = re.compile(r"\b(?:countersign|process)_\w+")
_ANSWER = re.compile(r"label_values\((.*), \w+\)")


async def scrape(world: World) -> str:
    """The text that Prometheus gets from the bot."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(f"{world.url}/metrics") as answer:
        assert answer.status == 200, await answer.text()
        return await answer.text()


def samples_of(text: str) -> list[Sample]:
    """Every sample of a scrape."""
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def value_of(text: str, name: str, /, **labels: str) -> float:
    """The value of one sample; 0 where there is none."""
    return sum(one.value for one in samples_of(text) if one.name == name and one.labels == labels)


def expressions_of_dashboard() -> list[str]:
    """The expressions of the dashboard's panels and variables."""
    board = json.loads(DASHBOARD.read_text())
    choices = [_ANSWER.fullmatch(one.get("definition", "")) for one in board["templating"]["list"]]
    of_panels = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    return [*of_panels, *(one.group(1) for one in choices if one)]


def expressions_of_rules() -> Iterator[str]:
    """The expressions of the alert rules."""
    rules: dict[str, Any] = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def named() -> set[str]:
    """Every sample that the dashboard or a rule names."""
    found = {
        name
        for text in [*expressions_of_dashboard(), *expressions_of_rules()]
        for name in _NAME.findall(text)
    }
    assert len(found) > 30
    return found
