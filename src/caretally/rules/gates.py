"""The named gates of a programme: all are evaluated, all are reported (rules 4, 5, 6).

A programme names its gates in mappings/services/programmes.toml; a gate is a function of the practitioner's view
that returns what it found. New gates are added here and named there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caretally.rules import gates_claims, gates_enrolment, gates_patient, gates_practice
from caretally.rules.pcm_elements import pcm_elements

if TYPE_CHECKING:
    from collections.abc import Callable

    from caretally.rules.view import GateOutcome, ProgrammeView

GATES: dict[str, Callable[[ProgrammeView], GateOutcome]] = {
    "coverage": gates_patient.coverage,
    "consent": gates_enrolment.consent,
    "initiating-visit": gates_enrolment.initiating_visit,
    "conditions": gates_enrolment.conditions,
    "care-plan": gates_enrolment.care_plan,
    "pcm-elements": pcm_elements,
    "biller-role": gates_practice.biller_role,
    "place-of-service": gates_practice.place_of_service,
    "deceased": gates_patient.deceased,
    "other-clinician": gates_claims.other_clinician,
    "already-billed": gates_claims.already_billed,
    "conflicts": gates_claims.conflicts,
    "enrolled-elsewhere": gates_claims.elsewhere,
    "hospice": gates_patient.hospice,
    "global-period": gates_patient.global_period,
    "office-only": gates_practice.office_only,
    "trained-personnel": gates_practice.trained_personnel,
}
"""Every gate that a table may name."""


def evaluate_gates(view: ProgrammeView) -> tuple[GateOutcome, ...]:
    """Evaluate every gate that the programme's table names, in its order."""
    return tuple(GATES[name](view) for name in view.table.gates)
