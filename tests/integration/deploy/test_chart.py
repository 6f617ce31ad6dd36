"""The Helm chart: what helm makes of it is what Kubernetes takes, and what the server reads."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import config, setting_sources
from bot.security.tokens import TokenFile
from bot.stopping import CLOSING
from tests.support import ROOT
from tests.support.chart import (
    CHART,
    HELM,
    SCHEMAS,
    Refused,
    faults,
    helm,
    paths_of_the_server,
    rendered,
    values_of_the_guide,
)
from tests.support.dockerfile import stages
from tests.support.named_settings import FILES, secret_names

pytestmark = pytest.mark.skipif(not (HELM and SCHEMAS.exists()), reason="`make chart` was not run")

HUB = "Endpoint=https://s.durabletask.io;Authentication=ManagedIdentity;TaskHub=default"
SLACK = ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"]
SHARED = ["COUNTERSIGN_SECRET", "COUNTERSIGN_SIGNING_KEY"]
EMBEDDED: dict[str, Any] = {
    "secrets": {"existingSecret": "countersign"},
    "policies": (ROOT / "bot/policies.toml").read_text(),
}
SCHEDULER: dict[str, Any] = {
    "hub": {"kind": "scheduler", "connectionString": HUB},
    "secrets": {"existingSecret": "countersign", "keys": [*SLACK, *SHARED]},
    "tokens": {"existingSecret": "tokens"},
    "settings": {"COUNTERSIGN_RECORDS_STORE": "az://records/countersign"},
    "existingPolicies": "policies",
}
METRICS_TOKEN = "COUNTERSIGN_METRICS_TOKEN"
EVERYTHING: dict[str, Any] = {
    **SCHEDULER,
    "secrets": {"existingSecret": "countersign", "keys": [*SLACK, *SHARED, METRICS_TOKEN]},
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "ingress": {"enabled": True, "className": "nginx", "host": "approvals.example.com", "tlsSecret": "tls"},
    "networkPolicy": {
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
        "egress": [{"ports": [{"port": 587, "protocol": "TCP"}]}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "serviceAccount": {"annotations": {"azure.workload.identity/client-id": "1"}},
    "podLabels": {"azure.workload.identity/use": "true"},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "extraEnv": [{"name": "OTEL_X", "valueFrom": {"secretKeyRef": {"name": "otel", "key": "headers"}}}],
    "extraVolumes": [{"name": "documents", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "documents", "mountPath": "/documents"}],
}


def pod(values: dict[str, Any]) -> dict[str, Any]:
    found = rendered(values)
    spec: dict[str, Any] = (found.get("StatefulSet") or found["Deployment"])["spec"]["template"]["spec"]
    return spec


def container(values: dict[str, Any]) -> dict[str, Any]:
    [one] = pod(values)["containers"]
    return dict(one)


def environment(values: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container(values)["env"] if "value" in one}


@pytest.mark.parametrize(
    "values", [EMBEDDED, SCHEDULER, EVERYTHING], ids=["embedded", "scheduler", "everything"]
)
def test_kubernetes_takes_what_it_renders(values: dict[str, Any]) -> None:
    manifests = rendered(values)
    kinds = manifests.keys() - {"ServiceMonitor"}  # the operator's own, which Kubernetes has no schema of
    assert [fault for kind in kinds for fault in faults(manifests[kind])] == []
    common = {"Service", "ServiceAccount", "NetworkPolicy"}
    of_kind = (
        {"StatefulSet", "ConfigMap"}
        if values is EMBEDDED
        else {*("Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget")}
    )
    assert kinds - {"Ingress"} == common | of_kind
    selected = manifests["Service"]["spec"]["selector"]
    workload = manifests.get("StatefulSet") or manifests["Deployment"]
    assert selected.items() <= workload["spec"]["template"]["metadata"]["labels"].items()
    assert workload["spec"]["selector"]["matchLabels"] == selected


def test_the_values_of_the_guide_are_enough() -> None:
    first, more = values_of_the_guide()
    assert "StatefulSet" in rendered({**first, "policies": "x"})
    both = {**first, **more, "settings": first["settings"] | more["settings"], "policies": "x"}
    assert [fault for manifest in rendered(both).values() for fault in faults(manifest)] == []
    assert environment(both).keys() >= {
        "COUNTERSIGN_PUBLIC_URL",
        "COUNTERSIGN_RECORDS_STORE",
        "COUNTERSIGN_TOKENS",
    }


def test_a_fault_in_a_manifest_is_seen() -> None:
    """The schemas do refuse a faulty manifest."""
    workload = json.loads(json.dumps(rendered(EMBEDDED)["StatefulSet"]))
    workload["spec"]["template"]["spec"]["containers"][0]["readonlyRootFilesystem"] = True
    assert len(list(faults(workload))) == 1


def test_its_own_check_of_a_chart_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(json.dumps(EVERYTHING))
    helm("lint", "--strict", "--quiet", str(CHART), "--values", str(tmp_path / "values.yaml"))


@pytest.mark.parametrize("values", [EMBEDDED, EVERYTHING], ids=["embedded", "everything"])
def test_the_server_takes_what_the_pod_is_given(values: dict[str, Any], tmp_path: Path) -> None:
    spec, given = pod(values), environment(values)
    by_file = secret_names(given)
    [volume] = [one["secret"] for one in spec["volumes"] if one["name"] == "secrets"]
    assert volume["secretName"] == "countersign"
    assert by_file <= {item["path"] for item in volume["items"]}
    mounts = {one["name"]: one["mountPath"] for one in container(values)["volumeMounts"]}
    texts = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", METRICS_TOKEN: "m" * 64}
    for name, path in list(given.items()):
        if name in FILES:
            assert path == f"{mounts['secrets']}/{FILES[name]}"
            (tmp_path / FILES[name]).write_text(texts.get(FILES[name], "x"))
            given[name] = str(tmp_path / FILES[name])
    assert Path(given["COUNTERSIGN_DATA_DIR"]).parent == Path(mounts["data"])
    assert Path(given["COUNTERSIGN_POLICIES"]).parent == Path(mounts["policies"])
    if "COUNTERSIGN_TOKENS" in given:
        assert Path(given["COUNTERSIGN_TOKENS"]).parent == Path(mounts["tokens"])
        given["COUNTERSIGN_TOKENS"] = str(tmp_path / "tokens.toml")
        TokenFile(tmp_path / "tokens.toml").create("ci", "U02ALICE", ["read"])
    settings = config.read(given | {"COUNTERSIGN_DATA_DIR": str(tmp_path / "data")})
    assert settings.hub == ("embedded" if values is EMBEDDED else HUB)
    port = container(values)["ports"][0]["containerPort"]
    assert (settings.host, settings.port) == ("0.0.0.0", port)  # noqa: S104 - of the pod
    assert timedelta(seconds=spec["terminationGracePeriodSeconds"]) > settings.stop_delay + timedelta(
        seconds=CLOSING
    )


def test_the_hub_s_file_has_one_process_and_outlives_it() -> None:
    stateful = rendered(EMBEDDED)["StatefulSet"]["spec"]
    assert stateful["replicas"] == 1
    [claim] = stateful["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert set(stateful["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
    # The number is nowhere among the values.
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert not {"replicas", "replicaCount"} & schema["properties"].keys()
    with pytest.raises(Refused, match="replicaCount"):
        rendered(EMBEDDED | {"replicaCount": 2})


@pytest.mark.parametrize("values", [EMBEDDED, EVERYTHING], ids=["embedded", "everything"])
def test_its_container_may_do_no_more_than_it_needs(values: dict[str, Any]) -> None:
    spec, one = pod(values), container(values)
    image = stages()[-1]
    user, group = map(int, image.the("USER").split(":"))
    context = spec["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (user, group, group)
    assert context["runAsNonRoot"] is True
    assert context["fsGroupChangePolicy"] == "OnRootMismatch"
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    writable = {mount["mountPath"] for mount in one["volumeMounts"] if not mount.get("readOnly")}
    assert writable - {"/documents"} == {image.the("VOLUME"), "/tmp"}
    probes = {name: one[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert probes == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}


def test_the_outside_reaches_every_address_but_those_for_the_operator() -> None:
    [rule] = rendered(EVERYTHING)["Ingress"]["spec"]["rules"]
    passed_on = {path["path"] for path in rule["http"]["paths"]}
    # By /healthz the doctor knows that the address leads to this very server.
    assert paths_of_the_server() - passed_on == {"/readyz", "/metrics"}
    assert passed_on <= paths_of_the_server()


def test_the_metrics_are_asked_for_with_the_token_of_the_secret() -> None:
    manifests = rendered(EVERYTHING)
    monitor = manifests["ServiceMonitor"]["spec"]
    [endpoint] = monitor["endpoints"]
    assert endpoint["authorization"] == {
        "type": "Bearer",
        "credentials": {"name": "countersign", "key": METRICS_TOKEN},
    }
    [port] = manifests["Service"]["spec"]["ports"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")
    assert monitor["selector"]["matchLabels"].items() <= manifests["Service"]["metadata"]["labels"].items()
    assert manifests["ServiceMonitor"]["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({**EMBEDDED, "secrets": {}}, "secrets.existingSecret: is not set"),
        ({**EMBEDDED, "secrets": {"existingSecret": "s", "keys": ["SLACK_APP_TOKEN"]}}, "no SLACK_BOT_TOKEN"),
        (
            {**EMBEDDED, "secrets": {"existingSecret": "s", "keys": ["SLACK_BOT_TOKEN"]}},
            "neither SLACK_APP_TOKEN",
        ),
        ({**EMBEDDED, "policies": ""}, "policies: give the policy file"),
        ({**EMBEDDED, "existingPolicies": "p"}, "policies: give the policy file"),
        ({**EMBEDDED, "serviceMonitor": {"enabled": True}}, "needs COUNTERSIGN_METRICS_TOKEN"),
        ({**EMBEDDED, "ingress": {"enabled": True}}, "ingress.host: is not set"),
        ({**EMBEDDED, "hub": {"connectionString": HUB}}, "hub.kind: is embedded, but"),
        ({**EMBEDDED, "tokens": {"existingSecret": "t"}}, "hub.kind: is embedded, but"),
        ({**SCHEDULER, "hub": {"kind": "scheduler"}}, "hub.connectionString: is not set"),
        ({**SCHEDULER, "secrets": {"existingSecret": "s", "keys": SLACK}}, "has no COUNTERSIGN_SECRET"),
        ({**SCHEDULER, "settings": {}}, "settings.COUNTERSIGN_RECORDS_STORE: is not set"),
        # By the schema: a secret among what everybody reads, what the chart sets itself, and a misspelled value.
        ({**EMBEDDED, "settings": {"SLACK_BOT_TOKEN": "xoxb-1"}}, "SLACK_BOT_TOKEN"),
        ({**EMBEDDED, "settings": {"COUNTERSIGN_DATA_DIR": "/"}}, "COUNTERSIGN_DATA_DIR"),
        ({**EMBEDDED, "secrets": {"existingSecret": "s", "keys": ["SLACK_TOKEN"]}}, "/secrets/keys/0"),
        ({**EMBEDDED, "persistance": {}}, "persistance"),
        ({**EMBEDDED, "persistence": {"accessMode": "ReadWriteMany"}}, "/persistence/accessMode"),
    ],
)
def test_what_cannot_work_is_refused_before_it_is_installed(values: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as refused:
        rendered(values)
    assert words in refused.value.words
    assert "xoxb-1" not in refused.value.words


def test_its_schema_knows_every_secret_and_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    listed = set(schema["properties"]["secrets"]["properties"]["keys"]["items"]["enum"])
    assert listed == set(setting_sources.SECRETS)
    refused = set(schema["properties"]["settings"]["propertyNames"]["not"]["enum"])
    set_by_the_chart = environment(EVERYTHING).keys() - EVERYTHING["settings"].keys() - FILES.keys()
    by_another_name = {"DURABLE_TASK_SCHEDULER_CONNECTION_STRING", "OTEL_EXPORTER_OTLP_HEADERS"}
    assert refused == listed | {f"{name}_FILE" for name in listed} | set_by_the_chart | by_another_name
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert schema["properties"].keys() - {"global"} == values.keys()
    named = set(re.findall(r"\b(?:COUNTERSIGN|SLACK)_[A-Z_]+", (CHART / "values.yaml").read_text()))
    assert named <= setting_sources.SETTINGS


def test_its_version_is_that_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chart["appVersion"] == project["version"]


def test_its_notes_name_what_is_there() -> None:
    text = helm(
        *("install", "c", str(CHART), "--dry-run=client", "--namespace", "approvals"),
        *("--set", "secrets.existingSecret=s", "--set", "policies=x"),
    ).partition("NOTES:")[2]
    name = rendered(EMBEDDED)["StatefulSet"]["metadata"]["name"]
    assert f"statefulset/{name}" in text
    assert f"exec {name}-0 -- countersign token create" in text
    assert "{{" not in text
