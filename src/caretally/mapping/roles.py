"""Who somebody is to the time rules, by the codes of roles, specialties and qualifications (design 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.time_entry import RoleClass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caretally.facts.codes import Coding, Terminology

_SETS = (
    ("role-practitioner", RoleClass.PRACTITIONER),
    ("role-clinical-staff", RoleClass.CLINICAL_STAFF),
    ("role-community-health-worker", RoleClass.COMMUNITY_HEALTH_WORKER),
    ("role-non-clinical", RoleClass.NON_CLINICAL),
)
RANK = tuple(role for _, role in _SETS)


def role_class(terminology: Terminology, codings: Iterable[Coding]) -> RoleClass:
    """Return the class of somebody's codes: the highest one that a set or the local map knows, else unknown."""
    found = set()
    for coding in codings:
        found |= {role for name, role in _SETS if terminology.set(name).contains(coding)}
        local = terminology.map("role-local").target([coding])
        if local is not None:
            found.add(RoleClass(local))
    return next((role for role in RANK if role in found), RoleClass.UNKNOWN)
