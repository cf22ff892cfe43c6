"""Engine and calculator agree: two programs written apart, one by one patient-month (issue of being right, not likely)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.calculator.comparison import compare_on_all_cores

if TYPE_CHECKING:
    from collections.abc import Callable

PROVING = bool(os.environ.get("CARETALLY_PROVE"))
MONTHS = int(os.environ.get("CARETALLY_PROVE_EXAMPLES", "100000")) if PROVING else 2000
OFTEN = 24
"""How often 2,000 patient-months must come upon each state, or an agreement about it says little."""
STATES = """
billable hold not-billable
99490 99439 99491 99437 99487 99489 99426 99427 99424 99425
R-TIME-MIN R-COND-COUNT R-COND-DURATION R-COND-RISK R-PCM-ELEMENT R-CAREPLAN-MISSING R-CONSENT-MISSING
R-CONSENT-PRACTITIONER R-CONSENT-REVOKED R-INIT-VISIT-MISSING R-OTHER-CLINICIAN-CCM R-CONFLICT-ESRD R-CONFLICT-CPO
R-CONFLICT-APCM R-CONFLICT-MEOS R-CONFLICT-BHI-PCM R-CONFLICT-G0511 R-CONFLICT-TCM R-COVERAGE R-DECEASED R-POS
R-ALREADY-BILLED R-ENROLLED-ELSEWHERE R-BILLER-ROLE R-DX-UNMAPPED R-INSTITUTIONAL R-HOSPICE
R-CCM-PCM-SAME-PRACTITIONER R-PCM-SAME-CONDITION R-HOSPICE-REVIEW R-GLOBAL-REVIEW R-RISK-UNKNOWN
R-STAFF-DOUBLE-BOOKED R-ATTRIBUTION R-MONTH-OPEN R-DUPLICATE-PATIENT
X-STATUS X-DUPLICATE X-INVALID X-OUTSIDE-MONTH X-ROLE X-ACTIVITY X-SEPARATE-CODE X-BEFORE-CONSENT
X-AFTER-REVOCATION X-BEFORE-INIT X-AFTER-DEATH X-AFTER-COVERAGE X-INPATIENT X-SAME-DAY-EM X-OVERLAP-SEPARATE-CODE
X-OVERLAP X-ROUNDING
""".split()


@pytest.mark.prove
def test_engine_and_calculator_agree(record_property: Callable[[str, object], None]) -> None:
    tally = compare_on_all_cores(0, MONTHS)
    record_property("cases", tally.months)
    assert tally.months == MONTHS
    assert not tally.disagreements, "\n".join([f"{tally.disagreements} disagreements, among them:", *tally.shown])
    rare = {state: n for state in STATES if (n := tally.answers[state]) < OFTEN * MONTHS // 2000}
    assert not rare, f"the random months hardly ever come upon {rare}"
