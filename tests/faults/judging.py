"""What holds for every fault, and what each one promises."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from tests.faults.fault import Ended, Fault, Incomplete, Survived
from tests.faults.trial import Trial, decided

MEBIBYTE_KILOBYTES = 1024


def check(
    fault: Fault, trial: Trial, clean: Mapping[str, bytes], kilobytes: int, untouched: str = "Patient/g11-pat"
) -> None:
    """Look at one fault.

    Args:
        fault: what was tried.
        trial: what came of it.
        clean: the results of a run without faults.
        kilobytes: most memory of such a run.
        untouched: the patient whom the fault does not concern.
    """
    told = trial.ended.out + trial.ended.err
    assert trial.spoilt > 0, "the fault never happened"
    assert (trial.elsewhere, trial.tokens_elsewhere) == (0, 0)
    assert trial.too_early == 0
    assert (trial.ended.peak_kilobytes - kilobytes) / MEBIBYTE_KILOBYTES < fault.most_mebibytes
    assert "Traceback" not in told
    if fault.most_pages is not None:
        assert trial.pages <= fault.most_pages
    outcome = fault.outcome
    if isinstance(outcome, Survived):
        assert trial.ended.code == 0, told
        assert trial.results == clean
        return
    rows = decided(trial.results)
    if isinstance(outcome, Incomplete):
        assert trial.ended.code == 5, told
        assert trial.error[0] == "IncompletePullError"
        assert all(outcome.words in reason for reason in trial.reasons), trial.reasons
        assert trial.reasons
        assert rows == {untouched: decided(clean)[untouched]}
    else:
        assert isinstance(outcome, Ended)
        assert (trial.ended.code, trial.error[0]) == (outcome.code, outcome.kind), told
        assert outcome.words in trial.error[1]
        assert rows == {}
    if trial.healed is not None:
        assert trial.healed_code == 0
        assert settled(trial.healed) == settled(clean)


def settled(found: Mapping[str, bytes]) -> dict[str, list[bytes]]:
    """Results of two runs as if they were of one: each line to the byte, but for what was still to be done.

    Patients of whom something was missing are written later than the others, whose `action` then says none.
    """
    lines = {name: sorted(held.splitlines()) for name, held in found.items()}
    answers = lines.get("determinations.ndjson", [])
    lines["determinations.ndjson"] = [re.sub(rb',"action":"[a-z-]+"', b"", line) for line in answers]
    return lines


def keep_figures(against: str, found: Mapping[str, tuple[Trial, int]]) -> None:
    """Leave the figures of trials; the kilobytes are those of a run without faults."""
    rows = {
        name: {
            "requests": trial.requests,
            "spoilt": trial.spoilt,
            "too_early": trial.too_early,
            "elsewhere": trial.elsewhere + trial.tokens_elsewhere,
            "more_mebibytes": max(0, trial.ended.peak_kilobytes - kilobytes) // MEBIBYTE_KILOBYTES,
        }
        for name, (trial, kilobytes) in found.items()
    }
    keep(against, rows)


def keep(name: str, figures: Mapping[str, object]) -> None:
    """Leave figures of a run for docs/reference/faults.md, where scripts/make_faults.py asks for them."""
    target = os.environ.get("CARETALLY_FAULT_FIGURES")
    if target is not None:
        Path(f"{target}.{name}.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
