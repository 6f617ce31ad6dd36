from pathlib import Path

import pytest

from tests.lint.release import UnfitTagError, notes

UNRELEASED = "# Changelog\n\n## [Unreleased]\n\n- Not yet.\n"
RELEASED = f"{UNRELEASED}\n## [1.2.0] - 2026-12-01\n\n### Added\n\n- A thing.\n\n## [1.1.0] - 2026-11-01\n\n- Older.\n"


def source(place: Path, changelog: str) -> Path:
    (place / "pyproject.toml").write_text('[project]\nname = "some"\nversion = "1.2.0"\n')
    (place / "CHANGELOG.md").write_text(changelog)
    return place


def test_the_notes_of_a_release_are_what_the_changelog_says_of_it(tmp_path: Path) -> None:
    assert notes("v1.2.0", source(tmp_path, RELEASED)) == "### Added\n\n- A thing.\n"


@pytest.mark.parametrize(
    ("tag", "changelog", "why"),
    [
        ("v1.2.1", RELEASED, r"v1\.2\.1 is not v1\.2\.0"),
        ("1.2.0", RELEASED, r"1\.2\.0 is not v1\.2\.0"),
        ("v1.2.0", UNRELEASED, "says nothing under"),
        ("v1.2.0", RELEASED.replace(" - 2026-12-01", ""), "says nothing under"),
        ("v1.2.0", RELEASED.replace("### Added\n\n- A thing.\n", ""), "says nothing under"),
        ("v1.2.0", RELEASED.replace("1.2.0", "1x2.0"), "says nothing under"),
    ],
)
def test_a_tag_that_is_not_fit_is_refused(tmp_path: Path, tag: str, changelog: str, why: str) -> None:
    with pytest.raises(UnfitTagError, match=why):
        notes(tag, source(tmp_path, changelog))
