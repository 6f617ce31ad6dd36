"""Each wrong argument of `countersign mcp gate` gives one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cli.main import main
from tests.support.mcp_gate import GATE

WITHOUT_POLICY = GATE.replace('default_policy = "deploy"', "")


@pytest.mark.parametrize(
    ("gate", "given", "said"),
    [
        (GATE, ["--name", "plain"], "Give either --url, or -- and the server's command."),
        (GATE, ["--url", "http://x", "--", "cat"], "Give either --url, or -- and the server's command."),
        (GATE, ["--header", "A=B", "--", "cat"], "--header goes with --url."),
        (GATE, ["--url", "http://x", "--header", "A"], "--header: 'A' is not followed by ="),
        (GATE, ["--url", "http://x", "--header", "A=NO_SUCH"], "the environment has no variable NO_SUCH."),
        (GATE, ["--name", "a\nb", "--", "cat"], "is no name for a server"),
        (GATE, ["--", "/nonexistent/server"], "/nonexistent/server: the server cannot be started"),
        (WITHOUT_POLICY, ["--", "cat"], "rule 3 leaves calls to the client"),
        ("agent = 1", ["--", "cat"], "gate.toml:1: agent: "),
    ],
)
def test_it_is_a_sentence(
    gate: str,
    given: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COUNTERSIGN_TOKEN", "cs_none")
    file = tmp_path / "gate.toml"
    file.write_text(gate)
    assert main(["mcp", "gate", "--gate", str(file), *given]) == 4
    assert said in capsys.readouterr().err


def test_without_a_token_it_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COUNTERSIGN_TOKEN", raising=False)
    file = tmp_path / "gate.toml"
    file.write_text(GATE)
    assert main(["mcp", "gate", "--gate", str(file), "--", "cat"]) == 4
    assert "COUNTERSIGN_TOKEN: is not set" in capsys.readouterr().err
