from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caretally.billing import (
    ApprovalRefusedError,
    BillingError,
    ChangeSet,
    ClaimIdentity,
    OnFile,
    State,
    advance,
    approve,
    describe,
    plan_changes,
    settled,
)
from caretally.billing.content import is_edited
from caretally.billing.identity import CLAIM_IDENTIFIER
from caretally.billing.validate import validate
from caretally.facts.codes import CPT
from caretally.facts.determination import Diagnosis, Line
from caretally.facts.services import ReasonText
from tests.billing.samples import (
    AUTOMATIC,
    CONTEXT,
    DECISION,
    Sink,
    billable,
    billed_lines,
    determined,
    evidence,
    held,
    line,
    not_billable,
    row,
)

ONE = billable()
TWO = billable(line("99490", 13), line("99439", 20))
OTHER_DAY = billable(line("99490", 14))
MANUAL, REOPENING, FREQUENCY = ({"correction": name} for name in ("manual", "reopening", "frequency"))
LATER = replace(CONTEXT, created=date(2025, 3, 1), recorded="2025-03-01T09:00:00Z")


def with_policy(policy: dict[str, Any], *lines: Line) -> Any:
    return billable(*lines, policy=policy)


def codes(change_set: ChangeSet) -> list[str]:
    return [finding.code for finding in change_set.findings]


def released(determination: Any = ONE) -> Sink:
    sink = Sink()
    sink.run(determination, AUTOMATIC)
    return sink


def sent(determination: Any = ONE, control_number: str | None = None) -> Sink:
    sink = released(determination)
    identity = ClaimIdentity.of(determination, CONTEXT.tenant)
    sink.apply(advance(identity, sink.on_file, CONTEXT, State.SENT, DECISION, control_number=control_number))
    return sink


def agrees(sink: Sink, determination: Any) -> bool:
    wanted = determined(determination)
    return billed_lines(sink.live("Claim")) == wanted and billed_lines(sink.live("ChargeItem")) == wanted


# Nothing on file


def test_the_first_run_creates_and_the_second_does_nothing() -> None:
    sink = Sink()
    first = sink.run(TWO)
    assert first.action == "create"
    assert [change.resource["resourceType"] for change in first.changes] == [
        "ChargeItem",
        "ChargeItem",
        "Claim",
        "Provenance",
    ]
    assert all(change.if_none_match and change.if_match is None for change in first.changes)
    assert agrees(sink, TWO)
    second = sink.run(TWO, LATER)
    assert (second.action, second.changes, second.findings) == ("none", (), ())


@pytest.mark.parametrize("determination", [not_billable(), held()])
def test_nothing_on_file_and_nothing_to_bill(determination: Any) -> None:
    planned = Sink().plan(determination)
    assert (planned.action, planned.changes, planned.findings) == ("none", (), ())


def test_two_machines_write_the_same() -> None:
    assert Sink().plan(TWO).changes == Sink().plan(TWO).changes


def test_minutes_of_nobody_bill_nothing() -> None:
    assert Sink().plan(replace(held(), billing_practitioner=None)).action == "none"


# Drafts


def test_a_draft_is_brought_in_line() -> None:
    sink = Sink()
    sink.run(ONE)
    changed = sink.run(TWO, LATER)
    assert changed.action == "update"
    assert not changed.proposed
    kinds = {(c.resource["resourceType"], c.kind, c.if_match) for c in changed.changes}
    assert kinds == {("ChargeItem", "create", None), ("Claim", "update", "1"), ("Provenance", "create", None)}
    assert agrees(sink, TWO)
    assert sink.claim()["created"] == "2025-02-10"
    assert sink.plan(TWO).action == "none"


def test_a_line_that_goes_takes_its_charge_along_and_may_come_back() -> None:
    sink = Sink()
    sink.run(TWO)
    sink.run(ONE, LATER)
    assert agrees(sink, ONE)
    assert [c["status"] for c in sink.all("ChargeItem")] == ["planned", "aborted"]
    back = sink.run(TWO, replace(LATER, recorded="2025-03-02T09:00:00Z"))
    assert {c.kind for c in back.changes if c.resource["resourceType"] == "ChargeItem"} == {"update"}
    assert agrees(sink, TWO)
    assert sink.plan(TWO).action == "none"


