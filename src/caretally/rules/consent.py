"""Consent: before furnishing or billing, by practitioner and programme, until withdrawn (rules 4.4, D6, D7, D16)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from caretally.facts.calendar import local_date, months_after, start_of_day, years_before
from caretally.facts.intervals import Interval
from caretally.facts.reasons import Block, Notice
from caretally.rules.windows import FOREVER, Shadow, before, from_day

if TYPE_CHECKING:
    from datetime import date

    from caretally.facts.clinical import ConsentFact
    from caretally.rules.context import Case

ONE_PRACTITIONER = "one-practitioner"
DISCLOSURES = ("service", "cost-sharing", ONE_PRACTITIONER, "may-stop")
"""What is explained before consent, by the codes of consent-element-explained; the third only where one may bill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFinding:
    """Whether consent holds in the month, since when, until when."""

    consent: ConsentFact | None = None
    reason: Block | None = None
    found: str = ""
    evidence: tuple[str, ...] = ()
    before: tuple[Shadow, ...] = ()
    after: tuple[Shadow, ...] = ()
    notices: tuple[tuple[Notice, str, tuple[str, ...]], ...] = field(default=())


def consent_for(case: Case, programme: str, visit_day: date | None) -> ConsentFinding:
    """Find the consent under which a programme is billed in the month.

    Args:
        case: the practitioner's view.
        programme: ``ccm`` or ``pcm``.
        visit_day: local date of the initiating visit, for payers that want consent after it.
    """
    all_given = case.consents_for(programme)
    mine = [c for c in all_given if case.consent_holds_for_me(c)]
    if not mine:
        return _none_of_mine(case, all_given)
    living = [c for c in mine if not withdrawn_before(case, c)]
    changed = _changed_to(case, programme, all_given, living)
    if changed:
        return ConsentFinding(
            reason=Block.CONSENT_PRACTITIONER,
            found="a later consent names " + ", ".join(sorted({p for c in changed for p in c.practitioners})),
            evidence=tuple(c.reference for c in (*living, *changed)),
        )
    if not living:
        latest = max(mine, key=lambda c: _given_day(case, c))
        return ConsentFinding(
            reason=Block.CONSENT_REVOKED,
            found=f"withdrawn on {_withdrawn_day(case, latest)}"
            + (f", before it was given on {_given_day(case, latest)}" if _reversed(case, latest) else ""),
            evidence=(latest.reference,),
        )
    fit = [c for c in living if _unfit(case, programme, c, visit_day) is None]
    if not fit:
        latest = max(living, key=lambda c: _given_day(case, c))
        return ConsentFinding(
            reason=Block.CONSENT_MISSING,
            found=_unfit(case, programme, latest, visit_day) or "",
            evidence=(latest.reference,),
        )
    return _standing(case, programme, fit)


def _given_day(case: Case, consent: ConsentFact) -> date:
    assert consent.given is not None  # noqa: S101 -- consents_for leaves out those without
    return consent.given.date_in(case.zone)


def _withdrawn_day(case: Case, consent: ConsentFact) -> date | None:
    return None if consent.withdrawn is None else consent.withdrawn.date_in(case.zone)


def withdrawn_before(case: Case, consent: ConsentFact) -> bool:
    """Whether the consent had ended before the month; an undated withdrawal ends it from the start."""
    day = _withdrawn_day(case, consent)
    if day is None:
        return consent.status != "active"
    return day < case.first_day or _reversed(case, consent)


def _reversed(case: Case, consent: ConsentFact) -> bool:
    """Whether a consent was withdrawn before it was given: nobody can say that it held, so it did not."""
    day = _withdrawn_day(case, consent)
    return day is not None and day < _given_day(case, consent)


def _changed_to(
    case: Case, programme: str, given: tuple[ConsentFact, ...], living: list[ConsentFact]
) -> list[ConsentFact]:
    """Return later consents, before the month, to a colleague: where only one may bill, the latest one names who.

    A later consent to a practitioner outside the group is R-ENROLLED-ELSEWHERE.
    """
    if not living or not case.context.tables.programmes[programme].one_practitioner:
        return []
    latest = max(_given_day(case, c) for c in living)
    return [
        c
        for c in given
        if c.status == "active"
        and c.practitioners
        and not case.consent_holds_for_me(c)
        and case.in_my_group(c.practitioners)
        and latest < _given_day(case, c) < case.first_day
        and not withdrawn_before(case, c)
    ]


def _none_of_mine(case: Case, given: tuple[ConsentFact, ...]) -> ConsentFinding:
    others = [c for c in given if c.status == "active" and not withdrawn_before(case, c)]
    if others:
        names = sorted({p for c in others for p in (c.practitioners or c.organizations)})
        return ConsentFinding(
            reason=Block.CONSENT_PRACTITIONER,
            found="consent names " + ", ".join(names),
            evidence=tuple(c.reference for c in others),
        )
    return ConsentFinding(reason=Block.CONSENT_MISSING, found="no care-management consent by the end of the month")


