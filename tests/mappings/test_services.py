"""The shipped code tables against the figures of the guide, to the cent."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from caretally.facts.rates import Rate, dollars
from caretally.facts.services import ServiceCode
from caretally.rules.gates import GATES as RULE_GATES
from caretally.tables import load_tables
from caretally.tables.services import FAMILY_GATES, GATES

SERVICES = load_tables().services
GUIDE_2025 = {
    "99490": "60.49",
    "99439": "45.93",
    "99491": "82.16",
    "99437": "57.58",
    "99487": "131.65",
    "99489": "70.52",
    "99426": "61.78",
    "99427": "50.46",
    "99424": "80.87",
    "99425": "58.87",
}


def amount(code: str, on: date, *, facility: bool = False) -> Decimal | None:
    return SERVICES.unit_amount(code, on, facility=facility)


@pytest.mark.parametrize(("code", "dollars"), GUIDE_2025.items())
def test_the_amounts_of_the_guide(code: str, dollars: str) -> None:
    for day in (date(2025, 1, 1), date(2025, 12, 31)):
        found = amount(code, day)
        assert str(found) == dollars


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("99490", "61.56", "62.58"),
        ("99439", "47.15", "47.93"),
        ("99487", "131.96", "134.15"),
        ("99489", "71.05", "72.23"),
    ],
)
def test_the_two_periods_of_2024(code: str, before: str, after: str) -> None:
    """Amounts published by CareHarmony [F65]."""
    assert amount(code, date(2024, 3, 8)) == Decimal(before)
    assert amount(code, date(2024, 3, 9)) == Decimal(after)


@pytest.mark.parametrize(
    ("code", "office", "facility"),
    [
        ("99490", "66.13", "43.76"),
        ("99437", "63.13", "43.76"),
        ("99489", "78.16", "43.76"),
        ("99424", "87.51", "64.80"),
        ("99425", "61.46", "44.09"),
    ],
)
def test_reported_amounts_of_2026(code: str, office: str, facility: str) -> None:
    """Relative values reported by PayerReady [F1] to [F5], times 33.4009."""
    day = date(2026, 7, 1)
    assert amount(code, day) == Decimal(office)
    assert amount(code, day, facility=True) == Decimal(facility)


@pytest.mark.parametrize(("code", "dollars"), [("99489", "47.23"), ("99427", "34.29")])
def test_reported_facility_amounts_of_2025(code: str, dollars: str) -> None:
    """[F13], [F14]."""
    assert amount(code, date(2025, 6, 1), facility=True) == Decimal(dollars)


def test_a_date_without_a_table_has_no_rate() -> None:
    assert amount("99490", date(2023, 12, 31)) is None
    assert amount("99490", date(2027, 1, 1)) is None


@pytest.mark.parametrize("year", [2024, 2025, 2026])
def test_every_code_of_every_family_has_a_row_all_year(year: int) -> None:
    for code in SERVICES.own_codes():
        for day in (date(year, 1, 1), date(year, 12, 31)):
            assert SERVICES.code_on(code, day) is not None
    assert len(SERVICES.own_codes()) == 12


def test_ladders() -> None:
    ladders = {
        f.name: (f.base, f.base_minutes, f.add_on, f.add_on_minutes, f.add_on_cap, f.pool, f.complex)
        for f in SERVICES.families.values()
    }
    assert ladders == {
        "ccm-staff": ("99490", 20, "99439", 20, 2, "staff", False),
        "ccm-physician": ("99491", 30, "99437", 30, 2, "practitioner", False),
        "cccm-staff": ("99487", 60, "99489", 30, 10, "staff", True),
        "pcm-staff": ("99426", 30, "99427", 30, 2, "staff", False),
        "pcm-physician": ("99424", 30, "99425", 30, 2, "practitioner", False),
        "pin-staff": ("G0023", 60, "G0024", 30, None, "staff", False),
    }


def test_programmes() -> None:
    ccm, pcm = SERVICES.programmes["ccm"], SERVICES.programmes["pcm"]
    assert (ccm.conditions_needed, ccm.months_needed, ccm.one_practitioner) == (2, 12, True)
    assert (pcm.conditions_needed, pcm.months_needed, pcm.one_practitioner) == (1, 3, False)
    assert set(pcm.gates) - set(ccm.gates) == {"pcm-elements"}
    assert set(ccm.gates) == set(GATES) - {"pcm-elements", "office-only", "trained-personnel"}
    assert (ccm.exclusive_with, pcm.exclusive_with) == (("pcm",), ("ccm",))


def test_the_gates_of_the_tables_are_those_of_the_rules() -> None:
    assert set(GATES) == set(RULE_GATES)
    assert not set(FAMILY_GATES) & set(RULE_GATES)


def test_conflicts() -> None:
    found = {c.name: (c.programmes, c.scope, c.scope_switch, c.enabled_switch, c.other) for c in SERVICES.conflicts}
    both, mine, ours = ("ccm", "pcm"), "same_practitioner", "same_group"
    assert found == {
        "esrd": (both, mine, "conflict_scope.esrd", None, "warn"),
        "cpo": (both, mine, "conflict_scope.cpo", None, "warn"),
        "g0511": ((*both, "pin"), mine, None, None, "warn"),
        "apcm": (both, ours, "conflict_scope.apcm", None, "warn"),
        "meos": ((*both, "pin"), ours, "conflict_scope.meos", None, "warn"),
        "bhi": (("pcm",), mine, None, "pcm_bhi", None),
        "tcm": (both, mine, None, "tcm_concurrency", None),
        "interprofessional-consult": (("pcm",), mine, None, None, None),
        "pin": (("pcm",), mine, None, None, None),
    }
    assert {c.name for c in SERVICES.conflicts if c.same_condition} == {"interprofessional-consult", "pin"}


def test_places_of_service() -> None:
    assert SERVICES.blocked_places == {"21", "31"}
    assert {"19", "21", "22"} <= SERVICES.facility_places
    assert not {"11", "12", "10", "50", "72"} & SERVICES.facility_places


def test_labels_are_short_and_not_the_text_of_the_code_book() -> None:
    borrowed = re.compile(
        r"qualified health|per calendar month|list separately|health care professional", re.IGNORECASE
    )
    for row in SERVICES.codes:
        assert len(row.label) <= 50
        assert not borrowed.search(row.label)
        assert row.source


@pytest.mark.parametrize("row", SERVICES.codes, ids=lambda row: f"{row.code}-{row.valid_from.year}")
def test_the_parts_of_a_relative_value_add_up_to_it(row: ServiceCode) -> None:
    assert row.parts is not None or row.rate_status == "missing"
    if row.parts is not None:
        assert row.parts.total(facility=False) == row.rvu_non_facility
        assert row.parts.total(facility=True) == row.rvu_facility


@pytest.mark.parametrize(
    ("on", "qualifying", "factor"),
    [
        (date(2023, 12, 31), False, None),
        (date(2024, 1, 1), False, "32.7442"),
        (date(2024, 3, 8), True, "32.7442"),
        (date(2024, 3, 9), False, "33.2875"),
        (date(2024, 12, 31), False, "33.2875"),
        (date(2025, 1, 1), True, "32.3465"),
        (date(2026, 1, 1), False, "33.4009"),
        (date(2026, 1, 1), True, "33.5675"),
        (date(2027, 1, 1), True, None),
    ],
)
def test_conversion_factors_by_date_and_payment_model(on: date, qualifying: bool, factor: str | None) -> None:
    found = SERVICES.factor_on(on, qualifying_apm=qualifying)
    assert (None if found is None else str(found)) == factor


def test_an_amount_of_a_locality_is_adjusted_part_by_part() -> None:
    """99490 in Manhattan, 2025: (1.00 x 1.065 + 0.81 x 1.166 + 0.06 x 1.656) x 32.3465 = 68.2129..."""
    found = SERVICES.rate("99490", date(2025, 6, 1), facility=False, locality="13202-01")
    assert (str(found.amount), found.basis, found.lacking) == ("68.21", "locality", "")
    inside = SERVICES.rate("99490", date(2025, 6, 1), facility=True, locality="13202-01")
    # (1.00 x 1.065 + 0.42 x 1.166 + 0.06 x 1.656) x 32.3465
    assert str(inside.amount) == "53.50"
    # (1.00 x 1.064 + 0.91 x 1.162 + 0.07 x 1.586) x 33.5675: 2026, a qualifying payment model
    other = SERVICES.rate("99490", date(2026, 6, 1), facility=False, locality="13202-01", qualifying_apm=True)
    assert str(other.amount) == "74.94"


def test_what_cannot_be_adjusted_is_national_and_says_why() -> None:
    day = date(2025, 6, 1)
    nowhere = SERVICES.rate("99490", day, facility=False, locality="99999-99")
    assert (str(nowhere.amount), nowhere.basis) == ("60.49", "national")
    assert nowhere.lacking == "no geographic index for locality 99999-99 on 2025-06-01"
    without = replace(SERVICES, codes=tuple(replace(row, parts=None) for row in SERVICES.codes))
    found = without.rate("99490", day, facility=False, locality="13202-01")
    assert (str(found.amount), found.basis) == ("60.49", "national")
    assert found.lacking == "the parts of the relative value of 99490 are not known"


def test_an_amount_that_is_stated_stands_and_none_is_never_zero() -> None:
    day = date(2025, 6, 1)
    stated = replace(SERVICES.codes[0], code="S0001", valid_from=date(2025, 1, 1), valid_to=None, parts=None)
    stated = replace(stated, rvu_non_facility=None, rvu_facility=None, amount_non_facility=Decimal("10.00"))
    tables = replace(SERVICES, codes=(stated,))
    assert tables.rate("S0001", day, facility=False).basis == "stated"
    assert tables.rate("S0001", day, facility=False).amount == Decimal("10.00")
    assert tables.rate("S0001", day, facility=True) == Rate(amount=None, basis="none")
    assert tables.rate("99490", day, facility=False) == Rate(
        amount=None, basis="none", lacking="no row for 99490 on 2025-06-01"
    )


def test_halves_of_a_cent_go_up() -> None:
    assert dollars(Decimal("0.5"), Decimal("0.01")) == Decimal("0.01")
    assert dollars(Decimal("1.005"), Decimal(1)) == Decimal("1.01")
    assert dollars(Decimal("1.0049"), Decimal(1)) == Decimal("1.00")


def test_example_localities_hold_in_every_year() -> None:
    codes = {row.code for row in SERVICES.localities}
    assert codes == {"04112-01", "07102-13", "13202-01"}
    for code in codes:
        for year in (2024, 2025, 2026):
            assert SERVICES.locality_on(code, date(year, 1, 1)) is not None
            assert SERVICES.locality_on(code, date(year, 12, 31)) is not None
        assert SERVICES.locality_on(code, date(2023, 12, 31)) is None
        assert SERVICES.locality_on(code, date(2027, 1, 1)) is None