def test_what_others_added_to_a_draft_is_kept() -> None:
    sink = Sink()
    sink.run(ONE)
    (charge,) = sink.live("ChargeItem")
    charge["note"].append({"text": "checked"})
    charge["identifier"].append({"system": "https://billing.example", "value": "77"})
    sink.edit(charge)
    claim = sink.claim()
    claim["identifier"].insert(0, {"system": "https://billing.example", "value": "78"})
    sink.edit(claim)
    assert sink.plan(ONE).action == "none"
    sink.run(billable(line("99490", 13, charge="90.00")))
    (charge,) = sink.live("ChargeItem")
    assert [i["value"] for i in charge["identifier"]][-1] == "77"
    assert [n["text"] for n in charge["note"]][1:] == ["checked"]
    assert "78" in [i["value"] for i in sink.claim()["identifier"]]
    assert sink.plan(billable(line("99490", 13, charge="90.00"))).action == "none"


def test_more_time_that_changes_no_line_is_no_reason_to_write() -> None:
    sink = Sink()
    sink.run(billable(rows=[row("Encounter/a", 5)]))
    more = billable(rows=[row("Encounter/a", 5), row("Encounter/earlier", 4), row("Encounter/late", 30)])
    assert sink.plan(more).action == "none"


def test_evidence_that_is_gone_is_a_reason_to_write() -> None:
    sink = Sink()
    sink.run(billable(rows=[row("Encounter/a", 5)]))
    other = billable(rows=[row("Encounter/b", 5)])
    assert sink.run(other).action == "update"
    assert sink.plan(other).action == "none"


def test_a_draft_that_is_not_backed_is_cancelled() -> None:
    sink = Sink()
    sink.run(TWO)
    gone = sink.run(not_billable())
    assert gone.action == "void"
    assert not gone.proposed
    assert [c.resource["status"] for c in gone.changes[:-1]] == ["cancelled", "aborted", "aborted"]
    assert sink.live("Claim") == sink.live("ChargeItem") == []
    assert sink.plan(not_billable()).action == "none"


def test_a_hold_withdraws_nothing_and_a_held_draft_is_not_released() -> None:
    sink = Sink()
    sink.run(ONE)
    before = dict(sink.rows)
    found = sink.run(held())
    assert (found.action, found.changes, found.needs_person) == ("none", (), True)
    assert [f.code for f in found.findings] == ["W-CLAIM-ON-FILE-HELD"]
    assert sink.rows == before
    with pytest.raises(ApprovalRefusedError, match="cannot be billed now"):
        approve(held(), sink.on_file, CONTEXT, DECISION)
    assert sink.plan(ONE).action == "none"
    assert sink.run(TWO).action == "update"


def test_a_hold_leaves_a_withdrawal_that_broke_off_as_it_is() -> None:
    """Where resources are written one by one, the claim may be taken back and its charge not yet."""
    sink = Sink()
    sink.run(ONE)
    taken_back = sink.plan(not_billable()).changes
    sink.write(change for change in taken_back if change.resource["resourceType"] == "Claim")
    before = dict(sink.rows)
    found = sink.run(held())
    assert (found.action, found.changes) == ("none", ())
    assert "stays, though its claim was withdrawn" in " ".join(found.summary)
    assert sink.rows == before
    assert sink.run(not_billable()).action == "update"
    assert sink.live("ChargeItem") == []


def test_an_open_month_leaves_the_draft() -> None:
    sink = Sink()
    sink.run(ONE)
    assert sink.plan(held("R-MONTH-OPEN")).changes == ()


@pytest.mark.parametrize("make", [Sink, released, sent])
@pytest.mark.parametrize("determination", [not_billable(), held()])
def test_a_partial_pull_takes_nothing_back(make: Any, determination: Any) -> None:
    sink = make()
    sink.run(ONE)
    planned = sink.plan(determination, complete=False)
    assert planned.changes == planned.proposal == ()
    assert planned.action == "none"


def test_automatic_release_takes_drafts_along() -> None:
    sink = Sink()
    sink.run(ONE)
    assert sink.run(ONE, AUTOMATIC).action == "update"
    assert sink.claim()["status"] == "active"
    assert sink.live("ChargeItem")[0]["status"] == "billable"
    assert sink.plan(ONE, AUTOMATIC).action == sink.plan(ONE, CONTEXT).action == "none"


