"""Taking down what a person decides: each decision is checked against what is known, then kept; or refused."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from caretally.errors import UsageError
from caretally.facts.calendar import ServiceMonth
from caretally.facts.decision import DecisionKind, DecisionRecord, in_force, latest
from caretally.store.answers import find_answers, has_answer
from caretally.store.decisions import add_decisions, all_decisions, decisions_about, decisions_of, find_decision
from caretally.sync.attestation import check_attestation
from caretally.sync.people import PeoplesDecisions
from caretally.sync.review import answer_digest, determinations_of
from caretally.sync.sinks.folder import FolderSink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from caretally.store.opening import Store
    from caretally.sync.writes import Sink
    from caretally.tables import Tables

_OF_THE_MONTH = frozenset(
    {
        DecisionKind.HOLD,
        DecisionKind.RELEASE,
        DecisionKind.ELECT_PHYSICIAN,
        DecisionKind.CHOOSE_PROGRAMME,
        DecisionKind.OVERRIDE,
    }
)
"""Kinds that speak about an answer, which must be there and must be the one that the person looked at."""


_ABOUT_PAIRS = frozenset({DecisionKind.SAME_PERSON, DecisionKind.DIFFERENT_PEOPLE})


class DecisionRefusedError(UsageError):
    """A decision cannot be taken down; says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a person wants to decide.

    Attributes:
        patient: ``Patient/id``; empty for a month as a whole.
        seen: `answer_digest` of what the person looked at; None: not checked.
        document: further values of the kind.
    """

    kind: DecisionKind
    who: str
    why: str = ""
    patient: str = ""
    month: ServiceMonth | None = None
    practitioner: str | None = None
    resource: str | None = None
    seen: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Takes down decisions about the claims of one sink.

    Attributes:
        store: of the sink.
        now: instant in UTC.
    """

    store: Store
    sink: Sink
    tables: Tables
    now: datetime

    def record(self, draft: Draft) -> DecisionRecord:
        """Check and keep one decision.

        Raises:
            DecisionRefusedError: it is about nothing that is known, about what changed since, or says nothing new.
        """
        made = self.check(draft)
        add_decisions(self.store, [made])
        return made

    def check(self, draft: Draft) -> DecisionRecord:
        """Return the decision as it would be kept; raises DecisionRefusedError like `record`."""
        if not draft.who.strip():
            raise DecisionRefusedError("a decision needs somebody who decides: give --by NAME")
        self._check_lock(draft)
        checked = draft
        if draft.kind in _OF_THE_MONTH:
            checked = self._of_month(draft)
        elif draft.kind == DecisionKind.ATTEST:
            self._known(draft.patient)
            check_attestation(draft.document, draft.resource)
            self._not_said_before(draft)
        elif draft.kind in _ABOUT_PAIRS:
            self._check_pair(draft)
        elif draft.kind == DecisionKind.WITHDRAW:
            checked = self._withdrawal(draft)
        return self._made(checked)

    def _made(self, draft: Draft) -> DecisionRecord:
        return DecisionRecord(
            # Ids grow with time: of two decisions in one second the later one counts.
            id=f"{int(self.now.timestamp() * 1_000_000):015x}{uuid4().hex[:17]}",
            kind=draft.kind.value,
            patient=draft.patient,
            service_month=None if draft.month is None else str(draft.month),
            practitioner=draft.practitioner,
            resource=draft.resource,
            who=draft.who.strip(),
            at=self.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            why=draft.why.strip(),
            document=dict(draft.document),
        )

    def _check_lock(self, draft: Draft) -> None:
        if draft.month is None or draft.kind == DecisionKind.WITHDRAW:
            return
        lock = PeoplesDecisions.read(self.store, draft.month).lock
        if draft.kind == DecisionKind.UNLOCK_MONTH:
            if lock is None:
                raise DecisionRefusedError(f"{draft.month} is not locked")
        elif lock is not None:
            raise DecisionRefusedError(
                f"{draft.month} was locked by {lock.who} on {lock.at[:10]}: unlock it first "
                "(caretally review unlock-month)"
            )

    def _of_month(self, draft: Draft) -> Draft:
        answers = self._answers(draft)
        if not answers:
            by = f" by {draft.practitioner}" if draft.practitioner else ""
            raise DecisionRefusedError(
                f"there is no answer for {draft.patient}{by} in {draft.month}: check the id, or run apply "
                "for the month first"
            )
        if draft.seen is not None and draft.seen not in {answer_digest(one) for one in answers}:
            raise DecisionRefusedError(
                f"the answer for {draft.patient} in {draft.month} has changed since you looked at it: look again "
                "(caretally review list, or explain), then decide"
            )
        last = self._last(draft)
        if draft.kind == DecisionKind.HOLD and last is not None and last.kind == DecisionKind.HOLD:
            raise DecisionRefusedError(f"{draft.patient}, {draft.month} is held already: {last.who} on {last.at[:10]}")
        if draft.kind == DecisionKind.RELEASE and (last is None or last.kind != DecisionKind.HOLD):
            raise DecisionRefusedError(
                f"nobody holds {draft.patient} in {draft.month}; a draft is released with: caretally review approve"
            )
        if draft.kind == DecisionKind.CHOOSE_PROGRAMME and draft.document.get("value") not in self._programmes():
            raise DecisionRefusedError(
                f"'{draft.document.get('value')}' is no programme; wanted {' or '.join(self._programmes())}"
            )
        return self._override(draft, answers) if draft.kind == DecisionKind.OVERRIDE else draft

    def _override(self, draft: Draft, answers: Sequence[Mapping[str, Any]]) -> Draft:
        """Check that the hold stands and may be overridden, and keep what it rests on now."""
        code = str(draft.document.get("code", ""))
        reasons = [reason for one in answers for reason in one.get("reasons", ())]
        found = [reason for reason in reasons if reason["code"] == code]
        if not found:
            stands = ", ".join(dict.fromkeys(reason["code"] for reason in reasons)) or "nothing"
            raise DecisionRefusedError(
                f"{code} does not stand against {draft.patient} in {draft.month} (what does: {stands}); has the month "
                "changed since? Look again with: caretally explain"
            )
        text = self.tables.services.reasons.get(code)
        if text is None or not text.overridable:
            how = text.settled_by if text is not None and text.settled_by else "the record itself: it has to change"
            raise DecisionRefusedError(f"{code} cannot be overridden; it is settled by {how}")
        evidence = sorted({reference for reason in found for reference in reason.get("evidence", ())})
        return replace(draft, document={"code": code, "evidence": evidence})

    def _check_pair(self, draft: Draft) -> None:
        other = str(draft.document.get("other", ""))
        if draft.resource == other or not other:
            raise DecisionRefusedError("name two different Patient records")
        self._known(str(draft.resource))
        self._known(other)

    def _withdrawal(self, draft: Draft) -> Draft:
        name = str(draft.resource or "").removeprefix("Decision/")
        known = find_decision(self.store, name)
        if known is None:
            raise DecisionRefusedError(f"there is no decision {name}; see: caretally review decisions")
        if known.kind in {DecisionKind.APPROVE, DecisionKind.MARK}:
            raise DecisionRefusedError(
                f"{name} changed a claim ({known.kind}) and cannot be taken back here: hold the month, or take "
                "the claim back in the billing system"
            )
        about = decisions_about(self.store, known.service_month or "", kinds=()) if known.service_month else []
        everything = {d.id: d for d in [*about, *decisions_of(self.store, known.patient)]}
        if known.id not in {d.id for d in in_force(everything.values())}:
            raise DecisionRefusedError(f"{name} was withdrawn already")
        return replace(
            draft,
            resource=f"Decision/{name}",
            patient=known.patient,
            month=_month(known.service_month),
            practitioner=known.practitioner,
        )

    def _not_said_before(self, draft: Draft) -> None:
        for one in in_force(decisions_of(self.store, draft.patient, kind=DecisionKind.ATTEST)):
            same = (one.resource, one.practitioner) == (draft.resource, draft.practitioner)
            if same and dict(one.document) == dict(draft.document):
                raise AlreadyRecordedError(f"this was attested before: {one.who} on {one.at[:10]}")

    def _last(self, draft: Draft) -> DecisionRecord | None:
        known = in_force(decisions_of(self.store, draft.patient))
        kinds = (DecisionKind.HOLD, DecisionKind.RELEASE)
        return latest(known, kinds, str(draft.month), draft.practitioner)

    def _answers(self, draft: Draft) -> list[Mapping[str, Any]]:
        month = str(draft.month)
        if isinstance(self.sink, FolderSink):
            found = [one for one in determinations_of(self.sink, month) if one.get("patient") == draft.patient]
        else:
            found = [one.document for one in find_answers(self.store, draft.patient, month)]
        return [one for one in found if draft.practitioner in {None, one.get("billing_practitioner")}]

    def _known(self, patient: str) -> None:
        """Refuse a patient of whom nothing was ever answered.

        Raises:
            DecisionRefusedError: names the patient.
        """
        if self._is_known(patient):
            return
        raise DecisionRefusedError(f"no answer was ever given for {patient}: check the id, or run apply first")

    def _is_known(self, patient: str) -> bool:
        if has_answer(self.store, patient):
            return True
        # A record that was joined to another one has no answers of its own any more.
        pairs = (d for d in all_decisions(self.store) if d.kind in _ABOUT_PAIRS)
        if any(patient in {d.resource, d.value("other")} for d in pairs):
            return True
        return isinstance(self.sink, FolderSink) and any(
            one.get("patient") == patient for one in self.sink.determinations()
        )

    def _programmes(self) -> list[str]:
        return list(self.tables.services.programmes)


class AlreadyRecordedError(DecisionRefusedError):
    """The same was recorded before; nothing is lost."""


def _month(text: str | None) -> ServiceMonth | None:
    return None if text is None else ServiceMonth.parse(text)
