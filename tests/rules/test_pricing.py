"""What a line is priced with: the rates of the payment model, a listed price of its date and place, its definition."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.rules.deciding import decide

MARCH_2026 = {"month": "2026-03", "entries": [{"who": "N1", "role": "RN", "date": "2026-03-20", "min": 20}]}
CANONICAL = "https://practice.example/ChargeItemDefinition/d|1"


def listed(kind: str, **more: Any) -> dict[str, Any]:
    price = {"system": "http://www.ama-assn.org/go/cpt", "code": "99490", "kind": kind, "amount": "85.00"}
    return {"prices": [{**price, "reference": "ChargeItemDefinition/d", **more}]}


@pytest.mark.parametrize(("qualifying", "amount"), [(False, "66.13"), (True, "66.46")])
def test_a_qualifying_payment_model_has_a_factor_of_its_own(qualifying: bool, amount: str) -> None:
    """1.98 relative value units, times 33.4009 or 33.5675 (billing rules 1, "Payment")."""
    found = decide({**MARCH_2026, "sites": [{"name": "main", "qualifying_apm": qualifying}]})
    assert found.total_amount == Decimal(amount)
    assert found.trace.qualifying_apm is qualifying


@pytest.mark.parametrize("kind", ["charge", "rate"])
@pytest.mark.parametrize(
    ("dates", "holds"),
    [
        ({"valid_from": "2025-03-20", "valid_to": "2025-03-20"}, True),
        ({"valid_from": "2025-03-21"}, False),
        ({"valid_to": "2025-03-19"}, False),
    ],
)
def test_a_listed_price_holds_on_its_dates(kind: str, dates: dict[str, str], holds: bool) -> None:
    (line,) = decide(listed(kind, **dates)).lines
    assert (line.amount if kind == "rate" else line.charge) == Decimal("85.00" if holds else "60.49")


@pytest.mark.parametrize("kind", ["charge", "rate"])
@pytest.mark.parametrize(("facility", "place", "holds"), [(False, "11", True), (True, "11", False), (True, "19", True)])
def test_a_listed_price_holds_at_its_places(kind: str, facility: bool, place: str, holds: bool) -> None:
    case = {**listed(kind, facility=facility), "sites": [{"name": "main", "place_of_service": place}]}
    (line,) = decide(case).lines
    assert ((line.amount if kind == "rate" else line.charge) == Decimal("85.00")) is holds


def test_a_line_names_the_definition_that_gave_its_charge() -> None:
    (line,) = decide(listed("charge", canonical=CANONICAL)).lines
    assert line.definition == CANONICAL
    (line,) = decide(listed("rate", canonical=CANONICAL)).lines
    assert line.definition is None
