"""What a payer asks for with a records request, as content: headings, sentences, tables, and the resources behind each.

The stored answer says what the claim rests on; the resources are shown as they are read now, and each one that was
changed since the answer is named. Drawing is done by `packet_html`, `packet_pdf` and `packet_document`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caretally.billing.identity import ACCOUNT_NUMBER, PAYER_CONTROL_NUMBER
from caretally.reports.explanation import explain_text
from caretally.reports.paper import LISTS, STATES, title_of
from caretally.reports.wording import clock, duration, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Resource = Mapping[str, Any]

NPI = "http://hl7.org/fhir/sid/us-npi"
_FROM_EXPLANATION = (
    "Gates",
    "Thresholds",
    "Choice",
    "Notices",
    "Decisions of people",
    "Switches that differ from the default",
    "Versions",
)
"""Parts of the explanation that stand in the packet as they are: the rule trace with its citations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a packet.

    Attributes:
        lines: sentences.
        head, rows: a table below them; none where the head is empty.
        entries: references of the resources that it tells about.
    """

    title: str
    lines: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    entries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """Everything that backs one claim.

    Attributes:
        made_at: instant in UTC, ISO 8601.
        software: name and version.
    """

    title: str
    patient: str
    service_month: str
    practitioner: str | None
    made_at: str
    software: str
    parts: tuple[Part, ...]


def packet_of(
    determination: Mapping[str, Any],
    resources: Mapping[str, Resource],
    claims: Sequence[Resource],
    *,
    versions: Mapping[str, str | None],
    made_at: str,
    software: str,
) -> Packet:
    """Put a packet together.

    Args:
        determination: the stored answer that the claim was made from.
        resources: what was read of the patient and of the practice, by reference.
        claims: Claims of ours for the patient-month.
        versions: of the resources as they are now, to name what changed since.
        made_at: instant in UTC.
        software: name and version of this program.
    """
    evidence = determination.get("evidence") or {}
    parts = [
        _claim(determination, claims),
        _patient(determination, resources),
        _practitioner(determination, resources),
        _consent(evidence, resources),
        _visit(evidence, resources),
        _conditions(evidence, resources),
        _plan(evidence, resources),
        _paper(determination),
        _minutes(determination),
        _versions(evidence, versions),
    ]
    sections = {section.title: section.lines for section in explain_text(determination)}
    parts += [Part(title=name, lines=sections[name]) for name in _FROM_EXPLANATION if name in sections]
    return Packet(
        title="Evidence of care management",
        patient=str(determination["patient"]),
        service_month=str(determination["service_month"]),
        practitioner=determination.get("billing_practitioner"),
        made_at=made_at,
        software=software,
        parts=tuple(part for part in parts if part.lines or part.rows),
    )


def name_of(resource: Resource | None) -> str:
    """Return the name of a person or organization; empty where there is none."""
    names = (resource or {}).get("name")
    if isinstance(names, str):
        return names
    first = next((one for one in names or () if isinstance(one, dict)), {})
    if first.get("text"):
        return str(first["text"])
    parts = (*first.get("prefix", ()), *first.get("given", ()), first.get("family", ""), *first.get("suffix", ()))
    return " ".join(str(part) for part in parts if part)


def _claim(determination: Mapping[str, Any], claims: Sequence[Resource]) -> Part:
    lines = [f"{claim_words(claim)}" for claim in claims]
    rows = tuple(
        (
            str(line["service_date"]),
            str(line["code"]),
            str(line["units"]),
            str(line.get("charge") or "not known"),
        )
        for line in determination.get("lines", ())
    )
    if not claims:
        lines.append("no Claim of ours is on file for the month")
    if not rows:
        codes = ", ".join(dict.fromkeys(one["code"] for one in determination.get("reasons", ())))
        lines.append(f"nothing is billed ({determination['status']}: {codes})")
    return Part(
        title="Claim",
        lines=tuple(lines),
        head=("Date of service", "Code", "Units", "Charge in dollars") if rows else (),
        rows=rows,
        entries=tuple(f"Claim/{claim['id']}" for claim in claims),
    )


def claim_words(claim: Resource) -> str:
    """Return a claim in a sentence: its id, status and numbers."""
    numbers = {i.get("system"): i.get("value") for i in claim.get("identifier") or () if isinstance(i, dict)}
    account, control = numbers.get(ACCOUNT_NUMBER), numbers.get(PAYER_CONTROL_NUMBER)
    said = f"Claim/{claim['id']}, {claim.get('status')}"
    said += f", account number {account}" if account else ""
    return said + (f", payer's control number {control}" if control else "")


def _patient(determination: Mapping[str, Any], resources: Mapping[str, Resource]) -> Part:
    reference = str(determination["patient"])
    record = resources.get(reference, {})
    lines = [f"{name_of(record) or 'name not on record'}, born {record.get('birthDate', 'on an unknown date')}"]
    coverage = (determination.get("evidence") or {}).get("coverage")
    insured = resources.get(coverage or "", {})
    if insured:
        number = insured.get("subscriberId") or "number not on record"
        lines.append(f"insured by {coverage}, subscriber {number}")
    entries = (reference, *((coverage,) if coverage else ()))
    return Part(title="Patient", lines=tuple(lines), entries=entries)


def _practitioner(determination: Mapping[str, Any], resources: Mapping[str, Resource]) -> Part:
    reference = determination.get("billing_practitioner")
    person = resources.get(reference or "", {})
    npi = next((i.get("value") for i in person.get("identifier") or () if i.get("system") == NPI), "not on record")
    lines = (f"{name_of(person) or reference}, NPI {npi}",) if reference else ()
    return Part(title="Billing practitioner", lines=lines, entries=(reference,) if reference else ())


def _consent(evidence: Mapping[str, Any], resources: Mapping[str, Resource]) -> Part:
    reference = evidence.get("consent")
    consent = resources.get(reference or "", {})
    if not consent:
        return Part(title="Consent", lines=("no consent was found",))
    period = (consent.get("provision") or {}).get("period") or {}
    lines = [f"{reference}, {consent.get('status')}, given {consent.get('dateTime', 'on an unknown date')}"]
    said = [e.get("valueCode") for e in consent.get("extension") or () if "consent-mode" in str(e.get("url"))]
    lines += [f"mode: {mode}" for mode in said if mode]
    explained = [e.get("valueCode") for e in consent.get("extension") or () if "element-explained" in str(e.get("url"))]
    if explained:
        lines.append("explained: " + ", ".join(str(one) for one in explained))
    if period.get("end"):
        lines.append(f"in force until {period['end']}")
    return Part(title="Consent", lines=tuple(lines), entries=(str(reference),))


def _visit(evidence: Mapping[str, Any], resources: Mapping[str, Resource]) -> Part:
    reference = evidence.get("initiating_visit")
    if not reference:
        return Part(title="Initiating visit", lines=("none is named in the answer",))
    visit = resources.get(reference, {})
    codes = ", ".join(str(c.get("code")) for t in visit.get("type") or () for c in t.get("coding") or ())
    start = (visit.get("period") or {}).get("start", "on an unknown date")
    return Part(title="Initiating visit", lines=(f"{reference}, {codes or 'no code'}, {start}",), entries=(reference,))


def _conditions(evidence: Mapping[str, Any], resources: Mapping[str, Resource]) -> Part:
    rows = []
    for diagnosis in evidence.get("diagnoses", ()):
        condition = resources.get(diagnosis["reference"], {})
        rows.append(
            (
                str(diagnosis.get("icd10cm") or "no code"),
                diagnosis["reference"],
                str(condition.get("onsetDateTime") or condition.get("recordedDate") or "not on record"),
            )
        )
    entries = tuple(diagnosis["reference"] for diagnosis in evidence.get("diagnoses", ()))
    head = ("ICD-10-CM", "Condition", "Since") if rows else ()
    return Part(title="Conditions", head=head, rows=tuple(rows), entries=entries)


def _plan(evidence: Mapping[str, Any], resources: Mapping[str, Resource]) -> Part:
    reference = evidence.get("care_plan")
    plan = resources.get(reference or "", {})
    if not plan:
        return Part(title="Care plan", lines=("no care plan was found",))
    period = plan.get("period") or {}
    lines = [f"{reference}, {plan.get('status')}, from {period.get('start', 'an unknown date')}"]
    goals = [goal["reference"] for goal in plan.get("goal") or () if goal.get("reference")]
    lines += [f"goal {goal}: {_goal(resources.get(goal, {}))}" for goal in goals]
    for activity in plan.get("activity") or ():
        detail = activity.get("detail") or {}
        words = detail.get("description") or _concept(detail.get("code")) or _reference(activity.get("reference"))
        lines.append(f"activity: {words or 'not described'}")
    known = tuple(goal for goal in goals if goal in resources)
    return Part(title="Care plan", lines=tuple(lines), entries=(str(reference), *known))


def _goal(goal: Resource) -> str:
    targets = [t for t in goal.get("target") or () if isinstance(t, dict)]
    measured = ", ".join(filter(None, (_concept(t.get("measure")) for t in targets)))
    due = ", ".join(str(t["dueDate"]) for t in targets if t.get("dueDate"))
    said = _concept(goal.get("description")) or "not described"
    return said + (f"; measured by {measured}" if measured else "") + (f"; due {due}" if due else "")


def _concept(concept: Any) -> str:
    if not isinstance(concept, dict):
        return ""
    coded = ", ".join(str(c.get("display") or c.get("code")) for c in concept.get("coding") or ())
    return str(concept.get("text") or coded)


def _reference(reference: Any) -> str:
    return str(reference.get("reference", "")) if isinstance(reference, dict) else ""


def _paper(determination: Mapping[str, Any]) -> Part:
    rows = [
        (heading, title_of(key, item["item"]), STATES.get(item["state"], item["state"]), ", ".join(item["evidence"]))
        for paper in determination.get("paper", ())
        for key, heading, _ in LISTS
        for item in paper.get(key, ())
    ]
    lines = tuple(f"{heading}: {source}" for _, heading, source in LISTS) if rows else ()
    head = ("List", "Element", "Found", "Where") if rows else ()
    return Part(title="Documentation", lines=lines, head=head, rows=tuple(rows))


def _minutes(determination: Mapping[str, Any]) -> Part:
    trace = determination.get("trace", {})
    ledger = trace.get("ledger", ())
    zone = zone_of(trace.get("policy", {}).get("zone"))
    rows = tuple(
        (
            " ".join(filter(None, (row["date"], clock(row.get("start"), row.get("end"), zone)))),
            duration(row["seconds"]),
            row["entry"],
            ", ".join(row.get("performers", ())),
            f"excluded, {row['excluded']} {row.get('detail', '')}".strip() if row.get("excluded") else "counted",
        )
        for row in ledger
    )
    return Part(
        title="Minutes",
        lines=tuple(_sums(determination)),
        head=("When", "Time", "Entry", "Who", "Counted") if rows else (),
        rows=rows,
        entries=tuple(dict.fromkeys(row["entry"] for row in ledger)),
    )


def _sums(determination: Mapping[str, Any]) -> Iterator[str]:
    time = determination["time"]
    counted = sum(row["seconds"] for row in determination.get("trace", {}).get("ledger", ()) if not row.get("excluded"))
    excluded = sum(row["seconds"] for row in time["excluded"])
    yield f"{duration(counted)} counted + {duration(excluded)} excluded = {duration(time['logged_seconds'])} logged"


def _versions(evidence: Mapping[str, Any], versions: Mapping[str, str | None]) -> Part:
    rows = []
    for reference, version in evidence.get("versions", {}).items():
        now = versions.get(reference)
        if reference not in versions:
            said = "no longer in the record"
        elif now != version:
            said = "changed since the answer"
        else:
            said = "as it was"
        rows.append((reference, _short(version), said))
    head = ("Resource", "Version that was read", "Now") if rows else ()
    return Part(title="Versions of the evidence", head=head, rows=tuple(rows))


def _short(version: str | None) -> str:
    if version is None:
        return "not known"
    return version[:19] + "..." if version.startswith("sha256:") else version
