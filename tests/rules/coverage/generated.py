"""Pairs that follow from the tables themselves: every code of every year, factor, locality and conflict."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from caretally.facts.rates import dollars
from tests.rules.builder import tables
from tests.rules.coverage.observing import shown
from tests.rules.coverage.pairs import Pair, programme_facts
from tests.rules.deciding import decide_all

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from caretally.facts.codes import CodeRule
    from caretally.facts.services import Conflict, Family, ServiceCode

Case = dict[str, Any]
_NOVEMBER = 11
FIRST_DAY = date(2024, 1, 1)
"""Where the code tables begin: a row that began earlier has no day before it."""


def facts_on(day: date, programme: str, entries: list[Case] | None = None, **more: Any) -> Case:
    """Return facts under which a programme can be billed in the month of a day."""
    # Less than a year before the month: some programmes ask for consent each year.
    start = date(day.year - 1, 11, 1) if day.month < _NOVEMBER else date(day.year, 2, 1)
    return {
        "month": f"{day:%Y-%m}",
        "program_start": start.isoformat(),
        "consent": {"at": start.isoformat(), "practitioner": "P1"},
        "visits": [{"code": "99214", "date": (start - timedelta(days=17)).isoformat()}],
        **programme_facts()[programme],
        "entries": entries if entries is not None else [work(day, 20, programme)],
        **more,
    }


def work(day: date, minutes: int, programme: str, **more: Any) -> Case:
    """Return minutes of a nurse, with a date only."""
    return {"who": "N1", "role": "RN", "date": day.isoformat(), "min": minutes, "prog": programme, **more}


def timed(day: date, seconds: int, family: Family) -> list[Case]:
    """Return so many seconds of the people who feed a family, in entries of an hour at most, from seven o'clock."""
    who, role = ("P1", "MD") if family.pool == "practitioner" else ("N1", "RN")
    found, at = [], 0
    while at < seconds:
        until = min(at + 3600, seconds)
        found.append(
            {"who": who, "role": role, "prog": family.programme, "start": _clock(day, at), "end": _clock(day, until)}
        )
        at = until
    return found


