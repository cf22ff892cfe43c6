"""Scopes in both of SMART's ways of writing them."""

from __future__ import annotations

import pytest

from caretally.fhir.scopes import missing_scopes, needed_scopes, parse_scopes


@pytest.mark.parametrize(
    ("asked", "granted", "missing"),
    [
        ("system/Encounter.rs", "system/Encounter.rs", ()),
        ("system/Encounter.rs", "system/Encounter.read", ()),
        ("system/Encounter.read", "system/Encounter.rs", ()),
        ("system/Encounter.rs", "system/*.read", ()),
        ("system/Encounter.rs", "system/*.*", ()),
        ("system/Encounter.rs", "system/*.cruds", ()),
        ("system/Encounter.rs", "system/Encounter.r", ("Encounter: search",)),
        ("system/Claim.crus", "system/Claim.read", ("Claim: create, update",)),
        ("system/Claim.crus", "system/Claim.read system/Claim.write", ()),
        ("system/Claim.crus", "system/Claim.c system/*.rs", ("Claim: update",)),
        ("system/Encounter.rs", "patient/Encounter.rs user/*.cruds openid", ("Encounter: read, search",)),
        ("system/Encounter.rs", "", ("Encounter: read, search",)),
        ("system/Observation.rs", "system/Observation.rs?category=laboratory", ()),
        ("openid system/Patient.rs", "system/Patient.rs", ()),
    ],
)
def test_what_was_asked_and_not_granted(asked: str, granted: str, missing: tuple[str, ...]) -> None:
    assert missing_scopes(asked, granted) == missing


def test_a_narrowed_scope_is_marked() -> None:
    (scope,) = parse_scopes("system/Observation.rs?category=laboratory")
    assert scope.narrowed


def test_the_least_scopes_in_both_versions() -> None:
    assert needed_scopes(["Patient", "Claim"], ["Claim"]) == "system/Patient.rs system/Claim.crus"
    assert needed_scopes(["Patient", "Claim"], ["Claim"], version=1) == (
        "system/Patient.read system/Claim.read system/Claim.write"
    )
    assert missing_scopes(needed_scopes(["Patient"], ["Claim"]), needed_scopes(["Patient"], ["Claim"], version=1)) == ()
