"""Engine and calculator, two programs written apart, give the same answer to every random patient-month."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from caretally.facts.reasons import EXCLUSION_ORDER, Block, Hold
from tests.calculator.comparison import compare_on_all_cores

if TYPE_CHECKING:
    from collections.abc import Callable

PROVING = bool(os.environ.get("CARETALLY_PROVE"))
MONTHS = int(os.environ.get("CARETALLY_PROVE_EXAMPLES", "100000")) if PROVING else 2500
OFTEN = 24
"""How often 2,500 patient-months must come upon each state, or an agreement about it says little."""
STATUSES = ("billable", "hold", "not-billable")
CODES = ("99490", "99439", "99491", "99437", "99487", "99489", "99426", "99427", "99424", "99425")
NOT_MADE = {
    # They need what an earlier run wrote, a claim's other parts, or a programme that the random months do not have.
    *("R-HUMAN-EDIT", "R-PRE-SUBMISSION", "R-PIN-SAME-CONDITION"),
}
STATES = {*STATUSES, *CODES, *Block, *Hold, *EXCLUSION_ORDER} - NOT_MADE


@pytest.mark.prove
def test_engine_and_calculator_agree(record_property: Callable[[str, object], None]) -> None:
    tally = compare_on_all_cores(0, MONTHS)
    record_property("cases", tally.months)
    assert tally.months == MONTHS
    assert not tally.disagreements, "\n".join([f"{tally.disagreements} disagreements, among them:", *tally.shown])
    rare = {str(state): n for state in STATES if (n := tally.answers[state]) < OFTEN * MONTHS // 2500}
    assert not rare, f"hardly ever met: {rare}; let a mishap lead there (mishaps.py), or say in NOT_MADE why none can"
