from decimal import Decimal

import pytest

from bot.slack.input.amounts import read_amount
from bot.slack.input.draft import Draft, Policies, to_request
from bot.slack.input.grammar import AskAtOnce, Explain, Fill, Wish, explanation, parse
from orchestration.domain.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("", Fill(Draft())),
        ("purchase New laptops", AskAtOnce(Draft("purchase", "New laptops"))),
        ("purchase 4200 New  laptops", AskAtOnce(Draft("purchase", "New laptops", "4200"))),
        ("PURCHASE 4,200.00 New laptops", AskAtOnce(Draft("purchase", "New laptops", "4,200.00"))),
        ("purchase 4200.50 USD New laptops", AskAtOnce(Draft("purchase", "New laptops", "4200.50 USD"))),
        ("purchase 4200USD New laptops", AskAtOnce(Draft("purchase", "New laptops", "4200USD"))),
        ("purchase 4200 SSD upgrades", AskAtOnce(Draft("purchase", "SSD upgrades", "4200"))),
        ("purchase 2nd monitor", AskAtOnce(Draft("purchase", "2nd monitor"))),
        ("purchase 24-inch displays", AskAtOnce(Draft("purchase", "24-inch displays"))),
        ("purchase R&amp;D &lt;kit&gt;", AskAtOnce(Draft("purchase", "R&D <kit>"))),
        ("purchase", Fill(Draft("purchase"))),
        ("purchase 4200", Fill(Draft("purchase", "", "4200"))),
        ("access 3 accounts", Fill(Draft("access", "3 accounts"))),
        ("help", Explain()),
        ("?", Explain()),
    ],
)
def test_what_a_command_means(text: str, wish: Wish, policies: Policies) -> None:
    assert parse(text, policies) == wish


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("purchse 4200 New laptops", "Did you mean `purchase`?"),
        ("laptops", "There is no policy called “laptops”."),
        ("help me", "There is no policy called “help”."),
        ("purchase 4.200 New laptops", "Please write the amount as 4200, 4,200.00 or 4200.50 USD."),
        ("purchase 4.2k New laptops", "could be read in more than one way"),
        ("purchase €4.200,00 New laptops", "could be read in more than one way"),
        ("purchase -5 New laptops", "could be read in more than one way"),
        ("purchase 4200 EUR New laptops", "This policy is in USD, not EUR."),
        ("purchase 4200eur New laptops", "This policy is in USD, not EUR."),
        ("purchase " + "x" * 151, "A title has at most 150 characters, and this one has 151."),
    ],
)
def test_what_cannot_be_meant_is_explained(text: str, said: str, policies: Policies) -> None:
    wish = parse(text, policies)
    assert isinstance(wish, Explain)
    assert said in wish.problem


def test_one_policy_is_chosen_already(policies: Policies) -> None:
    assert parse("", {"access": policies["access"]}) == Fill(Draft("access"))


def test_a_policy_called_help_can_be_asked_for(policies: Policies) -> None:
    named = {"help": policies["purchase"].model_copy(update={"key": "help"})}
    assert parse("help", named) == Fill(Draft("help"))


def test_the_help_shows_the_grammar_the_policies_and_an_example_that_asks_at_once(policies: Policies) -> None:
    text = explanation(Explain("“<!channel>” is wrong."), policies)
    example = text.split("For example: `/request-approval ")[1].split("`")[0]
    assert isinstance(parse(example, policies), AskAtOnce)
    assert text.startswith("“&lt;!channel&gt;” is wrong.")
    assert "• `purchase` Purchase, in <#C0PURCHASES>, amounts in USD" in text
    assert "• `access` Access, in <#C0ACCESS>, also needs System" in text


def test_the_help_fits_a_message_however_many_policies_there_are(policies: Policies) -> None:
    many = {f"p{n}": policies["purchase"].model_copy(update={"key": f"p{n}"}) for n in range(500)}
    text = explanation(Explain("x" * 5000), many)
    assert len(text) < 4000
    assert "… and 470 more, in the form" in text


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("4200", "4200"),
        ("4,200.00", "4200.00"),
        ("4200.50 USD", "4200.50"),
        ("4200.5usd", "4200.5"),
        (" 1,234,567.89 ", "1234567.89"),
        ("0", "0"),
        ("9999999999999.99", "9999999999999.99"),
    ],
)
def test_amounts_that_say_one_thing(text: str, amount: str) -> None:
    assert read_amount(text, "USD") == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    ["", "4.200", "4,20", "4,2000", "42,00,000", "1.234,56", "4200.505", "$4200", "-1", "1e3", "four", "٤٢"],
)
def test_amounts_that_say_two_things_or_none(text: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read_amount(text, "USD")
    assert refused.value.field == "amount"


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (Draft(None, "Laptops"), "policy"),
        (Draft("gone", "Laptops"), "policy"),
        (Draft("purchase", " \n"), "title"),
        (Draft("purchase", "x" * 151), "title"),
        (Draft("purchase", "Laptops", "4.200"), "amount"),
        (Draft("purchase", "Laptops", description="x" * 10_001), "description"),
        (Draft("access", "CRM", fields={"system": "x" * 501}), "system"),
    ],
)
def test_a_draft_that_makes_no_request_names_its_field(draft: Draft, field: str, policies: Policies) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        to_request(draft, policies, requester="U0RITA", idempotency_key="k")
    assert refused.value.field == field


def test_a_draft_becomes_a_request(policies: Policies) -> None:
    draft = Draft(
        "purchase", " New\n laptops ", "4,200.00", " For the team. ", {"vendor": " Acme ", "needed_by": " "}
    )
    request = to_request(draft, policies, requester="U0RITA", idempotency_key="k")
    assert (request.title, request.amount, request.description) == (
        "New laptops",
        Decimal("4200.00"),
        "For the team.",
    )
    assert (request.fields, request.requester, request.idempotency_key) == ({"vendor": "Acme"}, "U0RITA", "k")