@pytest.mark.parametrize(
    ("before", "after"), [("both", "charges"), ("both", "claims"), ("charges", "both"), ("claims", "both")]
)
def test_a_draft_follows_the_choice_of_resources(before: Any, after: Any) -> None:
    sink = Sink()
    sink.run(TWO, replace(CONTEXT, resources=before))
    context = replace(LATER, resources=after)
    assert sink.run(TWO, context).action == "update"
    assert bool(sink.live("Claim")) == (after != "charges")
    assert bool(sink.live("ChargeItem")) == (after != "claims")
    assert sink.plan(TWO, context).action == "none"


# Taken back, then billable again


def test_a_cancelled_claim_is_followed_by_the_next_revision() -> None:
    sink = Sink()
    sink.run(ONE)
    sink.run(not_billable())
    back = sink.run(TWO)
    assert (back.action, back.revision) == ("create", 1)
    assert agrees(sink, TWO)
    assert len(sink.all("Claim")) == 2
    assert len({c["identifier"][0]["value"] for c in sink.all("Claim")}) == 1
    assert len({c["identifier"][1]["value"] for c in sink.all("Claim")}) == 2
    assert sink.plan(TWO).action == "none"


# Released and later


@pytest.mark.parametrize("make", [released, sent])
@pytest.mark.parametrize("context", [CONTEXT, AUTOMATIC])
def test_a_released_claim_is_never_edited_in_place(make: Any, context: Any) -> None:
    sink = make()
    planned = sink.plan(with_policy(MANUAL, line("99490", 14)), context)
    assert (planned.action, planned.proposed, planned.needs_person) == ("replace", True, True)
    assert planned.changes == ()
    assert [c.resource["status"] for c in planned.proposal[:-1]] == ["cancelled", "aborted", "billable", "active"]
    kept = {c.name for c in planned.proposal if c.kind == "create"}
    assert not kept & set(sink.rows)


def test_a_policy_that_takes_corrections_needs_no_person() -> None:
    sink = released()
    after = with_policy(REOPENING, line("99490", 14))
    done = sink.run(after, AUTOMATIC)
    assert (done.action, done.proposed, done.revision) == ("replace", False, 1)
    assert agrees(sink, after)
    new = sink.claim()
    old = next(c for c in sink.all("Claim") if c["status"] == "cancelled")
    assert new["related"][0]["claim"]["reference"] == f"Claim/{old['id']}"
    assert [e["valueCode"] for e in new["extension"] if e["url"].endswith("claim-frequency")] == ["1"]
    assert sink.plan(after, AUTOMATIC).action == "none"


def test_where_people_review_they_review_corrections_too() -> None:
    assert released().plan(with_policy(REOPENING, line("99490", 14)), CONTEXT).proposed


@pytest.mark.parametrize(("context", "proposed"), [(CONTEXT, True), (AUTOMATIC, False)])
def test_a_replacement_by_frequency_names_the_payers_number(context: Any, proposed: bool) -> None:
    sink = sent(control_number="ICN1")
    planned = sink.plan(with_policy(FREQUENCY, line("99490", 14)), context)
    assert planned.proposed is proposed
    (new,) = [
        c.resource
        for c in (*planned.changes, *planned.proposal)
        if c.kind == "create" and c.resource["resourceType"] == "Claim"
    ]
    assert new["related"][0]["reference"]["value"] == "ICN1"
    assert [e["valueCode"] for e in new["extension"] if e["url"].endswith("claim-frequency")] == ["7"]


@pytest.mark.parametrize("after", [with_policy(FREQUENCY, line("99490", 14)), not_billable(policy=FREQUENCY)])
def test_no_frequency_code_without_the_payers_number(after: Any) -> None:
    sink = sent()
    planned = sink.plan(after, AUTOMATIC)
    assert planned.proposed
    assert planned.changes == planned.proposal == ()
    assert "control number" in " ".join(planned.summary)
    with pytest.raises(BillingError, match="control number"):
        approve(after, sink.on_file, CONTEXT, DECISION, patient_in_complete_pull=True)


