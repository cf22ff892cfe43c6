"""The price list: what of a ChargeItemDefinition is an amount, and what is refused by name."""

from __future__ import annotations

import copy
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from caretally.facts.prices import FoundPrice, PriceList
from caretally.mapping import MappedPractice, map_practice
from tests.mapping.patients import tables

CPT = "http://www.ama-assn.org/go/cpt"
SETTING = "https://caretally.example/fhir/StructureDefinition/rate-setting"
RATE = {"coding": [{"system": "https://caretally.example/fhir/CodeSystem/price-kind", "code": "payer-rate"}]}
SHIPPED = Path(__file__).parents[2] / "profiles" / "resources"
JANUARY = date(2025, 1, 13)


def group(amount: object = 85.5, **more: Any) -> dict[str, Any]:
    component = {"type": "base", "amount": {"value": amount, "currency": "USD"}}
    return {"priceComponent": [{**component, **more.pop("component", {})}], **more}


def definition(name: str = "d1", *groups: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "ChargeItemDefinition",
        "id": name,
        "url": f"https://practice.example/price/{name}",
        "version": "1",
        "status": "active",
        "effectivePeriod": {"start": "2025-01-01", "end": "2025-12-31"},
        "code": {"coding": [{"system": CPT, "code": "99490"}]},
        "propertyGroup": list(groups or (group(),)),
        **more,
    }


def practice(*definitions: dict[str, Any]) -> MappedPractice:
    return map_practice(copy.deepcopy(definitions), views=tables().views, terminology=tables().terminology)


def charge(*definitions: dict[str, Any], on: date = JANUARY, facility: bool = False) -> FoundPrice:
    return practice(*definitions).practice.prices.find("99490", on, "charge", facility=facility)


def test_a_base_price_is_what_the_practice_asks() -> None:
    found = charge(definition()).price
    assert found is not None
    assert (str(found.amount), found.canonical) == ("85.50", "https://practice.example/price/d1|1")
    assert practice(definition()).practice.prices.find("99490", JANUARY, "rate", facility=False) == FoundPrice()


def test_a_payer_rate_is_an_amount_and_no_charge() -> None:
    mapped = practice(definition("d1", group(61, component={"type": "informational", "code": RATE})))
    found = mapped.practice.prices.find("99490", JANUARY, "rate", facility=False).price
    assert found is not None
    assert str(found.amount) == "61.00"
    assert mapped.practice.prices.find("99490", JANUARY, "charge", facility=False) == FoundPrice()


@pytest.mark.parametrize(
    ("period", "on", "holds"),
    [
        ({"start": "2025-01-01"}, JANUARY, True),
        ({"end": "2025-01-13"}, JANUARY, True),
        ({"start": "2025-01-14"}, JANUARY, False),
        ({"end": "2025-01-12"}, JANUARY, False),
        ({"start": "2025", "end": "2025"}, date(2025, 12, 31), True),
        ({"start": "2025", "end": "2025-02"}, date(2025, 3, 1), False),
    ],
)
def test_a_price_holds_in_its_period(period: dict[str, str], on: date, holds: bool) -> None:
    assert (charge(definition(effectivePeriod=period), on=on).price is not None) is holds


def test_the_price_for_the_kind_of_place_goes_before_the_general_one() -> None:
    special = group(70, extension=[{"url": SETTING, "valueCode": "facility"}])
    both = definition("d1", group(90), special)
    amounts = [charge(both, facility=facility).price for facility in (True, False)]
    assert [p and p.amount for p in amounts] == [Decimal(70), Decimal(90)]


def test_the_later_price_goes_before_the_earlier_one() -> None:
    later = definition("d2", group(99), effectivePeriod={"start": "2025-01-10"})
    found = charge(definition(), later).price
    assert found is not None
    assert found.reference == "ChargeItemDefinition/d2"


def test_of_prices_that_contradict_each_other_none_is_taken() -> None:
    assert charge(definition("d1"), definition("d2", group(99))).contradicting == (
        "ChargeItemDefinition/d1",
        "ChargeItemDefinition/d2",
    )
    assert charge(definition("d1"), definition("d2")).price is not None


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "applicability": (definition(applicability=[{"expression": "true"}]), "conditional-price"),
    "use context": (definition(useContext=[{"code": {"code": "program"}}]), "conditional-price"),
    "group applicability": (definition("d1", group(applicability=[{"expression": "true"}])), "conditional-price"),
    "surcharge": (definition("d1", group(component={"type": "surcharge"})), "unknown-price-part"),
    "factor": (definition("d1", group(component={"factor": 2})), "price-factor"),
    "no amount": (definition("d1", group(component={"amount": None})), "no-amount"),
    "parts of a cent": (definition("d1", group(85.555)), "no-amount"),
    "negative": (definition("d1", group(-1)), "no-amount"),
    "text": (definition("d1", group("85")), "no-amount"),
    "euro": (definition("d1", group(component={"amount": {"value": 1, "currency": "EUR"}})), "unknown-currency"),
    "no currency": (definition("d1", group(component={"amount": {"value": 1}})), "unknown-currency"),
    "setting": (definition("d1", group(extension=[{"url": SETTING, "valueCode": "moon"}])), "unknown-setting"),
    "status": (definition(status="valid"), "unknown-status"),
    "date": (definition(effectivePeriod={"start": "soon"}), "unreadable-date"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_an_amount_that_would_have_to_be_guessed_is_refused_by_name(name: str) -> None:
    given, code = REFUSED[name]
    mapped = practice(given)
    assert mapped.practice.prices == PriceList()
    assert [issue.code for issue in mapped.issues] == [code]
    assert mapped.accounted == {"ChargeItemDefinition.refused": 1}


@pytest.mark.parametrize(
    "given",
    [
        definition(status="retired"),
        definition(status="draft"),
        definition(code={"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}),
        definition("d1", group(component={"type": "informational"})),
        {k: v for k, v in definition().items() if k != "propertyGroup"},
    ],
)
def test_what_is_no_price_is_accounted_for(given: dict[str, Any]) -> None:
    mapped = practice(given)
    assert mapped.practice.prices == PriceList()
    assert mapped.accounted == {"ChargeItemDefinition.other": 1}


def test_the_definitions_of_this_project_say_what_the_tables_say_and_are_not_read() -> None:
    """Somebody who loads them onto the server must not lose the adjustment to the locality, or get rates as charges."""
    shipped = [json.loads(path.read_bytes()) for path in sorted(SHIPPED.glob("ChargeItemDefinition-*.json"))]
    mapped = practice(*shipped)
    assert mapped.practice.prices == PriceList()
    assert mapped.issues == ()
    assert mapped.accounted == {"ChargeItemDefinition.other": len(shipped)}
