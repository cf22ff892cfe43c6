"""A claim moves along its life: released, sent, accepted, paid or denied; a denial goes to a work list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.january import MONTH, STAFF_25, January

PAT = "Patient/a-pat"
PROGRESS = "https://caretally.example/fhir/StructureDefinition/claim-progress"
ACCOUNT = "https://caretally.example/fhir/identifier/account-number"
CONTROL = "https://caretally.example/fhir/identifier/payer-control-number"


def progress(claim: dict[str, Any]) -> str | None:
    return next((e["valueCode"] for e in claim["extension"] if e["url"] == PROGRESS), None)


def number(claim: dict[str, Any], system: str = ACCOUNT) -> str:
    return str(next(i["value"] for i in claim["identifier"] if i["system"] == system))


def of(january: January, patient: str) -> dict[str, Any]:
    return next(row for row in january.live() if row["patient"]["reference"] == f"Patient/{patient}")


@pytest.fixture(scope="module")
def released_once(tmp_path_factory: pytest.TempPathFactory) -> January:
    january = January(tmp_path_factory.mktemp("released"), a=STAFF_25, b=STAFF_25, c=STAFF_25)
    january.apply()
    january.approve("a-pat", "b-pat")
    return january


@pytest.fixture
def released(released_once: January, tmp_path: Path) -> January:
    return released_once.copied(tmp_path / "copy")


def sent(january: January, *patients: str) -> None:
    january.review("mark-sent", *patients, *MONTH)


def remit(january: January, text: str, code: int = 0) -> Any:
    file = january.out.parent / "era.csv"
    file.write_text(text)
    return january.call("remittance", "import", january.out, file, "--by", "R. Example", code=code)


def test_sent_claims_are_marked_and_drafts_are_not(released: January) -> None:
    done = released.review("mark-sent", "a-pat", "c-pat", "nobody", *MONTH, code=6)
    assert "claims moved along: 1 sent; known before: 0" in done.out
    assert "refused: Patient/c-pat: the claim is a draft; it has to be released first" in done.out
    assert "refused: Patient/nobody: there is no claim of ours on file" in done.out
    assert progress(of(released, "a-pat")) == "sent"
    assert {row["status"] for row in released.lines("ChargeItem") if row["subject"]["reference"] == PAT} == {"billed"}
    again = released.review("mark-sent", "a-pat", *MONTH)
    assert "known before: 1" in again.out
    assert "nothing had to be written" in again.out
    assert "nothing had to be written" in released.apply().out


def test_many_claims_are_marked_from_a_file(released: January) -> None:
    """By account number, or by patient and month; what is refused is named by its line and keeps no other back."""
    file = released.out.parent / "sent.csv"
    file.write_text(
        "claim,patient,month,control_number\n"
        f"{number(of(released, 'a-pat'))},,,ICN7\n"
        ",b-pat,2025-01,\n"
        ",c-pat,2025-01,\n"
        ",b-pat,,\n"
        ",b-pat,January,\n"
    )
    done = released.call("review", "mark-sent", released.out, "--from", file, "--by", "R. Example", code=6)
    assert "claims moved along: 2 sent; known before: 0" in done.out
    for line in (
        "refused: line 4: the claim is a draft",
        "refused: line 5: does not say which claim",
        "refused: line 6:",
    ):
        assert line in done.out
    assert [progress(of(released, name)) for name in ("a-pat", "b-pat", "c-pat")] == ["sent", "sent", None]
    assert number(of(released, "a-pat"), CONTROL) == "ICN7"
    again = released.call("review", "mark-sent", released.out, "--from", file, "--by", "R. Example", code=6)
    assert "known before: 2" in again.out


def test_a_file_of_sent_claims_with_other_columns_is_refused(released: January) -> None:
    file = released.out.parent / "sent.csv"
    file.write_text("who,when\n1,2\n")
    told = released.call("review", "mark-sent", released.out, "--from", file, code=2)
    assert "unknown column who, when; its columns are claim, patient, month" in told.err.replace("\n", " ")


def test_a_remittance_moves_claims_and_lists_denials(released: January) -> None:
    sent(released, "a-pat", "b-pat")
    a, b = number(of(released, "a-pat")), number(of(released, "b-pat"))
    text = (
        "account_number,status,control_number,paid,date,code,carc,rarc\n"
        f"{a},1,ICN1,48.39,2025-03-01,99490,CO-45;PR-2,\n"
        f"{b},4,ICN2,0,2025-03-01,99490,CO119,M86\n"
        "C0000000000000000000,1,ICN3,1.00,2025-03-01,99490,,\n"
        f"{number(of(released, 'c-pat'))},9,,,,,,\n"
    )
    done = remit(released, text, code=6)
    assert "claims moved along: 1 denied, 1 paid" in done.out
    assert "refused: line 4: there is no claim of ours on file for C0000000000000000000" in done.out
    assert "refused: line 5: status: '9' is no status" in done.out
    assert (progress(of(released, "a-pat")), number(of(released, "a-pat"), CONTROL)) == ("paid", "ICN1")
    assert (progress(of(released, "b-pat")), number(of(released, "b-pat"), CONTROL)) == ("denied", "ICN2")
    (denial,) = released.call("denials", "list", released.out, "--json").json()
    assert (denial["patient"], denial["control_number"]) == ("Patient/b-pat", "ICN2")
    assert denial["denied"][0]["carc"] == ["CO-119"]
    assert {"check": "one-clinician", "outcome": "passed"}.items() <= denial["checks"][0].items()
    assert "CO-119 M86" in released.call("denials", "list", released.out).out
    # Read a second time it says nothing new.
    before = released.lines("Claim")
    again = remit(released, text, code=6)
    assert "claims moved along: none; known before: 2" in again.out
    assert released.lines("Claim") == before
    assert len(released.call("review", "decisions", released.out, "--json").json()) == 6
    # Dealt with, it is off the list.
    unexplained = released.call("denials", "settle", released.out, denial["claim"], code=2)
    assert "say with --why" in unexplained.err
    released.call("denials", "settle", released.out, denial["claim"], "--why", "appealed", "--by", "R. Example")
    assert "no denial is open" in released.call("denials", "list", released.out).out
    assert "no denial of" in released.call("denials", "settle", released.out, denial["claim"], "--why", "x", code=2).err


def test_a_line_that_was_denied_is_listed_although_the_claim_was_paid(tmp_path: Path) -> None:
    january = January(tmp_path, a={"entries": [{"role": "RN", "who": "N1", "date": "2025-01-13", "min": 45}]})
    january.apply()
    january.approve("a-pat")
    account = number(of(january, "a-pat"))
    remit(
        january,
        f"account_number,status,paid,code,carc,rarc\n{account},1,48.39,99490,PR-2,\n{account},1,0,99439,CO-107,N122\n",
    )
    assert progress(of(january, "a-pat")) == "paid"
    (denial,) = january.call("denials", "list", january.out, "--json").json()
    assert [one["code"] for one in denial["denied"]] == ["99439"]


def test_a_deductible_is_no_denial(released: January) -> None:
    account = number(of(released, "a-pat"))
    remit(released, f"account_number,status,paid,carc\n{account},1,0.00,PR-1\n")
    assert progress(of(released, "a-pat")) == "paid"
    assert released.call("denials", "list", released.out, "--json").json() == []


def test_what_is_said_of_a_superseded_claim_is_not_said_of_its_successor(released: January) -> None:
    old = of(released, "a-pat")
    released.one("Encounter/a-time-1")["length"]["value"] = 45
    released.apply()
    released.approve("a-pat")
    assert of(released, "a-pat")["id"] != old["id"]
    done = remit(released, f"account_number,status,paid\n{number(old)},1,48.39\n", code=6)
    assert "was taken back or superseded: a person has to look" in done.out
    assert progress(of(released, "a-pat")) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("account_number,paid\n", "lacks a column"),
        ("status\nx\n", "lacks a column"),
        ("account_number,status,colour\n", "unknown column colour"),
        ("", "lacks a column"),
    ],
)
def test_a_file_that_is_no_remittance_is_refused(released: January, text: str, said: str) -> None:
    assert said in remit(released, text, code=2).err


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,,", "'1,,' is no"),
        ("22,,", "a reversal (22)"),
        ("1,ten,", "'ten' is no amount"),
        ("1,1.00,119", "'119' is no such code; wanted for example CO-119"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_with_its_line(released: January, row: str, said: str) -> None:
    account = number(of(released, "a-pat"))
    if row == "1,,":
        done = remit(released, f"account_number,status,paid,carc\n{account},1,,\n")
        assert progress(of(released, "a-pat")) == "denied", "processed, nothing paid, no reason: nobody paid"
        return
    done = remit(released, f"account_number,status,paid,carc\n{account},{row}\n", code=6)
    assert said in done.out
    assert progress(of(released, "a-pat")) is None


def response(claim: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "ClaimResponse",
        "id": f"r-{claim['id'][:8]}",
        "identifier": [{"system": "https://payer.example/icn", "value": "ICN7"}],
        "status": "active",
        "use": "claim",
        "type": {"coding": [{"code": "professional"}]},
        "patient": claim["patient"],
        "created": "2025-03-02",
        "insurer": {"display": "payer"},
        "request": {"reference": f"Claim/{claim['id']}"},
        "outcome": "complete",
        **more,
    }


PAID = {"payment": {"type": {"coding": [{"code": "complete"}]}, "amount": {"value": 48.39, "currency": "USD"}}}
DENIED = {
    "adjudication": [
        {"category": {"coding": [{"code": "denial"}]}, "reason": {"coding": [{"code": "CO-119"}]}},
    ]
}


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (PAID, "paid"),
        (DENIED, "denied"),
        ({}, "accepted"),
        ({"outcome": "queued"}, None),
        ({"status": "cancelled"}, None),
    ],
)
def test_a_claim_response_moves_the_claim_along(released: January, said: dict[str, Any], state: str | None) -> None:
    claim = of(released, "a-pat")
    released.practice["ClaimResponse"] = [response(claim, **said)]
    released.apply()
    after = of(released, "a-pat")
    assert progress(after) == state
    assert (number(after, CONTROL) if state else "ICN7") == "ICN7"
    assert len(released.call("denials", "list", released.out, "--json").json()) == (state == "denied")
    assert "nothing had to be written" in released.apply().out


def test_a_claim_response_to_a_draft_or_to_a_stranger_moves_nothing(released: January) -> None:
    draft = of(released, "c-pat")
    released.practice["ClaimResponse"] = [response(draft, **PAID), response({**draft, "id": "not-ours"}, **PAID)]
    assert "nothing had to be written" in released.apply().out
    assert json.dumps(of(released, "c-pat")) == json.dumps(draft)


def test_the_ledger_is_whole_and_told_as_audit_events(released: January) -> None:
    head = released.call("ledger", "head", released.out).out.strip()
    assert "whole; head" in released.call("ledger", "verify", released.out).out
    sent(released, "a-pat")
    assert "whole; head" in released.call("ledger", "verify", released.out, "--head", head).out
    number_of, _, digest = head.partition(":")
    other = f"{number_of}:{'0' * len(digest)}"
    bad = released.call("ledger", "verify", released.out, "--head", other, code=3)
    assert "is not the one of the head that was kept elsewhere" in bad.out
    assert "no head; wanted NUMBER:DIGEST" in released.call("ledger", "verify", released.out, "--head", "x", code=2).err
    done = released.call("ledger", "export", released.out, "--format", "audit-event")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert {event["resourceType"] for event in events} == {"AuditEvent"}
    assert len({event["id"] for event in events}) == len(events)
    people = [event["agent"][0]["who"]["identifier"]["value"] for event in events if len(event["agent"]) == 2]
    assert set(people) == {"R. Example"}
    assert released.call("ledger", "export", released.out, "--format", "audit-event").out == done.out
    after = released.call("ledger", "export", released.out, "--after", number_of).out.splitlines()
    assert [json.loads(line)["kind"] for line in after] == ["decision", "intent", "outcome"]
    assert "is no format" in released.call("ledger", "export", released.out, "--format", "xml", code=2).err
