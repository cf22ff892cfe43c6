from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from caretally.reports.explanation import Section, check_lines, explain_json, explain_text, render
from tests.reports import answers


def section(determination: dict[str, Any], title: str, **more: Any) -> str:
    found = {part.title: part for part in explain_text(determination, **more)}
    return "\n".join(found[title].lines)


def test_the_answer_names_who_what_and_how_much() -> None:
    answer = section(answers.billable(), "Answer")
    assert "Patient/ash, 2025-01, billed by Practitioner/dr" in answer
    assert "BILLABLE: 99490 + 2 x 99439, $106.42 and 1 line without a known rate" in answer
    assert "chronic care management, staff time" in answer
    assert "a new claim" in answer


def test_every_line_has_date_units_rate_and_charge() -> None:
    lines = section(answers.billable(), "Lines", labels={"99490": "CCM staff, first 20 min"}).splitlines()
    assert lines[0] == "2025-01-06  1 x 99490 (CCM staff, first 20 min)  amount $60.49, charge $85.00"
    assert lines[2] == "2025-01-27  1 x 99439  no rate known, no charge known"


def test_each_reason_has_its_evidence_and_its_source() -> None:
    why = section(answers.refused(), "Why not").splitlines()
    assert why == [
        "R-TIME-MIN  too little time (19 min 59 s counted; 1 s short of 99490)",
        "    evidence: Encounter/e1, Encounter/e2",
        "    source: guide, Time Requirements",
        "R-CONSENT-MISSING  no consent",
        "    source: guide, Consent",
    ]


def test_a_hold_is_not_called_a_no() -> None:
    titles = [part.title for part in explain_text(answers.held())]
    assert "Why it is on hold" in titles
    assert "Why not" not in titles
    assert "99490" in section(answers.held(), "Lines that it would have")
    assert "nobody" in section(answers.held(), "Answer")


def test_the_minutes_can_be_added_up_again() -> None:
    minutes = section(answers.billable(), "Minutes").splitlines()
    first = "2025-01-06 09:00:00-09:30:00  30 min  Encounter/e1 ccm  Practitioner/rn: counted"
    assert minutes[0] == first, "local time of the practice, not UTC"
    assert minutes[2].endswith("excluded, X-ROLE reception")
    assert "62 min counted + 15 min excluded = 77 min logged" in minutes
    assert "counted but beyond the last unit: 2 min" in minutes


def test_a_ledger_that_does_not_balance_says_so() -> None:
    wrong = copy.deepcopy(answers.billable())
    wrong["time"]["logged_seconds"] += 1
    assert "DOES NOT BALANCE" in section(wrong, "Minutes")
    assert "DOES NOT BALANCE" not in section(answers.billable(), "Minutes")


def test_staff_time_that_a_physician_code_left_aside_is_marked() -> None:
    aside = copy.deepcopy(answers.billable())
    aside["trace"]["ledger"][1]["used"] = False
    assert "counted, not used by this code" in section(aside, "Minutes")


def test_thresholds_say_reached_short_or_capped() -> None:
    assert section(answers.refused(), "Thresholds") == (
        "ccm-staff 99490 at 20 min: not reached: 1 s short (total 19 min 59 s)"
    )
    thresholds = section(answers.billable(), "Thresholds").splitlines()
    assert thresholds[1] == "ccm-staff 99439 at 40 min: reached on 2025-01-14 (total 62 min)"
    assert thresholds[3] == "ccm-staff 99439 at 80 min: not reached: 18 min short (total 62 min)"
    capped = copy.deepcopy(answers.billable())
    capped["trace"]["ladder"][3]["reached_on"] = "2025-01-28"
    assert "beyond the limit of units" in section(capped, "Thresholds")


def test_only_switches_that_differ_are_shown_with_their_origin() -> None:
    switches = section(answers.billable(), "Switches that differ from the default").splitlines()
    assert switches == [
        "dos = with_last (default threshold), set by caretally.toml [policy]",
        "caps.99439 = 2 (default none), set by not recorded",
    ]
    assert "Switches that differ from the default" not in [p.title for p in explain_text(answers.refused())]


def test_a_failed_gate_says_what_was_wanted() -> None:
    gates = section(answers.refused(), "Gates")
    assert "ccm consent: FAILED; found: none" in gates
    assert "wanted: a consent in force (R-CONSENT-MISSING)" in gates


def test_evidence_names_the_versions_that_were_read() -> None:
    evidence = section(answers.billable(), "Evidence")
    assert "consent: Consent/c (version 3)" in evidence
    assert "care plan: CarePlan/p (version sha256:abababababab...)" in evidence
    assert "diagnosis C50.911: Condition/1" in evidence


def test_json_keeps_the_stored_answer_and_adds_the_words() -> None:
    stored = answers.billable()
    explained = explain_json(stored)
    assert {key: explained[key] for key in stored} == stored
    assert explained["explanation"][0]["title"] == "Answer"
    json.dumps(explained)


@pytest.mark.parametrize("missing", ["trace", "evidence", "projected", "notices"])
def test_an_older_answer_without_later_parts_is_still_explained(missing: str) -> None:
    old = {key: value for key, value in answers.billable().items() if key != missing}
    assert explain_text(old)[0].title == "Answer"


def test_text_is_indented_under_its_headings() -> None:
    sections = (Section(title="One", lines=("a", "b")), Section(title="Two", lines=("c",)))
    assert render(sections) == "One\n  a\n  b\n\nTwo\n  c\n"


def test_nothing_is_changed_by_being_explained() -> None:
    stored = answers.billable()
    before = copy.deepcopy(stored)
    explain_text(stored)
    explain_json(stored)
    assert stored == before


def test_what_a_claim_lacks_is_told_with_who_can_mend_it() -> None:
    failed = {
        "code": "K-PAYER-ID",
        "message": "The identifier of the payer is not known",
        "found": "no identifier",
        "wanted": "an identifier",
        "where": "payer of Patient/pat",
        "who": "biller",
        "fix": "set payer_id",
        "stops": "export",
        "formats": ["837p"],
        "cite": "a guide",
    }
    answer = {**answers.billable(), "claim_checks": {"passed": 36, "failed": [failed]}}
    assert section(answer, "Claim checks").splitlines() == [
        "36 passed, 1 finding",
        "K-PAYER-ID  The identifier of the payer is not known (payer of Patient/pat: no identifier)",
        "    stops the export to 837p; biller: set payer_id",
    ]
    assert list(check_lines(answer, stops="release")) == []
    assert not [one for one in explain_text({**answer, "claim_checks": None}) if one.title == "Claim checks"]
