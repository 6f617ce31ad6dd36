"""The pages: every link has a target, the reference pages agree with the code, and the snippets work."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from opentelemetry.sdk import environment_variables
from standardwebhooks import Webhook, WebhookVerificationError

from bot import setting_list, setting_sources
from bot.demo.scenarios.script import NAMES
from bot.gate import condition, gate_file
from bot.gate.gate_file import GateFile, Rule
from bot.http.api.endpoint import DECIDE_ANY
from bot.http.api.timeline import _ACTIVITIES
from bot.outbound.signing import callback_secret
from bot.security.secrets import Secrets
from bot.setting_list import GROUPS
from bot.slack.ids import SlackIds
from bot.telemetry.tracing import EXPORTER
from orchestration.domain import policy_file
from orchestration.domain.actions import Action
from orchestration.domain.commands import Reason
from orchestration.domain.fields import FieldSpec
from orchestration.domain.names import EntityName, EventName, OrchestrationName
from orchestration.domain.people import EnrolledPerson
from orchestration.domain.policy import Escalation, Level, Policy
from orchestration.domain.request import Status
from tests.lint import command_table
from tests.support import ROOT
from tests.support.commands import commands
from tests.support.endpoints import endpoints

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md")), ROOT / "orchestration/hub/README.md"]
# It stands where GitHub looks for it, and on the site.
SECURITY = ROOT / ".github/SECURITY.md"
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> set[str]:
    """The anchors as GitHub makes them: lower case, punctuation dropped, spaces to dashes, repeats numbered."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for heading in HEADING.findall(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def links(page: Path) -> Iterator[str]:
    for target in LINK.findall(prose(page)):
        if not re.match(r"[a-z]+:", target):
            yield unquote(target)


def table(page: Path, heading: str | None = None) -> list[list[str]]:
    """The rows of every table of the page, or of one section, as cells."""
    text = page.read_text(encoding="utf-8")
    if heading is not None:
        section = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
        assert section, f"{name(page)} has no section {heading}"
        text = section[1]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def coded(rows: list[list[str]], column: int = 0) -> set[str]:
    """The texts marked as `code` in that column."""
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row[column])}


# ---- links and form --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [*PAGES, SECURITY], ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{name(page)}: {target}"
        assert place.is_relative_to(ROOT), f"{name(page)}: {target}"
        if anchor:
            assert anchor in anchors(place), f"{name(page)}: {target}"


def test_the_readme_is_read_in_ten_minutes() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs/README.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)}
    assert {page for page in PAGES if page not in {README, index}} <= listed


# ---- reference pages against the code --------------------------------------------------------------------

LIST = Path(setting_list.__file__)
VARIABLES = {one.name for group in GROUPS if not group.of_server for one in group.settings}


def test_the_settings_page_has_every_name_once() -> None:
    names = [one.name for group in GROUPS for one in group.settings]
    assert len(names) == len(set(names))
    assert setting_sources.SETTINGS.isdisjoint(VARIABLES)
    traces = {name for name in VARIABLES if name.startswith("OTEL_")}
    # The one that names the exporters is of whoever sets the SDK up.
    assert traces <= {*vars(environment_variables), EXPORTER}
    pages = [one.page for group in GROUPS for one in group.settings if one.page]
    assert all((ROOT / "docs" / page.partition("#")[0]).exists() for page in pages)


def test_every_setting_is_read_and_none_is_read_that_the_page_does_not_have() -> None:
    """Names in the code, wherever they stand beside the list itself."""
    pattern = re.compile(r"(?:COUNTERSIGN|DURABLE_TASK|SLACK|TWILIO)_[A-Z_]*[A-Z]")
    words = {
        word
        for file in (ROOT / "bot").rglob("*.py")
        if file != LIST
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and pattern.fullmatch(node.value)
        for word in [node.value]
    }
    assert words >= setting_sources.SETTINGS
    assert words <= setting_sources.SETTINGS | VARIABLES


CLI_PAGE = ROOT / "docs/reference/command-line.md"


