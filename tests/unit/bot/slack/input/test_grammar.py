from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.slack.input.draft import Draft, to_request
from bot.slack.input.grammar import AskAtOnce, Explain, Fill, Wish, explanation, parse
from orchestration.domain.amounts import read_amount
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.fields import FieldSpec, FieldType
from orchestration.domain.policy import Level, Policy
from tests.support.story import POLICIES


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
def test_what_a_command_means(text: str, wish: Wish, policies: dict[str, Policy]) -> None:
    assert parse(text, policies) == wish


LEAVE = Policy(
    key="leave",
    title="Leave",
    channel="C0LEAVE",
    fields=[
        FieldSpec(name="until", type=FieldType.DATE, required=True),
        FieldSpec(name="cover", type=FieldType.PERSON),
        FieldSpec(name="kind", type=FieldType.CHOICE, choices=["Paid", "Unpaid"]),
        FieldSpec(name="note"),
    ],
    levels=[Level(name="L", approvers=["U0A"], timeout=timedelta(days=1))],
)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        (
            "Skiing until=2026-12-24 KIND=paid cover=<@U0BOB|bob>",
            AskAtOnce(
                Draft(
                    "leave",
                    "Skiing",
                    fields={"until": "2026-12-24", "kind": "Paid", "cover": "U0BOB"},
                )
            ),
        ),
        (
            "Skiing note=“with the <@U0BOB|bob>s” until=2026-12-24",
            AskAtOnce(Draft("leave", "Skiing", fields={"until": "2026-12-24", "note": "with the @bobs"})),
        ),
        # A word that is no field belongs to the title, and so do all words before it.
        (
            "until=2026-12-24 and x=1 kind=",
            Fill(Draft("leave", "until=2026-12-24 and x=1")),
        ),
        ("Skiing until=soon", Explain("Until: must be a day such as 2026-12-24.")),
        ("Skiing kind=sick", Explain("Kind: must be one of: Paid, Unpaid.")),
        (
            "Skiing cover=bob",
            Explain("I cannot tell who “bob” is. Please type @ and choose the person from Slack's list."),
        ),
        ("Skiing note=a note=b", Explain("note is there twice. Please give one value.")),
        ("Skiing untl=2026-12-24", Explain("There is no field untl here. Did you mean until?")),
        ("Skiing kind=paid untl=2026-12-24", Explain("There is no field untl here. Did you mean until?")),
        # A pasted quotation sets no field.
        ('Renew "the old kind=paid"', Fill(Draft("leave", 'Renew "the old kind=paid"'))),
        ("Renew “the old kind=paid”", Fill(Draft("leave", "Renew “the old kind=paid”"))),
        ('Renew "the old kind=paid', Fill(Draft("leave", 'Renew "the old kind=paid'))),
    ],
)
def test_fields_stand_at_the_end(text: str, wish: Wish) -> None:
    assert parse(f"leave {text}", {"leave": LEAVE}) == wish