def test_a_void_by_frequency_says_so_on_the_cancelled_claim() -> None:
    sink = sent(control_number="ICN1")
    done = sink.run(not_billable(policy=FREQUENCY), AUTOMATIC)
    assert (done.action, done.proposed) == ("void", False)
    (claim,) = sink.all("Claim")
    assert claim["status"] == "cancelled"
    assert [e["valueCode"] for e in claim["extension"] if e["url"].endswith("claim-frequency")] == ["8"]
    assert not is_edited(claim)
    assert sink.plan(not_billable(policy=FREQUENCY), AUTOMATIC).action == "none"


def test_a_void_that_no_payer_hears_of_stays_an_original() -> None:
    sink = sent(control_number="ICN1")
    sink.apply(approve(not_billable(), sink.on_file, CONTEXT, DECISION, patient_in_complete_pull=True))
    (claim,) = sink.all("Claim")
    assert [e["valueCode"] for e in claim["extension"] if e["url"].endswith("claim-frequency")] == ["1"]


def test_a_claim_that_never_left_needs_no_number() -> None:
    done = released().run(with_policy(FREQUENCY, line("99490", 14)), AUTOMATIC)
    assert not done.proposed


@pytest.mark.parametrize("make", [released, sent])
def test_a_released_claim_that_is_not_backed_is_proposed_for_voiding(make: Any) -> None:
    sink = make()
    planned = sink.plan(not_billable())
    assert (planned.action, planned.proposed, planned.changes) == ("void", True, ())
    sink.apply(approve(not_billable(), sink.on_file, CONTEXT, DECISION, patient_in_complete_pull=True))
    assert sink.live("Claim") == sink.live("ChargeItem") == []
    assert sink.plan(not_billable()).action == "none"
    assert sink.run(ONE).revision == 1


@pytest.mark.parametrize("make", [released, sent])
def test_a_hold_never_changes_a_released_claim(make: Any) -> None:
    sink = make()
    texts = {"W-CLAIM-ON-FILE-HELD": ReasonText(code="W-CLAIM-ON-FILE-HELD", message="On file", cite="rules 2")}
    planned = sink.plan(held(), replace(CONTEXT, reason_texts=texts))
    assert (planned.action, planned.changes, planned.proposal, planned.needs_person) == ("none", (), (), True)
    assert codes(planned) == ["W-CLAIM-ON-FILE-HELD"]
    assert planned.findings[0].cite == "rules 2"
    after = settled(held(), planned)
    assert [n.code for n in after.notices] == ["W-CLAIM-ON-FILE-HELD"]
    assert after.status == "hold"


@pytest.mark.parametrize(
    "after",
    [
        billable(line("99490", 13, charge="99.00")),
        billable(rows=[row("Encounter/other", 12)]),
        billable(
            evidence=replace(
                evidence(("Encounter/e13",)),
                consent="Consent/renewed",
                diagnoses=(*evidence(()).diagnoses, Diagnosis(reference="Condition/c3", icd10cm="N18.4")),
            )
        ),
    ],
)
def test_fees_and_further_evidence_are_no_reason_to_correct(after: Any) -> None:
    planned = released().plan(after)
    assert (planned.action, planned.changes, planned.proposal) == ("none", (), ())
    assert any("no reason to correct" in said for said in planned.summary)


@pytest.mark.parametrize(
    "after",
    [
        billable(line("99490", 13, units=2)),
        TWO,
        billable(place_of_service="22"),
        billable(evidence=replace(evidence(("Encounter/e13",)), coverage="Coverage/other")),
        billable(evidence=replace(evidence(("Encounter/e13",)), diagnoses=evidence(()).diagnoses[:1])),
    ],
)
@pytest.mark.parametrize("make", [released, sent])
def test_what_the_payer_was_asked_for_is_a_reason_to_correct(make: Any, after: Any) -> None:
    sink = make()
    assert sink.plan(after).action == "replace"
    sink.apply(approve(after, sink.on_file, CONTEXT, DECISION))
    assert agrees(sink, after)
    assert sink.plan(after).action == "none"


def test_charges_follow_a_claim_that_a_person_released() -> None:
    sink = Sink()
    sink.run(ONE)
    sink.edit({**sink.claim(), "status": "active"})
    assert sink.run(ONE).action == "update"
    assert sink.live("ChargeItem")[0]["status"] == "billable"
    assert sink.plan(ONE).action == "none"


