"""Gates about the practice: who bills, where, with what staff (rules 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.facts.reasons import Block, Notice
from caretally.facts.time_entry import RoleClass
from caretally.rules.institutional import institutional_lines
from caretally.rules.view import GateOutcome

if TYPE_CHECKING:
    from caretally.rules.view import ProgrammeView, Reason, Remark

NAVIGATOR_TRAINING = "navigator-training"
"""Attestation of the practice: its navigators are certified or trained in what the programme asks for."""


def biller_role(view: ProgrammeView) -> GateOutcome:
    """Only a physician, NP, PA, CNS or CNM bills (rules 1)."""
    who = view.case.practitioner
    role = view.case.context.practice.practitioner(who).role if who else RoleClass.UNKNOWN
    reasons: tuple[Reason, ...] = ()
    # Minutes without a practitioner have their own reasons: no plan, no consent.
    if who is not None and role is not RoleClass.PRACTITIONER:
        reasons = ((Block.BILLER_ROLE, f"{who} is {role.value}", (who,)),)
    npi = view.case.context.practice.practitioner(who).npi if who else None
    missing = who is not None and npi is None
    return GateOutcome(
        gate="biller-role",
        found=role.value,
        wanted="a physician, NP, PA, CNS or CNM",
        reasons=reasons,
        notices=((Notice.NPI_MISSING, "", (who,)),) if missing and who else (),
        evidence=(who,) if who else (),
    )


def place_of_service(view: ProgrammeView) -> GateOutcome:
    """A place of service, and a kind of site, that a professional claim may have (rules 1)."""
    site, tables = view.case.site, view.case.context.tables
    reasons: list[Reason] = []
    notices: tuple[Remark, ...] = ()
    if site.place_of_service in tables.blocked_places:
        reasons.append((Block.POS, f"place of service {site.place_of_service} at site {site.name}", ()))
    if site.kind != "office":
        reasons.append((Block.INSTITUTIONAL, f"site {site.name} is a {site.kind.replace('-', ' ')}", ()))
        notices = ((Notice.INSTITUTIONAL_LINES, institutional_lines(view.case), ()),)
    return GateOutcome(
        gate="place-of-service",
        found=f"{site.place_of_service} ({site.kind.replace('-', ' ')})",
        wanted="a place of service that a professional care-management claim may have",
        reasons=tuple(reasons),
        notices=notices,
    )


def office_only(view: ProgrammeView) -> GateOutcome:
    """Work incident to the practitioner's own is paid at non-facility places only."""
    place = view.case.site.place_of_service
    facility = place in view.case.context.tables.facility_places
    found = f"place of service {place}, paid at the facility rate"
    return GateOutcome(
        gate="office-only",
        found=found if facility else f"place of service {place}",
        wanted="a place of service that is paid at the non-facility rate",
        reasons=((Block.POS, found, ()),) if facility else (),
    )


def trained_personnel(view: ProgrammeView) -> GateOutcome:
    """The practice attests that its auxiliary staff are certified or trained; nothing in a record shows it."""
    case = view.case
    held = case.attested(NAVIGATOR_TRAINING)
    found = "attested" if held else f"no attestation {NAVIGATOR_TRAINING} in force in the month"
    return GateOutcome(
        gate="trained-personnel",
        found=found,
        wanted="certified or trained auxiliary staff",
        notices=() if held else ((Notice.NAVIGATOR_TRAINING, "", ()),),
    )
