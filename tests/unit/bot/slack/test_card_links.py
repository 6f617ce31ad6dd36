from bot.slack.api.card_links import CardLinks
from orchestration.domain.request import CardRef

OLD, NEW = (
    CardRef(round=1, channel="C0DEPLOYS", ts="1.000100"),
    CardRef(round=2, channel="C0ESCALATIONS", ts="2.000200"),
)


def test_a_card_has_an_address_once_there_is_one_and_the_workspace_is_known() -> None:
    links = CardLinks()
    assert links.newest([OLD]) is None
    links.learn("https://acme.slack.com/")
    assert links.newest([]) is None
    assert links.newest([OLD, NEW]) == "https://acme.slack.com/archives/C0ESCALATIONS/p2000200"
