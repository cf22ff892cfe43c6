"""What the store keeps comes back as it was, and only that."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.store import samples

from caretally.facts.issue import Issue
from caretally.store import answers, decisions, outbox, runs, staging
from caretally.store.opening import Store, StoreBinding, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

AT = "2025-02-04T10:00:00Z"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(
        tmp_path / "s.sqlite", binding=StoreBinding(target="folder:.", tenant="practice"), opened_at=AT
    ) as opened:
        yield opened


@pytest.fixture
def pull(store: Store) -> str:
    runs.begin_run(store, run_id="r1", command="apply", service_month="2025-01", as_of="2025-02-10", started_at=AT)
    runs.begin_pull(store, pull_id="p1", run_id="r1", source="folder:x", service_month="2025-01", started_at=AT)
    return "p1"


def issue(number: int, severity: str = "error") -> Issue:
    return Issue(
        resource=f"Encounter/e{number}",
        element="Encounter.length",
        code="entry-too-long",
        found="300 minutes",
        wanted="at most 240",
        severity=severity,  # type: ignore[arg-type]
        patient="Patient/p",
    )


def answer(
    patient: str = "Patient/a", practitioner: str | None = "Practitioner/P1", run_id: str = "r1"
) -> answers.AnswerRecord:
    return answers.AnswerRecord(
        patient=patient,
        service_month="2025-01",
        practitioner=practitioner,
        run_id=run_id,
        status="billable",
        action="create",
        facts_digest="d",
        decided_at=AT,
        document={"amount": Decimal("60.50"), "patient": patient},
    )


def intent(name: str, **changed: object) -> outbox.Intent:
    values = {"created_at": f"2025-02-04T10:00:0{len(name)}Z", "document": {"writes": [{"net": Decimal("85.00")}]}}
    return samples.intent(name, **values | changed)


def test_a_run_is_found_with_its_report(store: Store, pull: str) -> None:
    assert pull == "p1"
    running = runs.latest_run(store)
    assert running is not None
    assert (running.state, running.report) == ("running", None)
    runs.end_run(store, "r1", state="done", ended_at=AT, report={"billable": 3})
    done = runs.latest_run(store, "2025-01")
    assert done is not None
    assert (done.state, done.report) == ("done", {"billable": 3})
    assert runs.latest_run(store, "2025-02") is None


def test_a_pull_with_gaps_is_not_complete(store: Store, pull: str) -> None:
    gaps = [
        runs.Gap(patient="Patient/a", resource_type="Encounter", reason="GET /Encounter answered 500"),
        runs.Gap(patient=None, resource_type="Claim", reason="x"),
    ]
    runs.end_pull(store, pull, ended_at=AT, gaps=gaps, counts={"Patient": 2})
    assert runs.gaps_of(store, pull) == gaps


def test_issues_keep_their_order_over_several_additions(store: Store, pull: str) -> None:
    assert pull
    runs.add_issues(store, "r1", [issue(number) for number in range(1_500)])
    runs.add_issues(store, "r1", [issue(1_500, "warning")])
    found = list(runs.issues_of(store, "r1"))
    assert found == [*(issue(number) for number in range(1_500)), issue(1_500, "warning")]
    assert runs.count_issues(store, "r1") == {("error", "entry-too-long"): 1_500, ("warning", "entry-too-long"): 1}
    runs.begin_run(store, run_id="r2", command="apply", service_month="2025-01", as_of="x", started_at=AT)
    runs.forget_issues_before(store, "r2")
    assert list(runs.issues_of(store, "r1")) == []


def staged(store: Store, pull: str, *rows: tuple[str, str, str | None], origin: str = staging.SOURCE) -> None:
    with staging.StagingWriter(store, pull, origin) as writer:
        for resource_type, resource_id, patient in rows:
            body = f"{resource_type}-{resource_id}".encode()
            writer.add(resource_type, resource_id, patient=patient, place=f"{resource_type}.ndjson:1", body=body)


def test_staged_resources_come_back_in_the_order_of_arrival(store: Store, pull: str) -> None:
    staged(
        store,
        pull,
        ("Encounter", "e2", "Patient/b"),
        ("Patient", "b", "Patient/b"),
        ("Encounter", "e1", "Patient/a"),
        ("Practitioner", "P1", None),
        ("Encounter", "e1", "Patient/a"),
    )
    staged(store, pull, ("Claim", "c", "Patient/a"), origin=staging.SINK)
    found = staging.of_patients(store, pull, ["Patient/a", "Patient/b", "Patient/none"])
    assert [(row.reference, row.ordinal, row.origin) for row in found["Patient/a"]] == [
        ("Encounter/e1", 2, "source"),
        ("Encounter/e1", 4, "source"),
        ("Claim/c", 5, "sink"),
    ]
    assert [row.body for row in found["Patient/b"]] == [b"Encounter-e2", b"Patient-b"]
    assert found["Patient/none"] == []
    assert [row.reference for row in staging.of_types(store, pull, ["Practitioner", "Organization"])] == [
        "Practitioner/P1"
    ]
    assert staging.count_by_type(store, pull) == {"Encounter": 3, "Patient": 1, "Practitioner": 1}
    assert staging.present(store, pull, ["Encounter/e1", "Encounter/e9", "Practitioner/P1"]) == {
        "Encounter/e1",
        "Practitioner/P1",
    }


def test_patients_come_in_batches_and_only_with_their_own_record(store: Store, pull: str) -> None:
    rows: list[tuple[str, str, str | None]] = [("Patient", f"p{n:03}", f"Patient/p{n:03}") for n in range(250)]
    staged(store, pull, *rows, ("Patient", "p000", "Patient/p000"), ("Encounter", "e", "Patient/elsewhere"))
    batches = list(staging.patients(store, pull, batch=100))
    assert [len(batch) for batch in batches] == [100, 100, 50]
    assert [one for batch in batches for one in batch] == [f"Patient/p{n:03}" for n in range(250)]
    assert staging.count_patients(store, pull) == 250
    assert staging.patients_without_record(store, pull) == [("Patient/elsewhere", 1)]


def test_joined_patients_are_one(store: Store, pull: str) -> None:
    staged(store, pull, ("Patient", "a", "Patient/a"), ("Patient", "b", "Patient/b"), ("Encounter", "e", "Patient/b"))
    staging.join_patients(store, pull, {"Patient/b": "Patient/a"})
    assert list(staging.patients(store, pull)) == [["Patient/a"]]
    assert staging.count_patients(store, pull) == 1
    assert [row.reference for row in staging.of_patients(store, pull, ["Patient/a"])["Patient/a"]] == [
        "Patient/a",
        "Patient/b",
        "Encounter/e",
    ]


def test_large_pulls_are_streamed_whole(store: Store, pull: str) -> None:
    staged(store, pull, *[("Encounter", f"e{n}", "Patient/a") for n in range(4_100)])
    assert [row.ordinal for row in staging.stream_type(store, pull, "Encounter")] == list(range(4_100))


def test_nothing_is_staged_after_an_error(store: Store, pull: str) -> None:
    with suppress(RuntimeError), staging.StagingWriter(store, pull, staging.SOURCE) as writer:
        writer.add("Patient", "a", patient="Patient/a", place="x", body=b"{}")
        raise RuntimeError
    assert staging.count_by_type(store, pull) == {}


def test_pulls_are_forgotten_with_their_resources(store: Store, pull: str) -> None:
    staged(store, pull, ("Patient", "a", "Patient/a"))
    runs.forget_pulls(store)
    assert staging.count_by_type(store, pull) == {}
    assert runs.latest_run(store) is not None


def test_a_forgotten_pull_gives_its_room_back(store: Store, pull: str) -> None:
    store.engine.dispose()  # the last connection brings the log into the file
    before = Path(store.place).stat().st_size
    with staging.StagingWriter(store, pull, staging.SOURCE) as writer:
        for number in range(3_000):
            writer.add("Patient", f"p{number}", patient=f"Patient/p{number}", place="x", body=b"secret" * 200)
    runs.forget_pulls(store)
    store.engine.dispose()
    assert Path(store.place).stat().st_size < before + 100_000
    assert b"secretsecret" not in Path(store.place).read_bytes()


def test_answers_replace_those_of_the_decided_patients_only(store: Store) -> None:
    answers.replace_answers(
        store,
        "2025-01",
        ["Patient/a", "Patient/b"],
        [answer("Patient/a"), answer("Patient/b"), answer("Patient/b", None)],
    )
    answers.replace_answers(store, "2025-01", ["Patient/b"], [])
    answers.replace_answers(store, "2025-02", ["Patient/a"], [])
    assert list(answers.answers_of(store, "2025-01")) == [answer("Patient/a")]
    answers.replace_answer(store, answer("Patient/a", run_id="r2"))
    assert answers.find_answers(store, "Patient/a", "2025-01") == [answer("Patient/a", run_id="r2")]
    assert answers.find_answers(store, "Patient/a", "2025-01", "Practitioner/P2") == []
    assert list(answers.answers_of(store, "2025-01", run_id="r1")) == []


def test_amounts_keep_their_digits(store: Store) -> None:
    answers.replace_answers(store, "2025-01", ["Patient/a"], [answer()])
    (found,) = answers.find_answers(store, "Patient/a", "2025-01")
    assert str(found.document["amount"]) == "60.50"


def test_all_answers_of_a_large_month_are_given(store: Store) -> None:
    everybody = [f"Patient/{n:04}" for n in range(1_203)]
    answers.replace_answers(
        store, "2025-01", everybody, [answer(one, who) for one in everybody for who in (None, "Practitioner/P1")]
    )
    found = list(answers.answers_of(store, "2025-01"))
    assert [(one.patient, one.practitioner) for one in found] == [
        (patient, who) for patient in everybody for who in (None, "Practitioner/P1")
    ]


def test_an_intent_is_open_until_its_outcome_is_known(store: Store) -> None:
    outbox.add_intents(store, [intent("i"), intent("ii")])
    assert outbox.open_intents(store) == [intent("i"), intent("ii")]
    outbox.add_outcomes(
        store,
        [
            outbox.Outcome(intent_id="i", state="unknown", at=AT, document={"said": "timeout"}),
            outbox.Outcome(intent_id="ii", state="refused", at=AT, document={"said": "no such coverage"}),
        ],
    )
    assert [(one.id, one.state) for one in outbox.open_intents(store)] == [("i", "unknown")]
    outbox.add_outcomes(store, [outbox.Outcome(intent_id="i", state="applied", at=AT, document={})])
    assert outbox.open_intents(store) == []
    ((failed, said),) = outbox.failed_intents(store, "2025-01")
    assert (failed.id, said.document) == ("ii", {"said": "no such coverage"})
    assert outbox.failed_intents(store, "2025-02") == []
    assert outbox.last_source(store, "Patient/a", "2025-01", "Practitioner/P1") == "folder"
    assert outbox.last_source(store, "Patient/b", "2025-01", "Practitioner/P1") is None


def test_a_failed_intent_is_withdrawn_when_its_claim_is_decided_anew(store: Store) -> None:
    outbox.add_intents(store, [intent("i"), intent("ii", patient="Patient/b")])
    outbox.add_outcomes(
        store, [outbox.Outcome(intent_id=one, state="conflict", at=AT, document={}) for one in ("i", "ii")]
    )
    outbox.withdraw_failed(store, {("Patient/a", "2025-01", "Practitioner/P1")}, at=AT, why="decided anew")
    assert [one.id for one, _ in outbox.failed_intents(store)] == ["ii"]


def test_decisions_are_kept_in_order(store: Store) -> None:
    made = [
        samples.decision(name, kind=kind, resource="Claim/cm-1", at=f"2025-02-0{day}T10:00:00Z", document={"n": day})
        for name, kind, day in (("x", "approve", 2), ("y", "attest", 1))
    ]
    for one in made:
        decisions.add_decision(store, one)
    assert decisions.decisions_of(store, "Patient/a") == [made[1], made[0]]
    assert decisions.decisions_of(store, "Patient/a", kind="approve") == [made[0]]
    assert decisions.decisions_of(store, "Patient/b") == []
