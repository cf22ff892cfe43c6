"""Sites that bill on institutional claims: what such a claim would hold (rules 1, "Place of service", D22)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caretally.facts.services import Institutional
    from caretally.rules.context import Case


def institutional_lines(case: Case) -> str:
    """Say with which codes a site of this kind bills the month: the general code, the individual ones, or either.

    Never both in one month: a claim with the general code on file blocks the individual ones
    (R-CONFLICT-G0511).
    """
    row = next((r for r in case.context.tables.institutional if r.kind == case.site.kind), None)
    if row is None:
        return "the codes of the ladder"
    general = _general_code(case, row)
    individual = row.individual_codes_from is None or row.individual_codes_from <= case.last_day
    if general and individual:
        return f"{general} or the codes of the ladder, never both"
    if general:
        return f"{general} once for the month"
    return "the codes of the ladder" if individual else "no code of that date is known"


def _general_code(case: Case, row: Institutional) -> str | None:
    started = row.general_code_from is None or row.general_code_from <= case.last_day
    ended = row.general_code_to is not None and row.general_code_to < case.first_day
    return row.general_code if started and not ended else None
