"""Who feeds which pool of time (rules 3.1, 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.time_entry import RoleClass

if TYPE_CHECKING:
    from caretally.facts.time_entry import Performer
    from caretally.rules.context import Case

INCIDENT_TO = "incident-to"
"""Attestation of the practice: contracted staff work under the incident-to rules."""


def pool_of(case: Case, programme: str, performer: Performer) -> str | None:
    """Return whose pool a performer feeds: ``practitioner``, ``staff`` or None.

    A colleague of the group adds to the staff pool; with the switch ``other_practitioner_time = physician`` one of the
    same group and specialty, both known, to the practitioner's. The programme says which roles count at all.
    """
    role, roles = performer.role, case.context.tables.roles_of(programme)
    counts = role.value in roles
    if role is RoleClass.COMMUNITY_HEALTH_WORKER and RoleClass.CLINICAL_STAFF.value in roles:
        counts = counts or case.policy.chw_is_clinical_staff
    if not counts or role in {RoleClass.UNKNOWN, RoleClass.NON_CLINICAL}:
        return None
    if role is not RoleClass.PRACTITIONER:
        contracted = case.policy.contracted_staff == "attested" and is_contracted(case, performer)
        return None if contracted and not case.attested(INCIDENT_TO) else "staff"
    if case.is_me(performer.reference):
        return "practitioner"
    groups = _groups(case, performer)
    if groups and case.groups and not groups & case.groups:
        return None
    if case.policy.other_practitioner_time == "physician" and _same_specialty(case, performer, groups):
        return "practitioner"
    return "staff"


def is_contracted(case: Case, performer: Performer) -> bool:
    """Whether staff are known to work for somebody else than the practitioner's group."""
    groups = _groups(case, performer)
    return bool(groups and case.groups and not groups & case.groups)


def _groups(case: Case, performer: Performer) -> frozenset[str]:
    return case.context.practice.groups_of(performer.reference) or (
        frozenset({performer.group}) if performer.group else frozenset()
    )


def _same_specialty(case: Case, performer: Performer, groups: frozenset[str]) -> bool:
    if case.practitioner is None or not groups & case.groups:
        return False
    practice = case.context.practice
    mine = practice.practitioner(case.practitioner).taxonomy
    theirs = performer.specialty or practice.practitioner(performer.reference).taxonomy
    return mine is not None and mine == theirs