@pytest.mark.parametrize(
    ("text", "draft"),
    [
        # The words beside a number could belong to it, so the amount stays as typed, and the form refuses it until
        # it is corrected; or no number is surely the amount, and the person chooses.
        ("12 400 Steel", Draft("purchase", "Steel", "12 400")),
        ("12\u00a0400 Steel", Draft("purchase", "Steel", "12 400")),
        ("USD 12 400 Steel", Draft("purchase", "Steel", "USD 12 400")),
        ("12 400,50 Steel", Draft("purchase", "Steel", "12 400,50")),
        ("12 k Steel", Draft("purchase", "Steel", "12 k")),
        ("12 million Steel", Draft("purchase", "Steel", "12 million")),
        ("12 dollars Steel", Draft("purchase", "Steel", "12 dollars")),
        ("12 ½ Steel", Draft("purchase", "Steel", "12 ½")),
        ("12 USD 50 Steel", Draft("purchase", "Steel", "12 USD 50")),
        ("900 eur Licences", Draft("purchase", "Licences", "900 eur")),
        ("4200 x 3 laptops", Draft("purchase", "laptops", "4200 x 3")),
        ("4200 per seat", Draft("purchase", "seat", "4200 per")),
        ("10 - 15 chairs", Draft("purchase", "chairs", "10 - 15")),
        ("3 laptops for 4200 USD", Draft("purchase", "3 laptops for 4200 USD", "4200 USD")),
        ("Steel for USD 12400.", Draft("purchase", "Steel for USD 12400.", "USD 12400")),
        ("3 laptops for 4200", Draft("purchase", "3 laptops for 4200")),
        ("4200 USD Laptops, 300 USD shipping", Draft("purchase", "4200 USD Laptops, 300 USD shipping")),
        ("Steel 12 k", Draft("purchase", "Steel 12 k")),
        ("about 500 refund", Draft("purchase", "about 500 refund")),
        ("- 5 refund", Draft("purchase", "- 5 refund")),
        ("12400Steel", Draft("purchase", "12400Steel")),
        ("500kr Steel", Draft("purchase", "500kr Steel")),
        ("1e3 Steel", Draft("purchase", "1e3 Steel")),
        ("Steel =12400", Draft("purchase", "Steel =12400")),
        # The sign stands for several currencies: the form names the policy's.
        ("$12 Lunch", Draft("purchase", "Lunch", "12")),
    ],
)
def test_where_an_amount_is_in_doubt_the_form_is_opened(
    text: str, draft: Draft, policies: dict[str, Policy]
) -> None:
    wish = parse(f"purchase {text}", policies)
    assert isinstance(wish, Fill)
    assert wish.draft == draft
    assert wish.doubt


@pytest.mark.parametrize(
    ("text", "draft"),
    [
        ("USD 12400 Steel", Draft("purchase", "Steel", "USD 12400")),
        ("usd 12400 Steel", Draft("purchase", "Steel", "usd 12400")),
        ("900 usd Licences", Draft("purchase", "Licences", "900 usd")),
        ("12400\u200b Steel", Draft("purchase", "Steel", "12400")),
        ("\u206012400 Steel", Draft("purchase", "Steel", "12400")),
        ("٤٢ Lunch", Draft("purchase", "Lunch", "٤٢")),
        ("200 USD all hands lunch", Draft("purchase", "all hands lunch", "200 USD")),
        ("4200 USD Laptops for 2026", Draft("purchase", "Laptops for 2026", "4200 USD")),
        ("4200USD Laptops for 2026", Draft("purchase", "Laptops for 2026", "4200USD")),
        # The other number is smaller, so the first one asks for no less than was meant.
        ("12400 Steel for hall 3", Draft("purchase", "Steel for hall 3", "12400")),
        ("4200 Laptops for Q3", Draft("purchase", "Laptops for Q3", "4200")),
        ("500 A4 notebooks", Draft("purchase", "A4 notebooks", "500")),
        ("Steel for hall 3", Draft("purchase", "Steel for hall 3")),
        ("Flight on 2026-12-24", Draft("purchase", "Flight on 2026-12-24")),
    ],
)
def test_where_an_amount_is_clear_it_is_asked_at_once(
    text: str, draft: Draft, policies: dict[str, Policy]
) -> None:
    assert parse(f"purchase {text}", policies) == AskAtOnce(draft)
    assert parse(f"\u200bＰurchase {text}", policies) == AskAtOnce(draft)


