"""Money from answers: what is expected, what was left, nothing that is somebody else's; panels in proportion."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from caretally.reports.forecast import Forecast
from caretally.reports.forecast_text import forecast_lines, panel_lines

RATES = {"99490": Decimal("60.49"), "99439": Decimal("45.93"), "99426": Decimal("61.78")}


def line(code: str, units: int = 1, amount: str | None = "60.49", charge: str = "95.00") -> dict[str, Any]:
    return {"code": code, "units": units, "service_date": "2025-01-13", "amount": amount, "charge": charge}


def step(code: str, family: str = "ccm-staff", reached: str | None = "2025-01-13", *, capped: bool = False) -> Any:
    return {"code": code, "family": family, "reached_on": reached, "capped": capped}


def answer(*reasons: str, lines: Any = (), ladder: Any = (), **more: Any) -> dict[str, Any]:
    base = {
        "patient": "Patient/a",
        "service_month": "2025-01",
        "billing_practitioner": "Practitioner/p",
        "status": "billable" if lines else "not-billable",
        "lines": list(lines),
        "projected": [],
        "reasons": [{"code": code} for code in reasons],
        "time": {"surplus_seconds": 0, "counted_seconds": {"ccm": 1200, "pcm": 0}, "excluded": []},
        "trace": {"payer": "medicare", "ladder": list(ladder)},
    }
    return {**base, **more}


def forecast(*answers: dict[str, Any]) -> Forecast:
    found = Forecast(rate=lambda _answer, code, _day: RATES.get(code))
    for one in answers:
        found.add(one)
    return found


def test_expected_by_code_payer_and_practitioner() -> None:
    second = answer(
        lines=[line("99426", amount="61.78")],
        patient="Patient/b",
        billing_practitioner="Practitioner/q",
        trace={"payer": "commercial-example", "ladder": []},
    )
    found = forecast(answer(lines=[line("99490"), line("99439", 2, "91.86")]), second)
    assert found.expected.amount == Decimal("214.13")
    assert {name: str(total.amount) for name, total in found.codes.items()} == {
        "99490": "60.49",
        "99439": "91.86",
        "99426": "61.78",
    }
    assert {name: total.units for name, total in found.payers.items()} == {"medicare": 3, "commercial-example": 1}
    assert found.practitioners["Practitioner/q"].amount == Decimal("61.78")
    assert found.codes["99439"].units == 2


def test_a_line_without_rate_is_said_and_is_no_zero() -> None:
    found = forecast(answer(lines=[line("99490", amount=None)]))
    assert found.expected.without_rate == 1
    assert "expected: amount $0, charge $95.00, 1 line without a known rate" in list(forecast_lines(found))


def test_an_open_month_is_expected_apart_and_a_held_one_is_not() -> None:
    still_open = answer("R-MONTH-OPEN", projected=[line("99490")], status="hold")
    held = answer("R-MONTH-OPEN", "R-RISK-UNKNOWN", projected=[line("99490")], status="hold")
    found = forecast(still_open, held)
    assert (found.expected.amount, found.open_months.amount) == (Decimal("60.49"), Decimal("60.49"))
    assert found.months == {"open": 1, "hold": 1}
    assert set(found.unbilled) == {"R-RISK-UNKNOWN"}
    assert found.lost == Decimal("60.49")


def test_what_the_counted_minutes_would_have_come_to() -> None:
    reached = [step("99490"), step("99439"), step("99439", reached=None)]
    found = forecast(answer("R-CONSENT-MISSING", "R-CAREPLAN-MISSING", ladder=reached))
    assert found.lost == Decimal("106.42")
    # The month stands under both reasons and is lost once.
    assert {code: str(row.amount) for code, row in found.unbilled.items()} == {
        "R-CONSENT-MISSING": "106.42",
        "R-CAREPLAN-MISSING": "106.42",
    }


def test_capped_steps_and_other_families_add_nothing() -> None:
    ladder = [step("99490"), step("99439", capped=True), step("99426", "pcm-staff")]
    assert forecast(answer("R-CONSENT-MISSING", ladder=ladder)).lost == Decimal("60.49")


NOT_OURS = "R-OTHER-CLINICIAN-CCM R-CONFLICT-ESRD R-ALREADY-BILLED R-ENROLLED-ELSEWHERE R-DECEASED R-COVERAGE"


@pytest.mark.parametrize("reason", NOT_OURS.split())
def test_money_of_somebody_else_is_not_lost(reason: str) -> None:
    found = forecast(answer(reason, "R-CONSENT-MISSING", ladder=[step("99490")]))
    assert found.lost == 0
    rows = found.to_json()["unbilled"]["by_reason"]
    assert rows[reason]["amount"] is None
    assert rows["R-CONSENT-MISSING"]["amount"] is None


def test_too_little_time_has_no_amount() -> None:
    found = forecast(answer("R-TIME-MIN", ladder=[step("99490", reached=None)]))
    assert found.to_json()["unbilled"]["by_reason"]["R-TIME-MIN"] == {
        "months": 1, "counted_seconds": 1200, "amount": None, "priced_months": 0
    }  # fmt: skip
    assert any("R-TIME-MIN  1 month, 20 min counted, no amount can be said" in x for x in forecast_lines(found))


def test_an_amount_without_a_rate_is_not_guessed() -> None:
    found = forecast(answer("R-CONSENT-MISSING", ladder=[step("99490"), step("99437")]))
    assert found.to_json()["unbilled"]["by_reason"]["R-CONSENT-MISSING"]["amount"] is None


def test_minutes_that_earned_nothing_and_the_patients_part() -> None:
    time = {
        "surplus_seconds": 300,
        "counted_seconds": {"ccm": 1500},
        "excluded": [{"code": "X-ROLE", "seconds": 60}, {"code": "X-ROLE", "seconds": 30}],
    }
    found = forecast(answer(lines=[line("99490")], time=time, patient_share={"amount": "12.10"}))
    assert (found.surplus_seconds, found.excluded["X-ROLE"], found.coinsurance) == (300, 90, Decimal("12.10"))
    lines = list(forecast_lines(found))
    assert "counted minutes that earn no further unit: 5 min" in lines
    assert "  X-ROLE  1 min 30 s not counted" in lines


def test_another_size_of_panel_is_in_proportion() -> None:
    found = forecast(answer(lines=[line("99490")]), answer("R-CONSENT-MISSING", ladder=[step("99490")]), answer())
    panel = found.panel(100)
    assert (panel["amount"], panel["amount_a_patient"], panel["unbilled_amount"]) == ("2016.33", "20.16", "2016.33")
    assert panel["codes"] == {"99490": {"units": "33.3", "amount": "2016.33"}}
    assert next(panel_lines(panel)).startswith("a month with 100 patients, if they are like these 3 answers")
    with pytest.raises(ValueError, match="no answer"):
        forecast().panel(5)


def test_the_oncology_model_stands_beside() -> None:
    model = {
        "icd10cm": "C61", "dual_eligible": True, "monthly": "140.00", "episode": "840.00",
        "care_management": {"ccm": "60.49"},
    }  # fmt: skip
    found = forecast(answer(lines=[line("99490")], oncology=model))
    assert found.to_json()["oncology"][0]["monthly"] == "140.00"
    assert found.expected.amount == Decimal("60.49")
    assert any("C61, dual eligible: model $140.00 a month, $840.00 an episode; CCM $60.49" in x
               for x in forecast_lines(found))  # fmt: skip
