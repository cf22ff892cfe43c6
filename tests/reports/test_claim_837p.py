from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caretally.billing import ProfessionalClaim
from caretally.billing.content import CLAIM_FREQUENCY, CLAIM_WITHDRAWAL, with_extension
from caretally.billing.identity import PAYER_CONTROL_NUMBER
from caretally.billing.professional_claim import Name
from caretally.facts.plain_text import plain_text
from caretally.reports import claim_837p
from caretally.reports.claim_837p import Trading, claims_837p
from caretally.reports.x12 import DELIMITERS, LAST_CONTROL_NUMBER, X12SyntaxError, amount, segment
from tests.billing.claim_samples import FACILITY, SITE, claim_resource, read, resources
from tests.billing.samples import billable, line
from tests.reports.expected_837p import comparable, wanted
from tests.reports.reading_837p import accepted, acknowledgement, read_claims

AT = datetime(2025, 2, 10, 9, 30, tzinfo=ZoneInfo("America/New_York"))
TRADING = Trading(
    submitter_name="Demo Oncology",
    submitter_id="DEMOSUB",
    submitter_qualifier="ZZ",
    contact_name="Billing Office",
    contact_phone="5185550100",
    contact_email="billing@demo.example",
    receiver_name="Demo Clearinghouse",
    receiver_id="DEMORECV",
    receiver_qualifier="ZZ",
    production=False,
)


def file_of(*claims: ProfessionalClaim, number: int = 12) -> bytes:
    return claims_837p(claims, TRADING, control_number=number, at=AT)


def segments(data: bytes) -> list[str]:
    return data.decode("ascii").replace("\n", "").split("~")[:-1]


def through_a_spouse() -> ProfessionalClaim:
    parties = resources()
    parties["Coverage/cov"] |= {
        "relationship": {"coding": [{"code": "spouse"}]},
        "subscriber": {"reference": "RelatedPerson/spouse"},
        "class": [{"type": {"coding": [{"code": "group"}]}, "value": "G-77"}],
    }
    return read(parties=parties)


def of_a_solo_practitioner() -> ProfessionalClaim:
    claim = claim_resource(replace(billable(), organization=None))
    parties = resources()
    parties["Practitioner/P1"]["address"] = resources()["Patient/pat"]["address"]
    return read(claim, parties, site=replace(SITE, organization=None))


def replacement() -> ProfessionalClaim:
    claim = with_extension(claim_resource(), CLAIM_FREQUENCY, valueCode="7")
    claim["related"] = [{"reference": {"system": PAYER_CONTROL_NUMBER, "value": "ICN1"}}]
    return read(claim)


def void() -> ProfessionalClaim:
    claim = with_extension(claim_resource(), CLAIM_FREQUENCY, valueCode="8")
    claim = with_extension(claim, CLAIM_WITHDRAWAL, valueCode="voided") | {"status": "cancelled"}
    claim["identifier"].append({"system": PAYER_CONTROL_NUMBER, "value": "ICN2"})
    return read(claim)


def with_a_second_payer() -> ProfessionalClaim:
    month = billable()
    return read(claim_resource(replace(month, evidence=replace(month.evidence, other_coverages=("Coverage/medigap",)))))


def over_a_month() -> ProfessionalClaim:
    lines = (line("99490", 13), line("99439", 20, units=2, charge="121.50"))
    return read(claim_resource(billable(*lines, policy={"service_date_form": "month_span"})))


CLAIMS: dict[str, Callable[[], ProfessionalClaim]] = {
    "plain": read,
    "facility": lambda: read(site=replace(SITE, facility=FACILITY)),
    "spouse": through_a_spouse,
    "replacement": replacement,
    "void": void,
    "month span": over_a_month,
    "second payer": with_a_second_payer,
    "no signatures": lambda: read(site=replace(SITE, signatures_on_file=False, accepts_assignment=False)),
}


def test_another_implementation_reads_back_what_the_claims_say() -> None:
    claims = [replace(build(), account_number=f"C{number:03d}") for number, build in enumerate(CLAIMS.values())]
    data = file_of(*claims)
    assert accepted(data), acknowledgement(data)
    found = {x["account"]: comparable(x) for x in read_claims(data)}
    assert found == {claim.account_number: wanted(claim) for claim in claims}
    by_name = dict(zip(CLAIMS, found.values(), strict=True))
    assert (by_name["replacement"]["frequency"], by_name["replacement"]["original"]) == ("7", "ICN1")
    assert by_name["second payer"]["others"] == [
        ["S", "18", "PLAN G", "ZZ", "ASH", "XYZ123", "EXAMPLE MEDIGAP", "GAP01"]
    ]
    assert (by_name["void"]["frequency"], by_name["void"]["original"]) == ("8", "ICN2")