def test_released_charges_do_not_get_a_claim_without_a_person() -> None:
    sink = Sink()
    sink.run(ONE, replace(AUTOMATIC, resources="charges"))
    planned = sink.plan(ONE, AUTOMATIC)
    assert (planned.action, planned.proposed, planned.changes) == ("create", True, ())
    sink.apply(approve(ONE, sink.on_file, CONTEXT, DECISION))
    assert agrees(sink, ONE)


def test_a_released_claim_without_charges_gets_none() -> None:
    sink = Sink()
    sink.run(ONE, replace(AUTOMATIC, resources="claims"))
    assert sink.plan(ONE, AUTOMATIC).action == "none"


def test_charges_alone_are_corrected_too() -> None:
    context = replace(AUTOMATIC, resources="charges")
    sink = Sink()
    sink.run(ONE, context)
    after = with_policy(REOPENING, line("99490", 14))
    assert sink.run(after, context).action == "replace"
    assert billed_lines(sink.live("ChargeItem")) == determined(after)
    assert sink.plan(after, context).action == "none"


# People


EDITS = [
    lambda c: c["item"][0].update(modifier=[{"coding": [{"code": "GV"}]}]),
    lambda c: c["item"][0]["net"].update(value=Decimal("1.00")),
    lambda c: c.pop("extension"),
    lambda c: c["identifier"].pop(1),
    lambda c: c.update(status="cancelled"),
    lambda c: c.update(status="entered-in-error"),
    lambda c: c.update(related=[{"claim": {"reference": "Claim/x"}}]),
]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("make", [Sink, released, sent])
@pytest.mark.parametrize("after", [ONE, TWO])
def test_what_a_person_changed_is_never_overwritten(edit: Any, make: Any, after: Any) -> None:
    sink = make()
    sink.run(ONE)
    claim = sink.claim()
    edit(claim)
    sink.edit(claim)
    before = dict(sink.rows)
    planned = sink.run(after)
    assert codes(planned) == ["R-HUMAN-EDIT"]
    assert planned.needs_person
    assert sink.rows[f"Claim/{claim['id']}"] == before[f"Claim/{claim['id']}"]
    assert len(sink.all("Claim")) == 1
    after_all = settled(after, planned)
    assert (after_all.status, after_all.lines) == ("hold", ())
    assert after_all.projected == after.lines
    with pytest.raises(BillingError):
        approve(after, sink.on_file, CONTEXT, DECISION)


@pytest.mark.parametrize("status", ["aborted", "not-billable", "entered-in-error"])
def test_a_charge_that_a_person_took_back_stays_so(status: str) -> None:
    sink = Sink()
    sink.run(ONE)
    sink.edit({**sink.live("ChargeItem")[0], "status": status})
    assert codes(sink.run(ONE)) == ["R-HUMAN-EDIT"]
    assert sink.all("ChargeItem")[0]["status"] == status


def test_an_edit_that_says_what_we_want_is_none() -> None:
    sink = Sink()
    sink.run(ONE)
    claim = sink.claim()
    claim["item"][0]["servicedDate"] = "2025-01-14"
    sink.edit(claim)
    (charge,) = sink.live("ChargeItem")
    sink.edit({**charge, "status": "planned"})
    assert sink.plan(ONE).findings
    assert not sink.plan(OTHER_DAY).findings


def test_an_edited_draft_is_not_cancelled() -> None:
    sink = Sink()
    sink.run(ONE)
    claim = sink.claim()
    claim["item"][0]["modifier"] = [{"coding": [{"code": "GV"}]}]
    sink.edit(claim)
    planned = sink.plan(not_billable())
    assert codes(planned) == ["R-HUMAN-EDIT"]
    assert settled(not_billable(), planned).status == "not-billable"
    assert planned.changes == ()


def test_a_claim_that_a_person_cancelled_takes_its_charges_along() -> None:
    sink = Sink()
    sink.run(ONE)
    sink.edit({**sink.claim(), "status": "cancelled"})
    planned = sink.run(ONE)
    assert codes(planned) == ["R-HUMAN-EDIT"]
    assert sink.live("ChargeItem") == []
    assert sink.plan(ONE).changes == ()
    sink.edit({**sink.all("Claim")[0], "status": "draft"})
    sink.run(ONE)
    assert agrees(sink, ONE)


