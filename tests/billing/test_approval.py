from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from caretally.billing import (
    ApprovalRefusedError,
    ClaimIdentity,
    Decision,
    State,
    advance,
    approve,
    desired,
    filed_digest,
)
from caretally.billing.validate import validate
from tests.billing.samples import AUTOMATIC, CONTEXT, DECISION, Sink, billable, held, line, not_billable, row

ONE = billable()
IDENTITY = ClaimIdentity.of(ONE, CONTEXT.tenant)


def draft(determination: Any = ONE) -> Sink:
    sink = Sink()
    sink.run(determination)
    return sink


def test_an_approved_draft_is_released_with_who_and_why() -> None:
    sink = draft()
    before = sink.claim()
    done = sink.apply(approve(ONE, sink.on_file, CONTEXT, DECISION))
    assert done.action == "update"
    assert [c.if_match for c in done.changes] == ["1", "1", None]
    assert {**sink.claim(), "status": "draft"} == before
    assert sink.claim()["status"] == "active"
    assert sink.live("ChargeItem")[0]["status"] == "billable"
    provenance = done.changes[-1].resource
    validate(provenance)
    assert provenance["activity"]["coding"][0]["code"] == "ACTIVATE"
    assert provenance["agent"][1]["who"] == {"reference": "Practitioner/P1"}
    assert provenance["occurredDateTime"] == "2025-02-11T10:00:00Z"
    assert provenance["reason"] == [{"text": "minutes and plan reviewed"}]
    assert sink.plan(ONE).action == "none"


def test_a_person_without_a_resource_is_named_by_account() -> None:
    sink = draft()
    done = approve(ONE, sink.on_file, CONTEXT, Decision(by="jdoe", at="2025-02-11T10:00:00Z"))
    who = done.changes[-1].resource["agent"][1]["who"]
    assert who["identifier"]["value"] == "jdoe"
    assert "reason" not in done.changes[-1].resource


def test_approving_twice_is_harmless() -> None:
    sink = draft()
    sink.apply(approve(ONE, sink.on_file, CONTEXT, DECISION))
    assert approve(ONE, sink.on_file, CONTEXT, DECISION).changes == ()


def test_the_setting_of_the_release_does_not_matter() -> None:
    sink = draft()
    assert approve(ONE, sink.on_file, AUTOMATIC, DECISION).changes[-1].resource["activity"]["coding"][0]["code"] == (
        "ACTIVATE"
    )


def test_surplus_time_does_not_stop_an_approval() -> None:
    sink = draft(billable(rows=[row("Encounter/a", 5)]))
    more = billable(rows=[row("Encounter/a", 5), row("Encounter/b", 30)])
    assert approve(more, sink.on_file, CONTEXT, DECISION).changes


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (billable(line("99490", 14)), "run apply first"),
        (billable(line("99490", 13), line("99439", 20)), "run apply first"),
        (billable(line("99490", 13, charge="1.00")), r"net\.value"),
        (not_billable("R-CONSENT-MISSING"), "R-CONSENT-MISSING"),
        (held("R-HOSPICE-REVIEW"), "R-HOSPICE-REVIEW"),
        (held("R-MONTH-OPEN"), "R-MONTH-OPEN"),
    ],
)
@pytest.mark.parametrize("complete", [True, False])
def test_a_draft_that_is_not_what_is_determined_is_not_released(now: Any, said: str, complete: bool) -> None:
    sink = draft()
    with pytest.raises(ApprovalRefusedError, match=said):
        approve(now, sink.on_file, CONTEXT, DECISION, patient_in_complete_pull=complete)


def test_nothing_on_file_cannot_be_approved() -> None:
    with pytest.raises(ApprovalRefusedError, match="on file"):
        approve(ONE, [], CONTEXT, DECISION)


def test_what_the_person_saw_must_still_stand() -> None:
    sink = draft()
    seen = replace(DECISION, seen=filed_digest(sink.on_file))
    assert approve(ONE, sink.on_file, CONTEXT, seen).changes
    other = billable(line("99490", 14))
    sink.run(other)
    with pytest.raises(ApprovalRefusedError, match="look again"):
        approve(other, sink.on_file, CONTEXT, seen)


def test_a_refusal_is_a_usage_error_and_holds_no_values() -> None:
    sink = draft()
    with pytest.raises(ApprovalRefusedError) as refused:
        approve(billable(line("99490", 14)), sink.on_file, CONTEXT, DECISION)
    assert refused.value.exit_code == 2
    assert "2025-01-14" not in str(refused.value)


def test_a_claim_goes_on_from_sent_to_paid() -> None:
    sink = draft()
    sink.apply(approve(ONE, sink.on_file, CONTEXT, DECISION))
    for progress, number in ((State.SENT, None), (State.ACCEPTED, "ICN1"), (State.PAID, "ICN1")):
        done = sink.apply(advance(IDENTITY, sink.on_file, CONTEXT, progress, DECISION, control_number=number))
        assert done.action == "update"
        assert advance(IDENTITY, sink.on_file, CONTEXT, progress, DECISION, control_number=number).changes == ()
        assert sink.plan(ONE).action == "none"
        validate(sink.claim())
    assert [e["valueCode"] for e in sink.claim()["extension"] if e["url"].endswith("claim-progress")] == ["paid"]
    assert sink.claim()["identifier"][-1]["value"] == "ICN1"
    assert sink.live("ChargeItem")[0]["status"] == "billed"
    assert advance(IDENTITY, sink.on_file, CONTEXT, State.SENT, DECISION).changes == ()


def test_charges_alone_are_billed() -> None:
    sink = Sink()
    sink.run(ONE, replace(AUTOMATIC, resources="charges"))
    sink.apply(advance(IDENTITY, sink.on_file, CONTEXT, State.SENT, DECISION))
    assert sink.live("ChargeItem")[0]["status"] == "billed"


def test_a_draft_is_not_sent() -> None:
    with pytest.raises(ApprovalRefusedError, match="draft"):
        advance(IDENTITY, draft().on_file, CONTEXT, State.SENT, DECISION)
    with pytest.raises(ApprovalRefusedError, match="no live claim"):
        advance(IDENTITY, [], CONTEXT, State.SENT, DECISION)
    with pytest.raises(ApprovalRefusedError, match="wanted sent"):
        advance(IDENTITY, draft().on_file, CONTEXT, State.DRAFT, DECISION)


def test_what_is_approved_is_what_was_wanted() -> None:
    sink = draft()
    sink.apply(approve(ONE, sink.on_file, CONTEXT, DECISION))
    wanted = desired(ONE, AUTOMATIC).claim
    assert sink.claim() == wanted
