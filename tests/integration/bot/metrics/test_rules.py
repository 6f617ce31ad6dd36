"""The alert rules and the dashboard as Prometheus' own tool reads them; skipped where there is no promtool."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT
from tests.support.metrics import DASHBOARD, RULES, expressions_of_dashboard

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")


def promtool(*given: str | Path) -> None:
    done = subprocess.run([str(PROMTOOL), *map(str, given)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_each_alert_is_raised_when_it_should_be_and_quiet_before() -> None:
    promtool("check", "rules", RULES)
    promtool("test", "rules", Path(__file__).with_name("rules.test.yml"))


def test_each_alert_has_a_case_that_raises_it_and_a_place_in_the_guide() -> None:
    alerts = {
        rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    }
    cases = yaml.safe_load(Path(__file__).with_name("rules.test.yml").read_text())["tests"]
    raised = {
        check["alertname"] for case in cases for check in case["alert_rule_test"] if check["exp_alerts"]
    }
    assert raised == alerts
    guide = (ROOT / "docs/guides/monitor.md").read_text()
    assert {alert for alert in alerts if f"`{alert}`" not in guide} == set()


@needs_promtool
def test_prometheus_understands_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    ranges = {"$__range": "1h", "$job": "countersign", "$policy": ".*"}
    rules = []
    for number, expression in enumerate(expressions_of_dashboard()):
        for name, value in ranges.items():
            expression = expression.replace(name, value)  # noqa: PLW2901 - one after the other
        rules.append({"record": f"panel:{number}", "expr": expression})
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)


@needs_promtool
def test_the_scrape_job_of_the_guide_is_one() -> None:
    promtool("check", "config", "--syntax-only", RULES.with_name("scrape.yml"))


def test_the_panels_of_the_dashboard_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
