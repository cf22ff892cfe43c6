"""Decide a case that is data: the keys of `CaseBuilder`, and changes to the facts that it builds.

    change = [["care_plans", 0, {author = "Practitioner/X1"}]]     fields of one fact
    add = [["consents", 0, {reference = "Consent/two"}]]           a copy of a fact, changed
    remove = ["coverages"]                                         a whole list
    patient = {deceased_undated = true}                            fields of the patient
    sites = [{name = "main", place_of_service = "21"}]             of the practice; without organization: the default
    people = {X1 = {role = "non-clinical", group = "GRP1"}}        further people, or changes to those there are
    double_bookings = [{performer = "Practitioner/N1", entry = "Encounter/time-1", other_entry = "E/x", seconds = 60}]
    duplicate_of = ["Patient/other"]
    prices = [{system = "...", code = "99490", kind = "charge", amount = "85.00", reference = "ChargeItemDefinition/d"}]
    decisions = [{kind = "hold", who = "ann", at = "2025-04-02T10:00:00Z", document = {}}]
    as_of = "2025-04-03"
    attest = {incident-to = ["2025-01-01", "2025-12-31"]}    what the practice vouches for; the end may be absent
    fact = [["medications", "MedicationFact", {reference = "..."}]]  a new fact where the builder makes none

Texts become dates, moments and months where the field wants them; ``{}`` stands for "no value".
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_args, get_type_hints
from zoneinfo import ZoneInfo

import caretally.facts
from caretally.facts.calendar import ServiceMonth
from caretally.facts.codes import Coding
from caretally.facts.decision import DecisionRecord
from caretally.facts.intervals import Interval
from caretally.facts.moment import Moment
from caretally.facts.patient_month import DoubleBooking, PatientFacts, PatientMonth
from caretally.facts.practice import Attestation, Practitioner, RoleAssignment, Site
from caretally.facts.prices import Price, PriceList
from caretally.facts.time_entry import RoleClass
from caretally.rules import RuleContext, determine
from tests.rules.builder import CaseBuilder, instant, moment, procedure

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.facts.determination import Determination

TWENTY = [{"role": "RN", "who": "N1", "date": "2025-03-20", "min": 20}]
START: dict[str, Any] = {"id": "T", "month": "2025-03", "entries": TWENTY}
"""Every key that a case does not name: twenty minutes of a nurse in March 2025."""
CHANGES = frozenset(
    {"change", "add", "remove", "patient", "sites", "people", "double_bookings", "duplicate_of", "as_of"}
    | {"attest", "fact", "decisions", "prices"}
)
_MODULES = tuple(
    importlib.import_module(f"caretally.facts.{module.name}")
    for module in pkgutil.iter_modules(caretally.facts.__path__)
)
_NAMES: dict[str, Any] = {
    "date": date,
    "Decimal": Decimal,
    "Mapping": Mapping,
    "ZoneInfo": ZoneInfo,
    **{name: found for module in _MODULES for name, found in vars(module).items() if isinstance(found, type)},
}


def question(case: dict[str, Any], policy: dict[str, Any]) -> tuple[PatientMonth, RuleContext]:
    """Return the facts of a case and what the rules are given beside them."""
    builder = CaseBuilder({**START, **{k: v for k, v in case.items() if k not in CHANGES}}, policy)
    as_of = date.fromisoformat(case["as_of"]) if "as_of" in case else None
    month = builder.month(as_of=as_of)
    facts = month.facts
    for name, fields in case.get("people", {}).items():
        _person(builder, name, fields)
    for where, index, fields in case.get("change", []):
        rows = list(getattr(facts, where))
        rows[index] = changed(rows[index], fields, builder.zone)
        facts = _with(facts, where, rows)
    for where, index, fields in case.get("add", []):
        rows = list(getattr(facts, where))
        facts = _with(facts, where, [*rows, changed(rows[index], fields, builder.zone)])
    for where, kind, fields in case.get("fact", []):
        fact = changed_from(_NAMES[kind], fields, builder.zone)
        facts = _with(facts, where, [*getattr(facts, where), fact])
    for where in case.get("remove", []):
        facts = _with(facts, where, [])
    if "patient" in case:
        facts = replace(facts, patient=changed(facts.patient, case["patient"], builder.zone))
    month = replace(
        month,
        facts=facts,
        double_bookings=tuple(DoubleBooking(**row) for row in case.get("double_bookings", [])),
        duplicate_of=tuple(case.get("duplicate_of", ())),
        decisions=tuple(_decision(i, row) for i, row in enumerate(case.get("decisions", []), 1)),
    )
    context = builder.context()
    sites = tuple(changed(Site(name=row["name"]), row, builder.zone) for row in case.get("sites", []))
    attested = tuple(
        Attestation(name=name, held_from=date.fromisoformat(span[0]), held_to=_end(span))
        for name, span in case.get("attest", {}).items()
    )
    prices = PriceList(prices=tuple(changed_from(Price, row, builder.zone) for row in case.get("prices", [])))
    practice = replace(context.practice, sites=sites, attestations=attested, prices=prices)
    return month, replace(context, practice=practice)


def _end(span: list[str]) -> date | None:
    return date.fromisoformat(span[1]) if len(span) > 1 else None


def _decision(number: int, row: dict[str, Any]) -> DecisionRecord:
    blank: dict[str, Any] = {"practitioner": None, "resource": None, "service_month": "2025-03", "why": "because"}
    return DecisionRecord(**{"id": f"d{number}", "patient": "Patient/pat", **blank, **row})


def decide_all(case: dict[str, Any], policy: dict[str, Any] | None = None) -> tuple[Determination, ...]:
    """Decide a case for everybody whom it concerns."""
    return determine(*question(case, policy or {}))


def codes(found: Determination) -> set[str]:
    """Return every code that an answer says: reasons, notices, and why time did not count."""
    return {one.code for one in (*found.reasons, *found.notices)} | {row["code"] for row in found.excluded()}


def decide(case: dict[str, Any], policy: dict[str, Any] | None = None, who: str | None = "P1") -> Determination:
    """Decide a case for one practitioner."""
    wanted = None if who is None else f"Practitioner/{who}"
    return next(d for d in decide_all(case, policy) if d.billing_practitioner == wanted)


def _with(facts: PatientFacts, where: str, rows: list[Any]) -> PatientFacts:
    fields: dict[str, Any] = {where: tuple(rows)}
    return replace(facts, **fields)


def _person(builder: CaseBuilder, name: str, fields: dict[str, Any]) -> None:
    reference = f"Practitioner/{name}"
    role = RoleClass(fields.get("role", "practitioner"))
    groups = fields.get("groups", [fields.get("group", "GRP1")])
    builder.people[reference] = Practitioner(
        reference=reference,
        npi=fields.get("npi", f"npi-{name}") or None,
        role=role,
        assignments=tuple(
            RoleAssignment(
                reference=f"PractitionerRole/{name}-{group}",
                organization=f"Organization/{group}" if group else None,
                role=role,
                taxonomy=fields.get("taxonomy"),
            )
            for group in groups
        ),
    )


def changed(fact: Any, fields: dict[str, Any], zone: ZoneInfo) -> Any:
    """Return a fact with other values, read as its fields want them."""
    hints = _hints(type(fact))
    return replace(fact, **{name: _read(value, hints[name], zone) for name, value in fields.items()})


@lru_cache
def _hints_of(name: str) -> dict[str, Any]:
    return get_type_hints(_NAMES[name], localns=_NAMES)


def _hints(kind: Any) -> dict[str, Any]:
    return _hints_of(kind.__name__)


def _read(value: Any, wanted: Any, zone: ZoneInfo) -> Any:
    kinds = set(get_args(wanted)) | {wanted}
    if value == {} and type(None) in kinds:
        return None
    if isinstance(value, list):
        (inner, *_) = get_args(wanted) or (str,)
        return tuple(_read(item, inner, zone) for item in value)
    if isinstance(value, dict) and Decimal in get_args(wanted):
        return {key: Decimal(item) for key, item in value.items()}
    if isinstance(value, dict):
        kind = next((k for k in kinds if dataclasses.is_dataclass(k)), None)
        return value if kind is None else changed_from(kind, value, zone)
    return _read_text(value, kinds, zone) if isinstance(value, str) else value


def changed_from(kind: Any, fields: dict[str, Any], zone: ZoneInfo) -> Any:
    """Return a new fact of a kind."""
    return kind(**{name: _read(value, _hints(kind)[name], zone) for name, value in fields.items()})


def _read_text(value: str, kinds: set[Any], zone: ZoneInfo) -> Any:
    readers: dict[Any, Callable[[], Any]] = {
        Moment: lambda: moment(value, zone),
        date: lambda: date.fromisoformat(value),
        ServiceMonth: lambda: ServiceMonth.parse(value),
        Coding: lambda: Coding(*value.split("|", 1)) if "|" in value else procedure(value),
        Interval: lambda: Interval(*(instant(part, zone) for part in value.split("/"))),
        ZoneInfo: lambda: ZoneInfo(value),
        RoleClass: lambda: RoleClass(value),
        Decimal: lambda: Decimal(value),
    }
    return next((read() for kind, read in readers.items() if kind in kinds), value)