def test_a_practitioner_who_bills_is_not_named_twice() -> None:
    claim = of_a_solo_practitioner()
    data = file_of(claim)
    assert accepted(data), acknowledgement(data)
    assert not [x for x in segments(data) if x.startswith("NM1*82")]
    assert next(x for x in segments(data) if x.startswith("NM1*85")) == "NM1*85*1*ALVAREZ*INES****XX*1999901014"


def test_claims_of_one_biller_stand_under_one_level() -> None:
    two = replace(read(), account_number="C0002")
    data = file_of(read(), two, through_a_spouse())
    assert accepted(data), acknowledgement(data)
    levels = [x.split("*")[1:4] for x in segments(data) if x.startswith("HL")]
    assert levels[0] == ["1", "", "20"]
    assert [x[2] for x in levels].count("20") == 1
    assert min(x["account"] for x in read_claims(data)) == "C0002"


def test_a_long_file_has_several_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_837p, "CLAIMS_OF_A_TRANSACTION", 2)
    claims = [replace(read(), account_number=f"C{n}") for n in range(5)]
    data = file_of(*claims)
    assert accepted(data), acknowledgement(data)
    assert sum(x.startswith("ST*") for x in segments(data)) == 3
    assert next(x for x in segments(data) if x.startswith("GE")) == "GE*3*12"
    assert [x["account"] for x in read_claims(data)] == [c.account_number for c in claims]


def test_the_envelope_says_who_when_and_which_file() -> None:
    data = file_of(read(), number=LAST_CONTROL_NUMBER)
    isa = data.decode("ascii").split("\n")[0]
    assert len(isa) == 106
    assert isa[82:90] == "^*00501*"
    assert isa.split("*")[13] == "999999999"
    assert isa.split("*")[15] == "T"
    assert "GS*HC*DEMOSUB*DEMORECV*20250210*0930*999999999*X*005010X222A1~" in data.decode("ascii")
    production = claims_837p([read()], replace(TRADING, production=True), control_number=1, at=AT)
    assert production.decode("ascii").split("*")[15] == "P"
    for number in (0, LAST_CONTROL_NUMBER + 1):
        with pytest.raises(X12SyntaxError, match="control number"):
            file_of(read(), number=number)


HOSTILE = "*~:^\n\r\t\x00|É ß Łódź 李 o\u2019Hara"


def test_no_delimiter_gets_into_the_data() -> None:
    claim = read()
    claim = replace(claim, patient=replace(claim.patient, name=Name(family=HOSTILE, given="~Al*ma:")))
    claim = replace(claim, subscriber=claim.patient)
    data = file_of(claim)
    assert accepted(data), acknowledgement(data)
    (found,) = read_claims(data)
    assert found["patient"][:2] == ("E SS LODZ O'HARA", "AL MA")


@pytest.mark.prove
@given(st.text(max_size=60))
def test_plain_text_is_plain_and_stays_the_same(text: str) -> None:
    found = plain_text(text, longest=35)
    assert len(found) <= 35
    assert found == found.strip() == plain_text(found)
    assert found.isascii()
    assert found.isprintable()
    assert not DELIMITERS & set(found)
    assert found == found.upper()


@settings(max_examples=25)
@given(st.text(min_size=1, max_size=60), st.text(max_size=60), st.text(min_size=1, max_size=80))
def test_whatever_the_names_the_file_can_be_read(family: str, given_name: str, street: str) -> None:
    claim = read()
    person = replace(
        claim.patient,
        name=Name(family=f"X{family}", given=f"X{given_name}"),
        address=replace(claim.patient.address, lines=(f"1{street}",)),
    )
    claim = replace(claim, patient=person, subscriber=person)
    found = [x.split("*") for x in segments(file_of(claim))]
    (insured,) = [x for x in found if x[:2] == ["NM1", "IL"]]
    assert insured[3] == plain_text(f"X{family}", longest=60)
    assert insured[8:] == ["MI", claim.member_id]
    assert ["N3", plain_text(f"1{street}", longest=55)] in found
    assert found[-2][0] == "GE"


@pytest.mark.prove
@given(st.decimals(min_value=0, max_value=Decimal("9999999.99"), places=2))
def test_amounts_are_exact_and_short(value: Decimal) -> None:
    text = amount(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert not ("." in text and text.endswith(("0", ".")))


@pytest.mark.parametrize("value", ["a*b", "a~b", "a:b", "a^b", "a\nb", "é"])
def test_a_value_that_no_segment_can_hold_is_refused(value: str) -> None:
    with pytest.raises(X12SyntaxError):
        segment("NM1", value)


def test_empty_elements_at_the_end_are_left_out() -> None:
    assert segment("NM1", "a", "", "b", "", ("", "")) == "NM1*a**b~"
    assert segment("SV1", ("HC", "99490", "", "")) == "SV1*HC:99490~"


def test_the_same_claims_give_the_same_bytes() -> None:
    claims: list[Any] = [read(), replace(read(), account_number="C0002")]
    assert file_of(*claims) == file_of(*reversed(claims))