def _unfit(case: Case, programme: str, consent: ConsentFact, visit_day: date | None) -> str | None:
    """Return why the programme or a payer's switch refuses a consent; None when neither does."""
    policy, given = case.policy, _given_day(case, consent)
    ages = (policy.consent_max_age_months, case.context.tables.programmes[programme].consent_max_age_months)
    longest = min((age for age in ages if age is not None), default=None)
    if longest is not None and months_after(given, longest) <= case.first_day:
        return f"given on {given}, older than {longest} months"
    unexplained = _unexplained(case, programme, consent)
    if policy.consent_disclosures == "require" and unexplained:
        return "not explained, as far as recorded: " + ", ".join(unexplained)
    if policy.consent_after_visit and visit_day is not None and given < visit_day:
        return f"given on {given}, before the initiating visit of {visit_day}"
    if policy.consent_form == "noridian" and consent.mode != "written" and not _seen_in_year_before(case, given):
        return f"{consent.mode or 'form unknown'}, and no visit in the 12 months before {given}: written form wanted"
    return None


def _unexplained(case: Case, programme: str, consent: ConsentFact) -> list[str]:
    """Return what a consent has to explain and is not recorded to have explained (rules 4.4)."""
    one = case.context.tables.programmes[programme].one_practitioner
    return [code for code in DISCLOSURES if code not in consent.explained and (one or code != ONE_PRACTITIONER)]


def _seen_in_year_before(case: Case, day: date) -> bool:
    earliest = years_before(day, 1)
    return any(
        earliest <= v.moment.date_in(case.zone) <= day and case.in_my_group(v.practitioners, v.organization)
        for v in case.facts.visits
    )


def _standing(case: Case, programme: str, fit: list[ConsentFact]) -> ConsentFinding:
    zone, immediate = case.zone, case.policy.revocation_effective == "immediate"
    fit = sorted(fit, key=lambda c: (_span(case, c).start, c.reference))
    latest, first = fit[-1], fit[0]
    assert first.given is not None  # noqa: S101 -- consents_for leaves out those without
    notices: list[tuple[Notice, str, tuple[str, ...]]] = []
    ends = [day for c in fit if (day := _withdrawn_day(case, c)) is not None and day <= case.last_day]
    after: list[Shadow] = []
    if immediate and len(ends) == len(fit):
        after.append(from_day(max(ends), zone, latest.reference))
    if immediate:
        after.extend(_gaps(case, [_span(case, c) for c in fit]))
    for consent in fit:
        day = _withdrawn_day(case, consent)
        if day is not None and case.first_day <= day <= case.last_day and len(ends) == len(fit):
            notices.append((Notice.REVOKED_IN_MONTH, f"withdrawn on {day}", (consent.reference,)))
            if consent.withdrawal_approximate:
                notices.append((Notice.CONSENT_WITHDRAWAL_DATE, "", (consent.reference,)))
    if not latest.practitioners:
        notices.append((Notice.CONSENT_NO_PRACTITIONER, "", (latest.reference,)))
    unexplained = _unexplained(case, programme, latest)
    if unexplained:
        notices.append((Notice.CONSENT_DISCLOSURES, ", ".join(unexplained), (latest.reference,)))
    living = [c for c in fit if c.status == "active"]
    if len(living) > 1:
        notices.append((Notice.CONSENT_SEVERAL, "", tuple(c.reference for c in living)))
    return ConsentFinding(
        consent=latest,
        found=f"{latest.mode or 'recorded'}, given on {_given_day(case, latest)}",
        evidence=tuple(c.reference for c in fit),
        before=(before(first.given, zone, first.reference),),
        after=tuple(after),
        notices=tuple(notices),
    )


def _span(case: Case, consent: ConsentFact) -> Interval:
    """Return the instants in which one consent holds when withdrawal takes effect at once."""
    assert consent.given is not None  # noqa: S101 -- consents_for leaves out those without
    day = _withdrawn_day(case, consent)
    return Interval(consent.given.earliest(case.zone), FOREVER if day is None else start_of_day(day, case.zone))


def _gaps(case: Case, spans: list[Interval]) -> list[Shadow]:
    """Return the time between a withdrawal and the next consent, in which no other one holds either.

    On the day of a consent with a time an entry without one counts: it cannot be cut (rules 13).
    """
    gaps: list[Shadow] = []
    end = spans[0].end
    for following in spans:
        if end < following.start:
            days = local_date(end, case.zone), local_date(following.start, case.zone) - timedelta(days=1)
            gaps.append(Shadow(interval=Interval(end, following.start), first_day=days[0], last_day=days[1]))
        end = max(end, following.end)
    return gaps
