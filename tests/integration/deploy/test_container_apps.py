"""The container app: it names settings that exist, and the server takes what it is given.

Its form was held against the models of azure-mgmt-appcontainers 5.1.0 by hand; no container app was made.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import config
from bot.security.tokens import TokenFile
from orchestration.runtime.scheduler import parse_scheduler
from tests.support import ROOT
from tests.support.dockerfile import stages
from tests.support.named_settings import FILES, secret_names

FILE = ROOT / "deploy/container-apps/countersign.yaml"
GUIDE = ROOT / "docs/guides/container-apps.md"
NAME = re.compile(r"\$\{(\w+)\}")
GIVEN = {
    "PUBLIC_URL": "https://approvals.example.com",
    "SCHEDULER_URL": "https://s.durabletask.io",
    "TASK_HUB": "default",
    "VAULT_URL": "https://v.vault.azure.net/",
    "IDENTITY_CLIENT_ID": "00000000-0000-0000-0000-000000000001",
}


@pytest.fixture(scope="module")
def app() -> dict[str, Any]:
    """As `envsubst` would make it."""
    filled = NAME.sub(lambda found: GIVEN.get(found[1], found[1].lower()), FILE.read_text())
    found: dict[str, Any] = yaml.safe_load(filled)["properties"]
    return found


def test_the_server_takes_what_it_is_given(app: dict[str, Any], tmp_path: Path) -> None:
    [container] = app["template"]["containers"]
    given = {one["name"]: one["value"] for one in container["env"] if not one["name"].startswith("AZURE_")}
    by_file = secret_names(given)
    assert by_file == {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "COUNTERSIGN_SECRET", "COUNTERSIGN_SIGNING_KEY"}
    mounts = {one["volumeName"]: Path(one["mountPath"]) for one in container["volumeMounts"]}
    assert mounts["data"] == Path(stages()[-1].the("VOLUME"))
    [secrets] = [one["secrets"] for one in app["template"]["volumes"] if one["name"] == "secrets"]
    texts = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
    for name in ["COUNTERSIGN_POLICIES", "COUNTERSIGN_TOKENS", *(name for name in given if name in FILES)]:
        place = Path(given[name])
        assert place.parent == mounts["secrets"]
        assert place.name in {one["path"] for one in secrets}
        given[name] = str(tmp_path / place.name)
        (tmp_path / place.name).write_text(texts.get(FILES.get(name, ""), ""))
        if name in FILES and not texts.get(FILES[name]):
            (tmp_path / place.name).write_text("x")
    TokenFile(Path(given["COUNTERSIGN_TOKENS"])).create("ci", "U02ALICE", ["read"])
    settings = config.read(given | {"COUNTERSIGN_DATA_DIR": str(tmp_path / "data")})
    scheduler = parse_scheduler(settings.hub)
    assert (scheduler.host, scheduler.secure) == ("s.durabletask.io:443", True)
    assert (scheduler.authentication, scheduler.more) == (
        "ManagedIdentity",
        {"client_id": GIVEN["IDENTITY_CLIENT_ID"]},
    )
    assert (settings.public_url, settings.records_store) == (GIVEN["PUBLIC_URL"], "az://records/countersign")
    # Settings named AZURE_… are those of the storage library.
    assert {one["name"] for one in container["env"] if one["name"].startswith("AZURE_")} == {
        "AZURE_STORAGE_ACCOUNT_NAME",
        "AZURE_CLIENT_ID",
    }


def test_each_secret_is_of_the_vault(app: dict[str, Any]) -> None:
    named = {one["name"]: one for one in app["configuration"]["secrets"]}
    for name, one in named.items():
        assert one == {
            "name": name,
            "keyVaultUrl": f"{GIVEN['VAULT_URL']}secrets/{name}",
            "identity": "identity_id",
        }
    [mounted] = [one["secrets"] for one in app["template"]["volumes"] if one["name"] == "secrets"]
    assert {one["secretRef"] for one in mounted} == named.keys()
    guide = GUIDE.read_text()
    assert {name for name in named if f"--name {name} " not in guide} == set()


def test_it_is_never_without_a_replica_and_is_probed_where_it_listens(app: dict[str, Any]) -> None:
    template = app["template"]
    assert template["scale"]["minReplicas"] >= 1
    [rule] = template["scale"]["rules"]
    assert rule["custom"]["metadata"]["endpoint"] == GIVEN["SCHEDULER_URL"]
    port = int(stages()[-1].environment["COUNTERSIGN_LISTEN"].rpartition(":")[2])
    assert app["configuration"]["ingress"]["targetPort"] == port
    [container] = template["containers"]
    probes = {one["type"]: one["httpGet"] for one in container["probes"]}
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "Startup": "/healthz",
        "Liveness": "/healthz",
        "Readiness": "/readyz",
    }
    assert {probe["port"] for probe in probes.values()} == {port}


def test_the_guide_sets_every_name_that_is_filled_in() -> None:
    names = set(NAME.findall(FILE.read_text()))
    set_there = set(re.findall(r"^ *export (\w+)=", GUIDE.read_text(), flags=re.MULTILINE))
    assert names <= set_there
