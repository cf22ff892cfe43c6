from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caretally.billing import BillingError, ClaimIdentity
from caretally.facts.calendar import ServiceMonth
from tests.billing.samples import billable

ID = re.compile(r"[A-Za-z][A-Za-z0-9\-.]{0,63}")
TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
IDENTITIES = st.builds(
    ClaimIdentity,
    tenant=TEXT.filter(lambda t: t.strip() != ""),
    patient=TEXT,
    service_month=st.builds(ServiceMonth, st.integers(2020, 2030), st.integers(1, 12)),
    billing_practitioner=TEXT,
)


def ids(identity: ClaimIdentity, revision: int) -> set[str]:
    return {
        identity.claim_id(revision),
        identity.account_number(revision),
        identity.charge_item_id(revision, "99490", date(2025, 1, 13)),
        identity.charge_item_id(revision, "99490", date(2025, 1, 14)),
        identity.charge_item_id(revision, "99439", date(2025, 1, 13)),
        identity.provenance_id("CREATE", str(revision)),
        identity.key,
    }


@given(IDENTITIES, IDENTITIES, st.integers(0, 5), st.integers(0, 5))
def test_two_identities_never_share_an_id(one: ClaimIdentity, other: ClaimIdentity, first: int, second: int) -> None:
    assert one == other or not ids(one, first) & ids(other, second)


@given(IDENTITIES, st.integers(0, 99))
def test_ids_are_ids_everywhere(identity: ClaimIdentity, revision: int) -> None:
    logical = {
        identity.claim_id(revision),
        identity.charge_item_id(revision, "99490", date(2025, 1, 13)),
        identity.provenance_id("CREATE"),
    }
    assert all(ID.fullmatch(one) and one == one.lower() for one in logical)
    assert re.fullmatch(r"C[A-Z2-7]{19}", identity.account_number(revision))
    assert len(ids(identity, revision)) == 7
    assert not ids(identity, revision) - {identity.key} & ids(identity, revision + 1)


def test_parts_do_not_run_into_each_other() -> None:
    one = ClaimIdentity(tenant="a", patient="bc", service_month=ServiceMonth(2025, 1), billing_practitioner="d")
    other = ClaimIdentity(tenant="ab", patient="c", service_month=ServiceMonth(2025, 1), billing_practitioner="d")
    assert one.key != other.key


def test_ids_stay_what_they_are() -> None:
    """A change here would bill every month on file a second time."""
    identity = ClaimIdentity.of(billable(), "albany-oncology")
    assert identity.key == "rh3vseisahrbsn57wexa676yyteavdow"
    assert identity.claim_id(0) == "cm-stgcnuwfbj6qtcccmk43rq4lm4xgku4k"
    assert identity.charge_item_id(0, "99490", date(2025, 1, 13)) == "ci-kof3kvcwkpozqabmzjuxupqpg42umjmi"
    assert identity.account_number(0) == "CUY42AYFFAB7OID67XLF"


def test_programme_family_and_code_are_no_part_of_the_identity() -> None:
    assert ClaimIdentity.of(billable(family="cccm-staff"), "t") == ClaimIdentity.of(billable(), "t")


def test_a_tenant_needs_a_name() -> None:
    with pytest.raises(BillingError, match="tenant"):
        ClaimIdentity.of(billable(), "  ")