def _clock(day: date, seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    return f"{day}T{7 + hours:02}:{minutes:02}:{left:02}"


def family_case(family: Family, day: date, seconds: int) -> Case:
    """Return a case that gives a family so many seconds on one day."""
    return facts_on(day, family.programme, timed(day, seconds, family), mdm="high" if family.complex else None)


def steps(family: Family) -> list[tuple[str, int]]:
    """Return each code of a family with the seconds at which its first unit is reached."""
    found = [(family.base, family.base_minutes * 60)]
    if family.add_on is not None and family.add_on_minutes is not None:
        found.append((family.add_on, (family.base_minutes + family.add_on_minutes) * 60))
    return found


def _decided(name: str, rows: tuple[str, ...], case: Case, neighbour: Case, **how: Any) -> Pair:
    policy = how.get("policy", {})
    other = how.get("other_policy", policy)
    return Pair(
        name=name,
        rows=rows,
        shows=lambda: shown(decide_all(case, policy)),
        just_not=lambda: shown(decide_all(neighbour, other)),
        effect=how.get("effect"),
    )


def ladders() -> Iterable[Pair]:
    """Every code in every year: reached to the second, and one second short of it."""
    for row in tables().services.codes:
        family = next(f for f in tables().services.families.values() if row.code in (f.base, f.add_on))
        # A day after every change of a factor within a year; the month has room for any number of hours.
        day = max(row.valid_from, date(row.valid_from.year, 3, 12))
        seconds = dict(steps(family))[row.code]
        rows = [f"service {row.code} {row.valid_from.year}"]
        if row.code == family.base:
            rows += [f"family {family.name}"]
        yield _decided(
            f"{row.code} {row.valid_from.year}: {seconds // 60} min, one second less",
            tuple(rows),
            family_case(family, day, seconds),
            family_case(family, day, seconds - 1),
        )


def _first_family() -> tuple[Family, ServiceCode]:
    family = tables().services.families["ccm-staff"]
    return family, next(c for c in tables().services.codes if c.code == family.base)


def _amount(on: date, **site: Any) -> Decimal:
    found = tables().services.rate("99490", on, facility=False, **site).amount
    assert found is not None
    return found


def factors() -> Iterable[Pair]:
    """Every conversion factor: the amount of its first day, and that of the day before."""
    family, _ = _first_family()
    for row in tables().services.conversion_factors:
        day, before = row.valid_from, row.valid_from - timedelta(days=1)
        code = tables().services.code_on(family.base, day)
        assert code is not None
        assert code.rvu_non_facility is not None
        effect = f"amount {dollars(code.rvu_non_facility, row.amount)}"
        case = family_case(family, day, 1200)
        if row.qualifying_apm:
            sites = [{"name": "main", "qualifying_apm": True}]
            yield _decided(
                f"conversion factor of payment models from {day}: a site that takes part, one that does not",
                (f"conversion factor {day} qualifying",),
                {**case, "sites": sites},
                case,
                effect=effect,
            )
        else:
            yield _decided(
                f"conversion factor from {day}: that day, the day before",
                (f"conversion factor {day}",),
                case,
                family_case(family, before, 1200),
                effect=effect,
            )


def localities() -> Iterable[Pair]:
    """Every locality and span: the amount of a site in it, and of one that names none."""
    family, _ = _first_family()
    for row in tables().services.localities:
        case = family_case(family, row.valid_from, 1200)
        yield _decided(
            f"locality {row.code} from {row.valid_from}: a site there, one without a locality",
            (f"locality {row.code} {row.valid_from}",),
            {**case, "sites": [{"name": "main", "locality": row.code}]},
            case,
            effect=f"amount {_amount(row.valid_from, locality=row.code)}",
        )


def places() -> Iterable[Pair]:
    """Every place of service with a meaning of its own, and the office."""
    services = tables().services
    case = facts_on(date(2025, 3, 12), "ccm")
    office = {**case, "sites": [{"name": "main", "place_of_service": "11"}]}
    for place in sorted(services.blocked_places):
        here = {**case, "sites": [{"name": "main", "place_of_service": place}]}
        yield _decided(
            f"place of service {place}: refused, the office is not",
            (f"place of service {place} blocked",),
            here,
            office,
            effect="code R-POS",
        )
    inside = services.unit_amount("99490", date(2025, 3, 12), facility=True)
    for place in sorted(services.facility_places - services.blocked_places):
        here = {**case, "sites": [{"name": "main", "place_of_service": place}]}
        yield _decided(
            f"place of service {place}: the facility rate, the office has the other",
            (f"place of service {place} facility",),
            here,
            office,
            effect=f"amount {inside}",
        )


def conflicts() -> Iterable[Pair]:
    """Every code of every conflicting service: on a day on which it conflicts, and just not."""
    for conflict in tables().services.conflicts:
        for rule in tables().terminology.set(conflict.code_set).rules:
            yield _conflict(conflict, rule)


def _conflict(conflict: Conflict, rule: CodeRule) -> Pair:
    programme = next(p for p in conflict.programmes if p in programme_facts())
    policy = {conflict.enabled_switch: conflict.enabled_value} if conflict.enabled_switch else {}
    conditions = programme_facts()[programme].get("conditions", [["E11.9"]])
    ours = {"by": "P1", "group": "GRP1", "code": rule.code, "dx": [conditions[0][0]]}
    label = f"{conflict.code_set} {rule.code}"

    def on(day: date, **claim: Any) -> Case:
        return facts_on(day, programme, other_claims=[{**ours, "date": day.isoformat(), **claim}])

    start, end = rule.valid_from, rule.valid_to
    rows = (f"terminology {label}", f"conflict {conflict.name}")
    if end is not None:
        case, neighbour, said = on(end), on(end + timedelta(days=1)), f"on {end}, the day after"
    elif start is not None and start > FIRST_DAY:
        case, neighbour, said = on(start), on(start - timedelta(days=1)), f"on {start}, the day before"
    else:
        day = date(2025, 3, 31)
        case, said = on(day), "in the month, on the first day after it"
        neighbour = facts_on(day, programme, other_claims=[{**ours, "date": "2025-04-01"}])
    return _decided(f"{label}: {said}", rows, case, neighbour, policy=policy, effect=f"conflict {conflict.name}")


def pairs() -> Iterable[Pair]:
    """Return all pairs that follow from the code tables."""
    yield from ladders()
    yield from factors()
    yield from localities()
    yield from places()
    yield from conflicts()
