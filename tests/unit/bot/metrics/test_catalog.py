"""The list of metrics: the page is made from it, and it has every metric of the dashboard and the alert rules."""

from __future__ import annotations

import re

from bot.metrics.catalog import CATALOG, MetricKind
from tests.support.metrics import named
from tests.support.metrics_page import PAGE, names, written


def test_the_page_has_the_tables_of_the_list() -> None:
    """The tables on the page equal those that `python -m tests.support.metrics_page` writes."""
    page = PAGE.read_text()
    assert written(page) == page
    assert written(page.replace("countersign_hub_up", "countersign_hub_down")) == page


def test_the_dashboard_and_the_rules_name_no_metric_that_is_not_in_the_list() -> None:
    assert {one for one in named() if one.startswith("countersign_")} <= names()


def test_every_name_is_one_of_prometheus_and_is_there_once() -> None:
    assert len({one.name for one in CATALOG}) == len(CATALOG)
    for one in CATALOG:
        assert re.fullmatch(r"countersign_[a-z_]+", one.name)
        assert one.name.endswith("_total") == (one.kind is MetricKind.COUNTER)
