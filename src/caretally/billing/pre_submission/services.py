"""Checks of codes, time and units against the ledger and what is on file (guide, "Common Reasons for Denials")."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from caretally.billing.pre_submission.submission import failed, passed, shown, unknown
from caretally.facts.calendar import local_date
from caretally.rules.conflicts import switch_value
from caretally.rules.ledger import own_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from caretally.billing.pre_submission.submission import Said, Submission
    from caretally.facts.clinical import ClaimLineFact
    from caretally.facts.determination import LedgerRow
    from caretally.facts.services import Conflict, Family
    from caretally.facts.time_entry import TimeEntry

_MINUTE = 60


def one_clinician(given: Submission) -> Said:
    """Another clinician's claim for a programme that one may bill; of PCM one for the same condition."""
    theirs = [
        line
        for line in given.on_file()
        if given.tables.programme_of_code(line.code.code) in given.programmes and not given.mine(line)
    ]
    ours = {_category(d.icd10cm) for d in given.determination.evidence.diagnoses if d.icd10cm}
    against = [
        line
        for line in theirs
        if given.tables.programmes[given.tables.programme_of_code(line.code.code) or ""].one_practitioner
        or ours & {_category(code) for code in line.diagnoses}
    ]
    if against:
        return failed(shown(against), *(line.reference for line in against))
    if given.policy.other_claims_known != "full":
        return unknown("none on file; claims of other practices are not all known")
    return passed("none on file")


def one_base_code(given: Submission) -> Said:
    """More than one base code of this practitioner in the month, over the claim and what is on file."""
    bases = {family.base: family.programme for family in given.tables.families.values()}
    ours = {line.code: line.units for line in given.lines if line.code in bases}
    more = [
        line
        for line in given.on_file()
        if given.mine(line)
        and line.code.code in bases
        and any(given.tables.exclusive(p, bases[line.code.code]) for p in given.programmes)
    ]
    if more:
        return failed(f"also on file: {shown(more)}", *(line.reference for line in more))
    said = "base codes on the claim: " + (", ".join(f"{n} x {c}" for c, n in ours.items()) or "none")
    for programme in given.programmes:
        if sum(n for c, n in ours.items() if given.tables.exclusive(programme, bases[c])) != 1:
            return failed(said)
    return passed(said) if ours else failed(said)


def one_family(given: Submission) -> Said:
    """Codes of staff and of the practitioner in one month, on the claim or with what is on file."""
    elsewhere = [
        line
        for line in given.on_file()
        if given.mine(line) and any(_mixed(given, f, _family(given, line.code.code)) for f in given.families)
    ]
    if elsewhere:
        return failed(f"also on file: {shown(elsewhere)}", *(line.reference for line in elsewhere))
    if any(_mixed(given, one, other) for one, other in combinations(given.families, 2)):
        return failed("the claim mixes " + " and ".join(sorted(family.name for family in given.families)))
    return passed(", ".join(family.name for family in given.families))


def _family(given: Submission, code: str) -> Family | None:
    return next((f for f in given.tables.families.values() if code in {f.base, f.add_on}), None)


def _mixed(given: Submission, one: Family, other: Family | None) -> bool:
    """Whether two families are of one kind of care management and of different pools of time."""
    return other is not None and given.tables.exclusive(one.programme, other.programme) and one.pool != other.pool


def time_reached(given: Submission) -> Said:
    """Counted time that is too little for the units, or reached after their date."""
    entries: list[str] = []
    for family in given.families:
        rows = _pool(given, family)
        entries += [row.entry for row in rows]
        for code, needed, day in _units(given, family):
            reached = _day_of_second(rows, needed)
            if reached is None:
                total = sum(row.seconds for row in rows)
                return failed(f"{code} wants {needed} s, {total} s are counted", *dict.fromkeys(entries))
            if reached > day:
                return failed(f"{code} is dated {day}, its time was reached on {reached}", *dict.fromkeys(entries))
    return passed("every unit", *dict.fromkeys(entries))


def _units(given: Submission, family: Family) -> list[tuple[str, int, date]]:
    """Return each unit of a family in order, with the seconds that it needs in all and its date."""
    units: list[tuple[str, int, date]] = []
    needed = family.base_minutes * _MINUTE
    for code, step in ((family.base, 0), (family.add_on, (family.add_on_minutes or 0) * _MINUTE)):
        for line in sorted((x for x in given.lines if x.code == code), key=lambda x: x.service_date):
            for _ in range(line.units):
                needed += step
                units.append((line.code, needed, line.service_date))
    return units


def _pool(given: Submission, family: Family) -> Sequence[LedgerRow]:
    rows = [r for r in given.determination.trace.ledger if r.programme == family.programme]
    whole = given.policy.rounding == "floor_entry"
    if family.pool == "practitioner":
        return own_time(rows, staff=False, whole_minutes=whole)
    if given.policy.physician_time == "separate":
        return own_time(rows, staff=True, whole_minutes=whole)
    return [row for row in rows if row.excluded is None]


def _day_of_second(rows: Sequence[LedgerRow], needed: int) -> date | None:
    total = 0
    for row in rows:
        total += row.seconds
        if total >= needed:
            return row.day
    return None


