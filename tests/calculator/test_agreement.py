"""Engine and calculator, two programs written apart, give the same answer to every random patient-month."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from caretally.facts.reasons import EXCLUSION_ORDER
from tests.calculator.comparison import compare_on_all_cores

if TYPE_CHECKING:
    from collections.abc import Callable

PROVING = bool(os.environ.get("CARETALLY_PROVE"))
MONTHS = int(os.environ.get("CARETALLY_PROVE_EXAMPLES", "100000")) if PROVING else 2500
OFTEN = 24
"""How often 2,500 patient-months must come upon each state, or an agreement about it says little."""
STATUSES = ("billable", "hold", "not-billable")
CODES = ("99490", "99439", "99491", "99437", "99487", "99489", "99426", "99427", "99424", "99425")
BLOCKS = (
    *("R-TIME-MIN", "R-COND-COUNT", "R-COND-DURATION", "R-COND-RISK", "R-PCM-ELEMENT", "R-CAREPLAN-MISSING"),
    *("R-CONSENT-MISSING", "R-CONSENT-PRACTITIONER", "R-CONSENT-REVOKED", "R-INIT-VISIT-MISSING"),
    *("R-OTHER-CLINICIAN-CCM", "R-CONFLICT-ESRD", "R-CONFLICT-CPO", "R-CONFLICT-APCM", "R-CONFLICT-MEOS"),
    *("R-CONFLICT-BHI-PCM", "R-CONFLICT-G0511", "R-CONFLICT-TCM", "R-CONFLICT-CONSULT-PCM", "R-COVERAGE"),
    *("R-DECEASED", "R-POS", "R-ALREADY-BILLED", "R-ENROLLED-ELSEWHERE", "R-BILLER-ROLE", "R-DX-UNMAPPED"),
    *("R-INSTITUTIONAL", "R-HOSPICE"),
)
HOLDS = (
    *("R-CCM-PCM-SAME-PRACTITIONER", "R-PCM-SAME-CONDITION", "R-PCM-EXACERBATION", "R-CONFLICT-PIN-PCM"),
    *("R-HOSPICE-REVIEW", "R-GLOBAL-REVIEW", "R-RISK-UNKNOWN", "R-STAFF-DOUBLE-BOOKED", "R-ATTRIBUTION"),
    *("R-MONTH-OPEN", "R-DUPLICATE-PATIENT", "R-SEVERAL-PRACTITIONERS", "R-COVERAGE-CHANGED"),
)
"""The reasons of the billing rules, without those of what people decided or an earlier run wrote."""
STATES = (*STATUSES, *CODES, *BLOCKS, *HOLDS, *EXCLUSION_ORDER)


@pytest.mark.prove
def test_engine_and_calculator_agree(record_property: Callable[[str, object], None]) -> None:
    tally = compare_on_all_cores(0, MONTHS)
    record_property("cases", tally.months)
    assert tally.months == MONTHS
    assert not tally.disagreements, "\n".join([f"{tally.disagreements} disagreements, among them:", *tally.shown])
    # The first 2,500 are always the same; a proof of another length may meet a state somewhat less often.
    wanted = OFTEN if not PROVING else OFTEN * MONTHS // 2500 // 2
    rare = {str(state): n for state in STATES if (n := tally.answers[state]) < wanted}
    assert not rare, f"hardly ever met: {rare}; let a mishap lead there (mishaps.py)"
