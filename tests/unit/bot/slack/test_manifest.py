"""The manifest asks for the scopes that the code needs, and every Web API call is in the table."""

import ast
from typing import Any

import pytest
import yaml
from slack_sdk.web.async_client import AsyncWebClient

from bot.demo.manifest import APP
from bot.slack.input.grammar import COMMAND
from tests.support import ROOT

# The scopes of each method that is called: https://docs.slack.dev/reference/methods
SCOPES = {
    "apps_connections_open": set(),  # takes the app-level token, whose scope is connections:write
    "auth_test": set(),
    "chat_delete": {"chat:write"},
    "chat_getPermalink": set(),
    "chat_postEphemeral": {"chat:write"},
    "chat_postMessage": {"chat:write", "chat:write.public"},
    "chat_update": {"chat:write"},
    "conversations_history": {"channels:history", "groups:history", "im:history"},
    "conversations_replies": {"channels:history", "groups:history"},
    "conversations_open": {"im:write"},
    "files_upload_v2": {"files:write"},  # files.getUploadURLExternal and files.completeUploadExternal
    "usergroups_list": {"usergroups:read"},
    "usergroups_users_list": {"usergroups:read"},
    "users_info": {"users:read"},
    "views_open": set(),
    "views_push": set(),
    "views_publish": set(),
    "views_update": set(),
}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text())
    return parsed


def methods_called() -> set[str]:
    """Every Web API method that `bot/slack` names."""
    named = {
        node.attr
        for file in (ROOT / "bot" / "slack").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    } - {"api_call"}  # what all of them go through
    return {
        name for name in named if "_" in name and not name.startswith("_") and hasattr(AsyncWebClient, name)
    }


def test_the_manifest_asks_for_just_the_scopes_of_the_methods_that_are_called(
    manifest: dict[str, Any],
) -> None:
    """A scope too few breaks a call, and one too many is a right that a thief of the token has for nothing."""
    assert methods_called() == set(SCOPES)
    granted = manifest["oauth_config"]["scopes"]["bot"]
    assert len(granted) == len(set(granted))
    assert set(granted) == set().union(*SCOPES.values(), {"commands"})
    assert "user" not in manifest["oauth_config"]["scopes"]


def test_the_app_can_be_talked_to(manifest: dict[str, Any]) -> None:
    assert [command["command"] for command in manifest["features"]["slash_commands"]] == [COMMAND]
    # Without it Slack sends what looks like a mention as mere text, and nobody could be named as a delegate.
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
    """https://docs.slack.dev/reference/app-manifest."""
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
    )  # the events' and the interactivity's
    parsed = yaml.safe_load(switched)
    address = "https://countersign.example.com/slack/events"
    assert parsed["features"]["slash_commands"][0]["url"] == address
    assert parsed["settings"]["interactivity"]["request_url"] == address
    assert parsed["settings"]["event_subscriptions"]["request_url"] == address
