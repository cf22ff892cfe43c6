"""Consents to care management, from whatever a site records them in; a privacy consent never becomes one.

A Consent says by scope and category what it is about. A form of questions or a signed document says less, so that more
is asked of it: it must say what it is for and to whom it was given, and a question must be answered with yes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from caretally.facts.clinical import ConsentFact
from caretally.mapping.values import Refusal

if TYPE_CHECKING:
    from caretally.facts.moment import Moment
    from caretally.mapping.copies import Source
    from caretally.mapping.reading import Reading
    from caretally.mapping.values import Row

_STATUSES = frozenset(
    {
        *("draft", "proposed", "active", "rejected", "inactive", "entered-in-error"),
        # Views of a layer hand on what a document or a form of questions says where it is not in force.
        *("superseded", "preliminary", "in-progress", "completed", "amended", "stopped"),
    }
)
_MODES = frozenset({"written", "verbal"})
_PURPOSE = "care-management"


@dataclass(frozen=True, slots=True, kw_only=True)
class _No:
    """A patient said no: what was given before ends."""

    moment: Moment
    practitioners: frozenset[str]
    programmes: frozenset[str]

    def ends(self, consent: ConsentFact, reading: Reading) -> bool:
        """Whether it is about a consent that was given before; what names nobody is about everybody."""
        zone = reading.context.zone
        if consent.given is None or self.moment.date_in(zone) < consent.given.date_in(zone):
            return False
        others = frozenset(consent.practitioners), frozenset(consent.programmes)
        same = zip((self.practitioners, self.programmes), others, strict=True)
        return all(not own or not other or own & other for own, other in same)


def consents(reading: Reading) -> tuple[ConsentFact, ...]:
    """Build the care-management consents of a patient, each until the patient said no, where that is recorded."""
    refused: list[_No] = []
    given = reading.facts("consent", lambda source, row: _consent(reading, source, row, refused))
    return tuple(_until(consent, refused, reading) for consent in given)


def _until(consent: ConsentFact, refused: list[_No], reading: Reading) -> ConsentFact:
    zone = reading.context.zone
    for no in refused:
        ended = consent.withdrawn
        if no.ends(consent, reading) and (ended is None or no.moment.earliest(zone) < ended.earliest(zone)):
            consent = replace(consent, withdrawn=no.moment, withdrawal_approximate=False)
    return consent


def _consent(reading: Reading, source: Source, row: Row, refused: list[_No]) -> ConsentFact | None:
    context = reading.context
    if not _is_for_care_management(reading, source, row):
        return None
    status = row.status("status", _STATUSES)
    if status not in {"active", "inactive"}:
        wanted = "an active consent, or an inactive one that was withdrawn"
        reading.report.note(source, f"{source.type}.status", "consent-without-effect", status, wanted, "information")
        return None
    programme = context.terminology.map("programme")
    programmes = {t for c in row.codings("programme_codings") if (t := programme.target([c])) is not None}
    practitioners = _to_whom(reading, source, row)
    stamp = row.stamp("given", context.zone) or row.stamp("provision_start", context.zone)
    if not _agreed(reading, source, row):
        moment = stamp or source.last_updated(context.zone)
        if moment is not None:
            whom = frozenset(practitioners)
            refused.append(_No(moment=moment.earliest(), practitioners=whom, programmes=frozenset(programmes)))
            reading.used.add(source.reference)
        return None
    withdrawn, approximate = _withdrawn(reading, source, row, status)
    mode = row.status("mode", _MODES) if row.has("mode") else None
    if mode is None:
        mode = "written" if row.flag("written") else "verbal" if row.flag("verified") else None
    if stamp is None:
        raise Refusal(f"{source.type}.dateTime", "undated-consent", "no date", "the date of the consent")
    return ConsentFact(
        reference=source.reference,
        version=source.version,
        status=status,
        given=stamp.latest(),
        withdrawn=withdrawn,
        withdrawal_approximate=approximate,
        practitioners=practitioners,
        organizations=reading.references(row, "organizations"),
        programmes=tuple(sorted(programmes)),
        mode=mode,
        explained=row.texts("explained"),
    )


def _is_for_care_management(reading: Reading, source: Source, row: Row) -> bool:
    """Whether the row is about care management: by scope and category, or because its view says so (purpose)."""
    if row.text("purpose") == _PURPOSE:
        return True
    categories = reading.context.terminology.set("consent-category")
    found = "treatment" in row.texts("scope_codes") and categories.first(row.codings("category_codings")) is not None
    if not found and source.type != "Consent":
        said, wanted = "no code that says for what", "a code of consent-category"
        reading.report.note(source, f"{source.type}.category", "consent-without-purpose", said, wanted, "information")
    return found


def _to_whom(reading: Reading, source: Source, row: Row) -> tuple[str, ...]:
    """Return the practitioners to whom consent was given.

    A consent that names nobody holds for whoever has it on file. One that names somebody of whom nobody can tell who it
    is must not: it is refused, as is a document or a form that names neither practitioner nor practice.
    """
    found = reading.practitioners(row, "actors", source)
    if not found and reading.context.people(row.objects("actors"), source):
        wanted = "a practitioner who is on file"
        raise Refusal(f"{source.type}.actor", "consent-practitioner-unknown", "nobody who can be told", wanted)
    if not found and source.type != "Consent" and not reading.references(row, "organizations"):
        wanted = "the practitioner or the practice to whom consent was given"
        raise Refusal(f"{source.type}.actor", "consent-names-nobody", "neither practitioner nor practice", wanted)
    return found


def _agreed(reading: Reading, source: Source, row: Row) -> bool:
    """Whether the patient agreed: a provision that permits, and, where there is a question, yes alone as its answer."""
    said = "a denial" if row.text("provision_type") not in {None, "permit"} else ""
    if "agreed" in row.columns:
        answers = set(row.many("agreed"))
        if not answers or not answers <= {True, False}:
            wanted = "the question for consent, answered with yes or no"
            raise Refusal(f"{source.type}.item", "consent-not-answered", "no answer", wanted)
        said = "the answer no" if False in answers else said
    if said:
        wanted = "a provision that permits, or the answer yes; what was given before has ended"
        reading.report.note(source, f"{source.type}.provision", "consent-refused", said, wanted, "information")
    return not said


def _withdrawn(reading: Reading, source: Source, row: Row, status: str) -> tuple[Moment | None, bool]:
    """Return when a consent ended: its provision's end; for an inactive one without, its last update."""
    zone = reading.context.zone
    end = row.stamp("provision_end", zone)
    if end is not None:
        return end.earliest(), False
    if status == "inactive":
        updated = source.last_updated(zone)
        return (updated.earliest() if updated else None), True
    return None, False
