"""What people decide is taken down, counts in the next answer, and is undone by a later decision, never deleted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.january import MONTH, RN, STAFF_25, STAFF_45, January

PAT = "Patient/a-pat"
PERSONAL = {
    "entries": [{**RN, "date": "2025-01-13", "min": 25}, {"role": "MD", "who": "P1", "date": "2025-01-20", "min": 35}]
}


def decisions(january: January) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = january.call("review", "decisions", january.out, "--json").json()
    return found


def test_a_held_month_is_not_billed_until_it_is_released(tmp_path: Path) -> None:
    january = January(tmp_path, a=STAFF_25)
    january.apply()
    before = january.lines("Claim")
    done = january.review("hold", "a-pat", *MONTH, "--why", "a call from the family")
    assert "recorded: hold (Patient/a-pat, 2025-01), by R. Example" in done.out
    again = january.review("hold", "a-pat", *MONTH, code=2)
    assert "held already: R. Example" in again.err
    assert "R-HELD-BY-PERSON" in january.plan()
    january.apply()
    assert january.reasons(PAT) == ["R-HELD-BY-PERSON"]
    assert january.lines("Claim") == before
    assert [item["kind"] for item in january.waiting()] == ["look"]
    refused = january.approve("a-pat", code=2)
    assert "nothing of Patient/a-pat in 2025-01 waits for an approval" in refused.err
    (held,) = january.answer(PAT)["evidence"]["decisions"]
    assert (held["kind"], held["who"], held["why"]) == ("hold", "R. Example", "a call from the family")
    assert "a call from the family" in january.call("explain", "a-pat", *MONTH, "--store", january.out).out

    january.review("release", "a-pat", *MONTH)
    assert "nobody holds Patient/a-pat" in january.review("release", "a-pat", *MONTH, code=2).err
    january.apply()
    assert january.codes(PAT) == ["99490"]
    assert [item["kind"] for item in january.waiting()] == ["release"]


def test_each_decision_is_written_as_provenance_once(tmp_path: Path) -> None:
    january = January(tmp_path, a=STAFF_25)
    january.apply()
    january.review("hold", "a-pat", *MONTH, "--why", "asked")
    assert "1 decision of a person would be recorded there" in january.plan()
    assert "1 decision of a person was recorded there" in january.apply().out
    found = [row for row in january.lines("Provenance") if "reason" in row]
    assert len(found) == 1
    assert found[0]["target"] == [{"reference": "Patient/a-pat"}]
    assert found[0]["reason"][0]["text"] == "asked"
    assert found[0]["agent"][0]["who"]["identifier"]["value"] == "R. Example"
    assert found[0]["entity"][0]["what"]["identifier"]["value"] == decisions(january)[0]["id"]
    files = {path.name: path.read_bytes() for path in january.out.glob("*.ndjson")}
    january.apply()
    assert {path.name: path.read_bytes() for path in january.out.glob("*.ndjson")} == files


def test_a_risk_that_nobody_documented_is_attested(tmp_path: Path) -> None:
    january = January(tmp_path, a={**STAFF_25, "conditions": [["E11.9", True, 12, True], ["I50.22", True, 12, None]]})
    january.apply()
    assert january.reasons(PAT) == ["R-RISK-UNKNOWN"]
    assert [item["kind"] for item in january.waiting()] == ["question"]
    condition = next(row["id"] for row in january.practice["Condition"] if "I50.22" in json.dumps(row))
    attest = ("attest", "risk", "a-pat", "--subject", f"Condition/{condition}")
    january.review(*attest, "--date", "2025-02-20")
    january.apply()
    assert january.reasons(PAT) == ["R-RISK-UNKNOWN"], "attested for a later day only"
    january.review(*attest, "--date", "2025-01-10", "--why", "reviewed with Dr. Example")
    january.apply()
    assert january.codes(PAT) == ["99490"]
    (stated,) = january.answer(PAT)["evidence"]["decisions"]
    assert stated["resource"] == f"Condition/{condition}"
    claimed = [row for row in january.lines("Provenance") if "Claim/" in json.dumps(row["target"])]
    assert any(stated["id"] in json.dumps(row["entity"]) for row in claimed)
    # The latest dated one counts; what was decided is undone by a later decision, never deleted.
    january.review(*attest, "--value", "no", "--date", "2025-01-20")
    january.apply()
    assert january.reasons(PAT) == ["R-COND-RISK"]
    last = decisions(january)[-1]["id"]
    january.review("withdraw", last, "--why", "wrong patient")
    assert "withdrawn already" in january.review("withdraw", last, code=2).err
    january.apply()
    assert january.codes(PAT) == ["99490"]
    assert len(decisions(january)) == 4


def need(january: January) -> str:
    (paper,) = january.answer(PAT)["paper"]
    return next(str(item["state"]) for item in paper["documentation"] if item["item"] == "need")


def test_decision_making_elections_and_what_a_text_tells_are_attested(tmp_path: Path) -> None:
    january = January(tmp_path, a={"entries": [{**RN, "date": "2025-01-13", "min": 65}]}, b=PERSONAL)
    next(one for one in january.practice["CarePlan"] if one["id"].startswith("a-"))["description"] = "Lives alone."
    january.apply()
    assert january.codes(PAT) == ["99490", "99439"]
    assert need(january) == "unstructured"
    refused = january.review("attest", "need", "a-pat", "--value", "no", "--date", "2025-01-20", code=2)
    assert "'no' is no value of need; wanted yes" in refused.err
    january.review("attest", "need", "a-pat", "--date", "2025-01-20")
    january.review("attest", "mdm", "a-pat", "--value", "moderate", "--date", "2025-01-20")
    january.review("elect-physician", "b-pat", *MONTH)
    january.apply()
    assert january.codes(PAT) == ["99487"]
    assert january.codes("Patient/b-pat") == ["99491"]
    assert need(january) == "found"
    january.review("attest", "mdm", "a-pat", "--value", "low", "--date", "2025-01-28")
    january.review("elect-physician", "b-pat", *MONTH, "--staff")
    january.apply()
    assert january.codes(PAT) == ["99490", "99439"]
    assert january.codes("Patient/b-pat")[0] == "99490"


def test_a_programme_is_chosen_where_two_could_be_billed(tmp_path: Path) -> None:
    both = {
        "conditions": [["C50.911", True, 12, True], ["I50.22", True, 12, True], ["E11.9", True, 12, True]],
        "pcm": {"cond": "C50"},
        "entries": [{**RN, "date": "2025-01-04", "min": 30, "prog": "pcm"}, {**RN, "date": "2025-01-18", "min": 22}],
    }
    january = January(tmp_path, a=both)
    january.apply()
    assert january.reasons(PAT) == ["R-CCM-PCM-SAME-PRACTITIONER"]
    refused = january.review("override", "a-pat", "R-CCM-PCM-SAME-PRACTITIONER", *MONTH, code=2)
    assert "settled by caretally review choose-programme" in refused.err
    assert "'xcm' is no programme" in january.review("choose-programme", "a-pat", "xcm", *MONTH, code=2).err
    january.review("choose-programme", "a-pat", "pcm", *MONTH)
    january.apply()
    assert january.codes(PAT) == ["99426"]
    january.review("choose-programme", "a-pat", "ccm", *MONTH)
    january.apply()
    assert january.codes(PAT) == ["99490"]


def test_an_override_holds_for_what_the_person_saw(tmp_path: Path) -> None:
    day = {"start": "2025-01-13T10:00:00", "end": "2025-01-13T10:25:00"}
    january = January(tmp_path, a={"entries": [{**RN, **day}]}, b={"entries": [{**RN, **day}]})
    # One nurse for both: the practice was put together of two cases with prefixes of their own.
    january.one("Encounter/b-time-1")["participant"] = january.one("Encounter/a-time-1")["participant"]
    january.apply()
    assert january.reasons(PAT) == ["R-STAFF-DOUBLE-BOOKED"]
    other = january.review("override", "a-pat", "R-HOSPICE-REVIEW", *MONTH, code=2)
    assert "does not stand against Patient/a-pat" in other.err
    january.review("override", "a-pat", "R-STAFF-DOUBLE-BOOKED", *MONTH, "--why", "a group visit")
    january.apply()
    assert january.codes(PAT) == ["99490"]
    assert "I-OVERRIDDEN" in [notice["code"] for notice in january.answer(PAT)["notices"]]
    assert january.reasons("Patient/b-pat") == ["R-STAFF-DOUBLE-BOOKED"]
    more = json.loads(json.dumps(january.one("Encounter/b-time-1")))
    more |= {"id": "b-time-9", "period": {"start": "2025-01-13T10:10:00-05:00", "end": "2025-01-13T10:20:00-05:00"}}
    more.pop("length", None)
    january.practice["Encounter"].append(more)
    january.apply()
    assert january.reasons(PAT) == ["R-STAFF-DOUBLE-BOOKED"], "a further double booking was not what the person saw"


def test_many_attestations_come_from_a_file_each_row_for_itself(tmp_path: Path) -> None:
    unknown = [["E11.9", True, 12, True], ["I50.22", True, 12, None]]
    january = January(tmp_path, a={**STAFF_25, "conditions": unknown}, b={**STAFF_25, "conditions": unknown})
    january.apply()
    conditions = [f"Condition/{row['id']}" for row in january.practice["Condition"] if "I50.22" in json.dumps(row)]
    file = tmp_path / "attested.csv"
    file.write_text(
        "Patient,Fact,Subject,Value,Date,Why\n"
        f"a-pat,risk,{conditions[0]},yes,2025-01-05,reviewed\n"
        f"b-pat,risk,{conditions[1]},perhaps,2025-01-05,\n"
        f"b-pat,risk,{conditions[1]},yes,January,\n"
        "nobody,risk,Condition/x,yes,2025-01-05,\n"
        "a-pat,weather,,yes,2025-01-05,\n"
        "b-pat,risk,,yes,2025-01-05,\n"
        "b-pat,risk,Encounter/b-time-1,yes,2025-01-05,\n"
        f"b-pat,risk,{conditions[1]},yes,2025-01-05,\n"
    )
    done = january.review("attest", "--from", file, code=6)
    assert "2 attestations recorded, 0 known before" in done.out
    for line, said in (
        (3, "'perhaps' is no value of risk; wanted yes or no"),
        (4, "'January' is no date"),
        (5, "no answer was ever given for Patient/nobody"),
        (6, "'weather' cannot be attested"),
        (7, "risk is attested about one Condition"),
        (8, "risk is attested about a Condition, not about Encounter/b-time-1"),
    ):
        assert f"line {line}: {said}" in done.out
    again = january.review("attest", "--from", file, "--json", code=6).json()
    assert (again["recorded"], again["already_recorded"], len(again["refused"])) == ([], 2, 6)
    january.apply()
    assert january.codes(PAT) == january.codes("Patient/b-pat") == ["99490"]


@pytest.mark.parametrize("text", ["patient,fact\na,b\n", "patient,fact,value,date,colour\n", "", "\xff\xfe"])
def test_a_file_that_is_no_list_of_attestations_is_refused(tmp_path: Path, text: str) -> None:
    january = January(tmp_path, a=STAFF_25)
    january.apply()
    file = tmp_path / "x.csv"
    file.write_bytes(text.encode("latin-1"))
    assert january.review("attest", "--from", file, code=2).err.startswith("error: ")


def test_an_attestation_about_nothing_in_the_record_is_an_issue_row(tmp_path: Path) -> None:
    january = January(tmp_path, a=STAFF_25)
    january.apply()
    january.review("attest", "risk", "a-pat", "--subject", "Condition/none", "--date", "2025-01-05")
    january.apply()
    assert "attestation-without-subject" in [row["code"] for row in january.lines("issues")]


def test_a_decision_about_nobody_or_about_what_changed_is_refused(tmp_path: Path) -> None:
    january = January(tmp_path, a=STAFF_25)
    january.apply()
    assert "there is no answer for Patient/none in 2025-01" in january.review("hold", "none", *MONTH, code=2).err
    other_month = january.review("hold", "a-pat", "--month", "2025-02", code=2)
    assert "run apply for the month first" in other_month.err
    assert "there is no decision x" in january.review("withdraw", "x", code=2).err
    (item,) = january.waiting()
    january.change(a=STAFF_45)
    january.apply()
    refused = january.review("hold", "a-pat", *MONTH, "--seen", item["answer"], code=2)
    assert "has changed since you looked at it" in refused.err
    refused = january.review("approve", "a-pat", *MONTH, "--as-of", "2025-02-10", "--seen", item["seen"], code=2)
    assert "has changed since you looked at it" in refused.err
    (now,) = january.waiting()
    january.review("approve", "a-pat", *MONTH, "--as-of", "2025-02-10", "--seen", now["seen"])


def test_the_second_person_who_approves_is_told_of_the_first(tmp_path: Path) -> None:
    january = January(tmp_path, a=STAFF_25)
    january.apply()
    january.approve("a-pat")
    refused = january.call(
        "review", "approve", january.out, "a-pat", *MONTH, "--by", "S. Other", "--as-of", "2025-02-10", code=2
    )
    assert "was approved already, by R. Example on " in refused.err


def test_a_locked_month_is_neither_changed_nor_proposed_to_be(tmp_path: Path) -> None:
    january = January(tmp_path, a=STAFF_25, b=STAFF_25)
    january.apply()
    january.approve("b-pat")
    january.review("lock-month", *MONTH, "--why", "closed with the accountant")
    files = {name: january.lines(name) for name in ("Claim", "ChargeItem")}
    january.one("Encounter/a-time-1")["status"] = "entered-in-error"
    january.one("Encounter/b-time-1")["status"] = "entered-in-error"
    assert "the month is locked by R. Example: void is neither written nor proposed" in january.plan()
    january.apply()
    assert {name: january.lines(name) for name in files} == files
    for patient in (PAT, "Patient/b-pat"):
        assert "W-MONTH-LOCKED" in [notice["code"] for notice in january.answer(patient)["notices"]]
    assert january.waiting() == []
    assert "was locked by R. Example" in january.review("hold", "a-pat", *MONTH, code=2).err
    january.review("unlock-month", *MONTH)
    assert "is not locked" in january.review("unlock-month", *MONTH, code=2).err
    january.apply()
    assert [item["kind"] for item in january.waiting()] == ["correction"]
    assert [row["status"] for row in january.claims(PAT)] == ["cancelled"]


def test_an_approval_in_a_locked_month_is_refused(tmp_path: Path) -> None:
    january = January(tmp_path, a=STAFF_25)
    january.apply()
    january.review("lock-month", *MONTH)
    done = january.approve("a-pat", code=6)
    assert "the month was locked by R. Example" in done.out
    assert [row["status"] for row in january.claims()] == ["draft"]


def test_two_records_of_one_person_are_billed_once_and_a_person_says_under_which(tmp_path: Path) -> None:
    january = January(tmp_path, a=STAFF_25)
    january.twin("a-pat", "a-twin")
    twin = "Patient/a-twin"
    january.apply()
    assert january.reasons(PAT) == january.reasons(twin) == ["R-DUPLICATE-PATIENT"]
    assert january.live() == []
    assert {item["kind"] for item in january.waiting()} == {"question"}
    january.review("same-person", "a-twin", "a-pat", "--why", "registration desk")
    january.apply()
    assert [row["patient"]["reference"] for row in january.live()] == [twin]
    assert {row["patient"] for row in january.lines("determinations")} == {twin}
    # Two people after all: each has a claim of their own, and nothing is left over.
    january.review("different-people", "a-pat", "a-twin")
    january.apply()
    assert sorted(row["patient"]["reference"] for row in january.live()) == [PAT, twin]
    # And one person again: of two claims one is taken back.
    january.review("same-person", "a-pat", "a-twin")
    assert f"because {twin} and {PAT} are one person, who is billed as {PAT}" in january.plan()
    january.apply()
    assert [row["patient"]["reference"] for row in january.live()] == [PAT]
    assert "nothing had to be written" in january.apply().out


@pytest.mark.parametrize("kind", ["replaced-by", "replaces", "refer", "seealso"])
def test_linked_records_never_have_two_claims(tmp_path: Path, kind: str) -> None:
    """The record that stays is billed: the other one's draft goes, and its released claim waits for a person."""
    january = January(tmp_path, a=STAFF_25)
    january.twin("a-pat", "a-twin", insured=False)
    january.apply()
    assert len(january.live()) == 2, "nothing says that they are one person"
    january.approve("a-twin")
    january.one(PAT)["link"] = [{"other": {"reference": "Patient/a-twin"}, "type": kind}]
    said = january.plan()
    january.apply()
    live = {row["patient"]["reference"]: row["status"] for row in january.live()}
    stays = "Patient/a-twin" if kind == "replaced-by" else PAT
    assert {row["patient"] for row in january.lines("determinations")} == {stays}
    if kind == "replaced-by":
        assert live == {"Patient/a-twin": "active"}
    else:
        assert "void, proposed" in said
        assert live == {PAT: "draft", "Patient/a-twin": "active"}
