"""Renders the Helm chart, and checks it against Kubernetes' own schemas. `make chart` sets up both."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from tests.support import ROOT

CHART = ROOT / "deploy/helm/countersign"
TOOLS = ROOT / "tests/chart/tools"
SCHEMAS = TOOLS / "schemas"
HELM = next((str(one) for one in (TOOLS / "helm", shutil.which("helm")) if one and Path(one).exists()), "")


@dataclass(frozen=True)
class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """helm installs nothing, and says why."""

    words: str


def helm(*arguments: str) -> str:
    """What helm prints. Raises `Refused` where helm fails."""
    ended = subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Refused(ended.stderr)
    return ended.stdout


def rendered(values: dict[str, Any]) -> dict[str, Any]:
    """The manifests of a release named `c`, by kind; each kind is there once. Raises `Refused`."""
    text = _rendered(json.dumps(values))
    found = [one for one in yaml.safe_load_all(text) if one is not None]
    assert len({one["kind"] for one in found}) == len(found)
    return {one["kind"]: one for one in found}


@cache
def _rendered(values: str) -> str:
    ended = subprocess.run(
        [HELM, "template", "c", str(CHART), "--namespace", "approvals", "--values", "-"],
        input=values,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise Refused(ended.stderr)
    return ended.stdout


@cache
def _validator(kind: str, version: str) -> jsonschema_rs.Validator:
    group, _, number = version.rpartition("/")
    name = "-".join(part for part in (kind.lower(), group.split(".", maxsplit=1)[0], number) if part)
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    return jsonschema_rs.validator_for(_here(schema), retriever=_schema, base_uri="schemas:/")


def _schema(uri: str) -> Any:
    return _here(json.loads((SCHEMAS / uri.rpartition("/")[2]).read_text()))


def _here(schema: Any) -> Any:
    """The schema without its `$id`, so that references lead to the files beside it."""
    return {name: part for name, part in schema.items() if name != "$id"}


def faults(manifest: dict[str, Any]) -> Iterator[str]:
    """The parts of a manifest that Kubernetes would refuse or does not know."""
    for error in _validator(manifest["kind"], manifest["apiVersion"]).iter_errors(manifest):
        yield f"{manifest['kind']} {'.'.join(map(str, error.instance_path))}: {error.message[:300]}"


def values_of_the_guide() -> list[dict[str, Any]]:
    """The snippets of values.yaml on the page for Kubernetes, in order."""
    page = (ROOT / "docs/guides/kubernetes.md").read_text()
    pieces = re.findall(r"^ *```yaml\n(.*?)^ *```$", page, flags=re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(textwrap.dedent(piece)) for piece in pieces]


def paths_of_the_server() -> set[str]:
    """The first segment of every path that the HTTP port serves: those in the code, and those of the API's page."""
    in_code = {
        first
        for folder in ("bot/http", "bot/mcp/serve", "bot/metrics")
        for file in (ROOT / folder).rglob("*.py")
        for first in re.findall(r'(?:add_(?:get|post)\(|(?:MCP|PATH): Final = )"(/[^"/]+)', file.read_text())
    }
    page = (ROOT / "docs/reference/http-api.md").read_text()
    return in_code | set(re.findall(r"`(?:GET|POST|PUT|PATCH|DELETE) (/[^/`{ ]+)", page))
