"""Writes the tables of `docs/reference/metrics.md` from the list of metrics: `python -m tests.support.metrics_page`."""

from __future__ import annotations

from bot.metrics.catalog import CATALOG, Kind, Scope
from tests.support import ROOT

PAGE = ROOT / "docs/reference/metrics.md"
_HEADINGS = {Scope.PROCESS: "## Of a process", Scope.HUB: "## Of the hub"}


def table_of(scope: Scope) -> str:
    """The table of the metrics of one scope."""
    lines = ["| metric | kind | says |", "| --- | --- | --- |"]
    for one in CATALOG:
        if one.scope is scope:
            labels = f"{{{', '.join(one.labels)}}}" if one.labels else ""
            lines.append(f"| `{one.name}{labels}` | {one.kind} | {one.help} |")
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with its tables as the code has them."""
    for scope, heading in _HEADINGS.items():
        before, found, rest = page.partition(f"\n{heading}\n")
        assert found, f"the page has no heading {heading!r}"
        words, _, after = rest.partition("\n| metric |")
        tail = after.partition("\n\n")[2]
        page = f"{before}{found}{words}\n{table_of(scope)}\n\n{tail}"
    return page


def names() -> set[str]:
    """Of every metric, and of the samples that a histogram has."""
    ends = ("_bucket", "_count", "_sum")
    parts = {one.name + end for one in CATALOG if one.kind is Kind.HISTOGRAM for end in ends}
    return {one.name for one in CATALOG} | parts


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
