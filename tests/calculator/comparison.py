"""Engine and calculator side by side over a range of seeds, and what the two did with them."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING

from caretally.rules import determine
from tests.calculator.answer import answer_of
from tests.calculator.calculator import calculate
from tests.calculator.patient_months import generate

if TYPE_CHECKING:
    from collections.abc import Iterable

CHUNK = 500
SHOWN = 5
"""So many disagreements are worded; all are counted."""


@dataclass
class Tally:
    """What a range of seeds came to."""

    months: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """Answers by status, reason, exclusion and code: how often each was hit."""
    disagreements: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.months += other.months
        self.answers += other.answers
        self.disagreements += other.disagreements
        self.shown = (self.shown + other.shown)[:SHOWN]


def compare(seeds: Iterable[int]) -> Tally:
    """Decide and calculate the patient-month of each seed, and count where they differ."""
    tally = Tally()
    for seed in seeds:
        tally.months += 1
        for difference in differences(seed, tally.answers):
            tally.disagreements += 1
            tally.shown = [*tally.shown, f"seed {seed}, {difference}"][:SHOWN]
    return tally


def differences(seed: int, hits: Counter[str] | None = None) -> list[str]:
    """Say in what the two differ over one patient-month."""
    month, context = generate(seed)
    engine = {d.billing_practitioner: d for d in determine(month, context)}
    calculated = calculate(month, context)
    found: list[str] = []
    if set(engine) != set(calculated):
        found.append(f"practitioners: engine {sorted(map(str, engine))}, calculator {sorted(map(str, calculated))}")
    for who in engine.keys() & calculated.keys():
        ours, theirs = answer_of(engine[who]), calculated[who]
        if who is None:
            # Minutes that are nobody's are no question of billing: nothing is billed and no second is lost.
            if ours.lines or engine[who].logged_seconds != theirs.lost:
                found.append(f"nobody's minutes: engine {engine[who].logged_seconds} s, calculator {theirs.lost} s")
            continue
        if hits is not None:
            hits.update([ours.status, *ours.reasons, *ours.excluded, *{line[0] for line in ours.lines}])
        if ours != theirs:
            found.append(f"{who}:\n  engine     {ours}\n  calculator {theirs}")
    return found


def compare_on_all_cores(first: int, count: int) -> Tally:
    """Compare `count` seeds from `first` on, in chunks over the processors of this machine."""
    chunks = [range(a, min(a + CHUNK, first + count)) for a in range(first, first + count, CHUNK)]
    total = Tally()
    # A fresh process for each worker: a fork of a test run would inherit its threads.
    with ProcessPoolExecutor(max_workers=os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for tally in pool.map(compare, chunks):
            total.add(tally)
    return total