def test_what_a_server_adds_is_no_edit() -> None:
    sink = Sink()
    sink.run(TWO)
    for resource in [*sink.live("Claim"), *sink.live("ChargeItem")]:
        absolute = dict(resource, text={"status": "generated", "div": "<div/>"}, language="en")
        for element in ("patient", "subject"):
            if element in absolute:
                absolute[element] = {
                    "reference": "https://fhir.example/r4/" + absolute[element]["reference"],
                    "display": "somebody",
                    "type": "Patient",
                }
        if "total" in absolute:
            absolute["total"] = {"value": Decimal("170.0"), "currency": "USD"}
        sink.edit(absolute)
    assert sink.plan(TWO).action == "none"


# What a race or a crash leaves behind


def test_copies_of_a_draft_are_taken_back() -> None:
    sink = Sink()
    sink.run(ONE)
    for kind in ("Claim", "ChargeItem"):
        copy = {**sink.live(kind)[0], "id": f"zz-{kind}"}
        sink.rows[f"{kind}/zz-{kind}"] = sink.rows[f"{kind}/{sink.live(kind)[0]['id']}"]
        sink.edit(copy)
    assert sink.run(ONE).action == "update"
    assert agrees(sink, ONE)
    assert sink.plan(ONE).action == "none"


def test_copies_of_a_released_claim_wait_for_a_person() -> None:
    sink = released()
    claim = sink.claim()
    sink.rows["Claim/zz"] = sink.rows[f"Claim/{claim['id']}"]
    sink.edit({**claim, "id": "zz"})
    planned = sink.plan(ONE)
    assert (planned.action, planned.proposed, planned.changes) == ("update", True, ())
    sink.apply(approve(ONE, sink.on_file, CONTEXT, DECISION))
    assert agrees(sink, ONE)


@pytest.mark.parametrize("make", [released, sent])
def test_a_correction_that_breaks_off_anywhere_leaves_at_most_one_live_claim(make: Any) -> None:
    after = with_policy(REOPENING, line("99490", 14), line("99439", 20))
    whole = make().plan(after, AUTOMATIC).changes
    for written in range(len(whole)):
        sink = make()
        sink.write(whole[:written])
        assert len(sink.live("Claim")) <= 1
        sink.run(after, AUTOMATIC)
        while (step := sink.plan(after, AUTOMATIC)).changes:
            sink.apply(step)
        if step.proposed:
            sink.apply(approve(after, sink.on_file, CONTEXT, DECISION))
        assert agrees(sink, after)
        assert sink.claim()["related"]
        assert sink.plan(after, AUTOMATIC).action == "none"


def test_ids_given_by_a_server_are_used() -> None:
    sink = Sink()
    sink.run(ONE)
    for name in list(sink.rows):
        if not name.startswith("Provenance"):
            resource = sink.live(name.split("/", maxsplit=1)[0])[0]
            sink.rows[f"{resource['resourceType']}/{resource['id'][:5]}"] = sink.rows.pop(name)
            sink.edit({**resource, "id": resource["id"][:5]})
    assert sink.plan(ONE).action == "none"
    after = billable(line("99490", 13, charge="90.00"))
    assert {c.kind for c in sink.plan(after).changes[:-1]} == {"update"}
    sink.run(after)
    assert agrees(sink, after)


def test_a_resource_of_another_identity_is_refused() -> None:
    sink = Sink()
    sink.run(replace(ONE, patient="Patient/other"))
    with pytest.raises(BillingError, match="not of this patient"):
        sink.plan(ONE)


def test_a_sink_without_versions() -> None:
    sink = Sink()
    sink.run(ONE)
    bare = [OnFile(resource=item.resource, version=None) for item in sink.on_file]
    planned = plan_changes(TWO, bare, CONTEXT, patient_in_complete_pull=True)
    assert planned.action == "update"
    assert all(change.if_match is None for change in planned.changes)


# Properties

