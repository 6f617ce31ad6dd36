"""The manifest asks for the scopes that the code needs, and every Web API call is in the table."""

import ast
from typing import Any

import pytest
import yaml
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.manifest import APP
from bot.simulator.slack_api.methods import METHODS as SIMULATED
from bot.slack.api.scopes import METHODS, SCOPES
from bot.slack.input.grammar import COMMAND
from tests.support import ROOT


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text())
    return parsed


def methods_called() -> set[str]:
    """Every Web API method that `bot/slack` and `bot/doctor` name."""
    named = {
        node.attr
        for folder in ("slack", "doctor")
        for file in (ROOT / "bot" / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    } - {"api_call"}  # the method that all others call
    by_the_sdk = {
        name for name in named if "_" in name and not name.startswith("_") and hasattr(AsyncWebClient, name)
    }
    calls = {
        f"files_{one}" for one in ("getUploadURLExternal", "completeUploadExternal")
    }  # of files_upload_v2
    return {name.replace("_", ".") for name in by_the_sdk - {"files_upload_v2"} | calls}


def test_the_manifest_asks_for_just_the_scopes_of_the_methods_that_are_called(
    manifest: dict[str, Any],
) -> None:
    """A missing scope breaks a call, and an extra one would give a thief of the token more rights."""
    assert methods_called() == set(METHODS)
    granted = manifest["oauth_config"]["scopes"]["bot"]
    assert len(granted) == len(set(granted))
    assert set(granted) == set(SCOPES) == set().union(*METHODS.values(), {"commands"})
    assert "user" not in manifest["oauth_config"]["scopes"]


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_simulator_asks_for_the_same_scopes(name: str) -> None:
    """So every test of a call fails where the table gives it too few scopes."""
    within_the_call = {"chat:write.public"}
    assert set(SIMULATED[name].scopes) & SCOPES == METHODS[name] - within_the_call


def test_the_app_can_be_talked_to(manifest: dict[str, Any]) -> None:
    assert [command["command"] for command in manifest["features"]["slash_commands"]] == [COMMAND]
    # Without it Slack sends mentions as plain text, and nobody could be named as a delegate.
    assert manifest["features"]["slash_commands"][0]["should_escape"] is True
    assert manifest["settings"]["interactivity"]["is_enabled"] is True
    assert manifest["settings"]["socket_mode_enabled"] is True
    assert manifest["features"]["app_home"]["home_tab_enabled"] is True
    assert manifest["settings"]["event_subscriptions"]["bot_events"] == ["app_home_opened"]
    assert manifest["features"]["bot_user"]["display_name"] == "Countersign"


def test_the_demo_installs_just_this_app(manifest: dict[str, Any]) -> None:
    """The packaged demo cannot read the manifest, so its copy is compared with it."""
    features, settings = manifest["features"], manifest["settings"]
    assert APP.scopes == set(manifest["oauth_config"]["scopes"]["bot"])
    assert APP.events == set(settings.get("event_subscriptions", {}).get("bot_events", []))
    hinted = [
        {
            "command": command["command"],
            "description": command["description"],
            "usage_hint": command["usage_hint"],
        }
        for command in features["slash_commands"]
    ]
    assert APP.shown_commands == hinted
    assert APP.should_escape is features["slash_commands"][0]["should_escape"]
    assert APP.takes_messages is not features["app_home"]["messages_tab_read_only_enabled"]


def test_slack_takes_its_lengths(manifest: dict[str, Any]) -> None:
    """The limits are at https://docs.slack.dev/reference/app-manifest."""
    about = manifest["display_information"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert 174 <= len(about["long_description"]) <= 4000
    assert len(manifest["features"]["bot_user"]["display_name"]) <= 80


def test_switching_to_http_is_uncommenting_three_lines() -> None:
    text = (ROOT / "manifest.yml").read_text()
    assert text.count("url: https://countersign.example.com/slack/events") == 3
    switched = text.replace("# url: https", "url: https").replace(
        "# request_url: https", "request_url: https"
    )  # of the events and of the interactivity
    parsed = yaml.safe_load(switched)
    address = "https://countersign.example.com/slack/events"
    assert parsed["features"]["slash_commands"][0]["url"] == address
    assert parsed["settings"]["interactivity"]["request_url"] == address
    assert parsed["settings"]["event_subscriptions"]["request_url"] == address
