"""`countersign audit` and `verify --log` on a data directory, an export and a store, without a server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest

from bot.cli.main import main
from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from tests.support.logs import Keeper
from tests.support.receipts import ISSUER, NONCE, ended, published
from tests.support.world import policies

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    found = Keeper(tmp_path / "data")
    monkeypatch.setenv("COUNTERSIGN_DATA_DIR", str(found.data))
    monkeypatch.setenv("COUNTERSIGN_PUBLIC_URL", ISSUER)
    monkeypatch.setenv("COUNTERSIGN_URL", "http://127.0.0.1:9")  # nobody is there
    monkeypatch.delenv("COUNTERSIGN_TOKEN", raising=False)
    return found


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str | Path) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def jwks(keeper: Keeper, tmp_path: Path) -> Path:
    """The public keys, as somebody kept them."""
    path = tmp_path / "kept.json"
    path.write_text(json.dumps(published(keeper.keys)))
    return path


def test_verify_says_whether_the_records_are_whole(keeper: Keeper, run: Run) -> None:
    keeper.write("deploy-1", "deploy-2")
    code, out, _ = run("audit", "verify")
    assert (code, out.splitlines()) == (
        0,
        [
            f"{keeper.log}: entries 1 to 3",
            "2 receipts of 2 outcomes, 0 purged. They are whole.",
        ],
    )
    keeper.change(lambda lines: [lines[0], lines[2]])
    code, out, _ = run("audit", "verify")
    assert (code, "entry 3: entry 2 is missing before it" in out, "NOT whole" in out) == (1, True, True)
    code, out, _ = run("audit", "verify", "--json")
    found = json.loads(out)
    assert (code, found["whole"], found["findings"][0]["sequence"]) == (1, False, 3)


def test_verify_holds_the_records_against_what_somebody_kept(
    keeper: Keeper, run: Run, tmp_path: Path
) -> None:
    receipts = keeper.write("deploy-1", "deploy-2")
    (tmp_path / "kept").write_text("\n".join([*receipts, keeper.head()]) + "\n")
    assert run("audit", "verify", "--known", tmp_path / "kept")[0] == 0
    keeper.change(lambda lines: lines[:2])
    code, out, _ = run("audit", "verify", "--known", tmp_path / "kept")
    assert (code, "it was cut" in out) == (1, True)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["/no such place"], "cannot be read"),
        (["."], "has no logs"),
        ([], "records cannot be read"),
        (["nothing://place"], "cannot be read"),
    ],
)
def test_what_cannot_be_checked_is_status_2(keeper: Keeper, run: Run, words: list[str], why: str) -> None:
    assert not keeper.folder.exists()
    code, _, err = run("audit", "verify", *words)
    assert (code, why in err) == (4, True), err


def test_keys_are_never_made_by_looking(keeper: Keeper, run: Run, tmp_path: Path) -> None:
    shutil.rmtree(keeper.data)
    assert run("audit", "verify")[0] == 4
    assert run("audit", "export", tmp_path / "out", "--from", "365d")[0] == 4
    assert not list(keeper.data.glob("*"))


# ---- export ----------------------------------------------------------------------------------------------


def test_an_export_of_a_year_is_checked_by_itself(
    keeper: Keeper, run: Run, tmp_path: Path, jwks: Path
) -> None:
    keeper.write("deploy-1", "deploy-2")
    with keeper.open() as records:
        records.purged("deploy-1", NONCE, "U0OPS")
    folder = tmp_path / "year"
    code, out, err = run("audit", "export", folder, "--from", "365d")
    assert (code, out) == (0, f"2 receipts of 1 logs are in {folder}.\n")
    assert "COUNTERSIGN_TOKEN is not set, so the requests themselves" in err
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "jwks.json",
        "receipts.jsonl",
        keeper.log,
    }
    readme = (folder / "README.md").read_text()
    [command] = [line.split() for line in readme.splitlines() if "countersign audit verify" in line]
    assert command[:3] == ["countersign", "audit", "verify"]
    since, until = command[command.index("--from") + 1], command[command.index("--until") + 1]
    code, out, _ = run("audit", "verify", folder, "--jwks", jwks, "--from", since, "--until", until)
    assert (code, "They are whole." in out, "note" in out) == (0, True, False), out
    claims = [
        json.loads(line)["claims"]["sub"] for line in (folder / "receipts.jsonl").read_text().splitlines()
    ]
    assert claims == ["deploy-1", "deploy-2"]
    entries = folder / keeper.log / "entries.jsonl"
    entries.write_bytes(b"".join(entries.read_bytes().splitlines(keepends=True)[:-1]))
    code, out, _ = run("audit", "verify", folder, "--jwks", jwks)
    assert (code, "it was cut" in out) == (1, True)


def test_an_export_needs_a_new_folder(keeper: Keeper, run: Run, tmp_path: Path) -> None:
    keeper.write("deploy-1")
    (tmp_path / "year").mkdir()
    (tmp_path / "year" / "something").write_text("of somebody")
    code, _, err = run("audit", "export", tmp_path / "year", "--from", "365d")
    assert (code, "is not empty" in err) == (4, True)


def test_a_part_shows_that_nothing_in_it_is_missing(
    keeper: Keeper, run: Run, tmp_path: Path, jwks: Path
) -> None:
    """It begins with the last entry before the time asked for, and ends with the first one after it."""
    now = datetime.now(UTC)
    days = [now - timedelta(days=number) for number in (40, 30, 20, 10)]
    for number, day in enumerate(days):
        keeper.write(f"deploy-{number}", at=day)
    since, until = (days[1] - timedelta(days=1)).isoformat(), (days[2] + timedelta(days=1)).isoformat()
    folder, bounds = tmp_path / "part", ("--from", since, "--until", until)
    assert run("audit", "export", folder, *bounds)[1] == f"2 receipts of 1 logs are in {folder}.\n"
    entries = folder / keeper.log / "entries.jsonl"
    lines = entries.read_bytes().splitlines(keepends=True)
    assert [json.loads(line)["request"] for line in lines] == [f"deploy-{number}" for number in range(4)]
    code, out, _ = run("audit", "verify", folder, "--jwks", jwks, *bounds)
    assert (code, "note" in out) == (0, False), out
    assert run("audit", "verify", folder, "--jwks", jwks)[0] == 1  # as a whole log it lacks its beginning
    entries.write_bytes(b"".join(lines[1:]))
    code, out, _ = run("audit", "verify", folder, "--jwks", jwks, *bounds)
    assert (code, "entries 1 to 2 are missing" in out) == (1, True)
    entries.write_bytes(b"".join(lines[:3]))
    assert (
        "the log ends here, and it had 5 entries"
        in run("audit", "verify", folder, "--jwks", jwks, *bounds)[1]
    )
    (folder / keeper.log / "heads.jsonl").unlink()
    code, out, _ = run("audit", "verify", folder, "--jwks", jwks, *bounds)
    assert (code, "nothing shows that no entry followed it" in out) == (0, True)


# ---- texts -----------------------------------------------------------------------------------------------


def approval(receipt: str, **changes: object) -> dict[str, object]:
    """The request of that receipt, as the API gives it."""
    outcome = ended("deploy-1", comments="Go.", comments_salt="salt").outcome.model_dump(mode="json")
    return {"id": "deploy-1", "nonce": NONCE, "outcome": {**outcome, "receipt": receipt} | changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"comments": "Stop."}, "its comments is not what was signed"),
        ({"comments": ""}, "its comments is not what was signed"),
        ({"reason": "Because."}, "its reason is not what was signed"),
        ({"digest": "c" * 64}, "its digest is not that of its receipt"),
        ({"status": "rejected"}, "its status is not that of its receipt"),
        ({"levels": []}, "it has 0 decisions, and 1 were signed"),
        ({"levels": None}, "it is not as the server gave it"),
    ],
)
def test_texts_that_were_changed_are_found(
    keeper: Keeper, run: Run, tmp_path: Path, jwks: Path, changes: dict[str, object], words: str | None
) -> None:
    with keeper.open() as records:
        receipt = records.sign_receipt(ended("deploy-1", comments="Go.", comments_salt="salt"))
    folder = tmp_path / "year"
    run("audit", "export", folder, "--from", "365d")
    (folder / "requests.jsonl").write_text(json.dumps(approval(receipt, **changes)) + "\n")
    code, out, _ = run("audit", "verify", folder, "--jwks", jwks)
    assert (code, words is None or f"requests.jsonl: deploy-1: {words}." in out) == (
        int(words is not None),
        True,
    ), out


# ---- a receipt by a retired key --------------------------------------------------------------------------


def test_verify_looks_a_receipt_by_a_retired_key_up_in_the_records(
    keeper: Keeper, run: Run, jwks: Path
) -> None:
    [receipt] = keeper.write("deploy-1")
    old = keeper.keys.listed()[0][0]
    keeper.keys.rotate()
    assert run("key", "retire", old)[0] == 0
    jwks.write_text(json.dumps(published(keeper.keys)))
    check = ("verify", receipt, "--id", "deploy-1", "--jwks", jwks)
    code, _, err = run(*check)
    assert (code, "give them with --log" in err) == (4, True)
    code, _, err = run(*check, "--log", keeper.folder)
    assert (code, "the records do not have it" in err) == (4, True)  # no good key vouches for them yet
    keeper.write("deploy-2")
    assert run(*check, "--log", keeper.folder)[0] == 0


def test_a_thief_who_dates_a_receipt_back_is_refused(
    keeper: Keeper, run: Run, jwks: Path, tmp_path: Path
) -> None:
    """They have the retired key, and make a log of their own around it."""
    keeper.write("deploy-1")
    thief = Keeper(tmp_path / "thief")
    shutil.copy(keeper.data / "signing-keys.json", thief.data)
    shutil.copytree(keeper.folder, thief.folder)
    [forged] = thief.write("deploy-9")
    old = keeper.keys.listed()[0][0]
    keeper.keys.rotate()
    run("key", "retire", old)
    keeper.write("deploy-2")
    jwks.write_text(json.dumps(published(keeper.keys)))
    check = ("verify", forged, "--id", "deploy-9", "--jwks", jwks)
    for place in (keeper.folder, thief.folder):
        code, _, err = run(*check, "--log", place)
        assert (code, "the records do not have it" in err) == (4, True)


def test_records_in_a_store_are_read_by_its_address(keeper: Keeper, run: Run, jwks: Path) -> None:
    keeper.write("deploy-1")
    store = fsspec.filesystem("memory")
    store.pipe_file(f"/kept/{keeper.log}/entries-000000000001-000000000002.jsonl", keeper.file.read_bytes())
    code, out, _ = run("audit", "verify", "memory://kept", "--jwks", jwks)
    assert (code, f"{keeper.log}: entries 1 to 2" in out) == (0, True), out


def test_a_receipt_leads_to_the_text_of_its_policy(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "policies.toml"
    file.write_text(policies("api"))
    code, out, _ = run("policies", "digest", file)
    known = policy_file.parse(file.read_text(), "here", SlackIds()).policies
    assert (code, out.splitlines()) == (0, [f"{known[key].digest()}  {key}" for key in sorted(known)])
    file.write_text(policies("api").replace("30m", "31m"))
    assert run("policies", "digest", file)[1] != out
