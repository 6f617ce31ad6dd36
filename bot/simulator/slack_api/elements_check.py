"""Slack's rules for the elements inside blocks."""

from typing import Any

from bot.simulator.slack_api import elements
from bot.simulator.slack_api.schema import Findings

Json = dict[str, Any]

_INPUTS = frozenset(elements.HOLDERS)
_TYPED = frozenset(
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
    "section": (_INPUTS - _TYPED) | {"button", "image", "overflow", "workflow_button"},
    "actions": (_INPUTS - _TYPED) | {"button", "overflow", "workflow_button", "rich_text_input"},
    "input": _INPUTS,
    "context": frozenset({"image"}),
}
_OPTIONS = {
    "static_select": 100,
    "multi_static_select": 100,
    "checkboxes": 10,
    "radio_buttons": 10,
    "overflow": 5,
}


def check_element(findings: Findings, element: Json, at: str, block: str) -> None:
    """Add what Slack would refuse about this element, in a block of this type, to the findings."""
    kind = findings.kind(element, at, ELEMENTS_OF[block])
    if kind is None:
        return
    findings.text(element, "action_id", at, 255)
    findings.text_object(element, "placeholder", at, 150, plain=True)
    _check_confirm(findings, element, at)
    if kind in _OPTIONS:
        _check_options(findings, element, at, _OPTIONS[kind])
    elif rule := _RULES.get(kind):
        rule(findings, element, at)


def check_image(findings: Findings, image: Json, at: str) -> None:
    """Add what Slack would refuse about an image, an element or a block, to the findings."""
    if image.get("slack_file") is None:
        findings.require(image, "image_url", at)
    findings.require(image, "alt_text", at)
    findings.text(image, "image_url", at, 3000)
    findings.text(image, "alt_text", at, 2000)


def _check_button(findings: Findings, button: Json, at: str) -> None:
    findings.require(button, "text", at)
    findings.text_object(button, "text", at, 75, plain=True)
    findings.text(button, "value", at, 2000, at_least=0)
    findings.text(button, "url", at, 3000)
    findings.text(button, "accessibility_label", at, 75)
    _check_style(findings, button, at)


def _check_style(findings: Findings, holder: Json, at: str) -> None:
    if holder.get("style") not in (None, "primary", "danger"):
        findings.add(f"invalid style: {holder['style']}", f"{at}/style")


def _check_confirm(findings: Findings, element: Json, at: str) -> None:
    confirm, at = element.get("confirm"), f"{at}/confirm"
    if confirm is None:
        return
    if not isinstance(confirm, dict):
        findings.add("must be an object", at)
        return
    for key, limit in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        findings.require(confirm, key, at)
        findings.text_object(confirm, key, at, limit, plain=key != "text")
    _check_style(findings, confirm, at)


def _check_plain_text_input(findings: Findings, element: Json, at: str) -> None:
    for key, lowest in (("min_length", 0), ("max_length", 1)):
        bound = element.get(key)
        if bound is not None and not (isinstance(bound, int) and lowest <= bound <= 3000):
            findings.add(f"must be between {lowest} and 3000", f"{at}/{key}")


def _check_number_input(findings: Findings, element: Json, at: str) -> None:
    findings.require(element, "is_decimal_allowed", at)


def _check_options(findings: Findings, element: Json, at: str, limit: int) -> None:
    if element.get("option_groups") is None:
        _check_option_list(findings, element, at, limit)
        return
    if element.get("options") is not None:
        findings.add("only one of options and option_groups is allowed", at)
    for pointer, group in findings.objects(element, "option_groups", at, 100):
        findings.require(group, "label", pointer)
        findings.text_object(group, "label", pointer, 75, plain=True)
        _check_option_list(findings, group, pointer, limit)


def _check_option_list(findings: Findings, holder: Json, at: str, limit: int) -> None:
    findings.require(holder, "options", at)
    for pointer, option in findings.objects(holder, "options", at, limit):
        findings.require(option, "text", pointer)
        findings.require(option, "value", pointer)
        findings.text_object(option, "text", pointer, 75)
        findings.text(option, "value", pointer, 150)
        findings.text_object(option, "description", pointer, 75)


_RULES = {
    "button": _check_button,
    "image": check_image,
    "number_input": _check_number_input,
    "plain_text_input": _check_plain_text_input,
}
