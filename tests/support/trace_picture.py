"""Draws the spans of one approval for the documentation: one bar for each span, the traces one below another."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from opentelemetry.proto.trace.v1.trace_pb2 import Span

WIDTH, LABELS, ROW, TOP = 1080, 430, 17, 34
# The first span of a trace, and its title on the page. Traces of delivery reports have one span and are left out.
TITLES = {
    "POST /api/approvals": "Asking",
    "POST /slack/events": "The press of Approve, and what follows from the code",
    "POST /twilio/sms": "The reply by SMS",
}
COLOURS = {"activity": "#2b6cb0", "orchestration": "#b7791f", "slack": "#6b46c1", "twilio": "#c53030"}
OTHER = "#4a5568"
STYLE = """
text{font:12px system-ui,sans-serif;fill:#1a202c}.t{font-weight:600}.m{fill:#4a5568}rect.b{fill:#fff}
@media(prefers-color-scheme:dark){text{fill:#e2e8f0}.m{fill:#a0aec0}rect.b{fill:#0d1117}}
"""


def drawn(spans: list[Span]) -> str:
    """The picture, as SVG. Turns under which nothing was done are left out."""
    rows: list[str] = []
    y = TOP
    traces = [
        list(found) for _, found in groupby(sorted(spans, key=lambda s: s.trace_id), lambda s: s.trace_id)
    ]
    first = min(s.start_time_unix_nano for s in spans)
    last = max(s.end_time_unix_nano for s in spans)
    scale = (WIDTH - LABELS - 90) / (last - first)
    for trace in sorted(traces, key=lambda found: min(s.start_time_unix_nano for s in found)):
        ordered = [(span, depth) for span, depth in _ordered(trace) if not _is_idle(span, trace)]
        title = TITLES.get(ordered[0][0].name)
        if title is None or len(ordered) < 3:
            continue
        rows.append(f'<text class="t" x="8" y="{y + 12}">{escape(title)}</text>')
        y += ROW + 3
        for span, depth in ordered:
            x = LABELS + (span.start_time_unix_nano - first) * scale
            length = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
            width = max(length * 1e6 * scale, 2)
            colour = next((c for word, c in COLOURS.items() if span.name.startswith(word)), OTHER)
            rows.append(
                f'<text x="{14 + depth * 9}" y="{y + 12}">{escape(span.name)}</text>'
                f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="11" rx="2" fill="{colour}"/>'
                f'<text class="m" x="{x + width + 5:.1f}" y="{y + 12}">{length:.0f} ms</text>'
            )
            y += ROW
        y += 10
    ticks = "".join(
        f'<text class="m" x="{LABELS + second * 1e9 * scale:.1f}" y="20">{second} s</text>'
        f'<line x1="{LABELS + second * 1e9 * scale:.1f}" x2="{LABELS + second * 1e9 * scale:.1f}" y1="26" y2="{y}" '
        'stroke="#a0aec0" stroke-opacity=".35"/>'
        for second in range(int((last - first) / 1e9) + 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}">'
        f'<style>{STYLE}</style><rect class="b" width="{WIDTH}" height="{y}"/>{ticks}{"".join(rows)}</svg>\n'
    )


def _ordered(trace: list[Span]) -> Iterator[tuple[Span, int]]:
    """Each span after its parent, with its depth."""
    known = {span.span_id for span in trace}

    def under(parent: bytes, depth: int) -> Iterator[tuple[Span, int]]:
        children = [s for s in trace if (s.parent_span_id if s.parent_span_id in known else b"") == parent]
        for span in sorted(children, key=lambda s: s.start_time_unix_nano):
            yield span, depth
            yield from under(span.span_id, depth + 1)

    yield from under(b"", 0)


def _is_idle(span: Span, trace: list[Span]) -> bool:
    is_turn = span.name.startswith("orchestration_turn:")
    return is_turn and all(other.parent_span_id != span.span_id for other in trace)