def section(command: str) -> str:
    """What the page says of a top-level command."""
    found = re.search(
        rf"^## `countersign {command}`$(.*?)(?=^## |\Z)", CLI_PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    assert found, f"no section for countersign {command}"
    return found[1]


def test_the_command_line_page_has_every_command_and_no_other() -> None:
    headed = re.findall(r"^## `countersign (\w+)`$", CLI_PAGE.read_text(), re.MULTILINE)
    assert sorted(headed) == sorted(words for words in commands() if " " not in words)
    for words in commands():
        if " " in words:
            assert re.search(rf"`(countersign )?{words}\b", section(words.split(maxsplit=1)[0])), words


def test_the_table_of_commands_is_that_of_the_parsers() -> None:
    assert command_table.in_page() == command_table.table(), "python -m tests.lint.command_table --write"


@pytest.mark.parametrize("command", sorted(words for words in commands() if " " not in words))
def test_the_command_line_page_has_every_option_and_no_other(command: str) -> None:
    parsers = [parser for words, parser in commands().items() if words.split()[0] == command]
    options = {
        option
        for parser in parsers
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    }
    if command == "hub":  # its options are its own, and no subparser's
        source = (ROOT / "orchestration/hub/command.py").read_text(encoding="utf-8")
        options = set(re.findall(r'"(--[a-z-]+)"', source))
    assert set(re.findall(r"--[a-z][a-z-]*", section(command))) == options


def test_every_scenario_of_the_demo_is_named_in_the_guide_the_reference_and_the_help() -> None:
    assert coded(table(ROOT / "docs/guides/demo.md")) == set(NAMES)
    (row,) = (row for row in table(CLI_PAGE, "`countersign demo`") if row[0].startswith("`--scenario"))
    assert coded([row], 1) - {"--headless"} == set(NAMES)
    told = " ".join(commands()["demo"].format_help().split())
    assert f"with --headless: {', '.join(NAMES)} (default all)" in told


def test_the_policy_page_has_every_key_and_no_other() -> None:
    page = ROOT / "docs/reference/policy-file.md"
    worked_out = {"key", "groups"}  # by who reads the file, not by who writes it
    keys = set(Policy.model_fields) - worked_out
    assert coded(table(page, "`[policies.NAME]`")) == keys
    assert coded(table(page, "`[[policies.NAME.levels]]`")) == set(Level.model_fields)
    assert coded(table(page, "`[policies.NAME.escalation]`")) == set(Escalation.model_fields)
    assert coded(table(page, "`[people.U…]`")) == set(EnrolledPerson.model_fields)
    actions = {re.match(r"{ (\w+)", action) for action in coded(table(page, "`[policies.NAME.on]`"))}
    assert {found[1] for found in actions if found} == set(Action.model_fields)
    assert "`{ " + ", ".join(FieldSpec.model_fields) + " }`" in page.read_text(encoding="utf-8")


def test_the_gate_page_has_every_key_and_action_and_no_other() -> None:
    page = ROOT / "docs/reference/gate-file.md"
    assert coded(table(page, "The file")) == set(GateFile.model_fields)
    assert coded(table(page, "`[[rules]]`")) >= set(Rule.model_fields)
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \| (?:passes|is |waits)", text, re.MULTILINE)) == set(
        gate_file.CallAction
    )
    assert set(re.findall(r"`(\w+)`", text.partition("## Conditions")[2])) >= set(condition.NAMES)


def test_the_pages_have_every_status_reason_and_event() -> None:
    wire = ROOT / "docs/reference/wire.md"
    assert coded(table(wire, "Statuses")) == set(Status)
    names = table(wire, "Orchestrations, entities, events")
    kinds = {"orchestration": OrchestrationName, "entity": EntityName, "event": EventName}
    for kind, ours in kinds.items():
        assert {row[1].strip("`").partition(":")[0] for row in names if row[0] == kind} == set(ours)
    assert coded(table(ROOT / "docs/reference/http-api.md", "Verdicts")) == set(Reason)


def test_the_timeline_page_has_every_kind() -> None:
    tree = ast.parse((ROOT / "bot/http/api/timeline.py").read_text(encoding="utf-8"))
    values = [
        value
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "kind"
        for value in (
            [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]
        )
    ]
    kinds = {value.value for value in values if isinstance(value, ast.Constant)}
    assert {"asked", "waiting", "event"} <= kinds
    assert coded(table(ROOT / "docs/reference/wire.md", "The timeline")) == kinds | set(_ACTIVITIES)


def test_the_api_page_has_every_address_with_its_scopes_and_no_other() -> None:
    rows = table(ROOT / "docs/reference/http-api.md", "Addresses")
    listed = {address: row for row in rows for address in coded([row])}
    assert set(listed) == {f"{endpoint.method} {endpoint.path}" for endpoint in endpoints()}
    for endpoint in endpoints():
        row = listed[f"{endpoint.method} {endpoint.path}"]
        scopes = {"decide:POLICY" if scope == DECIDE_ANY else scope for scope in endpoint.scopes}
        assert coded([row], 2) == scopes, row
        assert ("key" in row[2]) == (endpoint.keyed or endpoint.path.startswith("/hooks/")), row