def one_programme(given: Submission) -> Said:
    """Chronic and principal care management, or complex and plain, in one month by one practitioner."""
    families = {family.name for family in given.families}
    if any(given.tables.exclusive(a.programme, b.programme) for a, b in combinations(given.families, 2)):
        return failed("the claim has " + " and ".join(sorted(families)))
    against = [
        line
        for line in given.on_file()
        if given.mine(line)
        and (other := _family(given, line.code.code)) is not None
        and other.name not in families
        and any(given.tables.exclusive(programme, other.programme) for programme in given.programmes)
    ]
    if against:
        return failed(f"also on file: {shown(against)}", *(line.reference for line in against))
    return passed(", ".join(sorted(families)))


def no_overlapping_service(given: Submission) -> Said:
    """Counted time with a code of its own, or a service of the month that includes care management."""
    counted = {row.entry for row in given.determination.trace.ledger if row.excluded is None}
    separately = given.terminology.set("separately-billed")
    own = given.tables.own_codes()
    double = [
        entry.reference
        for entry in given.month.facts.entries
        if entry.reference in counted
        and any(separately.contains(c, _day_of(given, entry)) and c.code not in own for c in entry.procedure_codes)
    ]
    if double:
        return failed("counted time that has a code of its own", *double)
    for conflict in given.tables.conflicts:
        if not given.programmes & set(conflict.programmes) or not _enabled(given, conflict):
            continue
        codes = given.terminology.set(conflict.code_set)
        scope = conflict.scope
        if conflict.scope_switch is not None:
            scope = switch_value(given.policy, conflict.scope_switch)
        hits = [
            line
            for line in given.on_file()
            if codes.contains(line.code, line.service_date)
            and (not conflict.same_condition or _same_condition(given, line))
            and (scope == "any" or given.mine(line) or (scope == "same_group" and given.my_group(line)))
        ]
        if hits:
            return failed(shown(hits), *(line.reference for line in hits))
    return passed("none on file")


def _day_of(given: Submission, entry: TimeEntry) -> date | None:
    """Return the local date on which an entry began: codes are valid by date."""
    if entry.day is not None or entry.interval is None:
        return entry.day
    return local_date(entry.interval.start, given.policy.time_zone)


def _same_condition(given: Submission, line: ClaimLineFact) -> bool:
    ours = {_category(d.icd10cm) for d in given.determination.evidence.diagnoses if d.icd10cm}
    return bool(ours & {_category(code) for code in line.diagnoses})


def _enabled(given: Submission, conflict: Conflict) -> bool:
    if conflict.enabled_switch is None:
        return True
    return bool(switch_value(given.policy, conflict.enabled_switch) == conflict.enabled_value)


def no_duplicate(given: Submission) -> Said:
    """The same code twice on one date, or on file by the same practitioner."""
    keys = sorted((line.code, line.service_date) for line in given.lines)
    twice = [one for one, other in pairwise(keys) if one == other]
    if twice:
        return failed(", ".join(f"{code} twice on {day}" for code, day in twice))
    codes = {line.code for line in given.lines}
    filed = [line for line in given.on_file() if line.code.code in codes and given.mine(line)]
    if filed:
        return failed(shown(filed), *(line.reference for line in filed))
    return passed("none on file")


def units_within_caps(given: Submission) -> Said:
    """Units over the monthly cap, the claim and what is on file together."""
    for family in given.families:
        cap = family.add_on_cap if family.add_on is None else given.policy.caps.get(family.add_on, family.add_on_cap)
        for code, most in ((family.base, 1), (family.add_on, cap)):
            if code is None or most is None:
                continue
            filed = [line for line in given.on_file() if line.code.code == code and given.mine(line)]
            units = sum(line.units for line in given.lines if line.code == code)
            units += sum(int(line.units) if line.units is not None else 1 for line in filed)
            if units > most:
                return failed(f"{units} units of {code}, {most} at most", *(line.reference for line in filed))
    return passed("within the caps")


def add_on_with_base(given: Submission) -> Said:
    """An add-on whose base code is neither on the claim nor on file."""
    billed = {line.code for line in given.lines} | {x.code.code for x in given.on_file() if given.mine(x)}
    for family in given.families:
        if family.add_on in {line.code for line in given.lines} and family.base not in billed:
            return failed(f"{family.add_on} without {family.base}")
    return passed("every add-on has its base")


def add_on_on_base_date(given: Submission) -> Said:
    """An add-on on another date than its base: the guide's own scenario, and still denied by some payers."""
    for family in given.families:
        dates = {line.service_date for line in given.lines if line.code == family.base}
        others = [x for x in given.lines if x.code == family.add_on and dates and x.service_date not in dates]
        if others:
            said = ", ".join(f"{x.code} on {x.service_date}" for x in others)
            return failed(f"{said}; {family.base} on {min(dates)}; the switch dos = with_last puts them on one date")
    return passed("one date")


def code_valid(given: Submission) -> Said:
    """A code that the table of its year does not hold on the date of service."""
    for line in given.lines:
        if given.tables.code_on(line.code, line.service_date) is None:
            return failed(f"{line.code} is not valid on {line.service_date}")
    return passed("every code")


def _category(code: str) -> str:
    return code.replace(".", "")[:3].upper()
