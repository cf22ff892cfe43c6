"""What changes after a month was billed: the next run makes, or proposes, exactly the right change, and says why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from caretally.tables import loading
from caretally.tables.locate import data_path
from tests.cli.january import MONTH, STAFF_25, STAFF_45, January

PAT = "Patient/a-pat"
FREQUENCY = "https://caretally.example/fhir/StructureDefinition/claim-frequency"
CONTROL = "https://caretally.example/fhir/identifier/payer-control-number"


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> January:
    january = January(tmp_path_factory.mktemp("drafted"), a=STAFF_25)
    january.apply()
    return january


@pytest.fixture(scope="module")
def released_once(drafted: January, tmp_path_factory: pytest.TempPathFactory) -> January:
    january = drafted.copied(tmp_path_factory.mktemp("released") / "copy")
    january.approve("a-pat")
    return january


@pytest.fixture
def draft(drafted: January, tmp_path: Path) -> January:
    return drafted.copied(tmp_path / "draft")


@pytest.fixture
def released(released_once: January, tmp_path: Path) -> January:
    return released_once.copied(tmp_path / "copy")


def codes(claim: dict[str, Any]) -> list[str]:
    return [item["productOrService"]["coding"][0]["code"] for item in claim["item"]]


def late_minutes(january: January) -> str:
    january.change(a=STAFF_45)
    return "because Encounter/a-time-2: new, 20 min counted"


def an_entry_in_error(january: January) -> str:
    january.one("Encounter/a-time-1")["status"] = "entered-in-error"
    return "because Encounter/a-time-1: 25 min counted -> 25 min excluded X-STATUS"


def a_withdrawn_consent(january: January) -> str:
    consent = january.one("Consent/a-consent")
    consent["status"] = "inactive"
    consent["provision"]["period"]["end"] = "2024-12-15"
    return "because consent: no longer passed (R-CONSENT-REVOKED)"


def another_clinicians_claim(january: January) -> str:
    claim = {"code": "99490", "by": "PCP9", "group": "OTHER", "date": "2025-01-08"}
    january.change(a={**STAFF_25, "other_claims": [claim]})
    return "because other-clinician: no longer passed (R-OTHER-CLINICIAN-CCM)"


def our_own_claim_made_by_hand(january: January) -> str:
    claim = {"code": "99490", "by": "P1", "group": "GRP1", "date": "2025-01-08"}
    january.change(a={**STAFF_25, "other_claims": [claim]})
    return "because already-billed: no longer passed (R-ALREADY-BILLED)"


TAKEN_BACK = [an_entry_in_error, a_withdrawn_consent, another_clinicians_claim, our_own_claim_made_by_hand]


def test_late_minutes_change_a_draft(draft: January) -> None:
    because = late_minutes(draft)
    said = draft.plan()
    assert said.startswith("update: Patient/a-pat, 2025-01")
    assert because in said
    draft.apply()
    (claim,) = draft.claims()
    assert (claim["status"], codes(claim)) == ("draft", ["99490", "99439"])


def test_late_minutes_propose_a_replacement_of_a_released_claim(released: January) -> None:
    because = late_minutes(released)
    said = released.plan()
    assert said.startswith("replace, proposed: waits for a person: Patient/a-pat, 2025-01")
    assert because in said
    before = released.lines("Claim")
    released.apply()
    assert released.lines("Claim") == before
    assert because in released.plan(), "an open proposal still says why after a run that wrote nothing"
    released.approve("a-pat")
    old, new = sorted(released.claims(), key=lambda claim: claim["status"], reverse=True)
    assert (old["status"], new["status"], codes(new)) == ("cancelled", "active", ["99490", "99439"])
    assert new["related"][0]["claim"]["reference"] == f"Claim/{old['id']}"
    assert "nothing had to be written" in released.apply().out


@pytest.mark.parametrize("change", TAKEN_BACK)
def test_what_is_no_longer_backed_takes_a_draft_back(draft: January, change: Any) -> None:
    because = change(draft)
    said = draft.plan()
    assert said.startswith("void: Patient/a-pat, 2025-01")
    assert because in said
    draft.apply()
    assert [claim["status"] for claim in draft.claims()] == ["cancelled"]


@pytest.mark.parametrize("change", TAKEN_BACK)
def test_what_is_no_longer_backed_proposes_to_void_a_released_claim(released: January, change: Any) -> None:
    because = change(released)
    said = released.plan()
    assert said.startswith("void, proposed: waits for a person")
    assert because in said
    before = released.lines("Claim")
    released.apply()
    assert released.lines("Claim") == before
    assert [item["kind"] for item in released.waiting()] == ["correction"]
    released.approve("a-pat")
    assert [claim["status"] for claim in released.claims()] == ["cancelled"]
    assert "nothing had to be written" in released.apply().out


@pytest.mark.parametrize("kind", ["Claim", "ChargeItem"])
def test_a_claim_for_the_same_month_that_others_wrote_blocks_ours_however_it_is_told(draft: January, kind: str) -> None:
    ours = next(row for row in draft.lines(kind))
    theirs = json.loads(json.dumps(ours)) | {"id": "theirs", "status": "active" if kind == "Claim" else "billable"}
    theirs["identifier"] = [{"system": "https://billing.example", "value": "1"}]
    theirs.pop("extension")
    if kind == "ChargeItem":
        # Not that of a billing system which makes claims out of our charges: another day.
        theirs["occurrenceDateTime"] = "2025-01-20"
    draft.practice[kind] = [theirs]
    draft.apply()
    assert draft.reasons(PAT) == ["R-ALREADY-BILLED"]
    assert [claim["status"] for claim in draft.claims()] == ["cancelled"]


def a_changed_fee_schedule(january: January, _: Path, __: pytest.MonkeyPatch) -> float:
    january.config.write_text(january.config.read_text() + '\n[site.main.fee_schedule]\n99490 = "99.00"\n')
    return 99.0


def a_changed_rate(_: January, folder: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    """The next version of the program, with another relative value in its table of the year."""
    tables = folder / "mappings"
    if not tables.exists():
        shutil.copytree(data_path("mappings"), tables)
        year = tables / "services" / "2025.toml"
        text = year.read_text()
        for old, new in (('rvu_non_facility = "1.87"', "2.00"), ('work = "1.00", pe_non_facility = "0.81"', "0.94")):
            assert text.count(old) == 1
            text = text.replace(old, f'{old.rpartition(" = ")[0]} = "{new}"')
        year.write_text(text)
    monkeypatch.setattr(loading, "data_path", folder.joinpath)
    return 64.69  # 2.00 x 32.3465


@pytest.mark.parametrize("change", [a_changed_fee_schedule, a_changed_rate])
def test_a_changed_rate_table_changes_a_draft_and_is_no_reason_to_correct_a_released_claim(
    draft: January, released: January, change: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for january in (draft, released):
        amount = change(january, tmp_path, monkeypatch)
    said = draft.plan()
    assert said.startswith("update: Patient/a-pat")
    assert "because 99490 charge: " in said
    draft.apply()
    assert draft.claims()[0]["total"]["value"] == amount
    said = released.plan()
    assert said.startswith("nothing to write: Patient/a-pat")
    assert "no reason to correct a released claim" in said


def test_facts_are_read_as_they_stood_in_the_month(released: January) -> None:
    """A condition that ended, a consent that was withdrawn and a plan that was closed since change nothing."""
    for condition in released.practice["Condition"]:
        condition["clinicalStatus"] = {"coding": [{"code": "resolved"}]}
        condition["abatementDateTime"] = "2025-03-01"
    released.one("Consent/a-consent")["provision"]["period"]["end"] = "2025-03-01"
    plan = next(row for row in released.practice["CarePlan"])
    plan["status"] = "completed"
    plan["period"]["end"] = "2025-03-01"
    assert released.plan().startswith("nothing to write: Patient/a-pat")


def test_a_hold_withdraws_nothing(draft: January, released: January) -> None:
    for january in (draft, released):
        for condition in january.practice["Condition"]:
            condition["extension"] = [e for e in condition["extension"] if "significant-risk" not in e["url"]]
        before = january.lines("Claim")
        january.apply()
        assert january.reasons(PAT) == ["R-RISK-UNKNOWN"]
        assert january.lines("Claim") == before
        assert [item["kind"] for item in january.waiting()] == ["look"]


def test_a_claim_that_the_payer_has_is_replaced_by_frequency_with_its_number_only(released: January) -> None:
    released.config.write_text(
        released.config.read_text().replace("[policy]\n", '[policy]\ncorrection = "frequency"\n')
    )
    released.review("mark-sent", "a-pat", *MONTH)
    late_minutes(released)
    assert "its control number is not on file: record it first" in released.plan()
    released.apply()
    refused = released.approve("a-pat", code=6)
    assert "control number is not on file" in refused.out
    released.review("mark-sent", "a-pat", *MONTH, "--control-number", "ICN42")
    assert "replace, proposed" in released.plan()
    released.apply()
    released.approve("a-pat")
    new = next(claim for claim in released.claims() if claim["status"] == "active")
    assert {"url": FREQUENCY, "valueCode": "7"} in new["extension"]
    assert new["related"][0]["reference"]["value"] == "ICN42"


def test_a_claim_that_the_payer_has_is_voided_by_frequency_with_its_number_only(released: January) -> None:
    """The entry was in error: nothing is left to bill, and the payer has the claim."""
    released.config.write_text(
        released.config.read_text().replace("[policy]\n", '[policy]\ncorrection = "frequency"\n')
    )
    released.review("mark-sent", "a-pat", *MONTH)
    an_entry_in_error(released)
    released.save()
    assert "its control number is not on file: record it first" in released.plan()
    released.apply()
    assert [item["kind"] for item in released.waiting()] == ["correction"]
    assert "control number is not on file" in released.approve("a-pat", code=6).out
    released.review("mark-sent", "a-pat", *MONTH, "--control-number", "ICN42")
    assert "void, proposed" in released.plan()
    released.apply()
    (before,) = [claim for claim in released.claims() if claim["status"] == "active"]
    released.approve("a-pat")
    (void,) = [claim for claim in released.claims() if {"url": FREQUENCY, "valueCode": "8"} in claim["extension"]]
    assert {one["value"] for one in void["identifier"] if one["system"] == CONTROL} == {"ICN42"}
    assert (void["id"], void["status"]) == (before["id"], "cancelled")
    assert void["total"] == before["total"], "a void repeats the claim that it takes back"
    assert not [
        charge
        for charge in released.lines("ChargeItem")
        if charge["subject"]["reference"] == PAT and charge["status"] in {"planned", "billable", "billed"}
    ]
    assert "nothing had to be written" in released.apply().out


@pytest.mark.parametrize("change", TAKEN_BACK)
def test_what_was_sent_is_voided_as_well_when_nothing_backs_it(released: January, change: Any) -> None:
    """Marking a claim as sent decides nothing: the next run takes back what it would have taken back before."""
    released.review("mark-sent", "a-pat", *MONTH)
    change(released)
    assert released.plan().startswith("void, proposed: waits for a person")
    released.apply()
    assert [item["kind"] for item in released.waiting()] == ["correction"]


def test_an_edit_by_a_person_is_kept_and_reported(draft: January) -> None:
    path = draft.out / "Claim.ndjson"
    path.write_text(path.read_text().replace('"servicedDate":"2025-01-13"', '"servicedDate":"2025-01-14"'))
    before = path.read_bytes()
    late_minutes(draft)
    draft.apply()
    assert path.read_bytes() == before
    assert draft.reasons(PAT) == ["R-HUMAN-EDIT"]
    assert [item["kind"] for item in draft.waiting()] == ["look"]
