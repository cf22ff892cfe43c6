"""Consents to care management; a privacy consent never becomes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.clinical import ConsentFact

if TYPE_CHECKING:
    from caretally.facts.moment import Moment
    from caretally.mapping.copies import Source
    from caretally.mapping.reading import Reading
    from caretally.mapping.values import Row

_STATUSES = frozenset({"draft", "proposed", "active", "rejected", "inactive", "entered-in-error"})
_MODES = frozenset({"written", "verbal"})


def consents(reading: Reading) -> tuple[ConsentFact, ...]:
    """Build the care-management consents of a patient (scope treatment, category care-management)."""
    return reading.facts("consent", lambda source, row: _consent(reading, source, row))


def _consent(reading: Reading, source: Source, row: Row) -> ConsentFact | None:
    context = reading.context
    categories = context.terminology.set("consent-category")
    if "treatment" not in row.texts("scope_codes") or categories.first(row.codings("category_codings")) is None:
        return None
    status = row.status("status", _STATUSES)
    if status not in {"active", "inactive"}:
        wanted = "an active consent, or an inactive one that was withdrawn"
        reading.report.note(source, f"{source.type}.status", "consent-without-effect", status, wanted, "information")
        return None
    if row.text("provision_type") not in {None, "permit"}:
        wanted = "a provision that permits"
        reading.report.note(
            source, f"{source.type}.provision.type", "consent-without-effect", "a denial", wanted, "information"
        )
        return None
    stamp = row.stamp("given", context.zone) or row.stamp("provision_start", context.zone)
    withdrawn, approximate = _withdrawn(reading, source, row, status)
    programme = context.terminology.map("programme")
    programmes = {t for c in row.codings("programme_codings") if (t := programme.target([c])) is not None}
    mode = row.status("mode", _MODES) if row.has("mode") else None
    if mode is None:
        mode = "written" if row.flag("written") else "verbal" if row.flag("verified") else None
    if stamp is None:
        wanted = "the date of the consent"
        reading.report.note(source, f"{source.type}.dateTime", "undated-consent", "no date", wanted, "error")
        reading.refused.add(source.reference)
        return None
    return ConsentFact(
        reference=source.reference,
        version=source.version,
        status=status,
        given=stamp.latest(),
        withdrawn=withdrawn,
        withdrawal_approximate=approximate,
        practitioners=reading.practitioners(row, "actors", source),
        organizations=reading.references(row, "organizations"),
        programmes=tuple(sorted(programmes)),
        mode=mode,
        explained=row.texts("explained"),
    )


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
