"""What a reader should know beside the answer: notices of a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.policy import Policy
from caretally.facts.reasons import Notice
from caretally.rules.conflicts import switch_value
from caretally.rules.contradictions import contradictions
from caretally.rules.findings import distinct, finding, spoken
from caretally.rules.paper import paper_warnings
from caretally.rules.pricing import unit_price

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caretally.facts.determination import Finding
    from caretally.rules.context import Case
    from caretally.rules.decision import Decision
    from caretally.rules.judging import Judged


_STANDARD = Policy()


def notices(decision: Decision) -> tuple[Finding, ...]:
    """Return the notices of a decision, each once."""
    case, ledger = decision.case, decision.ledger
    found = [*decision.overridden, *(n for j in decision.judged for n in j.notices)]
    for taken in decision.taken:
        found += _money(decision, taken)
    if decision.taken:
        for other in (j for j in decision.judged if j not in decision.taken):
            lacked = ", ".join(r.code for r in other.reasons) or "not billed"
            found.append(finding(case, Notice.OTHER_PROGRAMME, f"{other.name.upper()}: {lacked}"))
    for notice, references in (
        (Notice.NO_INTERVAL, ledger.no_interval),
        (Notice.POSSIBLE_DUPLICATE, ledger.possible_duplicates),
        (Notice.ROLE_UNKNOWN, ledger.unknown_roles),
        (Notice.ZONE_ASSUMED, ledger.zone_assumed),
        (Notice.INCIDENT_TO, ledger.contracted),
    ):
        if references:
            found.append(finding(case, notice, "", references))
    for one in decision.judged:
        found += [finding(case, *warned) for warned in paper_warnings(one.view, ledger)]
    if ledger.other_codes:
        found.append(finding(case, Notice.UNUSED_SEPARATE_CODE, ", ".join(ledger.other_codes)))
    found += [finding(case, code, said, evidence) for code, said, evidence in contradictions(case)]
    if switched := _switched(case):
        found.append(finding(case, Notice.POLICY_USED, ", ".join(switched)))
    return tuple(distinct(found))


def _switched(case: Case) -> list[str]:
    """Return the switches that differ from their default, with what set them; the zone is no reading of a rule."""
    return [
        f"{name} = {switch_value(case.policy, name)} by {origin}"
        for name, origin in sorted(case.effective.origins.items())
        if name != "zone"
        and not name.startswith("caps.")
        and switch_value(case.policy, name) != switch_value(_STANDARD, name)
    ] + [
        f"caps.{code} = {units} by {case.effective.origins.get(f'caps.{code}', 'default')}"
        for code, units in sorted(case.policy.caps.items())
    ]


def _money(decision: Decision, taken: Judged) -> Iterator[Finding]:
    case, choice = decision.case, taken.choice
    if choice.climb is not None and choice.climb.surplus_seconds:
        yield finding(case, Notice.SURPLUS, spoken(choice.climb.surplus_seconds))
    if choice.staff_not_used:
        yield finding(case, Notice.STAFF_TIME_NOT_USED, "")
    if choice.alternative is not None:
        family, amount = choice.alternative
        yield finding(case, Notice.ALT_AMOUNT, f"{family}: {'no rate' if amount is None else amount}")
    missing = [line.code for line in taken.lines if line.amount is None]
    if missing:
        yield finding(case, Notice.NO_RATE, ", ".join(missing))
    prices = {x.code: unit_price(case, x.code, x.service_date) for x in taken.lines}
    if national := ", ".join(dict.fromkeys(price.lacking for price in prices.values() if price.lacking)):
        yield finding(case, Notice.NATIONAL_RATE, national)
    if by_rate := [code for code, price in prices.items() if price.charge_from == "amount"]:
        yield finding(case, Notice.CHARGE_IS_RATE, ", ".join(by_rate))
    for code, price in prices.items():
        if price.contradicting:
            yield finding(case, Notice.PRICE_UNCLEAR, code, price.contradicting)
    if len({line.service_date for line in taken.lines}) > 1:
        yield finding(case, Notice.ADDON_DOS, ", ".join(f"{x.code} on {x.service_date}" for x in taken.lines))
