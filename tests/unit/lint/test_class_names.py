from pathlib import Path

from tests.lint.class_names import twice


def test_both_places_of_a_name_that_occurs_twice_are_said(tmp_path: Path) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("class Card:\n    class State: ...\n")
    other.write_text("def make():\n    class Card: ...\n\nclass Thread: ...\n")
    assert twice(tmp_path, [one, other]) == ["class Card: one.py:1, other.py:2"]
    assert twice(tmp_path, [one]) == []