def test_every_class_in_the_glossary_is_one() -> None:
    classes = {
        node.name
        for top in ("bot", "orchestration")
        for file in (ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    words = coded(table(ROOT / "docs/reference/glossary.md"), 1)
    assert {word for word in words if re.fullmatch(r"(?:[A-Z][a-z]+)+", word)} <= classes


def test_the_map_has_every_folder_of_the_code_and_no_other() -> None:
    page = ROOT / "docs/explanation/code-map.md"
    rows = [*table(page, "The folders of `orchestration`"), *table(page, "The folders of `bot`")]
    folders = {
        name(file.parent)
        for top in ("orchestration", "bot")
        for kind in ("*.py", "*.js")
        for file in (ROOT / top).rglob(kind)
    }
    assert coded(rows) == folders - {"orchestration", "bot"}


def test_every_file_that_the_map_names_is_there() -> None:
    text = (ROOT / "docs/explanation/code-map.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:bot|orchestration|tests)/[\w/.-]+)`", text)
    assert len(named) > 40
    for place in named:
        assert (ROOT / place).exists(), place


def test_every_function_that_the_map_names_is_in_the_file_before_it() -> None:
    rows = table(ROOT / "docs/explanation/code-map.md", "Where do I find")
    named = 0
    for row in rows:
        places = [word for word in coded([row], 1) if word.endswith(".py")]
        known = {
            node.name
            for place in places
            for node in ast.walk(ast.parse((ROOT / place).read_text(encoding="utf-8")))
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for word in coded([row], 1):
            if re.fullmatch(r"[A-Za-z_.]+", word) and not word.endswith(".py"):
                assert set(word.split(".")) <= known, word
                named += 1
    assert named >= 5


# ---- snippets --------------------------------------------------------------------------------------------


def recipes(kind: str) -> list[str]:
    """The snippets of that name, as they stand on the pages."""
    pattern = re.compile(rf"^<!-- recipe: {kind} -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [found for page in PAGES for found in pattern.findall(page.read_text(encoding="utf-8"))]


def test_every_recipe_is_run_by_a_test() -> None:
    named = {
        kind
        for page in PAGES
        for kind in re.findall(r"^<!-- recipe: ([\w-]+) -->$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    sources = [Path(__file__), *(ROOT / "tests").rglob("test_*recipes.py")]
    run = {
        kind for file in sources for kind in re.findall(r'recipes?\("([\w-]+)"\)', file.read_text("utf-8"))
    }
    assert named == run


@pytest.mark.parametrize("snippet", recipes("policy"))
def test_every_policy_on_the_pages_is_one(snippet: str) -> None:
    assert policy_file.parse(snippet, "the page", SlackIds()).names()


def test_the_grants_on_the_page_fit_its_policy_for_agents() -> None:
    (grants,) = recipes("grants")
    (agents,) = (one for one in recipes("policy") if "[policies.agents]" in one)
    policy = policy_file.parse(agents + grants, "the page", SlackIds()).policies["agents"]
    assert policy.grants is not None
    allowed = {tool: policy.grants.of_tool(tool) for tool in ("Edit", "Bash", "WebFetch")}
    assert [one and one.paths for one in allowed.values()] == [["file_path"], [], None]


@pytest.mark.parametrize("snippet", recipes("gate"))
def test_every_gate_file_on_the_pages_is_one(snippet: str) -> None:
    assert gate_file.parse(snippet, "the page").rules


def test_the_receiver_of_callbacks_takes_ours_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    (snippet,) = recipes("callback")
    names: dict[str, Any] = {}
    exec(compile(snippet, "outcomes.md", "exec"), names)  # noqa: S102 - the page's own words
    secret = callback_secret(Secrets(b"x" * 32), "ci")
    monkeypatch.setenv("CALLBACK_SECRET", secret)
    body = json.dumps({"data": {"outcome": {"status": "approved"}}})
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "one",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("one", now, body),
    }
    assert names["outcome_of"](body, headers) == {"status": "approved"}
    with pytest.raises(WebhookVerificationError):
        names["outcome_of"](body.replace("approved", "rejected"), headers)
