"""Writes the tables of `docs/reference/metrics.md` from the list of metrics: `python -m tests.support.metrics_page`."""

from __future__ import annotations

from bot.metrics.catalog import CATALOG, MetricKind, MetricScope
from tests.support import ROOT

PAGE = ROOT / "docs/reference/metrics.md"
_HEADINGS = {MetricScope.PROCESS: "## Of a process", MetricScope.HUB: "## Of the hub"}


def table_of(scope: MetricScope) -> str:
    """The table of the metrics of one scope."""
    lines = ["| metric | kind | says |", "| --- | --- | --- |"]
    for one in CATALOG:
        if one.scope is scope:
            labels = f"{{{', '.join(one.labels)}}}" if one.labels else ""
            lines.append(f"| `{one.name}{labels}` | {one.kind} | {one.help} |")
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with its tables made from the code."""
    for scope, heading in _HEADINGS.items():
        before, found, rest = page.partition(f"\n{heading}\n")
        assert found, f"the page has no heading {heading!r}"
        words, _, after = rest.partition("\n| metric |")
        tail = after.partition("\n\n")[2]
        page = f"{before}{found}{words}\n{table_of(scope)}\n\n{tail}"
    return page


def names() -> set[str]:
    """The names of all metrics, and of the samples of histograms."""
    ends = ("_bucket", "_count", "_sum")
    parts = {one.name + end for one in CATALOG if one.kind is MetricKind.HISTOGRAM for end in ends}
    return {one.name for one in CATALOG} | parts


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
