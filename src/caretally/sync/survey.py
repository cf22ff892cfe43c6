"""Looking at every patient of a source without writing: for candidates, audits and forecasts."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from caretally.store import runs, staging, temporary_store
from caretally.sync.deciding import Decider, place_of_fault, read_practice
from caretally.sync.people import PeoplesDecisions
from caretally.sync.publishing import asked_for, practitioner_asked_for
from caretally.sync.pull_step import PullStep
from caretally.sync.request import instant_of
from caretally.sync.run import check_request, memory_of
from caretally.tables import attestations, sites

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.facts.determination import Determination
    from caretally.facts.issue import Issue
    from caretally.facts.patient_month import PatientMonth
    from caretally.rules import RuleContext
    from caretally.store.opening import Store
    from caretally.store.runs import Gap
    from caretally.sync.request import RunRequest

_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """One patient as the survey saw him or her."""

    month: PatientMonth
    context: RuleContext
    determinations: tuple[Determination, ...]
    """Those that the narrowing asks for."""
    asked: Callable[[str | None], bool]
    """Whether the narrowing asks for a billing practitioner."""


@dataclass(slots=True, kw_only=True)
class SurveyReport:
    """How much was looked at, and what could not be."""

    patients: int = 0
    gaps: list[Gap] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    """Patients that led to a fault of ours, and its kind and place."""


def survey(request: RunRequest, observe: Callable[[Surveyed], None]) -> SurveyReport:
    """Pull, map and decide every patient of a source, enrolled or not, and show each one; nothing is written.

    Args:
        request: with ``write`` false; ``wide`` makes a server give patients with qualifying conditions too.
        observe: told each patient, in the order of the source.

    Raises:
        UsageError: a site that the configuration does not know, or nobody of those asked for is in the source.
        SourceError: the source cannot be read.
        IncompletePullError: so much is missing that nobody can be judged.
    """
    check_request(request)
    with ExitStack() as held:
        store = held.enter_context(temporary_store(opened_at=instant_of(request)))
        people = PeoplesDecisions.read(memory_of(request, held), request.month)
        return _survey(request, store, people, observe)


def _survey(
    request: RunRequest, store: Store, people: PeoplesDecisions, observe: Callable[[Surveyed], None]
) -> SurveyReport:
    run_id, pull_id, report = uuid4().hex, uuid4().hex, SurveyReport()
    issues: list[Issue] = []
    runs.begin_run(
        store,
        run_id=run_id,
        command="survey",
        service_month=str(request.month),
        as_of=request.as_of.isoformat(),
        started_at=instant_of(request),
    )
    pulled = PullStep(
        request=request,
        store=store,
        run_id=run_id,
        pull_id=pull_id,
        issues=issues,
        same_person=people.same_person,
    ).pull()
    people.joined = pulled.joined
    report.gaps = list(pulled.result.gaps)
    mapped = read_practice(
        store, pull_id, request.tables, sites(request.configuration), attestations(request.configuration)
    )
    decider = Decider(
        store=store,
        pull_id=pull_id,
        month=request.month,
        as_of=request.as_of,
        tables=request.tables,
        policies=request.policies,
        practice=mapped.practice,
        versions_from_sink=False,
        sink_is_source=False,
        people=people,
    )
    seen = decider.first_pass(issues, lambda _: None)
    report.faults |= seen.faults
    undecided = {pulled.joined.get(str(g.patient), str(g.patient)) for g in report.gaps} | seen.faults.keys()
    chosen = pulled.result.chosen
    wanted = None if chosen is None else {pulled.joined.get(one, one) for one in chosen}
    for batch in staging.patients(store, pull_id, batch=_BATCH):
        asked = [one for one in batch if one not in undecided and (wanted is None or one in wanted)]
        for record in decider.records(asked):
            try:
                found = _look(request, decider, decider.patient_month(record, seen))
            except Exception as error:  # noqa: BLE001 -- listed with its place; the others go on
                report.faults[record.patient] = place_of_fault(error)
                continue
            report.patients += 1
            observe(found)
        request.progress("looking", report.patients, seen.patients)
    return report


def _look(request: RunRequest, decider: Decider, month: PatientMonth) -> Surveyed:
    determinations = tuple(one for one in decider.decide(month) if asked_for(request.narrowing, decider.practice, one))
    return Surveyed(
        month=month,
        context=decider.rules,
        determinations=determinations,
        asked=partial(practitioner_asked_for, request.narrowing, decider.practice),
    )
