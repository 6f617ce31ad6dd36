"""The site: what is made from the code is up to date, every page is in the order of reading, and links are led on."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site import reference, stage
from tests.site.schemas import fields, limits
from tests.support import ROOT


@pytest.mark.parametrize("page", reference.PAGES)
def test_a_generated_page_is_as_the_code_has_it(page: str) -> None:
    written = (reference.FOLDER / page).read_text(encoding="utf-8")
    assert written == reference.text(page), f"{page} is out of date: make reference"


def test_no_page_is_generated_by_nothing() -> None:
    assert {page.name for page in reference.FOLDER.iterdir()} == set(reference.PAGES)


def test_the_order_of_reading_has_every_page_once() -> None:
    def pages(nav: list[object]) -> Iterator[str]:
        for one in nav:
            match one:
                case str():
                    yield one
                case dict():
                    for below in one.values():
                        yield from pages(below if isinstance(below, list) else [below])

    project = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    assert sorted(pages(project["nav"])) == sorted(stage.places().values())


def test_a_link_leads_to_the_page_the_picture_or_the_source() -> None:
    text = "[a](docs/README.md#guides) [b](compose.yml) ![c](.github/pictures/order.png) [d](https://slack.com) [e](#x)"
    led = re.findall(r"\]\(([^)]+)\)", stage.relink("README.md", text))
    assert led == [
        "all-pages.md#guides",
        f"{stage.SOURCE}compose.yml",
        "pictures/order.png",
        "https://slack.com",
        "#x",
    ]
    up = stage.relink("docs/guides/hub.md", "[a](../../CHANGELOG.md) [b](../reference/generated/settings.md)")
    assert up == "[a](../changelog.md) [b](../reference/generated/settings.md)"


def test_the_picture_of_the_readme_is_the_one_of_the_site() -> None:
    assert (
        stage.relink("README.md", f"![a]({stage.RAW}.github/pictures/order.png)")
        == "![a](pictures/order.png)"
    )


@pytest.mark.parametrize("link", ["docs/gone.md", "../outside.md"])
def test_a_link_to_nothing_names_the_page_and_itself(link: str) -> None:
    with pytest.raises(stage.DeadLinkError, match=rf"README\.md: the link {link} leads to no file"):
        stage.relink("README.md", f"[a]({link})")


def test_code_is_not_read_for_links() -> None:
    text = "```toml\nx = [a](gone.md)\n```\n"
    assert stage.relink("README.md", text) == text


def test_diagrams_bring_what_draws_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = tmp_path / "mermaid.min.js"
    drawing.write_text("drawn")
    monkeypatch.setattr(stage, "MERMAID", drawing)
    pages = {
        page.relative_to(tmp_path / "pages"): page.read_text() for page in stage.stage(tmp_path / "pages")
    }
    needed = {page.as_posix() for page, text in pages.items() if "<script" in text}
    assert "explanation/how-it-works.md" in needed
    assert '<script src="../../assets/mermaid.min.js">' in pages[Path("explanation/how-it-works.md")]
    assert needed == {page.as_posix() for page, text in pages.items() if "\n```mermaid\n" in text}
    assert (tmp_path / "pages/assets/mermaid.min.js").read_text() == "drawn"


def test_what_stands_in_a_table_ends_no_cell_of_it() -> None:
    schema = {
        "properties": {"a": {"type": "string", "pattern": "^(x|y)$", "description": "one | two\nthree"}}
    }
    assert list(fields(schema))[2] == ("| `a` | string | <code>^(x&#124;y)$</code> |  | one \\| two three |")
    assert limits({"minimum": 0.0, "maximum": 2.5}) == "0 or more; 2.5 or less"
