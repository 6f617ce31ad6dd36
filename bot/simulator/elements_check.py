"""Slack's rules for the elements inside blocks."""

from typing import Any

from bot.simulator import elements
from bot.simulator.schema import Findings, missing, text_object

Json = dict[str, Any]

_INPUTS = frozenset(elements.HOLDERS)
_TEXT_INPUTS = frozenset(
    {
        "plain_text_input",
        "email_text_input",
        "url_text_input",
        "number_input",
        "rich_text_input",
        "file_input",
    }
)
# Which elements a block takes. Source: the "Works with block types" tables of the element reference.
ELEMENTS_OF: dict[str, frozenset[str]] = {
    "section": (_INPUTS - _TEXT_INPUTS) | {"button", "image", "overflow", "workflow_button"},
    "actions": (_INPUTS - _TEXT_INPUTS) | {"button", "overflow", "workflow_button", "rich_text_input"},
    "input": _INPUTS,
    "context": frozenset({"image"}),
}
_OPTION_LIMIT = {
    "static_select": 100,
    "multi_static_select": 100,
    "checkboxes": 10,
    "radio_buttons": 10,
    "overflow": 5,
}


def check_element(findings: Findings, element: Any, at: str, allowed: frozenset[str]) -> None:
    """Note what Slack would refuse about an element standing where only `allowed` types may stand."""
    if not isinstance(element, dict):
        findings.add("must be an object", at)
        return
    kind = element.get("type")
    if kind is None:
        findings.add("missing required field: type", at)
        return
    if kind not in allowed:
        findings.add(f"unsupported type: {kind}", f"{at}/type")
        return
    if element.get("action_id") is not None:
        findings.text(element["action_id"], f"{at}/action_id", 255)
    if element.get("placeholder") is not None:
        text_object(findings, element, "placeholder", at, 150, plain=True)
    if element.get("confirm") is not None:
        _check_confirm(findings, element["confirm"], f"{at}/confirm")
    if kind == "button":
        _check_button(findings, element, at)
    elif kind == "image":
        _check_image(findings, element, at)
    elif kind == "number_input" and missing(element, "is_decimal_allowed"):
        findings.add("missing required field: is_decimal_allowed", at)
    elif kind == "plain_text_input":
        _check_plain_text_input(findings, element, at)
    elif kind in _OPTION_LIMIT:
        _check_options(findings, element, at, _OPTION_LIMIT[kind])


def _check_button(findings: Findings, element: Json, at: str) -> None:
    text_object(findings, element, "text", at, 75, plain=True)
    if element.get("value") is not None:
        findings.text(element["value"], f"{at}/value", 2000, at_least=0)
    if element.get("url") is not None:
        findings.text(element["url"], f"{at}/url", 3000)
    if element.get("accessibility_label") is not None:
        findings.text(element["accessibility_label"], f"{at}/accessibility_label", 75)
    _check_style(findings, element, at)


def _check_style(findings: Findings, element: Json, at: str) -> None:
    if element.get("style") not in {None, "primary", "danger"}:
        findings.add(f"invalid style: {element['style']}", f"{at}/style")


def _check_image(findings: Findings, element: Json, at: str) -> None:
    for key, limit in (("image_url", 3000), ("alt_text", 2000)):
        if not missing(element, key):
            findings.text(element[key], f"{at}/{key}", limit)
        elif key == "alt_text" or missing(element, "slack_file"):
            findings.add(f"missing required field: {key}", at)


def _check_plain_text_input(findings: Findings, element: Json, at: str) -> None:
    for key, lowest in (("min_length", 0), ("max_length", 1)):
        bound = element.get(key)
        if bound is not None and not (isinstance(bound, int) and lowest <= bound <= 3000):
            findings.add(f"must be between {lowest} and 3000", f"{at}/{key}")


def _check_confirm(findings: Findings, confirm: Any, at: str) -> None:
    if not isinstance(confirm, dict):
        findings.add("must be an object", at)
        return
    text_object(findings, confirm, "title", at, 100, plain=True)
    text_object(findings, confirm, "text", at, 300)
    text_object(findings, confirm, "confirm", at, 30, plain=True)
    text_object(findings, confirm, "deny", at, 30, plain=True)
    _check_style(findings, confirm, at)


def _check_options(findings: Findings, element: Json, at: str, limit: int) -> None:
    groups = element.get("option_groups")
    if groups is None:
        _check_option_list(findings, element, at, limit)
        return
    if element.get("options") is not None:
        findings.add("only one of options and option_groups is allowed", at)
    for index, group in enumerate(findings.items(element, "option_groups", at, 100)):
        text_object(findings, group, "label", f"{at}/option_groups/{index}", 75, plain=True)
        _check_option_list(findings, group, f"{at}/option_groups/{index}", limit)


def _check_option_list(findings: Findings, holder: Json, at: str, limit: int) -> None:
    for index, option in enumerate(findings.items(holder, "options", at, limit)):
        pointer = f"{at}/options/{index}"
        if not isinstance(option, dict):
            findings.add("must be an object", pointer)
            continue
        text_object(findings, option, "text", pointer, 75)
        if missing(option, "value"):
            findings.add("missing required field: value", pointer)
        else:
            findings.text(option["value"], f"{pointer}/value", 150)
        if option.get("description") is not None:
            text_object(findings, option, "description", pointer, 75)
