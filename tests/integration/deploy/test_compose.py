"""compose.yml: it names settings that exist, and the server takes what it sets. `make lint` checks its form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import config, setting_sources
from tests.support import ROOT
from tests.support.dockerfile import stages
from tests.support.named_settings import secret_names

TEXT = (ROOT / "compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
BOT: dict[str, Any] = COMPOSE["services"]["countersign"]
IMAGE = stages()[-1]
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
SECRETS = "/run/secrets/"
EMULATOR = re.compile(r"# COUNTERSIGN_HUB='([^']+)'")


def environment(**given: str) -> dict[str, str]:
    """What the container gets, where the operator's shell has `given`."""
    set_here = {
        name: VARIABLE.sub(lambda found: given.get(found[1]) or found[2], value)
        for name, value in BOT["environment"].items()
    }
    return IMAGE.environment | set_here


def test_it_names_settings_that_exist_and_gives_secrets_by_file() -> None:
    ours = {
        name: value for name, value in environment().items() if name.startswith(("COUNTERSIGN_", "SLACK_"))
    }
    by_file = secret_names(ours)
    assert by_file == {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"}
    assert {ours[f"{name}_FILE"].removeprefix(SECRETS) for name in by_file} == set(BOT["secrets"])
    assert set(BOT["secrets"]) == COMPOSE["secrets"].keys()
    # Those in comments too, which somebody will uncomment.
    named = set(re.findall(r"\b(?:COUNTERSIGN|SLACK|TWILIO)_[A-Z_]+", TEXT))
    assert named <= setting_sources.SETTINGS | {f"{name}_FILE" for name in setting_sources.SECRETS}


@pytest.mark.parametrize("hub", [None, EMULATOR.findall(TEXT)[0]])
def test_the_server_takes_what_it_sets(tmp_path: Path, hub: str | None) -> None:
    (tmp_path / "slack_bot_token").write_text("xoxb-1\n")
    (tmp_path / "slack_app_token").write_text("xapp-1\n")
    given = environment(**{"COUNTERSIGN_HUB": hub} if hub else {})
    settings = config.read(
        {name: value.replace(SECRETS, f"{tmp_path}/") for name, value in given.items()}
        | {"COUNTERSIGN_DATA_DIR": str(tmp_path / "data")}
    )
    assert settings.socket_mode
    assert settings.hub == (hub or "embedded")
    assert settings.public_url is None


def test_the_settings_that_the_guide_adds_exist_too() -> None:
    page = (ROOT / "docs/guides/compose.md").read_text()
    [piece] = re.findall(r"^```yaml\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    override = yaml.safe_load(piece)
    added = override["services"]["countersign"]
    assert secret_names(added["environment"]) == {"TWILIO_AUTH_TOKEN"}
    assert {added["environment"]["TWILIO_AUTH_TOKEN_FILE"]} == {SECRETS + name for name in added["secrets"]}
    assert set(added["secrets"]) == override["secrets"].keys()


def test_its_container_may_do_no_more_than_it_needs() -> None:
    assert BOT["read_only"] is True
    assert BOT["cap_drop"] == ["ALL"]
    assert BOT["security_opt"] == ["no-new-privileges:true"]
    assert not BOT.keys() & {"privileged", "user", "network_mode", "pid", "cap_add", "devices"}
    # Only the volume of the image can be written, and the policies only on the host.
    mounts = [mount.split(":") for mount in BOT["volumes"]]
    assert [mount[1] for mount in mounts if "ro" not in mount[2:]] == [IMAGE.the("VOLUME")]
    assert mounts[0][0] in COMPOSE["volumes"]
    # Each port is one of this machine alone.
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    listens = IMAGE.environment["COUNTERSIGN_LISTEN"].rpartition(":")[2]
    assert BOT["ports"] == [f"127.0.0.1:{listens}:{listens}"]
    assert "healthcheck" not in BOT  # the image has one


def test_the_emulator_starts_only_where_it_is_asked_for() -> None:
    emulator = COMPOSE["services"]["scheduler"]
    assert emulator["profiles"] == ["scheduler"]
    assert BOT["depends_on"]["scheduler"]["required"] is False
    assert "profiles" not in BOT
