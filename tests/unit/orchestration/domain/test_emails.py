"""Which email addresses are accepted, and how they are shown to people and in records."""

import pytest

from orchestration.domain.emails import address_key, email_address, masked_address


@pytest.mark.parametrize(
    "text", ["rita@example.com", "r@a.b", "rita+work@mail.example.co.uk", "o'hara@xn--bcher-kva.example"]
)
def test_taken(text: str) -> None:
    assert email_address(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rita",
        "rita@localhost",
        "Rita <rita@example.com>",
        '"rita"@example.com',
        "rita@example.com, ada@example.com",
        "rita@example.com\nBcc: ada@example.com",
        "rita@example.com\n",
        "rita@ example.com",
        "rita@@example.com",
        ".rita@example.com",
        "ri..ta@example.com",
        "rita@-example.com",
        "rita@bücher.example",
        "rita@[127.0.0.1]",
        "r" * 65 + "@example.com",
        "r@" + "a." * 130 + "example",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"rita@example\.com"):
        email_address(text)


def test_only_the_first_letter_and_the_domain_are_seen() -> None:
    assert masked_address("rita.holt@example.com") == "r•••@example.com"


def test_an_address_in_other_letters_is_the_same() -> None:
    assert (
        address_key("Rita@Example.com") == address_key("rita@example.com") != address_key("rita@example.org")
    )