LINES = st.lists(
    st.builds(
        lambda code, day, units, cents: Line(
            code=code,
            system=CPT,
            units=units,
            service_date=date(2025, 1, day),
            amount=None,
            charge=None if cents is None else Decimal(cents).scaleb(-2) * units,
        ),
        st.sampled_from(["99490", "99439", "99487"]),
        st.integers(1, 31),
        st.integers(1, 3),
        st.none() | st.integers(0, 99999),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda x: (x.code, x.service_date),
)
ANSWERS = st.one_of(
    LINES.map(lambda lines: with_policy(REOPENING, *lines)),
    st.just(not_billable(policy=REOPENING)),
    st.just(held()),
)


@given(
    LINES.flatmap(lambda lines: st.tuples(st.just(lines), st.permutations(lines))),
    st.sampled_from([CONTEXT, AUTOMATIC]),
)
def test_a_second_run_writes_nothing_whatever_the_order(lines: Any, context: Any) -> None:
    given_first, given_again = lines
    rows = [row("Encounter/a", 1)]
    sink = Sink()
    sink.run(billable(*given_first, rows=rows), context)
    sink.rows = dict(reversed(sink.rows.items()))
    again = sink.plan(billable(*given_again, rows=rows), replace(context, recorded=LATER.recorded))
    assert (again.action, again.changes) == ("none", ())


@given(st.lists(ANSWERS, min_size=1, max_size=5), st.sampled_from(["both", "charges", "claims"]))
def test_whatever_happens_the_file_says_what_was_last_determined(answers: Any, resources: Any) -> None:
    """Automatic release, corrections allowed: the worst case for double billing."""
    sink = Sink()
    for number, determination in enumerate(answers):
        context = replace(AUTOMATIC, resources=resources, recorded=f"2025-03-01T09:00:{number:02d}Z")
        before = dict(sink.rows)
        sink.run(determination, context)
        assert len(sink.live("Claim")) <= 1
        again = sink.plan(determination, replace(context, recorded="2025-04-01T09:00:00Z"))
        assert again.changes == ()
        if determination.status == "hold":
            assert sink.rows == before
            continue
        wanted = determined(determination)
        if resources != "charges":
            assert billed_lines(sink.live("Claim")) == wanted
        if resources != "claims":
            assert billed_lines(sink.live("ChargeItem")) == wanted


@given(st.lists(ANSWERS, min_size=1, max_size=4))
def test_drafts_follow_every_answer(answers: Any) -> None:
    sink = Sink()
    for number, determination in enumerate(answers):
        before = dict(sink.rows)
        sink.run(determination, replace(CONTEXT, recorded=f"2025-03-01T09:00:{number:02d}Z"))
        if determination.status == "hold":
            assert sink.rows == before
        else:
            assert agrees(sink, determination)
        assert sink.plan(determination, LATER).action == "none"
        for _, data in sink.rows.values():
            assert data
    for kind in ("Claim", "ChargeItem", "Provenance"):
        for resource in sink.all(kind):
            validate(resource)


# In words


def test_a_plan_can_be_read() -> None:
    sink = Sink()
    first = sink.run(ONE)
    text = "\n".join(describe(first))
    assert "create: Patient/pat, 2025-01, Practitioner/P1" in text
    assert "+ Claim/cm-" in text
    assert "draft 99490 x1 2025-01-13 85.00 USD" in text
    text = "\n".join(describe(sink.plan(OTHER_DAY)))
    assert "item[0].servicedDate: 2025-01-13 -> 2025-01-14" in text
    assert describe(sink.plan(ONE)) == ["nothing to write: Patient/pat, 2025-01, Practitioner/P1"]
    text = "\n".join(describe(released().plan(TWO)))
    assert "replace, proposed: waits for a person" in text
    assert "would + Claim/" in text
    assert "line 99439 x1 2025-01-20 POS 11 is missing" in text


def test_what_a_person_typed_is_not_shown() -> None:
    sink = Sink()
    sink.run(ONE)
    claim = sink.claim()
    claim["item"][0]["productOrService"]["text"] = "Jane Doe"
    sink.edit(claim)
    text = "\n".join(describe(sink.plan(ONE)))
    assert "item[0].productOrService.text: (text) -> nothing" in text
    assert "Jane" not in text


def test_every_claim_of_an_identity_is_found_by_one_identifier() -> None:
    sink = released()
    sink.run(with_policy(REOPENING, line("99490", 14)), AUTOMATIC)
    key = ClaimIdentity.of(ONE, CONTEXT.tenant).key
    everything = [*sink.all("Claim"), *sink.all("ChargeItem")]
    assert len(everything) == 4
    assert all({"system": CLAIM_IDENTIFIER, "value": key} in resource["identifier"] for resource in everything)