WORDS = st.lists(
    st.sampled_from(
        ["12", "400", "1.234,56", "12,400", "4200", "k", "million", "USD", "eur", "EUR", "$", "€12", "$5", "-", "-5",
         "½", "per", "x", "3x", "Steel", "for", "laptops", "all", "dollars", "\u200b", "12k", "2026-12-24", "٤٢"]
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


@given(WORDS)
def test_an_amount_that_is_asked_at_once_is_the_only_one_there_could_be(words: list[str]) -> None:
    """The amount follows the policy, no word beside it could belong to it, and another number makes it doubtful."""
    wish = parse(" ".join(["purchase", *words]), POLICIES)
    if not isinstance(wish, AskAtOnce):
        return
    rest = wish.draft.title.split()
    numbers = [word for word in rest if any(c.isdigit() for c in word) and "-12-" not in word]
    greatest = max((int("".join(c for c in n if c.isdigit())) for n in numbers), default=0)
    if not wish.draft.amount:
        assert greatest < 100
        return
    assert read_amount(wish.draft.amount, "USD") in {Decimal(n) for n in (12, 400, 12400, 4200, 42)}
    assert not rest or rest[0].lower() not in {"k", "million", "x", "per", "-", "½", "3x"}
    assert "USD" in wish.draft.amount or greatest < read_amount(wish.draft.amount, "USD")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("purchse 4200 New laptops", "Did you mean `purchase`?"),
        ("laptops", "There is no policy called “laptops”. There are `access` and `purchase`."),
        ("statu purchase-k7m2x9qd", "Did you mean `status`?"),
        ("help me", "There is no policy called “help”."),
        ("purchase 4.200 New laptops", "Please write the amount as 4200, 4,200.00 or 4200.50 USD."),
        ("purchase 4.2k New laptops", "“4.2k” is short for 4,200.00 USD. Please write it in full, as 4200."),
        ("purchase €4.200,00 New laptops", "could be read in more than one way"),
        ("purchase -5 New laptops", "could be read in more than one way"),
        ("purchase 4200 EUR New laptops", "This policy is in USD, not EUR."),
        ("purchase 12400- Steel", "could be read in more than one way"),
        ("purchase 1/2 Steel", "could be read in more than one way"),
        ('purchase "12400" Steel', "could be read in more than one way"),
        ("purchase 1.234,56 Steel", "It could be 1,234.56 USD or 1.23 USD."),
        ("purchase 4200eur New laptops", "This policy is in USD, not EUR."),
        ("purchase " + "x" * 151, "A title has at most 150 characters, and this one has 151."),
    ],
)
def test_what_cannot_be_meant_is_explained(text: str, said: str, policies: dict[str, Policy]) -> None:
    wish = parse(text, policies)
    assert isinstance(wish, Explain)
    assert said in wish.problem


def test_one_policy_is_chosen_already(policies: dict[str, Policy]) -> None:
    assert parse("", {"access": policies["access"]}) == Fill(Draft("access"))


def test_a_policy_called_help_can_be_asked_for(policies: dict[str, Policy]) -> None:
    named = {"help": policies["purchase"].model_copy(update={"key": "help"})}
    assert parse("help", named) == Fill(Draft("help"))


def test_the_help_shows_the_grammar_the_policies_and_an_example_that_asks_at_once(
    policies: dict[str, Policy],
) -> None:
    text = explanation(Explain(), policies)
    example = text.split("For example: `/request-approval ")[1].split("`")[0]
    assert isinstance(parse(example, policies), AskAtOnce)
    assert "• `purchase` Purchase, in <#C0PURCHASES>, amounts in USD" in text
    assert "• `access` Access, in <#C0ACCESS>, also needs `system=…`" in text


def test_the_help_fits_a_message_however_many_policies_there_are(policies: dict[str, Policy]) -> None:
    many = {f"p{n}": policies["purchase"].model_copy(update={"key": f"p{n}"}) for n in range(500)}
    text = explanation(Explain(), many)
    assert len(text) < 4000
    assert "… and 470 more, in the form" in text


def test_what_is_wrong_is_one_line_that_leads_to_the_help(policies: dict[str, Policy]) -> None:
    many = {f"p{n}": policies["purchase"].model_copy(update={"key": f"p{n}"}) for n in range(500)}
    wish = parse("lunch 20 pizza", many)
    assert isinstance(wish, Explain)
    assert explanation(wish, many) == (
        "There is no policy called “lunch”. There are 'p0', 'p1', 'p10', 'p100', 'p101' and 495 more. "
        "`/request-approval help` shows how it is written."
    )
    attack = explanation(Explain("“<!channel>” is wrong." + "x" * 5000), many)
    assert attack.startswith("“&lt;!channel&gt;” is wrong.")
    assert len(attack) < 1300
    assert "\n" not in attack


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
    ["", "4.200", "4,20", "4,2000", "42,00,000", "1.234,56", "4200.505", "$4200", "-1", "1e3", "four", "1٢"],
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
        (Draft("access", "CRM", fields={"system": "x" * 3001}), "system"),
    ],
)
def test_a_draft_that_makes_no_request_names_its_field(
    draft: Draft, field: str, policies: dict[str, Policy]
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        to_request(draft, policies, requester="U0RITA", idempotency_key="k")
    assert refused.value.field == field


def test_a_draft_becomes_a_request(policies: dict[str, Policy]) -> None:
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
